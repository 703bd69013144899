package area

import (
	"bytes"
	"encoding/csv"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

// site serves the pages to somebody who is signed in.
func site(t *testing.T, role string) func(lang i18n.Lang, path string, form url.Values) (int, string) {
	t.Helper()
	texts, err := i18n.Load(web.Locales, ui.Locales, Locales())
	if err != nil {
		t.Fatal(err)
	}
	rules, err := access.Load(map[string][]byte{"area/policy.cedar": Policy()})
	if err != nil {
		t.Fatal(err)
	}
	book, _ := node(t, tables(t))
	clk := clock.Fake(time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC))
	rt := web.NewRouter(web.Config{Bundle: texts, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Clock: clk, Policy: rules, Nav: Nav(),
		Authenticate: func(*http.Request) (*web.Person, error) {
			return &web.Person{ID: "p", Name: "Jana", Organisation: "o", Roles: []string{role}}, nil
		}})
	(&Pages{Book: book}).Register(rt)
	t.Cleanup(func() {
		if n := texts.Missing(); n > 0 {
			t.Errorf("%d texts are missing", n)
		}
	})
	return func(lang i18n.Lang, path string, form url.Values) (int, string) {
		method, body := http.MethodGet, ""
		if form != nil {
			method, body = http.MethodPost, form.Encode()
		}
		if strings.Contains(path, "?") {
			path += "&lang=" + string(lang)
		} else {
			path += "?lang=" + string(lang)
		}
		q := httptest.NewRequest(method, path, strings.NewReader(body))
		q.Header.Set("Sec-Fetch-Site", "same-origin")
		q.Header.Set("Accept", "text/html")
		if form != nil {
			q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		w := httptest.NewRecorder()
		rt.ServeHTTP(w, q)
		return w.Code, w.Body.String()
	}
}

// TestPages: a code is found by its name in any language, its page says which
// municipalities it holds, which rows it had, and what it is called elsewhere.
func TestPages(t *testing.T) {
	ask := site(t, "dispatcher")
	for _, lang := range i18n.Langs {
		for _, level := range []string{"", "orp", "powiat", "kreis", "land", "nuts2", "catchment", "municipality"} {
			if code, page := ask(lang, "/areas?level="+level, nil); code != http.StatusOK || !strings.Contains(page, "/areas/area/") && level != "municipality" {
				t.Fatalf("%s %s: %d", lang, level, code)
			}
		}
		code, page := ask(lang, "/areas?words=friedland", nil)
		if code != http.StatusOK || !strings.Contains(page, "CISORP 5102") || strings.Contains(page, "CISORP 5101") {
			t.Errorf("%s: %d", lang, code)
		}
		code, page = ask(lang, "/areas/area/CISORP:5102", nil)
		if code != http.StatusOK || !strings.Contains(page, "Friedland") || !strings.Contains(page, "Višňová") || !strings.Contains(page, "EMMA_ID CZ05102") || strings.Count(page, `r="4"`) < 10 {
			t.Errorf("%s: %d %.2000s", lang, code, page)
		}
		if code, _ := ask(lang, "/areas/area/CISORP:9999", nil); code != http.StatusNotFound {
			t.Errorf("%s: %d", lang, code)
		}
	}
}

// TestOwnRows: what the list gives as a file passes the tests again; a row in the wrong
// place or without a name is named.
func TestOwnRows(t *testing.T) {
	ask := site(t, "dispatcher")
	code, file := ask(i18n.En, "/areas.csv?level=orp&scheme=CISORP", nil)
	rows, err := csv.NewReader(bytes.NewReader([]byte(strings.TrimPrefix(file, "\ufeff")))).ReadAll()
	if code != http.StatusOK || err != nil || len(rows) < 11 {
		t.Fatal(code, err, len(rows))
	}
	if code, page := ask(i18n.En, "/areas/check", url.Values{"rows": {file}}); code != http.StatusOK || strings.Contains(page, "Contradictions") {
		t.Errorf("%d\n%.3000s", code, page[strings.Index(page, "Check own rows"):])
	}
	head := strings.Join(Columns[:len(Columns)-1], ",") + "\n"
	far := head + "CZ,orp,CISORP,5102,Frýdlant,Frýdlant,Friedland,,,,orp=Frýdlant,48.1,16.2,,,verified,,by hand\n"
	if code, page := ask(i18n.En, "/areas/check", url.Values{"rows": {far}}); code != http.StatusUnprocessableEntity || !strings.Contains(page, "Contradictions found: 1") || !strings.Contains(page, "Line 2, CISORP 5102") {
		t.Errorf("%d\n%.3000s", code, page[strings.Index(page, "Check own rows"):])
	}
	nameless := head + "CZ,orp,CISORP,5102,,,,,,,,,,,,verified,,by hand\n"
	if code, page := ask(i18n.De, "/areas/check", url.Values{"rows": {nameless}}); code != http.StatusUnprocessableEntity || !strings.Contains(page, "Zeile 2") {
		t.Errorf("%d", code)
	}
}

// TestKeep: who may write rows stores them with a reason and undoes them; others may not.
func TestKeep(t *testing.T) {
	ask := site(t, "shift_leader")
	form := url.Values{"rows": {header + uplands}}
	if code, page := ask(i18n.Cs, "/areas/own", form); code != http.StatusUnprocessableEntity || !strings.Contains(page, "Napište důvod") || !strings.Contains(page, "letter of the Kreis") {
		t.Errorf("without a reason: %d", code)
	}
	form.Set("reason", "written by the Kreis")
	if code, _ := ask(i18n.Cs, "/areas/own", form); code != http.StatusSeeOther {
		t.Fatalf("store: %d", code)
	}
	for _, lang := range i18n.Langs {
		if code, page := ask(lang, "/areas/own", nil); code != http.StatusOK || !strings.Contains(page, "Person p") || !strings.Contains(page, "written by the Kreis") {
			t.Errorf("%s: %d", lang, code)
		}
		if code, page := ask(lang, "/areas/area/WARNCELLID:914626002", nil); code != http.StatusOK || !strings.Contains(page, "/undo") || !strings.Contains(page, "letter of the Kreis") {
			t.Errorf("%s: %d", lang, code)
		}
	}
	if _, file := ask(i18n.En, "/areas.csv?words=914626002", nil); !strings.Contains(file, "letter of the Kreis") {
		t.Error(file)
	}
	if code, page := ask(i18n.Pl, "/areas/check", form); code != http.StatusOK || !strings.Contains(page, "stoi już tak w tabeli") {
		t.Errorf("again: %d", code)
	}
	const undo = "/areas/area/WARNCELLID:914626002/undo"
	if code, page := ask(i18n.De, undo, url.Values{"version": {"1"}}); code != http.StatusUnprocessableEntity || !strings.Contains(page, "Schreiben Sie einen Grund") {
		t.Errorf("undo without a reason: %d", code)
	}
	if code, _ := ask(i18n.De, undo, url.Values{"version": {"7"}, "reason": {"x"}}); code != http.StatusConflict {
		t.Errorf("undo of what nobody saw: %d", code)
	}
	if code, _ := ask(i18n.De, undo, url.Values{"version": {"1"}, "reason": {"taken back"}}); code != http.StatusSeeOther {
		t.Errorf("undo: %d", code)
	}
	if _, page := ask(i18n.De, "/areas/area/WARNCELLID:914626002", nil); !strings.Contains(page, "taken back") || strings.Contains(page, `name="version"`) {
		t.Error("the page after undoing")
	}
	below := site(t, "dispatcher")
	if code, _ := below(i18n.En, "/areas/own", form); code != http.StatusForbidden {
		t.Errorf("a dispatcher stores: %d", code)
	}
	if _, page := below(i18n.En, "/areas", nil); strings.Contains(page, "Check and store") {
		t.Error("a dispatcher is offered to store")
	}
}
