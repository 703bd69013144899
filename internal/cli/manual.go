package cli

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/pdf"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/register/fact"
	"trojmezi/internal/manual/book"
	"trojmezi/internal/manual/content"
)

type manualCmd struct {
	Build manualBuildCmd `cmd:"" help:"cli.manual.build"`
	Check manualCheckCmd `cmd:"" help:"cli.manual.check"`
}

type manualBuildCmd struct {
	Municipality string    `xor:"which" required:"" help:"cli.manual.municipality"`
	All          bool      `xor:"which" required:"" help:"cli.manual.all"`
	Facts        string    `help:"cli.manual.facts"`
	Out          string    `required:"" help:"cli.manual.out"`
	Date         time.Time `format:"2006-01-02" help:"cli.manual.date"`
}

// built is what became of a build, for programs.
type built struct {
	Municipalities int      `json:"municipalities"`
	Languages      []string `json:"languages"`
	Files          int      `json:"files"`
	// Distinct are handbooks that differ in more than the name and the figures.
	Distinct int     `json:"distinct"`
	Unknown  spread  `json:"unknown_facts"`
	Pages    spread  `json:"pages"` // of handbooks
	Seconds  float64 `json:"seconds"`
}

type spread struct {
	Min    int `json:"min"`
	Median int `json:"median"`
	Max    int `json:"max"`
}

func spreadOf(all []int) (s spread) {
	if len(all) > 0 {
		slices.Sort(all)
		s = spread{all[0], all[len(all)/2], all[len(all)-1]}
	}
	return s
}

// Run makes handbook and cards of one municipality or of all, in each language.
func (c *manualBuildCmd) Run(e *env) error {
	began := time.Now()
	r, err := register.Load()
	if err != nil {
		return err
	}
	var towns []*book.Town
	for _, p := range r.Places() {
		if p.Kind == register.Municipality && p.Country == register.CZ && (c.All || p.Code == c.Municipality) {
			towns = append(towns, book.TownOf(r, p))
		}
	}
	if len(towns) == 0 {
		return problem.New("cli.manual", problem.NotFound, "cli.manual.no_municipality", i18n.Args{"code": c.Municipality})
	}
	if c.Facts != "" {
		told, err := c.told(e)
		if err != nil {
			return err
		}
		towns[0] = towns[0].With(told)
	}
	made := c.Date
	if made.IsZero() {
		made = time.Now().UTC().Truncate(24 * time.Hour)
	}
	var mu sync.Mutex
	var pages, unknown []int
	var failed error
	distinct := map[[32]byte]bool{}
	files, all := 0, len(towns)*len(e.langs)
	for _, x := range towns {
		unknown = append(unknown, len(x.Unknown(content.Shipped())))
	}
	work := make(chan func() (int, error))
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for f := range work {
				n, err := f()
				mu.Lock()
				failed = cmp.Or(failed, err)
				if err == nil {
					pages = append(pages, n)
					files += 2
				}
				e.bar(files/2, all)
				mu.Unlock()
			}
		})
	}
	for _, l := range e.langs {
		edition := &book.Edition{Content: content.Shipped(), Texts: e.texts, Lang: l, Made: made}
		for _, x := range towns {
			if l == e.langs[0] {
				distinct[sha256.Sum256([]byte(x.Selection(content.Shipped())))] = true
			}
			work <- func() (int, error) { return c.write(edition, x) }
		}
	}
	close(work)
	wg.Wait()
	if failed != nil {
		return failed
	}
	b := built{Municipalities: len(towns), Files: files, Distinct: len(distinct), Unknown: spreadOf(unknown), Pages: spreadOf(pages), Seconds: time.Since(began).Round(10 * time.Millisecond).Seconds()}
	for _, l := range e.langs {
		b.Languages = append(b.Languages, string(l))
	}
	return e.show(b, func() {
		e.say("cli.manual.built", i18n.Args{"files": b.Files, "folder": c.Out, "seconds": fmt.Sprintf("%.1f", b.Seconds)})
		e.say("cli.manual.sum", i18n.Args{"n": b.Municipalities, "distinct": b.Distinct, "unknown": b.Unknown.text(), "pages": b.Pages.text()})
		e.say("cli.law.draft", nil)
	})
}

// told are the facts of a file, which only one municipality can have told.
func (c *manualBuildCmd) told(e *env) (fact.Set, error) {
	if c.All {
		return nil, problem.New("cli.manual", problem.Invalid, "cli.manual.facts_of_one", nil)
	}
	text, err := os.ReadFile(c.Facts)
	if err != nil {
		return nil, err
	}
	told, err := fact.ReadSet(text)
	if err != nil {
		var lines []string
		for _, f := range fact.FaultsOf(err) {
			lines = append(lines, f.Text(e.texts, e.lang))
		}
		return nil, problem.New("cli.manual", problem.Invalid, "cli.manual.bad_facts", i18n.Args{"file": c.Facts, "text": strings.Join(lines, "; ")})
	}
	return told, nil
}

func (s spread) text() string { return fmt.Sprintf("%d / %d / %d", s.Min, s.Median, s.Max) }

// bar shows how far a long work is, to people at a terminal.
func (e *env) bar(n, all int) {
	f, ok := e.errw.(*os.File)
	if !ok || all < 10 {
		return
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return
	}
	const width = 40
	done := n * width / all
	fmt.Fprintf(e.errw, "\r[%s%s] %d/%d", barFull[:done], barEmpty[:width-done], n, all)
	if n == all {
		fmt.Fprintln(e.errw)
	}
}

const (
	barFull  = "########################################"
	barEmpty = "                                        "
)

// write makes the two files of a municipality in a language and tells the pages of the
// handbook.
func (c *manualBuildCmd) write(e *book.Edition, x *book.Town) (pages int, err error) {
	folder := filepath.Join(c.Out, string(e.Lang), x.Code)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return 0, err
	}
	h, cards := e.Handbook(x), e.Cards(x)
	for _, o := range cards.Fits() {
		return 0, problem.New("cli.manual", problem.Invalid, "cli.manual.overflow", i18n.Args{"name": x.Name, "card": o.Card, "n": int(o.By + 1)})
	}
	pages = h.Pages()
	text, err := h.Bytes()
	if err != nil {
		return 0, err
	}
	second, err := cards.Bytes()
	if err != nil {
		return 0, err
	}
	// What nobody could have read aloud is not handed out.
	for _, file := range [][]byte{text, second} {
		if _, err := pdf.Check(file); err != nil {
			return 0, err
		}
	}
	return pages, errors.Join(os.WriteFile(filepath.Join(folder, "handbook.pdf"), text, 0o644), os.WriteFile(filepath.Join(folder, "cards.pdf"), second, 0o644))
}

type manualCheckCmd struct {
	Folder string `arg:"" optional:"" help:"cli.manual.check.folder"`
}

// Run tells authors what does not fit in duties and instructions; without a folder it checks
// the shipped ones.
func (c *manualCheckCmd) Run(e *env) error {
	all, found := content.Shipped(), content.Shipped().Check()
	if c.Folder != "" {
		all, found = content.Load(os.DirFS(c.Folder))
	}
	for _, f := range found {
		fmt.Fprintln(e.out, harmless(fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Text(e.texts, e.lang))))
	}
	if len(found) > 0 {
		return exit(exitFailed)
	}
	e.say("cli.manual.fits", i18n.Args{"duties": len(all.Duties), "fragments": len(all.Fragments), "version": all.Version})
	return nil
}
