package unit

import (
	"bytes"
	"context"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

// cut is what stands in a page around a text.
func cut(page, text string) string {
	n := strings.Index(page, text)
	if n < 0 {
		return ""
	}
	return page[max(0, n-300):min(len(page), n+700)]
}

// The list: empty, filled in by a form and by a file, narrowed, as a file again; a
// status with one press, and who comes second is told.
func TestPagesOfOwnUnits(t *testing.T) {
	r := newRig(t)
	v := r.pages()
	if status, page := v.get("petr", "/units"); status != http.StatusOK || !strings.Contains(page, "No units yet") {
		t.Fatalf("the empty list: %d", status)
	}
	form := url.Values{"call_sign": {"L-1"}, "type": {"F-PUMP"}, "status": {"free"}, "kind": {"live"}, "home": {"50.7663 15.0543"}, "ready": {"2"}, "skills": {"pump"}}
	status, _, to := v.post("petr", "/units", form)
	if status != http.StatusSeeOther {
		t.Fatalf("adding: %d", status)
	}
	if status, page, _ := v.post("petr", "/units", form); status != http.StatusUnprocessableEntity || !strings.Contains(page, "has this call sign already") {
		t.Errorf("the same call sign: %d", status)
	}
	wrong := url.Values{"call_sign": {""}, "type": {"X"}, "kind": {"live"}, "home": {"somewhere"}, "ready": {"soon"}}
	if status, page, _ := v.post("petr", "/units", wrong); status != http.StatusUnprocessableEntity || !strings.Contains(page, "no coordinates") {
		t.Errorf("nonsense: %d", status)
	}
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	f, err := m.CreateFormFile("file", "units.csv")
	r.ok(err)
	f.Write([]byte("call_sign;type;status\nL-2;M-AMBULANCE;at_scene\n"))
	r.ok(m.Close())
	if status, page, _ := v.do("tom", http.MethodPost, "/units/import", m.FormDataContentType(), body.String()); status != http.StatusOK || !strings.Contains(page, "Hinzugefügt: 1") {
		t.Errorf("a file: %d", status)
	}
	if _, page := v.get("petr", "/units?type=F-PUMP"); !strings.Contains(page, ">L-1<") || strings.Contains(page, ">L-2<") {
		t.Error("the list is not narrowed by type")
	}
	if _, page := v.get("petr", "/units?q=none"); !strings.Contains(page, "Nothing found") {
		t.Error("no word that nothing was found")
	}
	if _, file := v.get("petr", "/units.csv?status=at_scene"); !strings.Contains(file, "L-2,M-AMBULANCE") || strings.Contains(file, "L-1") {
		t.Errorf("the file: %s", file)
	}
	_, page := v.get("jana", to)
	if !strings.Contains(cut(page, `id="status-on_the_way"`), `data-key="3"`) || strings.Contains(page, `id="status-free" disabled`) {
		t.Error("the status has no key")
	}
	set := func(who, status string) (int, string) {
		code, body, _ := v.post(who, to+"/status", url.Values{"status": {status}, "version": {"1"}})
		return code, body
	}
	if code, _ := set("jana", "on_the_way"); code != http.StatusSeeOther {
		t.Errorf("a status: %d", code)
	}
	if code, body := set("petr", "not_ready"); code != http.StatusConflict || !strings.Contains(body, "L-1: Jana Nováková has set the status “on the way”") {
		t.Errorf("who comes second: %d %s", code, cut(body, "L-1:"))
	}
	if _, page := v.get("petr", to); !strings.Contains(page, "free → on the way") {
		t.Errorf("the history: %s", cut(page, "History"))
	}
	// What somebody may not do is not offered and not done; others' units are not there.
	if _, page := v.get("audit", to); strings.Contains(page, `id="status-free"`) || strings.Contains(page, "/edit") {
		t.Error("an auditor is offered to change a unit")
	}
	for who, want := range map[string]int{"audit": http.StatusForbidden, "tom": http.StatusForbidden, "max": http.StatusForbidden} {
		if code, _ := set(who, "free"); code != want {
			t.Errorf("%s sets a status: %d, want %d", who, code, want)
		}
	}
	if status, _ := v.get("max", to); status != http.StatusForbidden {
		t.Errorf("somebody of another room sees the unit: %d", status)
	}
	if status, _, _ := v.post("jana", "/units/publish/"+zittau, url.Values{}); status != http.StatusForbidden {
		t.Errorf("a dispatcher changes what neighbours see: %d", status)
	}
}

// Visibility in the browser: nothing by default, a preview that is not saved, the
// saved rules as the neighbour then sees them, and two people at once.
func TestPagesOfVisibility(t *testing.T) {
	r := newRig(t)
	v := r.pages()
	one := r.add(engine("L-1"))
	two := engine("L-2")
	two.Type = "F-LADDER"
	r.add(two)
	test := engine("T-1")
	test.Kind = store.Test
	r.add(test)
	address := "/units/publish/" + zgorzelec
	if _, page := v.get("petr", address); !strings.Contains(page, "No rule shows anything") || strings.Contains(page, "T-1") {
		t.Error("the default is not nothing, or a test unit is offered to a live address")
	}
	form := url.Values{"version": {"0"}, "all-show": {"yes"}, "all-status": {"on"}, "all-position": {"coarse"}, "type-F-LADDER-show": {"no"}, "do": {"preview"}}
	_, page, _ := v.post("petr", address, form)
	sees := page[strings.Index(page, "Zgorzelec sees now"):]
	if !strings.Contains(page, "it is not saved") || !strings.Contains(sees, "L-1") || strings.Contains(sees, "L-2") || !strings.Contains(sees, "roughly") || strings.Contains(sees, "50.7663") {
		t.Errorf("the preview: %s", cut(page, "sees now"))
	}
	if n := r.count(`SELECT COUNT(*) FROM unit_visibility`); n != 0 {
		t.Error("the preview was saved")
	}
	form.Set("do", "save")
	if status, _, _ := v.post("petr", address, form); status != http.StatusSeeOther {
		t.Errorf("saving: %d", status)
	}
	if status, _, _ := v.post("petr", address, form); status != http.StatusConflict {
		t.Errorf("saving what another has changed: %d", status)
	}
	r.ok(r.Follow(t.Context(), Actor{"x", thirdRoom}, liberec))
	r.turn(4)
	seen, err := r.SeenBy(t.Context(), thirdRoom)
	r.ok(err)
	if len(seen) != 1 || seen[0].ID != one || seen[0].State != Free || seen[0].Spot == nil || seen[0].Spot.Error == 0 || seen[0].Ready != nil {
		t.Errorf("the neighbour sees %+v", seen)
	}
	// Settings with what is wrong in them.
	if status, page, _ := v.post("petr", "/units/publish/settings", url.Values{"factor": {"0,5"}, "stale": {"5"}, "every": {"30"}}); status != http.StatusUnprocessableEntity || !strings.Contains(page, "A number from 1 to 3") {
		t.Errorf("an impossible factor: %d", status)
	}
	if status, _, _ := v.post("petr", "/units/publish/settings", url.Values{"factor": {"1,5"}, "stale": {"5"}, "every": {"30"}}); status != http.StatusSeeOther {
		t.Errorf("settings: %d", status)
	}
	if set, err := r.Settings(t.Context()); err != nil || set.Factor != 1.5 {
		t.Errorf("%+v %v", set, err)
	}
	// They hold for every room of the node: those of another one than the operator's see them.
	v.of.Operator = func(context.Context) (access.Resource, error) { return web.Organisation(ownRoom), nil }
	if status, _, _ := v.post("max", "/units/publish/settings", url.Values{"factor": {"3"}, "stale": {"30"}, "every": {"600"}}); status != http.StatusForbidden && status != http.StatusNotFound {
		t.Errorf("another room's shift leader: %d", status)
	}
	if _, page := v.get("max", "/units/publish"); strings.Contains(page, "/publish/settings") || !strings.Contains(page, "1,5") {
		t.Error("another room's shift leader is offered what he may not do")
	}
	if status, _, _ := v.post("petr", "/units/publish/settings", url.Values{"factor": {"1,5"}, "stale": {"5"}, "every": {"30"}}); status != http.StatusSeeOther {
		t.Errorf("the operator's: %d", status)
	}
}

// The neighbours' page: empty with what to do, followed, and the units with their age.
func TestPagesOfNeighbours(t *testing.T) {
	r := newRig(t)
	v := r.pages()
	r.add(engine("=L-1"))
	all := Rule{Show: true, Status: true, Position: Exact, Ready: true}
	r.ok(r.SetVisibility(t.Context(), Actor{"jana", ownRoom}, zittau, Rules{All: &all}, 0))
	if _, page := v.get("max", "/units/neighbours"); !strings.Contains(page, "Kein Nachbar zeigt Einheiten") || !strings.Contains(page, `id="follow-`+liberec+`"`) {
		t.Error("the empty page does not say what to do")
	}
	if status, _, _ := v.post("max", "/units/neighbours/"+liberec+"/follow", nil); status != http.StatusSeeOther {
		t.Errorf("following: %d", status)
	}
	r.turn(4)
	_, page := v.get("max", "/units/neighbours")
	if !strings.Contains(page, "=L-1") || !strings.Contains(page, "Löschfahrzeug") || !strings.Contains(page, `data-lat="50.766300"`) || !strings.Contains(page, "frei") {
		t.Errorf("the neighbour's unit: %s", cut(page, "=L-1"))
	}
	if _, file := v.get("max", "/units/neighbours.csv"); !strings.Contains(file, "Liberec,'=L-1,F-PUMP,free,") {
		t.Errorf("the file: %s", file)
	}
	if status, _, _ := v.post("max", "/units/neighbours/1.2.3.4/follow", nil); status != http.StatusNotFound {
		t.Errorf("following nobody: %d", status)
	}
	if status, _, _ := v.post("max", "/units/neighbours/"+liberec+"/unfollow", nil); status != http.StatusSeeOther {
		t.Errorf("no longer following: %d", status)
	}
	if n := r.count(`SELECT COUNT(*) FROM unit_seen`); n != 0 {
		t.Error("what was shown is still there")
	}
}
