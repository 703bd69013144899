package bridge

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/format/cap"
	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/edxl"
	"trojmezi/internal/format/emsi"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

// site serves the page to somebody of a role.
func site(t *testing.T, role string) *httptest.Server {
	t.Helper()
	texts, err := i18n.Load(web.Locales, ui.Locales, Locales(), convert.Locales(), tree.Locales(), shape.Locales(), emsi.Locales(), edxl.Locales(), cap.Locales(), ucri.Locales())
	if err != nil {
		t.Fatal(err)
	}
	rules, err := access.Load(map[string][]byte{"bridge/policy.cedar": Policy()})
	if err != nil {
		t.Fatal(err)
	}
	rt := web.NewRouter(web.Config{Bundle: texts, Log: slog.New(slog.DiscardHandler), Clock: clock.Fake(time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)), Policy: rules, Nav: Nav(),
		Authenticate: func(*http.Request) (*web.Person, error) {
			return &web.Person{ID: "p", Name: "Lukáš", Organisation: "o", Roles: []string{role}}, nil
		}})
	Register(rt)
	s := httptest.NewServer(rt)
	t.Cleanup(s.Close)
	t.Cleanup(func() {
		if n := texts.Missing(); n > 0 {
			t.Errorf("%d texts are missing", n)
		}
	})
	return s
}

func send(t *testing.T, s *httptest.Server, lang i18n.Lang, fields url.Values) (int, string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+root+"?lang="+string(lang), strings.NewReader(fields.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.Header.Set("Accept", "text/html")
	q.Header.Set("Sec-Fetch-Site", "same-origin")
	res, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

const message = "<emsi xmlns=\"urn:emergency:eda:1.9:emsi\">\r\n  <CONTEXT><ID>1</ID><MODE>ACTUAL</MODE><MSGTYPE>ALERT</MSGTYPE></CONTEXT>\r\n  <EVENT><ID>e</ID>\r\n    <NAME>&lt;b&gt;Brand</NAME>\r\n    <SCALE>2</SCALE>\r\n  </EVENT>\r\n</emsi>\r\n"

// Both sides stand beside each other, with the lines marked whose values stand
// elsewhere; what is pasted is shown and not run.
func TestConverted(t *testing.T) {
	s := site(t, "technician")
	for _, lang := range i18n.Langs {
		status, page := send(t, s, lang, url.Values{"message": {message}, "from": {"auto"}, "to": {"ucri2"}, "payload": {"on"}, "do": {"convert"}})
		if status != http.StatusOK || strings.Contains(page, "<b>Brand") {
			t.Fatalf("%s: %d\n%s", lang, status, page)
		}
		lines := regexp.MustCompile(`class="line line-moved"><span class="line-number">(\d+)`).FindAllStringSubmatch(page, -1)
		if len(lines) != 4 || lines[0][1] != "2" || lines[1][1] != "5" { // two of the message, two remarks of the result
			t.Errorf("%s: marked %v", lang, lines)
		}
		for _, want := range []string{"/emsi/EVENT/SCALE", "/protocolRemarks/1/message", "&#34;sharedIncidentId&#34;"} {
			if !strings.Contains(page, want) {
				t.Errorf("%s: the page lacks %s", lang, want)
			}
		}
	}
	status, page := send(t, s, i18n.De, url.Values{"message": {"<alert/>"}, "from": {"auto"}, "to": {"ucri2"}})
	if status != http.StatusUnprocessableEntity || !strings.Contains(page, "CAP") {
		t.Errorf("%d: %.300s", status, page)
	}
	status, page = send(t, s, i18n.De, url.Values{"message": {message}, "from": {"auto"}, "to": {"cap"}, "do": {"convert"}})
	if status != http.StatusOK || !strings.Contains(page, "&lt;status&gt;Actual") || !strings.Contains(page, "/alert/info/parameter") {
		t.Errorf("%d\n%s", status, page)
	}
}

// Pasted text is what the page holds, whatever its declaration says; of a long one the
// page shows the beginning.
func TestPasted(t *testing.T) {
	s := site(t, "technician")
	text := `<?xml version="1.0" encoding="windows-1250"?>` + "\n" + strings.Replace(message, "&lt;b&gt;Brand", "Požár ě", 1)
	status, page := send(t, s, i18n.Cs, url.Values{"message": {text}, "from": {"strange"}, "to": {"strange"}})
	if status != http.StatusOK || !strings.Contains(page, `Požár ě\&#34;`) || !strings.Contains(page, "windows-1250") {
		t.Errorf("%d\n%s", status, page)
	}
	long := strings.Replace(message, "<SCALE>2</SCALE>", strings.Repeat("<STRANGE>x</STRANGE>\n", 3000), 1)
	for _, do := range []string{"convert", "validate"} {
		status, page = send(t, s, i18n.Pl, url.Values{"message": {long}, "to": {"emsi-xml"}, "do": {do}})
		if rows := strings.Count(page, "<tr>"); status != http.StatusOK || rows > shown+10 || !strings.Contains(page, "kolejn") {
			t.Errorf("%s: %d, %d rows", do, status, rows)
		}
	}
}

func TestJudged(t *testing.T) {
	s := site(t, "technician")
	status, page := send(t, s, i18n.Cs, url.Values{"message": {strings.Replace(message, "ACTUAL", "EXCERCS", 1)}, "do": {"validate"}})
	if status != http.StatusOK || !strings.Contains(page, `class="line line-lost"><span class="line-number">2`) || !strings.Contains(page, "EXCERCS") {
		t.Errorf("%d\n%s", status, page)
	}
	if status, page = send(t, s, i18n.Pl, url.Values{"message": {message}, "do": {"validate"}}); status != http.StatusOK || strings.Contains(page, "line-lost") {
		t.Errorf("%d\n%s", status, page)
	}
}

func TestWhoMay(t *testing.T) {
	for _, role := range []string{"dispatcher", "shift_leader", "administrator", "auditor"} {
		if status, _ := send(t, site(t, role), i18n.En, url.Values{"message": {message}}); status != http.StatusForbidden {
			t.Errorf("%s: %d", role, status)
		}
	}
	if status, page := send(t, site(t, "technician"), i18n.En, url.Values{"message": {strings.Repeat("x", int(formLimit))}}); status != http.StatusUnprocessableEntity {
		t.Errorf("too large: %d %.200s", status, page)
	}
}
