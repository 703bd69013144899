package content

import (
	"testing"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register/fact"
)

func bundle(t testing.TB) *i18n.Bundle {
	t.Helper()
	texts, err := i18n.Load(Locales(), fact.Locales())
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// TestShipped: the content of the program has no findings.
func TestShipped(t *testing.T) {
	c, found := Load(shipped)
	texts := bundle(t)
	for _, f := range found {
		t.Errorf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Text(texts, i18n.En))
	}
	if len(c.Duties) != 98 || len(c.Fragments) < 120 {
		t.Errorf("%d duties, %d fragments", len(c.Duties), len(c.Fragments))
	}
}
