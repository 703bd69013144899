package cli

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"trojmezi/internal/app"
	"trojmezi/internal/bench"
	"trojmezi/internal/demo"
	"trojmezi/internal/kernel/i18n"
)

// Every command shows a call of itself in its help, in each language in words and headings
// of that language.
func TestHelp(t *testing.T) {
	texts, err := app.Texts(locales, demo.Locales(), bench.Locales())
	if err != nil {
		t.Fatal(err)
	}
	english := map[string]string{}
	foreign := regexp.MustCompile(`(?m)^(Usage|Flags|Commands|Arguments):|^Run "|Show context`)
	for _, lang := range []i18n.Lang{i18n.En, i18n.Cs, i18n.De, i18n.Pl} {
		var c commands
		var page bytes.Buffer
		parser, err := newParser(&c, texts, lang, kong.Writers(&page, io.Discard), kong.Exit(func(int) {}))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, leaf := range parser.Model.Leaves(false) {
			n++
			page.Reset()
			words := strings.Fields(strings.TrimPrefix(leaf.FullPath(), "trojmezi "))
			parser.Parse(append(words, "--help"))
			name, text := strings.Join(words, " "), page.String()
			_, about, _ := strings.Cut(text, "\n\n") // below the usage
			about, _, _ = strings.Cut(about, "\n\n")
			if !strings.Contains(strings.Join(strings.Fields(about), " "), "trojmezi "+name) || strings.Contains(text, "⟦") || strings.Contains(text, " cli.") {
				t.Errorf("help of %s in %s:\n%s", name, lang, text)
			}
			if lang == i18n.En {
				english[name] = text
			} else if head := foreign.FindString(text); head != "" || strings.Contains(english[name], about) {
				t.Errorf("help of %s in %s is English (%s):\n%s", name, lang, head, text)
			}
		}
		if n < 60 {
			t.Errorf("%d commands", n)
		}
	}
	if n := texts.Missing(); n != 0 {
		t.Errorf("%d texts are missing", n)
	}
}
