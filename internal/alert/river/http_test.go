package river

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/store"
)

func mustHave(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(page, text) {
			t.Errorf("the page lacks %q", text)
		}
	}
}

// Nothing known: nothing is shown as calm, and each page says why.
func TestPagesEmpty(t *testing.T) {
	r := newRig(t, start)
	v := r.pages()
	page := v.get("petr", "/rivers")
	mustHave(t, page, "Number of the station not known", "No value yet", "to Zittau 1: unknown", "Görlitz")
	if strings.Contains(page, "below all limits") {
		t.Error("nothing is known and a gauge is shown as calm")
	}
	page = v.get("petr", "/rivers/de-goerlitz")
	mustHave(t, page, "that is no all-clear", "August 2010", "reconstruction", "chart-fact")
	if n := strings.Count(page, `class="chart-fact"`); n != 6 {
		t.Errorf("%d points of 2010", n)
	}
	if status, _, _ := v.do("petr", http.MethodGet, "/rivers/nowhere", ""); status != http.StatusNotFound {
		t.Error(status)
	}
}

// The order is that of the river, and names are the reader's.
func TestPagesOrder(t *testing.T) {
	r := newRig(t, start)
	v := r.pages()
	for who, want := range map[string][]string{
		"jana":  {"Lužická Nisa", "Liberec", "Ústí: Jeřice", "Hrádek nad Nisou", "Státní hranice", "Žitava / Zittau 1", "Sieniawka", "Ústí: Smědá", "Zhořelec / Zgorzelec", "Klein Bademeusel"},
		"hans":  {"Lausitzer Neiße", "Reichenberg / Liberec", "Mündung: Jeřice", "Grottau / Hrádek nad Nisou", "Staatsgrenze", "Zittau 1", "Mündung: Wittig", "Klein Bademeusel"},
		"audit": {"Nysa Łużycka", "Ujście: Witka", "Zgorzelec"},
	} {
		page := v.get(who, "/rivers")
		page = page[strings.Index(page, "<h1"):]
		at := 0
		for _, text := range want {
			n := strings.Index(page[at:], text)
			if n < 0 {
				t.Fatalf("%s: %q is not where it belongs", who, text)
			}
			at += n
		}
	}
}

// A flood: measured, above a limit and proclaimed stand apart; a stage is proclaimed and
// ended by a form, with source.
func TestPagesFlood(t *testing.T) {
	r := newRig(t, start.Add(time.Hour))
	link(r, "saxony/660000", "de-goerlitz")
	r.take(store.Live, "saxony", goerlitz(every(300, 390, 470, 500, 510, 1600)...))
	v := r.pages()
	page := v.get("petr", "/rivers/de-goerlitz")
	mustHave(t, page, "above Alarmstufe 3", "rises fast", "none known", "jump, not confirmed", "This value alarms nobody", "Alarmstufe 4: 560\u00a0cm", "chart-threshold", "chart-wrong", "510\u00a0cm")
	mustHave(t, v.get("jana", "/rivers"), "nad limitem Alarmstufe 3", "rychle stoupá", "žádný není znám")
	form := url.Values{"stage": {"Alarmstufe 3"}, "authority": {"Landratsamt Görlitz"}, "at": {"2026-08-07T08:50"}, "source": {"fax"}, "area": {"Görlitz"}}
	if status, body, _ := v.post("jana", "/rivers/de-goerlitz/stage", url.Values{"stage": {"stan alarmowy"}, "at": {"2030-01-01T00:00"}}); status != http.StatusUnprocessableEntity || !strings.Contains(body, "Vyberte stupeň") || !strings.Contains(body, "ne v budoucnosti") {
		t.Errorf("nonsense: %d", status)
	}
	if status, _, _ := v.post("audit", "/rivers/de-goerlitz/stage", form); status != http.StatusForbidden {
		t.Errorf("the auditor proclaims: %d", status)
	}
	if status, body, to := v.post("jana", "/rivers/de-goerlitz/stage", form); status != http.StatusSeeOther || to != "/rivers/de-goerlitz" {
		t.Fatalf("a stage: %d %s", status, body)
	}
	mustHave(t, v.get("hans", "/rivers"), "DE Alarmstufe 3", "Görlitz: Landratsamt Görlitz")
	d, err := r.Detail(t.Context(), store.Live, "de-goerlitz", time.Hour)
	r.ok(err)
	id := d.Stages[0].ID
	mustHave(t, v.get("petr", "/rivers/de-goerlitz"), "Jana Nováková")
	if page := v.get("max", "/rivers/de-goerlitz"); strings.Contains(page, "Jana Nováková") {
		t.Error("another organisation sees who wrote it")
	} else {
		mustHave(t, page, "Landratsamt Görlitz", "Person einer anderen Organisation")
	}
	if status, body, _ := v.post("petr", "/rivers/de-goerlitz/stage/"+id+"/end", url.Values{"at": {"2026-08-07T08:00"}, "source": {"fax"}}); status != http.StatusUnprocessableEntity || !strings.Contains(body, "not before it was proclaimed") {
		t.Errorf("ended before it began: %d", status)
	}
	for i, want := range []int{http.StatusSeeOther, http.StatusConflict} {
		if status, _, _ := v.post("petr", "/rivers/de-goerlitz/stage/"+id+"/end", url.Values{"at": {"2026-08-07T09:00"}, "source": {"fax 2"}}); status != want {
			t.Errorf("the end, time %d: %d", i+1, status)
		}
	}
	// What is old is not shown as calm.
	r.clk.Advance(5 * time.Hour)
	mustHave(t, v.get("petr", "/rivers/de-goerlitz"), "Old value (", "fax 2")
}

func TestPagesFiles(t *testing.T) {
	r := newRig(t, start.Add(time.Hour))
	r.take(store.Live, "saxony", goerlitz(every(300, 1600, 301)...))
	v := r.pages()
	mustHave(t, v.get("petr", "/rivers/saxony:660000/values.csv"), "saxony/660000,live,2026-08-07T06:10:00Z,1600,cm,jump,,2026-08-07T07:00:00Z")
	mustHave(t, v.get("petr", "/rivers.csv"), "pl-zgorzelec,live,neisse,Zgorzelec,PL,imgw/151140060,,", "Alarmstufe 1=320 cm")
	mustHave(t, v.get("petr", "/rivers"), "/rivers/saxony:660000", "Gauges of the services")
}

// What a person has to say: numbers, travel times, a moved zero, rules; each with source,
// and only by who may.
func TestPagesKeep(t *testing.T) {
	r := newRig(t, start.Add(3*time.Hour))
	v := r.pages()
	r.take(store.Live, "saxony", goerlitz(every(200, 201, 1201, 1202, 1203)...))
	mustHave(t, v.get("hans", "/rivers/keep?gauge=de-goerlitz"), "saxony/660000", `value="de-goerlitz" selected`)
	if status, _, _ := v.do("jana", http.MethodGet, "/rivers/keep", ""); status != http.StatusForbidden {
		t.Errorf("the dispatcher keeps tables: %d", status)
	}
	if status, body, _ := v.post("hans", "/rivers/keep/number", url.Values{"gauge": {"pl-zgorzelec"}, "station": {"imgw/1"}}); status != http.StatusUnprocessableEntity || !strings.Contains(body, "imgw/151140060") || !strings.Contains(body, "woher es ist") {
		t.Errorf("a wrong number: %d", status)
	}
	if status, body, _ := v.post("hans", "/rivers/keep/number", url.Values{"gauge": {"de-goerlitz"}, "station": {"saxony/660000"}, "source": {"LHWZ"}}); status != http.StatusSeeOther {
		t.Fatalf("a number: %d %s", status, body)
	}
	travel := url.Values{"upper": {"de-zittau-1"}, "lower": {"pl-sieniawka"}, "least": {"20"}, "most": {"40"}, "source": {"Plan 2024"}, "on": {"2024-05-01"}}
	if status, body, _ := v.post("hans", "/rivers/keep/travel", travel); status != http.StatusSeeOther {
		t.Fatalf("a travel time: %d %s", status, body)
	}
	mustHave(t, v.get("petr", "/rivers"), "to Sieniawka: 20\u00a0min – 40\u00a0min", "Plan 2024, 1\u00a0May\u00a02024")
	mustHave(t, v.get("hans", "/rivers/de-goerlitz"), "Jetzt den Betreiber", `value="2026-08-07T08:20"`, "LHWZ")
	if status, _, _ := v.post("hans", "/rivers/de-goerlitz/right", url.Values{"at": {"2026-08-07T08:20"}, "source": {"Betreiber"}, "moved": {"on"}}); status != http.StatusSeeOther {
		t.Errorf("a moved zero: %d", status)
	}
	mustHave(t, v.get("petr", "/rivers/de-goerlitz"), "203\u00a0cm", "the zero of the gauge was moved")
	if status, body, _ := v.post("hans", "/rivers/rules", url.Values{"jump": {"900"}, "stale": {"x"}}); status != http.StatusUnprocessableEntity || strings.Count(body, "Geben Sie eine Zahl") < 2 {
		t.Errorf("wrong rules: %d", status)
	}
	if status, _, _ := v.post("hans", "/rivers/rules", url.Values{"jump": {"120,5"}}); status != http.StatusSeeOther {
		t.Errorf("a rule: %d", status)
	}
	mustHave(t, v.get("hans", "/rivers/rules"), `value="120.5"`, "Voreinstellung: 150 cm")
	mustHave(t, v.get("audit", "/rivers/rules"), "120,5 cm", "stan ostrzegawczy")
	if status, _, _ := v.post("hans", "/rivers/keep/number", url.Values{"station": {"saxony/660000"}}); status != http.StatusSeeOther {
		t.Errorf("taking a number back: %d", status)
	}
	mustHave(t, v.get("petr", "/rivers/de-goerlitz"), "Number of the station not known")
}

func TestPagesExercise(t *testing.T) {
	r := newRig(t, start.Add(time.Hour))
	r.take(store.Exercise, "saxony", goerlitz(every(300, 330)...))
	v := r.pages()
	if page := v.get("petr", "/rivers"); strings.Contains(page, "330\u00a0cm") {
		t.Error("the exercise is among the live values")
	} else {
		mustHave(t, page, "Look at: exercise")
	}
	mustHave(t, v.get("petr", "/rivers?kind=exercise"), "330\u00a0cm", "/rivers/saxony:660000?kind=exercise")
	mustHave(t, v.get("petr", "/rivers/saxony:660000?kind=exercise"), "EXERCISE – no real danger")
}
