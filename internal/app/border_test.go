package app

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trojmezi/internal/alert/board"
	"trojmezi/internal/alert/notice"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/store"
	"trojmezi/test/freeport"
)

// shore is one of two linked nodes: its exchange, its console's feed and its jobs run.
type shore struct {
	*node
	t          testing.TB
	config     *Config
	org        identity.Organisation
	crew       []identity.Person
	live, test string // addresses
	stop       func()
}

// shores are two nodes that are each other's peers: a Czech town's and a Saxon
// district's.
func shores(t testing.TB) (a, b *shore) {
	t.Helper()
	all := []*shore{{t: t, live: "1.2.3.1", test: "1.2.3.99.1"}, {t: t, live: "1.2.4.1", test: "1.2.4.99.1"}}
	oids, ports := []string{"1.2.3.0", "1.2.4.0"}, []int{freeport.Port(), freeport.Port()}
	for i, s := range all {
		o := 1 - i
		inDatabase := databaseFor(t)
		s.config = newConfig(t, func(m map[string]any) {
			inDatabase(m)
			x := m["exchange"].(map[string]any)
			x["oid"], x["listen"] = oids[i], fmt.Sprintf("127.0.0.1:%d", ports[i])
			x["participants"] = []any{deskRecord(s.live), deskRecord(s.test)}
			x["accounts"] = []any{map[string]any{"username": "peer", "password": "peer-secret-1", "type": "p2p", "oids": []any{oids[o]}}}
			x["peers"] = []any{map[string]any{"id": "peer", "oid": oids[o], "base_url": fmt.Sprintf("http://127.0.0.1:%d/ucrm/p2p/v0", ports[o]), "username": "peer", "password": "peer-secret-1"}}
		})
		s.start()
		name, country, lang := "Město Frýdlant", "CZ", i18n.Cs
		if i == 1 {
			name, country, lang = "Landkreis Görlitz", "DE", i18n.De
		}
		var people []identity.NewPerson
		for _, role := range []string{"dispatcher", "shift_leader", "administrator"} {
			people = append(people, identity.NewPerson{Login: fmt.Sprint(role, i), Name: fmt.Sprint(role, " ", country), Lang: lang, Roles: []string{role}, Password: "a long password of " + role})
		}
		var err error
		if s.org, s.crew, err = s.people.Seed(t.Context(), identity.Organisation{Name: name, Country: country, Addresses: []string{s.live, s.test}}, people); err != nil {
			t.Fatal(err)
		}
		s.stop() // so that the console knows its addresses
		s.start()
		t.Cleanup(func() { s.stop() })
	}
	for _, s := range all {
		s.until("the neighbour's register", func(tx *store.Tx) (bool, error) {
			desks, err := s.lines("").Desks(tx)
			return len(desks) == 2, err
		})
	}
	return all[0], all[1]
}

// start opens the node on its folder and lets it run, again after a stop: nothing of the
// one before is left but what was committed.
func (s *shore) start() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	o, err := Open(ctx, s.config, quiet)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.node, err = build(ctx, s.config, o, texts(s.t), quiet, false); err != nil {
		s.t.Fatal(err)
	}
	if err := s.schedule(ctx); err != nil {
		s.t.Fatal(err)
	}
	var all sync.WaitGroup
	listening := make(chan struct{})
	run := func(f func(context.Context) error) {
		all.Go(func() {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				s.t.Error(err)
			}
		})
	}
	run(func(ctx context.Context) error {
		return s.exchange.Serve(ctx, func(int) { close(listening) })
	})
	<-listening
	for _, f := range []func(context.Context) error{s.exchange.Run, s.console.Run, s.jobs.Run} {
		run(f)
	}
	s.stop = sync.OnceFunc(func() {
		cancel()
		all.Wait()
		o.DB.Close()
	})
}

func (s *shore) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// until waits for what the database says.
func (s *shore) until(what string, done func(tx *store.Tx) (bool, error)) {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var is bool
		s.ok(s.DB.Read(context.Background(), func(tx *store.Tx) (err error) { is, err = done(tx); return err }))
		if is {
			return
		}
	}
	s.t.Fatalf("%s: waited for %s", s.org.Name, what)
}

// row waits until the board has a row that fits.
func (s *shore) row(what string, fits func(board.Row) bool) (found board.Row) {
	s.t.Helper()
	s.until(what, func(*store.Tx) (bool, error) {
		all, err := s.board.List(context.Background())
		i := slices.IndexFunc(all, fits)
		if i >= 0 {
			found = all[i]
		}
		return i >= 0, err
	})
	return found
}

// leaves counts the audit leaves of an action.
func (s *shore) leaves(action string) (n int) {
	s.t.Helper()
	s.ok(s.DB.Read(context.Background(), func(tx *store.Tx) error {
		return tx.Row(`SELECT COUNT(*) FROM audit_leaf WHERE action = $1`, action).Scan(&n)
	}))
	return n
}

// forge posts a block as the node of s would that is not ours.
func (s *shore) forge(mark, to string, kind store.Kind, block any) {
	s.t.Helper()
	raw, err := json.Marshal(block)
	s.ok(err)
	s.ok(s.DB.Write(context.Background(), func(tx *store.Tx) error {
		_, err := s.postLetter(tx, mark, notice.Letter{Organisation: s.org.ID, To: to, Kind: kind, Subject: "forged", Line: "forged", Block: raw, Until: s.Clock.Now().Add(time.Hour)})
		return err
	}))
}

// A notice of one node is acknowledged by a person at the other, and both boards say who,
// when and in what language; the same the other way round; through a restart and a cut
// line; an exercise reaches test desks alone; what nobody agreed to is a text for people.
func TestBoardAcrossTheBorder(t *testing.T) {
	t.Parallel()
	a, b := shores(t)
	ctx := context.Background()
	publish := func(s *shore, id string, kind store.Kind) {
		t.Helper()
		s.ok(s.DB.Write(ctx, func(tx *store.Tx) error {
			return s.board.Published(tx, &notice.Publication{Notice: id, Revision: 1, Kind: kind, Organisation: s.org.ID, Expires: s.Clock.Now().Add(6 * time.Hour),
				Titles: map[i18n.Lang]string{i18n.Cs: "Hráz praskla " + id, i18n.De: "Damm gebrochen " + id}})
		}))
	}
	// Only one side has agreed: at the other it is a text like others, and refused as more.
	a.ok(a.board.Share(ctx, a.crew[2].ID, a.org.ID, b.live, true))
	publish(a, "n0", store.Live)
	b.until("a refusal", func(*store.Tx) (bool, error) { return b.leaves("board.far_refused") == 1, nil })
	var texts int
	b.until("a text for people", func(tx *store.Tx) (bool, error) {
		err := tx.Row(`SELECT COUNT(*) FROM console_message WHERE incoming = 1`).Scan(&texts)
		return texts == 1, err
	})
	for _, s := range []*shore{a, b} {
		o := map[*shore]*shore{a: b, b: a}[s]
		for _, address := range []string{o.live, o.test} {
			s.ok(s.board.Share(ctx, s.crew[2].ID, s.org.ID, address, true))
		}
	}
	if err := a.board.Share(ctx, a.crew[2].ID, a.org.ID, "9.9.9", true); err == nil {
		t.Error("a desk nobody knows is a partner")
	}

	// The line is cut; the neighbour's node starts again; the item comes after all.
	b.stop()
	publish(a, "n1", store.Live)
	far := func(r board.Row) int {
		return slices.IndexFunc(r.Missing, func(o board.Office) bool { return o.Far })
	}
	a.row("an item that waits", func(r board.Row) bool {
		i := far(r)
		return r.Ref == "notice/n1/1" && i >= 0 && r.Missing[i].Reached.IsZero() && r.Missing[i].ID == b.live
	})
	b.start()
	got := b.row("the item", func(r board.Row) bool { return r.Ref == "far/"+a.live+"/notice/n1/1" })
	if got.Kind != store.Live || got.Title(i18n.De) != "Damm gebrochen n1" || got.OwnerName != a.org.Name || len(got.Missing) != 1 || got.Missing[0].ID != b.org.ID {
		t.Errorf("%+v", got)
	}
	a.row("that it is there", func(r board.Row) bool {
		i := far(r)
		return r.Ref == "notice/n1/1" && i >= 0 && !r.Missing[i].Reached.IsZero()
	})
	b.ok(b.board.Acknowledge(ctx, b.crew[1].ID, b.org.ID, i18n.De, got.Ref))
	b.ok(b.board.Acknowledge(ctx, b.crew[0].ID, b.org.ID, i18n.Cs, got.Ref)) // the first counts
	b.stop()                                                                 // between the acknowledgement and its letter
	b.start()
	r := a.row("the acknowledgement", func(r board.Row) bool { return r.Ref == "notice/n1/1" && len(r.Done) == 1 })
	if d := r.Done[0]; d.Name != b.org.Name || d.Country != "DE" || d.Person != b.crew[1].Name || d.Lang != i18n.De || d.At.IsZero() || len(r.Missing) != 0 {
		t.Errorf("%+v", r)
	}

	// The other way round, as an exercise: between test desks.
	publish(b, "n2", store.Exercise)
	got = a.row("the exercise", func(r board.Row) bool { return r.Ref == "far/"+b.test+"/notice/n2/1" })
	if got.Kind != store.Exercise {
		t.Error(got.Kind)
	}
	a.ok(a.board.Acknowledge(ctx, a.crew[0].ID, a.org.ID, i18n.Pl, got.Ref))
	b.row("its acknowledgement", func(r board.Row) bool {
		return r.Ref == "notice/n2/1" && len(r.Done) == 1 && r.Done[0].Person == a.crew[0].Name && r.Done[0].Lang == i18n.Pl
	})

	// What is forged, repeated or too much changes nothing and stands in the audit log.
	refused := a.leaves("board.far_refused")
	ack := map[string]any{"office": "x", "name": "Nobody", "country": "DE", "person": "N", "lang": "de", "at": 1}
	for i, f := range []struct {
		kind  store.Kind
		to    string
		block map[string]any
	}{
		{store.Live, a.live, map[string]any{"do": "ack", "ref": "notice/n0/9", "side": "asked", "kind": "live", "ack": ack}},                     // never asked
		{store.Live, a.live, map[string]any{"do": "ack", "ref": "notice/n9/1", "side": "asker", "kind": "live", "ack": ack}},                     // never told
		{store.Live, a.live, map[string]any{"do": "ask", "ref": "x", "kind": "exercise", "level": "l3", "titles": map[string]string{"de": "x"}}}, // a drill at a live desk
		{store.Test, a.test, map[string]any{"do": "ask", "ref": "x", "kind": "live", "level": "l3", "titles": map[string]string{"de": "x"}}},     // reality at a test desk
		{store.Live, a.live, map[string]any{"do": "ask", "ref": "x", "kind": "live", "level": "l3", "titles": map[string]string{"de": strings.Repeat("x", 200<<10)}}},
		{store.Live, a.live, map[string]any{"do": "own", "ref": "x", "kind": "live"}},
		{store.Live, a.live, map[string]any{"do": "close", "ref": "x", "kind": "live", "more": 1}},
	} {
		b.forge(board.Mark, f.to, f.kind, f.block)
		a.until(fmt.Sprint("refusal ", i), func(*store.Tx) (bool, error) { return a.leaves("board.far_refused") == refused+i+1, nil })
	}
	// An acknowledgement once more, with another name.
	b.forge(board.Mark, a.live, store.Live, map[string]any{"do": "ack", "ref": "notice/n1/1", "side": "asked", "kind": "live", "ack": map[string]any{"office": b.org.ID, "name": b.org.Name, "country": "DE", "person": "Somebody else", "lang": "cs", "at": 1}})
	b.forge(board.Mark, a.live, store.Live, map[string]any{"do": "own", "ref": "x", "kind": "live"}) // comes after it
	a.until("the last refusal", func(*store.Tx) (bool, error) { return a.leaves("board.far_refused") == refused+8, nil })
	r = a.row("the item", func(r board.Row) bool { return r.Ref == "notice/n1/1" })
	if len(r.Done) != 1 || r.Done[0].Person != b.crew[1].Name {
		t.Errorf("%+v", r.Done)
	}

	// Who has not acknowledged is told to whose notice it is, and an update closes the item.
	publish(a, "n3", store.Live)
	b.row("the third item", func(r board.Row) bool { return r.Ref == "far/"+a.live+"/notice/n3/1" })
	a.ok(a.DB.Write(ctx, func(tx *store.Tx) error {
		return a.board.Published(tx, &notice.Publication{Notice: "n3", Revision: 2, Kind: store.Live, Organisation: a.org.ID, Expires: a.Clock.Now().Add(time.Hour), Titles: map[i18n.Lang]string{i18n.Cs: "x"}})
	}))
	b.row("its end", func(r board.Row) bool { return r.Ref == "far/"+a.live+"/notice/n3/1" && !r.Gone.IsZero() })

	// Another organisation of the node acknowledges too. The name of its person crosses only
	// once it shares with the neighbour itself.
	other, others, err := a.people.Seed(ctx, identity.Organisation{Name: "Ambulance", Country: "CZ"}, []identity.NewPerson{{Login: "olga", Name: "Olga", Roles: []string{"shift_leader"}, Password: "a long password of olga"}})
	a.ok(err)
	for i, want := range []string{"", "Olga"} {
		id := fmt.Sprint("m", i)
		publish(a, id, store.Live)
		b.row("an item of two", func(r board.Row) bool { return r.Ref == "far/"+a.live+"/notice/"+id+"/1" })
		a.ok(a.board.Acknowledge(ctx, others[0].ID, other.ID, i18n.Cs, "notice/"+id+"/1"))
		r := b.row("its acknowledgement", func(r board.Row) bool { return r.Ref == "far/"+a.live+"/notice/"+id+"/1" && len(r.Done) == 1 })
		if d := r.Done[0]; d.Name != "Ambulance" || d.Person != want {
			t.Errorf("%+v, want the name %q", d, want)
		}
		a.ok(a.board.Share(ctx, others[0].ID, other.ID, b.live, true))
	}
}

// A deputy at another node approves: asked, agreed, on duty, read on the phone's page
// there, and published here as if he had answered here. Each step once, by who may, of
// exactly the text that was read.
func TestApprovalAcrossTheBorder(t *testing.T) {
	t.Parallel()
	a, b := shores(t)
	ctx := context.Background()
	as := func(s *shore, i int) notice.Actor { return notice.Actor{Person: s.crew[i].ID, Organisation: s.org.ID} }
	now := a.Clock.Now()
	for _, address := range []string{b.live, b.test} {
		a.ok(a.notices.Grant(ctx, as(a, 2), notice.Delegation{Deputy: "urn:oid:" + address, Role: "neighbour", Reason: "agreement of 2026", Since: now.Add(-time.Hour), Until: now.Add(100 * 24 * time.Hour)}))
	}
	if err := a.notices.Grant(ctx, as(a, 2), notice.Delegation{Deputy: "urn:oid:9.9.9", Role: "neighbour", Reason: "x", Since: now, Until: now.Add(time.Hour)}); err == nil {
		t.Error("a desk nobody knows is a deputy")
	}
	write := func(kind store.Kind) string {
		t.Helper()
		id, err := a.notices.Begin(ctx, as(a, 0), "", kind, notice.Alert, &notice.Content{Template: "N07", Lang: i18n.Cs, Areas: []string{"ORP-5102"},
			Values: map[string]string{"place": "CZ-564028", "at": now.Add(time.Hour).Format(time.RFC3339), "phone": "+420 482 000 000"}})
		a.ok(err)
		return id
	}
	show := func(id string) *notice.Shown {
		t.Helper()
		v, err := a.notices.Show(ctx, id, i18n.Cs)
		a.ok(err)
		return v
	}
	step := func(i int, id string, s notice.Step) error {
		return a.notices.Take(ctx, as(a, i), id, notice.Event{Step: s, Content: show(id).Last.Content, Reason: "proto"}, true)
	}
	request := func(id string) *notice.FarRequest {
		t.Helper()
		all := show(id).Requests
		if len(all) == 0 {
			t.Fatal("no request went to the other node")
		}
		return all[len(all)-1]
	}

	// Before anybody there agrees nobody is asked.
	early := write(store.Live)
	a.ok(step(0, early, notice.Propose))
	if n := len(show(early).Requests); n != 0 {
		t.Errorf("%d requests without an agreement", n)
	}
	a.ok(step(0, early, notice.Withdraw))
	var ids []string
	b.until("two delegations", func(tx *store.Tx) (bool, error) {
		rows, err := tx.Query(`SELECT id, other FROM notice_far_delegation ORDER BY other`)
		if err != nil {
			return false, err
		}
		defer rows.Close()
		ids = nil
		for rows.Next() {
			var id, other string
			if err := rows.Scan(&id, &other); err != nil {
				return false, err
			}
			ids = append(ids, id, other)
		}
		return len(ids) == 4, rows.Err()
	})
	if err := b.notices.Agree(ctx, notice.Actor{Person: b.crew[2].ID, Organisation: "another"}, ids[1], ids[0]); err == nil {
		t.Error("another organisation agrees")
	}
	b.ok(b.notices.Enter(ctx, as(b, 1), notice.Duty{Person: b.crew[1].ID, Phone: "+49 3581 000000", Since: now.Add(-time.Hour), Until: now.Add(5 * time.Hour)}))
	for i := 0; i < 4; i += 2 {
		b.ok(b.notices.Agree(ctx, as(b, 2), ids[i+1], ids[i]))
	}
	var roster notice.Roster
	a.until("who is on duty there", func(*store.Tx) (_ bool, err error) {
		roster, err = a.notices.Roster(ctx, a.org.ID, a.crew[0].ID, store.Live)
		return len(roster.Now) == 1, err
	})
	if x := roster.Now[0]; x.Name != b.crew[1].Name || x.Phone != "+49 3581 000000" || !x.Far || x.Stale || x.Heard.IsZero() {
		t.Errorf("%+v", x)
	}

	asked := func() string {
		t.Helper()
		var id string
		b.until("a request", func(*store.Tx) (bool, error) {
			all, err := b.notices.AskedFar(ctx, b.org.ID, i18n.De)
			if len(all) > 0 {
				id = all[0].ID
			}
			return len(all) == 1, err
		})
		return id
	}
	// Proposed while the line is cut; read, answered, and the node there killed before the
	// answer left.
	id := write(store.Live)
	b.stop()
	a.ok(step(0, id, notice.Propose))
	if q := request(id); !q.Reached.IsZero() || q.Kind != store.Live {
		t.Errorf("%+v", q)
	}
	b.start()
	far := asked()
	v, _, err := b.notices.ShowFar(ctx, b.org.ID, far)
	b.ok(err)
	own := show(id)
	for i := range own.Messages {
		if got, want := v.Messages[i].Page(), own.Messages[i].Page(); got != want {
			t.Errorf("read there: %q, here: %q", got, want)
		}
	}
	if len(v.Content.Rings) == 0 || len(v.Template.Drafts()) != 4 || v.Kind != store.Live {
		t.Errorf("%d rings, drafts %v, %s", len(v.Content.Rings), v.Template.Drafts(), v.Kind)
	}
	yes := notice.Event{Step: notice.Approve}
	for what, err := range map[string]error{
		"a dispatcher answers":               b.notices.AnswerFar(ctx, as(b, 0), far, yes, true),
		"another organisation answers":       b.notices.AnswerFar(ctx, notice.Actor{Person: b.crew[1].ID, Organisation: "another"}, far, yes, true),
		"nobody was told of unchecked texts": b.notices.AnswerFar(ctx, as(b, 1), far, yes, false),
		"a refusal has no reason":            b.notices.AnswerFar(ctx, as(b, 1), far, notice.Event{Step: notice.Refuse}, true),
	} {
		if err == nil {
			t.Error(what)
		}
	}
	// What is forged changes nothing: another text, a request nobody made, a drill as reality.
	q := request(id)
	refused := a.leaves("notice.far_refused")
	for i, f := range []map[string]any{
		{"do": "answer", "kind": "live", "request": q.ID, "digest": strings.Repeat("0", 64), "answer": "approve", "draft": true, "name": "N", "at": 1},
		{"do": "answer", "kind": "live", "request": "none", "digest": q.Digest, "answer": "approve", "draft": true, "name": "N", "at": 1},
		{"do": "answer", "kind": "exercise", "request": q.ID, "digest": q.Digest, "answer": "approve", "draft": true, "name": "N", "at": 1},
		{"do": "answer", "kind": "live", "request": q.ID, "digest": q.Digest, "answer": "override", "name": "N", "at": 1},
		{"do": "duty", "kind": "live", "delegation": "none", "duty": []any{map[string]any{"name": "N", "phone": "112", "since": 1, "until": 2}}},
		{"do": "answer", "kind": "live", "request": strings.Repeat("x", 300<<10)},
	} {
		b.forge(notice.Mark, a.live, store.Live, f)
		a.until(fmt.Sprint("refusal ", i), func(*store.Tx) (bool, error) { return a.leaves("notice.far_refused") == refused+i+1, nil })
	}
	a.forge(notice.Mark, b.live, store.Live, map[string]any{"do": "ask", "kind": "live", "request": "r", "delegation": "none", "ask": map[string]any{"purpose": "alert"}, "at": 1})
	b.until("a request without delegation refused", func(*store.Tx) (bool, error) { return b.leaves("notice.far_refused") == 1, nil })
	if show(id).Last.State != notice.Proposed {
		t.Fatal("a forged answer counts")
	}
	b.ok(b.notices.AnswerFar(ctx, as(b, 1), far, yes, true))
	if err := b.notices.AnswerFar(ctx, as(b, 2), far, yes, true); err == nil {
		t.Error("it is answered twice")
	}
	b.stop()
	a.stop()
	b.start()
	a.start()
	a.until("its publication", func(*store.Tx) (bool, error) { return len(show(id).Published) == 1, nil })
	own = show(id)
	if own.Last.State != notice.Published || own.Last.Override || !strings.Contains(own.Names[own.Last.Approver], b.crew[1].Name) {
		t.Errorf("%+v %v", own.Last, own.Names)
	}
	b.until("what became of it", func(*store.Tx) (bool, error) {
		_, q, err := b.notices.ShowFar(ctx, b.org.ID, far)
		return q.Why == string(notice.Approve), err
	})
	b.forge(notice.Mark, a.live, store.Live, map[string]any{"do": "answer", "kind": "live", "request": q.ID, "digest": q.Digest, "answer": "refuse", "reason": "x", "name": "N", "at": 1})
	a.until("the answer that came twice", func(*store.Tx) (bool, error) { return a.leaves("notice.far_refused") == refused+7, nil })
	if len(show(id).Published) != 1 {
		t.Error("published twice")
	}

	// Withdrawn while the answer is on its way: written down as late, and nothing goes out.
	id = write(store.Live)
	a.ok(step(0, id, notice.Propose))
	far = asked()
	a.exchangeDown(func() {
		b.ok(b.notices.AnswerFar(ctx, as(b, 1), far, yes, true))
	}, func() {
		a.ok(step(0, id, notice.Withdraw))
	})
	a.until("the late answer", func(*store.Tx) (bool, error) {
		q := request(id)
		return q.Late && q.Answer == string(notice.Approve), nil
	})
	if v := show(id); len(v.Published) != 0 || v.Last.State != notice.Draft || a.leaves("notice.far_late") != 1 {
		t.Errorf("%+v", v.Last)
	}

	// A refusal with its reason, of an exercise: between test desks.
	id = write(store.Exercise)
	a.ok(step(0, id, notice.Propose))
	if q := request(id); q.Other != b.test || len(show(id).Requests) != 1 {
		t.Errorf("an exercise is asked at %s", q.Other)
	}
	far = asked()
	b.ok(b.notices.AnswerFar(ctx, as(b, 1), far, notice.Event{Step: notice.Refuse, Reason: "der Ort ist falsch"}, true))
	a.until("the refusal", func(*store.Tx) (bool, error) { return show(id).Last.State == notice.Draft, nil })
	if q := request(id); q.Reason != "der Ort ist falsch" || q.Name != b.crew[1].Name || q.Answer != string(notice.Refuse) {
		t.Errorf("%+v", q)
	}

	// An end takes effect at both nodes.
	b.ok(b.notices.Decline(ctx, as(b, 2), ids[1], ids[0]))
	a.until("the end", func(*store.Tx) (bool, error) {
		r, err := a.notices.Roster(ctx, a.org.ID, "", store.Live)
		return len(r.Now) == 0 && len(r.Far) == 0, err
	})
	id = write(store.Live)
	a.ok(step(0, id, notice.Propose))
	if n := len(show(id).Requests); n != 0 {
		t.Errorf("%d requests after the end", n)
	}
}

// exchangeDown does something while the node stands still, then something on the node
// with its exchange not yet running, and lets it run again.
func (s *shore) exchangeDown(while, before func()) {
	s.t.Helper()
	s.stop()
	while()
	s.idle(before)
	s.start()
}

// idle opens the node without letting anything run.
func (s *shore) idle(do func()) {
	s.t.Helper()
	o, err := Open(context.Background(), s.config, quiet)
	s.ok(err)
	defer o.DB.Close()
	if s.node, err = build(context.Background(), s.config, o, texts(s.t), quiet, false); err != nil {
		s.t.Fatal(err)
	}
	do()
}
