package ui

import (
	"context"
	"strings"

	"github.com/a-h/templ"

	"trojmezi/internal/kernel/web"
)

func (b Button) attributes() templ.Attributes {
	a := templ.Attributes{}
	if b.ID != "" {
		a["id"] = b.ID
	}
	if b.Key != "" {
		a["data-key"] = strings.ToLower(b.Key)
		a["aria-keyshortcuts"] = ariaKey(b.Key)
	}
	if b.Busy {
		a["aria-busy"], a["data-busy"] = "true", true
	}
	return a
}

// ariaKey spells a shortcut as assistive programs read it (spec: WAI-ARIA 1.2,
// aria-keyshortcuts).
func ariaKey(key string) string {
	parts := strings.Split(strings.ToLower(key), "+")
	for i, p := range parts {
		switch p {
		case "ctrl":
			parts[i] = "Control"
		case "alt", "shift", "enter":
			parts[i] = strings.ToUpper(p[:1]) + p[1:]
		default:
			parts[i] = strings.ToUpper(p)
		}
	}
	return strings.Join(parts, "+")
}

// keyName is a shortcut as it stands on the reader's keyboard.
func keyName(ctx context.Context, key string) string {
	parts := strings.Split(strings.ToLower(key), "+")
	for i, p := range parts {
		switch p {
		case "ctrl", "alt", "shift", "enter":
			parts[i] = web.T(ctx, "ui.key."+p, nil)
		default:
			parts[i] = strings.ToUpper(p)
		}
	}
	return strings.Join(parts, " + ")
}
