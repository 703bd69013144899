package identity

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trojmezi/internal/kernel/problem"
)

func setUp(code, login string) First {
	return First{Code: code, Organisation: Organisation{Name: "Záchranná služba", Country: "CZ", Addresses: []string{"1.2.3"}},
		Administrator: NewPerson{Login: login, Name: "Jana Šéfová", Password: right}, Address: "192.0.2.1"}
}

func TestFirstCodeMakesOneAdministrator(t *testing.T) {
	w := empty(t)
	ctx := t.Context()
	old, err := w.FirstCode(ctx)
	w.must(err)
	code, err := w.FirstCode(ctx)
	w.must(err)
	if empty, err := w.Empty(ctx); err != nil || !empty {
		t.Fatalf("empty %v, %v before anybody is there", empty, err)
	}
	for _, bad := range []string{"", old, "AAAA-AAAA-AAAA-AAAA"} {
		_, err := w.SetUp(ctx, setUp(bad, "chief"))
		w.refused(err, problem.Invalid, "identity.refused.first_code")
	}
	// As somebody copies it from paper.
	f := setUp(" "+code[:9]+" "+code[9:]+" ", "chief")
	f.Administrator.Password = "short"
	_, err = w.SetUp(ctx, f)
	w.refused(err, problem.Invalid, "identity.input.password_short")
	f.Administrator.Password = right
	f.Administrator.Roles = []string{"dispatcher"}
	in, err := w.SetUp(ctx, f)
	w.must(err)
	me := w.who(in.Token)
	if me == nil || me.Place != "Záchranná služba" || !cmp.Equal(me.Roles, []string{administrator}) {
		t.Fatalf("the first administrator is %+v", me)
	}
	if o, err := w.Organisation(ctx, me.Organisation); err != nil || !o.Operator {
		t.Fatalf("his organisation is %+v, %v", o, err)
	}
	_, err = w.SetUp(ctx, setUp(code, "second"))
	w.refused(err, problem.Conflict, "identity.refused.set_up")
	if again, err := w.FirstCode(ctx); err != nil || again != "" {
		t.Fatalf("a node with people gives the code %q, %v", again, err)
	}
	for _, action := range []string{"identity.setup", "identity.organisation.create", "identity.person.create", "identity.session.start"} {
		if n := w.leaves(action); n != 1 {
			t.Errorf("%d leaves of %s", n, action)
		}
	}
}

func TestFirstCodeTakesOneOfTwoAtOnce(t *testing.T) {
	w := empty(t)
	code, err := w.FirstCode(t.Context())
	w.must(err)
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() { _, errs[i] = w.SetUp(t.Context(), setUp(code, "chief"+string(rune('a'+i)))) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			w.refused(err, problem.Conflict, "identity.refused.set_up")
		}
	}
	all, err := w.ListPeople(t.Context(), Filter{})
	w.must(err)
	organisations, err := w.Organisations(t.Context())
	w.must(err)
	if won != 1 || len(all) != 1 || len(organisations) != 1 {
		t.Fatalf("%d won, there are %d people and %d organisations", won, len(all), len(organisations))
	}
}

func TestFirstCodeIsNotGuessed(t *testing.T) {
	w := empty(t)
	code, err := w.FirstCode(t.Context())
	w.must(err)
	for range 5 {
		_, err := w.SetUp(t.Context(), setUp("AAAA-AAAA-AAAA-AAAA", "chief"))
		w.refused(err, problem.Invalid, "identity.refused.first_code")
	}
	_, err = w.SetUp(t.Context(), setUp(code, "chief"))
	w.refused(err, problem.TooMany, "identity.refused.wait")
	w.clock.Advance(10 * time.Second)
	_, err = w.SetUp(t.Context(), setUp(code, "chief"))
	w.must(err)
}
