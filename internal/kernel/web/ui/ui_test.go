package ui_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"
	"github.com/google/go-cmp/cmp"

	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/sign"
	"trojmezi/internal/kernel/web/ui"
)

var start = time.Date(2026, 8, 15, 12, 6, 24, 0, time.UTC)

func router(t *testing.T) (*web.Router, *i18n.Bundle) {
	t.Helper()
	b, err := i18n.Load(web.Locales, ui.Locales)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n := b.Missing(); n != 0 {
			t.Errorf("%d texts were missing", n)
		}
	})
	return web.NewRouter(web.Config{Bundle: b, Log: slog.New(slog.DiscardHandler), Clock: clock.Fake(start)}), b
}

func get(t *testing.T, h http.Handler, target string) string {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", target, nil)
	r.Header.Set("Accept", "text/html")
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d", target, w.Code)
	}
	return w.Body.String()
}

// render writes one part as a reader of German sees it.
func render(t *testing.T, c templ.Component) string {
	t.Helper()
	rt, _ := router(t)
	rt.Handle("GET /part", func(w http.ResponseWriter, r *http.Request) error { return c.Render(r.Context(), w) })
	return get(t, rt, "/part?lang=de")
}

var id = regexp.MustCompile(` id="([^"]+)"`)
var reference = regexp.MustCompile(` (?:for|aria-describedby|aria-labelledby)="([^"]+)"`)

func TestGallery(t *testing.T) {
	for _, l := range i18n.Langs {
		for _, theme := range []string{"light", "dark", ""} {
			for _, look := range []string{"", "&density=console", "&density=field", "&kind=exercise", "&kind=test&strip=line", "&strip=none"} {
				t.Run(fmt.Sprintf("%s/%s/%s", l, theme, look), func(t *testing.T) {
					rt, _ := router(t)
					ui.Gallery(rt)
					page := get(t, rt, fmt.Sprintf("%s?lang=%s&theme=%s%s", ui.GalleryPath, l, theme, look))
					ids := map[string]bool{}
					for _, m := range id.FindAllStringSubmatch(page, -1) {
						if ids[m[1]] {
							t.Errorf("the id %q stands twice", m[1])
						}
						ids[m[1]] = true
					}
					for _, m := range reference.FindAllStringSubmatch(page, -1) {
						for one := range strings.FieldsSeq(m[1]) {
							if !ids[one] {
								t.Errorf("%q is referred to and does not exist", one)
							}
						}
					}
					for _, bad := range []string{"⟦", " style=", "<script>", "javascript:", "→", "≥", "✓", "●", "⚠"} {
						if strings.Contains(page, bad) {
							t.Errorf("the page has %q", bad)
						}
					}
				})
			}
		}
	}
}

func TestField(t *testing.T) {
	got := render(t, ui.Input(ui.Field{Name: "n", Label: "L", Hint: "H", Error: "E", Value: `"v"`, Required: true, Autocomplete: "off", Max: 3}))
	for _, want := range []string{`for="n"`, `id="n"`, `name="n"`, `value="&#34;v&#34;"`, `aria-describedby="n-hint n-error"`, `aria-invalid="true"`, ` required`, `maxlength="3"`, `autocomplete="off"`, `spellcheck="false"`} {
		if !strings.Contains(got, want) {
			t.Errorf("the field lacks %s", want)
		}
	}
	if got := render(t, ui.Input(ui.Field{Name: "p", Label: "L", Type: "password", Value: "secret"})); strings.Contains(got, "secret") {
		t.Error("a password is sent back to the browser")
	}
	if got := render(t, ui.Input(ui.Field{Name: "n", Label: "L"})); strings.Contains(got, "required") || strings.Contains(got, "aria-") || strings.Contains(got, "readonly") {
		t.Errorf("a plain field says too much: %s", got)
	}
	if got := render(t, ui.Radios(ui.Group{Name: "g", Legend: "L", Options: []ui.Option{{Value: "1", Text: "A", Selected: true}, {Value: "2", Text: "B", Disabled: "why"}}})); !strings.Contains(got, `id="g" name="g" value="1" checked`) || !strings.Contains(got, `id="g-2" name="g" value="2" disabled aria-describedby="g-2-hint"`) {
		t.Errorf("choices: %s", got)
	}
}

func TestErrors(t *testing.T) {
	var e ui.Errors
	if got := render(t, ui.ErrorSummary(e)); got != "" {
		t.Errorf("a summary of nothing: %s", got)
	}
	e.Add("a", "first")
	e.Add("a", "second")
	e.Add("", "of the whole")
	if e.Of("a") != "first" || e.Of("b") != "" {
		t.Errorf("Of: %q %q", e.Of("a"), e.Of("b"))
	}
	got := render(t, ui.ErrorSummary(e))
	for _, want := range []string{`<a href="#a">first</a>`, "<li>of the whole</li>", `role="alert"`, `tabindex="-1"`, "3 Angaben"} {
		if !strings.Contains(got, want) {
			t.Errorf("the summary lacks %s: %s", want, got)
		}
	}
}

func TestButton(t *testing.T) {
	got := render(t, ui.Submit(ui.Button{Text: "T", Kind: ui.Primary, Key: "Ctrl+Enter", Name: "do", Value: "it"}))
	for _, want := range []string{`data-key="ctrl+enter"`, `aria-keyshortcuts="Control+Enter"`, `<kbd>Strg + Eingabe</kbd>`, `name="do" value="it"`, `class="button button-primary"`} {
		if !strings.Contains(got, want) {
			t.Errorf("the button lacks %s: %s", want, got)
		}
	}
	if got := render(t, ui.Submit(ui.Button{Text: "T", Disabled: "not yours", ID: "x"})); !strings.Contains(got, ` disabled aria-describedby="x-why"`) || !strings.Contains(got, `id="x-why">not yours`) {
		t.Errorf("a button that cannot be pressed does not say why: %s", got)
	}
	if got := render(t, ui.Link(ui.Button{Text: "T", URL: "javascript:alert(1)"})); !strings.Contains(got, "<a ") {
		t.Errorf("link: %s", got)
	}
}

// Only a person's acceptance may look like one.
func TestReceiptsTellMachineFromPerson(t *testing.T) {
	got := render(t, ui.Receipts([]ui.Receipt{
		{Step: "read", State: "done", At: start.Add(-time.Minute)}, {Step: "accepted", State: "waiting", At: start.Add(-192 * time.Second)}, {Step: "delivered", State: "waiting"},
	}))
	for _, want := range []string{"noch nicht von einem Menschen", `class="receipt receipt-waiting"`, "data-age", "3\u00a0min 12\u00a0s", "14:05:24", "noch nicht<"} {
		if !strings.Contains(got, want) {
			t.Errorf("the receipts lack %q: %s", want, got)
		}
	}
}

func TestSinceGrowsStale(t *testing.T) {
	fresh := render(t, ui.Since(start.Add(-time.Minute), 2*time.Minute))
	old := render(t, ui.Since(start.Add(-2*time.Minute), 2*time.Minute))
	ahead := render(t, ui.Age(start.Add(time.Minute)))
	if strings.Contains(fresh, "is-stale") || !strings.Contains(old, "is-stale") || !strings.Contains(ahead, ">0\u00a0s<") {
		t.Errorf("fresh: %s\nold: %s\nahead: %s", fresh, old, ahead)
	}
}

func TestUndoEnds(t *testing.T) {
	got := render(t, ui.Undo("T", "/undo", start.Add(10*time.Second)))
	if !strings.Contains(got, `data-seconds="10"`) || !strings.Contains(got, `action="/undo"`) || !strings.Contains(got, `data-key="ctrl+z"`) {
		t.Errorf("%s", got)
	}
}

func TestStripPhone(t *testing.T) {
	got := render(t, ui.StripAlarm(ui.Alarm{ID: "a", Level: sign.L3, Title: "T", Text: "x", Phone: "+49 (0) 3571-112"}))
	if !strings.Contains(got, `href="tel:+4903571112"`) || !strings.Contains(got, "strip-l3") {
		t.Errorf("%s", got)
	}
	if got := render(t, ui.Strip("alarms")); !strings.Contains(got, `role="alert"`) {
		t.Errorf("without an alarm nothing is there to be announced into: %s", got)
	}
}

func TestChart(t *testing.T) {
	line := func(v ...float64) ui.Series {
		s := ui.Series{Name: "S"}
		for i, x := range v {
			s.Points = append(s.Points, ui.Point{Label: fmt.Sprint(i), Value: x})
		}
		return s
	}
	whole := func(v float64) string { return fmt.Sprintf("%.0f cm", v) }
	gap := math.NaN()
	got := render(t, ui.ChartOf(ui.Chart{Title: "Sentence", Axis: "A", Format: whole, Series: []ui.Series{line(100, 120, gap, 180)}}))
	d := regexp.MustCompile(` d="([^"]+)"`).FindStringSubmatch(got)
	if d == nil || strings.Count(d[1], "M") != 2 || strings.Count(d[1], "L") != 1 {
		t.Errorf("a gap must lift the pen: %v", d)
	}
	for _, want := range []string{`role="img" aria-label="Sentence"`, "keine Angabe", "180 cm", `scope="row"`} {
		if !strings.Contains(got, want) {
			t.Errorf("the chart lacks %s", want)
		}
	}
	for name, c := range map[string]ui.Chart{
		"nothing": {}, "no points": {Series: []ui.Series{{}}}, "one": {Series: []ui.Series{line(5)}}, "only gaps": {Series: []ui.Series{line(gap, gap)}},
		"flat": {Series: []ui.Series{line(3, 3, 3)}}, "bars": {Bars: true, Series: []ui.Series{line(0, 7, gap)}}, "below zero": {Bars: true, Series: []ui.Series{line(-2)}},
	} {
		c.Format = whole
		got := render(t, ui.ChartOf(c))
		if strings.Contains(got, "NaN") || strings.Contains(got, "Inf") || strings.Contains(got, `height="-`) {
			t.Errorf("%s: a coordinate is no number: %s", name, got)
		}
	}
	for most, want := range map[float64]string{0: "1", 1: "1", 2: "1 2", 3: "1 2 3", 7: "2 4 6 8"} {
		got := render(t, ui.ChartOf(ui.Chart{Bars: true, Whole: true, Format: func(v float64) string { return fmt.Sprint(v) }, Series: []ui.Series{line(0, most)}}))
		var ticks []string
		for _, m := range regexp.MustCompile(`<text class="chart-label chart-y"[^>]*>([^<]*)`).FindAllStringSubmatch(got, -1) {
			ticks = append(ticks, m[1])
		}
		if s := strings.Join(ticks, " "); s != want {
			t.Errorf("ticks up to %v: %q, want %q", most, s, want)
		}
	}
}

func TestEveryIconIsDrawn(t *testing.T) {
	for _, name := range sign.Names() {
		if got := render(t, ui.Icon(name)); strings.Count(got, "<path d=\"M") == 0 || !strings.Contains(got, `aria-hidden="true"`) {
			t.Errorf("%s: %s", name, got)
		}
	}
	drawn := map[string]string{}
	for _, l := range sign.Levels {
		got := render(t, ui.Symbol(l))
		shape := regexp.MustCompile(`<(?:circle|path)[^>]*>`).FindString(got)
		if shape == "" {
			t.Errorf("%s has no shape", l)
		}
		drawn[string(l)] = strings.ReplaceAll(got, string(l), "")
	}
	seen := map[string]string{}
	for l, svg := range drawn {
		if other := seen[svg]; other != "" {
			t.Errorf("%s and %s have one shape", l, other)
		}
		seen[svg] = l
	}
}

// glyphs tells whether the font subsets of the browser build have a character.
type glyphs [][2]rune

func (g glyphs) has(r rune) bool {
	for _, x := range g {
		if r >= x[0] && r <= x[1] {
			return true
		}
	}
	return false
}

// Every character of every text must be in the fonts we ship: one that is not
// comes from whatever font the device has.
func TestFontsHaveEveryCharacter(t *testing.T) {
	root := filepath.Join("..", "..", "..", "..")
	raw, err := os.ReadFile(filepath.Join(root, "web", "dist", "ranges.json"))
	if err != nil {
		t.Skip("web/dist was not built (make assets): the fonts cannot be looked into")
	}
	var fonts map[string]glyphs
	if err := json.Unmarshal(raw, &fonts); err != nil {
		t.Fatal(err)
	}
	next := fonts["next"]
	if !next.has('ř') || !next.has('ẞ') || !next.has('ł') || next.has('→') || next.has('⚠') {
		t.Fatalf("the ranges are not what is known of the font: %v", next)
	}
	files, err := filepath.Glob(filepath.Join(root, "internal", "*", "locales", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	deeper, err := filepath.Glob(filepath.Join(root, "internal", "*", "*", "locales", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	deepest, err := filepath.Glob(filepath.Join(root, "internal", "*", "*", "*", "locales", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	files = append(append(files, deeper...), deepest...)
	if len(files) < 20 {
		t.Fatalf("only %d locale files found: the test looks in the wrong place", len(files))
	}
	for _, name := range files {
		switch strings.Split(filepath.ToSlash(name), "/")[5] {
		case "cli", "demo", "bench":
			continue // printed in terminals, which have fonts of their own
		}
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		var texts map[string]any
		if err := json.Unmarshal(text, &texts); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for key, v := range texts {
			for _, r := range fmt.Sprint(v) {
				if !next.has(r) && r != '\n' && r != '\u202f' { // a missing narrow space is still a space
					t.Errorf("%s, %s: %q is not in the font", name, key, r)
				}
			}
		}
	}
}

func TestGuardsOfTheGallery(t *testing.T) {
	rt, _ := router(t)
	ui.Gallery(rt)
	var got []string
	for _, r := range rt.Routes() {
		got = append(got, r.Pattern)
	}
	if diff := cmp.Diff([]string{"GET /dev/ui"}, got); diff != "" {
		t.Error(diff)
	}
}
