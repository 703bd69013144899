package subscription

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/alert/river"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web/sign"
)

const (
	hejnice = "CZ-564044"
	visnova = "CZ-564494"
	hradek  = "CZ-564095"
	zittau  = "DE-14626610"
	ostritz = "DE-14626420"
	goerltz = "DE-14626110"
)

// TestConcerned: the water of a gauge comes to its municipality and to those below, on its
// river and on the one it flows into; to nobody above, and to nobody elsewhere.
func TestConcerned(t *testing.T) {
	for _, c := range []struct {
		gauge       string
		at          []string
		below, none []string
	}{
		{"cz-frydlant", []string{frydlant}, []string{visnova, goerltz}, []string{hejnice, hradek, zittau, ostritz, liberec}},
		{"cz-liberec", []string{liberec}, []string{hradek, zittau, ostritz, goerltz}, []string{frydlant, visnova}},
		{"cz-chrastava", nil, []string{hradek, zittau, goerltz}, []string{liberec, frydlant}}, // on a river without a line
		{"de-goerlitz", []string{goerltz}, nil, []string{ostritz, zittau, frydlant}},
		{"pl-reczyn", nil, []string{goerltz}, []string{frydlant, visnova, ostritz}}, // named after no municipality
		{"somebody/else", nil, nil, []string{goerltz, frydlant}},
	} {
		at, below := concerned(region.places, c.gauge)
		for _, id := range c.at {
			if !slices.Contains(at, id) {
				t.Errorf("%s does not stand at %s: %v", c.gauge, id, at)
			}
		}
		for _, id := range c.below {
			if !slices.Contains(below, id) {
				t.Errorf("%s is not below %s: %v", id, c.gauge, below)
			}
		}
		for _, id := range c.none {
			if slices.Contains(at, id) || slices.Contains(below, id) {
				t.Errorf("%s is told of %s: %v %v", id, c.gauge, at, below)
			}
		}
	}
}

// alarm takes an alarm of a river, as package river hands it on.
func (r *rig) alarm(a river.Alarm) {
	r.t.Helper()
	if a.Kind == "" {
		a.Kind = store.Live
	}
	r.clk.Advance(time.Minute)
	a.ID, a.Where, a.River, a.Unit, a.At, a.Told = fmt.Sprint(r.clk.Now().UnixNano()), "Frýdlant", "Smědá / Wittig / Witka", river.CM, r.clk.Now().Add(-time.Minute), r.clk.Now()
	r.ok(r.db.Write(r.t.Context(), func(tx *store.Tx) error { return Measured(tx, region.places, a) }))
}

// TestRiverAlarms: who wants them is told of each crossing once and of its end, with what
// was measured and that it is no stage; quiet hours hold back all but the high ones.
func TestRiverAlarms(t *testing.T) {
	r := newRig(t)
	r.want(Subscription{Want: Want{Municipalities: []string{frydlant}}, Rivers: true, QuietFrom: 22 * 60, QuietTo: 6 * 60}, "at@x.cz")
	r.want(Subscription{Want: Want{Municipalities: []string{goerltz}, Level: 2}, Rivers: true, Lang: i18n.De}, "below@x.de")
	r.want(Subscription{Want: Want{Municipalities: []string{hejnice}}, Rivers: true}, "above@x.cz")
	r.want(Subscription{Want: Want{Municipalities: []string{frydlant}}}, "without@x.cz")
	r.want(Subscription{Want: Want{Municipalities: []string{frydlant}, Hazards: 1 << 3}, Rivers: true}, "wind@x.cz")
	r.take()
	first := river.Alarm{Gauge: "cz-frydlant", Cause: river.Up, Name: "1. SPA", Level: sign.L1, From: 180, Value: 195.4}
	second := river.Alarm{Gauge: "cz-frydlant", Cause: river.Up, Name: "2. SPA", Level: sign.L2, From: 220, Value: 231}
	r.alarm(first)
	got := r.told("at@x.cz Frýdlant (Smědá / Wittig / Witka): 195,4 cm, nad 1. SPA") // 18:06 at Frýdlant; below from orange on
	body := strings.ReplaceAll(got[0].Body, "\u00a0", " ")
	for _, want := range []string{"Naměřená hodnota, ne výstraha.", "1. SPA tam začíná na 180 cm.", "Vodočet stojí ve vašem místě.", "Hodnoty: ČHMÚ."} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing in %q", want, body)
		}
	}
	if got[0].Source != "ČHMÚ" || got[0].Kind != store.Live {
		t.Errorf("%+v", got[0])
	}
	r.told() // once
	drill := second
	drill.Kind = store.Exercise
	r.alarm(drill)
	late := second
	late.Cause = river.Past
	r.alarm(late)
	r.told()
	r.alarm(second)
	got = r.told("at@x.cz Frýdlant (Smědá / Wittig / Witka): 231 cm, nad 2. SPA", "below@x.de Frýdlant (Smědá / Wittig / Witka): 231 cm, über 2. SPA")
	if !strings.Contains(got[1].Body, "stromauf von Ihrem Ort") {
		t.Error(got[1].Body)
	}

	r.clk.Advance(6 * time.Hour) // after midnight
	second.Cause, second.Value = river.Down, 210
	r.alarm(second)
	r.told("below@x.de Frýdlant (Smědá / Wittig / Witka): 210 cm, wieder unter 2. SPA")
	again := first // goes up and down in the night: nothing to wake up to
	again.Name, again.Level = "jiná mez", sign.L1
	r.alarm(again)
	again.Cause = river.Down
	r.alarm(again)
	r.told()
	r.alarm(river.Alarm{Gauge: "cz-frydlant", Cause: river.Fast, Rise: 112, Within: time.Hour, Value: 330})
	r.told("at@x.cz Frýdlant (Smědá / Wittig / Witka) rychle stoupá: 112 cm za 60 min, nyní 330 cm", "below@x.de Frýdlant (Smědá / Wittig / Witka) steigt schnell: 112 cm in 60 min, jetzt 330 cm")
	r.clk.Advance(6 * time.Hour)
	r.ok(r.Digest(t.Context()))
	all := r.take()
	if len(all) != 1 || !strings.Contains(strings.ReplaceAll(all[0].Body, "\u00a0", " "), "210 cm, zpět pod 2. SPA") || strings.Contains(all[0].Body, "jiná mez") {
		t.Errorf("%+v", all)
	}
}

// TestOneRefused: what a channel refuses for one person holds up nobody else, and a browser
// whose push service is not permitted is refused when it asks.
func TestOneRefused(t *testing.T) {
	r := newRig(t)
	refuse := ""
	r.fail = func(all []Dispatch) error {
		for _, d := range all {
			if refuse != "" && strings.Contains(d.Target, refuse) {
				return problem.New("channel.Queue", problem.Invalid, "channel.refuse.target.push", nil)
			}
		}
		return nil
	}
	const other = `{"endpoint":"https://push.example/%s","expirationTime":null,"keys":{"p256dh":"k","auth":"a"}}`
	ask := func(name string, places ...string) (string, error) {
		token, err := r.Ask(t.Context(), Subscription{Channel: WebPush, Lang: i18n.En, Want: Want{Municipalities: places}}, fmt.Sprintf(other, name))
		if err == nil {
			r.reach(token)
		}
		return token, err
	}
	refuse = "evil"
	if _, err := ask("evil", frydlant); err == nil || !strings.Contains(err.Error(), "subscription.fault.push") {
		t.Error(err)
	}
	refuse = ""
	for _, name := range []string{"a", "b", "c"} {
		_, err := ask(name, frydlant)
		r.ok(err)
	}
	token, err := ask("a", frydlant) // again: instead of the first
	r.ok(err)
	r.take()
	refuse = "push.example/b"
	r.warn(wind("orange", "5102"))
	if all := r.run(); len(all) != 2 || strings.Contains(all[0].Target+all[1].Target, "/b") {
		t.Errorf("%+v", all)
	}
	if all := r.run(); len(all) != 0 {
		t.Errorf("told twice: %+v", all)
	}
	refuse = ""
	for n := 1; n < mostEach; n++ {
		_, err := ask("a", region.places.Places()[n+100].ID)
		r.ok(err)
	}
	if _, err := ask("a", liberec); problem.KindOf(err) != problem.Conflict {
		t.Errorf("an eleventh: %v", err)
	}
	own, err := r.OfBrowser(t.Context(), fmt.Sprintf(other, "a"))
	r.ok(err)
	if len(own) != mostEach || own[0].Token != token {
		t.Errorf("%d subscriptions, the first with %s, want %s", len(own), own[0].Token, token)
	}
}

// reach has the push service take the first message.
func (r *rig) reach(token string) {
	r.t.Helper()
	id, err := r.idOf(token)
	r.ok(err)
	r.ok(r.db.Write(r.t.Context(), func(tx *store.Tx) error { return r.Reached(tx, "subscription/"+id) }))
}

// TestMadeUpBrowser: an address at a push service counts once a message has arrived there;
// until then its page cannot make it count, nobody is told, and it is deleted. Keys that
// were made up are no other browser, and end nothing of the one whose address it is.
func TestMadeUpBrowser(t *testing.T) {
	r := newRig(t)
	const form = `{"endpoint":"https://push.example/%s","keys":{"p256dh":"%s","auth":"a"}}`
	ask := func(name, key string) (string, error) {
		return r.Ask(t.Context(), Subscription{Channel: WebPush, Lang: i18n.En, Want: Want{Municipalities: []string{frydlant}}}, fmt.Sprintf(form, name, key))
	}
	made, err := ask("nobody", "k")
	r.ok(err)
	if first := r.take(); len(first) != 1 || first[0].Revision != First {
		t.Fatalf("%+v", first)
	}
	if err := r.Confirm(t.Context(), made); problem.KindOf(err) != problem.Conflict {
		t.Errorf("a link confirms a browser: %v", err)
	}
	r.warn(wind("orange", "5102"))
	if all := r.run(); len(all) != 0 {
		t.Errorf("told without being there: %+v", all)
	}
	real, err := ask("real", "k")
	r.ok(err)
	r.reach(real)
	r.reach(real) // a message that is sent again
	r.take()
	var most error
	for n := range mostEach {
		if _, err := ask("real", fmt.Sprint("made up ", n)); err != nil {
			most = err
		}
	}
	if problem.KindOf(most) != problem.Conflict {
		t.Errorf("keys that were made up evade the limit: %v", most)
	}
	r.take()
	r.warn(wind("red", "5102"))
	if all := r.run(); len(all) != 1 || all[0].Target != fmt.Sprintf(form, "real", "k") {
		t.Errorf("%+v", all)
	}
	if own, err := r.OfBrowser(t.Context(), fmt.Sprintf(form, "real", "made up 1")); err != nil || len(own) != 1 {
		t.Errorf("who has the address alone sees %d subscriptions, %v", len(own), err)
	}
	// The same browser for another place counts at once.
	other, err := r.Ask(t.Context(), Subscription{Channel: WebPush, Lang: i18n.En, Want: Want{Municipalities: []string{liberec}}}, fmt.Sprintf(form, "fresh", "k"))
	r.ok(err)
	r.reach(other)
	second, err := ask("fresh", "k")
	r.ok(err)
	if x, err := r.Get(t.Context(), second); err != nil || x.Confirmed.IsZero() {
		t.Errorf("%+v, %v", x, err)
	}
	r.clk.Advance(confirmIn + time.Hour)
	r.ok(r.Tidy(t.Context()))
	if _, err := r.Get(t.Context(), made); problem.KindOf(err) != problem.NotFound {
		t.Errorf("it is kept: %v", err)
	}
}

// TestOlderRows: a browser that was entered when its whole text was hashed is found, told and
// let go like any other.
func TestOlderRows(t *testing.T) {
	r := newRig(t)
	const target = `{"endpoint":"https://push.example/Old","keys":{"p256dh":"k","auth":"a"}}`
	x := Subscription{ID: "old", Channel: WebPush, Lang: i18n.En, Want: Want{Municipalities: []string{frydlant}}, At: r.clk.Now(), Confirmed: r.clk.Now(), Until: r.clk.Now().Add(lasts)}
	x.sealed = r.seal(x.ID, target)
	r.ok(r.db.Write(t.Context(), func(tx *store.Tx) error { return x.insert(tx, r.hashText(strings.ToLower(target))) }))
	if own, err := r.OfBrowser(t.Context(), target); err != nil || len(own) != 1 {
		t.Errorf("%d, %v", len(own), err)
	}
	r.ok(r.db.Write(t.Context(), func(tx *store.Tx) error { return r.Gone(tx, target) }))
	if own, err := r.OfBrowser(t.Context(), target); err != nil || len(own) != 0 {
		t.Errorf("%d, %v", len(own), err)
	}
}
