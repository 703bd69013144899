package link

import (
	"regexp"
	"strings"
	"testing"

	"trojmezi/internal/exchange"
	"trojmezi/internal/kernel/store"
)

var keyCode = regexp.MustCompile(`<code class="key">([^<]*)</code>`)

// order is where messages stand in the queue of the site's desk.
func (s *site) order() (ids []string) {
	s.t.Helper()
	s.must(s.db.Read(s.t.Context(), func(tx *store.Tx) error {
		ids = nil
		rows, err := tx.Query(`SELECT message_id FROM exchange_message WHERE destination = $1 AND seq IS NOT NULL ORDER BY seq`, s.desk)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return rows.Err()
	}))
	return ids
}

func (s *site) recorded(action, link string) (n int) {
	s.t.Helper()
	s.must(s.db.Read(s.t.Context(), func(tx *store.Tx) error {
		return tx.Row(`SELECT COUNT(*) FROM audit_leaf WHERE action = $1 AND object = $2`, action, strings.TrimPrefix(link, "/links/")).Scan(&n)
	}))
	return n
}

// livePair are two connected nodes whose desks know each other.
func livePair(t testing.TB) (a, b *site, ab, ba string) {
	a, b, ab, ba = pair(t)
	a.live(ab)
	b.live(ba)
	until(t, "both know the other's desk", func() bool { return a.node.SameKind(a.desk, b.desk) && b.node.SameKind(b.desk, a.desk) })
	return a, b, ab, ba
}

// A neighbour's node moves: its new address is tried, proposed by one and taken by
// another person; what waited is there after it, in its order.
func TestMoveByPages(t *testing.T) {
	t.Parallel()
	a, b, ab, _ := livePair(t)
	b.stop()
	old := b.address
	b.cfg.Listen = "127.0.0.1:0"
	b.start()
	want := []string{a.send(b.desk), a.send(b.desk), a.send(b.desk)}
	a.get("tech", ab).want(200, "Change address or password")
	if p := a.get("tech", ab+"/change").want(200, "Check and propose"); !strings.Contains(p.body, `value="`+old+`"`) {
		t.Error("the present address is not in the form")
	}
	a.post("leader", ab+"/change", "url", b.address).want(403)
	a.post("tech", ab+"/change", "url", old).want(422, "Write another address or a new password")
	a.post("tech", ab+"/change", "url", "http://node.example/ucrm/p2p/v0").want(422, "only https")
	a.post("tech", ab+"/change", "url", "https://127.0.0.1:1/ucrm/p2p/v0").want(422, "nothing was changed", "Nothing listens at that address")
	a.post("leader", ab+"/change/confirm").want(409, "No proposal waits")
	a.post("tech", ab+"/change", "url", b.address+"/").want(303)
	a.post("tech2", ab+"/change", "url", b.address).want(409, "Jan Technik has proposed it already")
	a.get("tech", ab).want(200, "Another address proposed by Jan Technik", "The proposal is yours", old+" – "+b.address)
	a.get("leader", "/links").want(200, "waits for a second person")
	a.post("tech", ab+"/change/confirm").want(403, "Somebody else than the one who proposed")
	a.get("leader", ab+"/change/confirm").want(200, "Take over the change?", "at the new address", old, b.address)
	a.post("leader", ab+"/change/confirm").want(303)
	until(t, "what waited is there", func() bool { return len(b.order()) == len(want) })
	if got := b.order(); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("out of order: %v, want %v", got, want)
	}
	if got := a.state(ab); got != exchange.LinkLive {
		t.Error(got)
	}
	a.get("audit", ab).want(200, "Confirmed the change", "Proposed another address", b.address)
	if n := a.recorded("link.change", ab) + a.recorded("link.change.confirm", ab); n != 2 {
		t.Errorf("%d audit records", n)
	}
}

// Passwords are renewed on both sides of a live link: the one who gives it out shows
// it once and takes both until the new one was used; a wrong one is not taken.
func TestPasswordByPages(t *testing.T) {
	t.Parallel()
	a, b, ab, ba := livePair(t)
	shown := b.post("tech", ba+"/secret/renew").want(200, "shown only now")
	codes := keyCode.FindAllStringSubmatch(shown.body, -1)
	if len(codes) != 2 {
		t.Fatalf("%v", codes)
	}
	secret := codes[1][1]
	b.post("tech", ba+"/secret/renew").want(409)
	b.post("tech", ba+"/change/confirm").want(403)
	b.get("leader", ba+"/change/confirm").want(200, "can then sign in here with the new password")
	b.post("leader", ba+"/change/confirm").want(303)
	b.get("tech", ba).want(200, "Two passwords are valid", "Made a new password for the neighbour")
	one := a.send(b.desk)
	until(t, "the old one is good", func() bool { return b.has(one) })
	a.post("tech", ab+"/change", "url", b.address, "password", "mistyped").want(303)
	a.get("leader", ab+"/change/confirm").want(200, "with the new password")
	a.post("leader", ab+"/change/confirm").want(409, "The check failed, nothing was changed", "They refuse the sign-in")
	a.post("tech2", ab+"/change/recall").want(303)
	a.post("tech2", ab+"/change/recall").want(409)
	a.post("tech", ab+"/change", "url", b.address, "password", secret).want(303)
	a.post("leader", ab+"/change/confirm").want(303)
	until(t, "the new one ended the old", func() bool {
		return !strings.Contains(visible(b.get("tech", ba).body), "Two passwords are valid")
	})
	b.post("tech", ba+"/secret/end").want(409, "The old password has ended already")
	two, three := a.send(b.desk), b.send(a.desk)
	until(t, "both messages are there", func() bool { return b.has(two) && a.has(three) })
	for s, link := range map[*site]string{a: ab, b: ba} {
		for _, path := range []string{"", "/change", "/certificates"} {
			if p := s.get("tech", link+path).want(200); strings.Contains(p.body, secret) {
				t.Errorf("%s%s shows the password", link, path)
			}
		}
	}
	// A person ends the one that is still in use: the neighbour has to come with the new.
	b.post("tech2", ba+"/secret/renew").want(200)
	b.post("tech", ba+"/change/confirm").want(303)
	b.get("tech", ba+"/secret/end").want(200, "End the old password?", "Kraj A")
	b.post("leader", ba+"/secret/end").want(403)
	b.post("tech", ba+"/secret/end").want(303)
	b.get("tech", ba).want(200, "Ended the old password")
	for action, want := range map[string]int{"link.change": 2, "link.change.confirm": 2, "link.secret.end": 1, "exchange.secret.used": 1} {
		if n := b.recorded(action, ba); n != want {
			t.Errorf("%s: %d audit records, want %d", action, n, want)
		}
	}
}
