package web

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var declaration = regexp.MustCompile(`(--[a-z0-9-]+):\s*([^;]+);`)

// block returns the declarations of the first rule that starts with selector.
func block(t *testing.T, css, selector string) map[string]string {
	t.Helper()
	_, rest, ok := strings.Cut(css, selector+" {")
	if !ok {
		t.Fatalf("tokens.css has no %s", selector)
	}
	rest, _, _ = strings.Cut(rest, "}")
	m := map[string]string{}
	for _, d := range declaration.FindAllStringSubmatch(rest, -1) {
		m[d[1]] = d[2]
	}
	return m
}

func themes(t *testing.T) (light, dark, system map[string]string) {
	css := string(assets["tokens.css"].body)
	light = block(t, css, ":root")
	dark, system = maps.Clone(light), block(t, css, `:root:not([data-theme])`)
	chosen := block(t, css, `:root[data-theme="dark"]`)
	maps.Copy(dark, chosen)
	if diff := cmp.Diff(chosen, system); diff != "" {
		t.Errorf("the chosen dark theme and the system's differ: %s", diff)
	}
	return light, dark, system
}

// luminance of #rrggbb (spec: WCAG 2.2, relative luminance).
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(strings.TrimPrefix(hex, "#"), 16, 32)
	if err != nil || len(hex) != 7 {
		t.Fatalf("%q is no colour", hex)
	}
	part := func(shift uint) float64 {
		c := float64(n>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*part(16) + 0.7152*part(8) + 0.0722*part(0)
}

func contrast(t *testing.T, a, b string) float64 {
	la, lb := luminance(t, a), luminance(t, b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func TestContrast(t *testing.T) {
	const text, control = 4.5, 3.0 // spec: WCAG 2.2, 1.4.3 and 1.4.11
	type pair struct {
		front, back string
		least       float64
	}
	var pairs []pair
	for _, back := range []string{"--bg", "--surface", "--sunk", "--selected"} {
		for _, front := range []string{"--text", "--text-2", "--link"} {
			pairs = append(pairs, pair{front, back, text})
		}
		pairs = append(pairs, pair{"--line", back, control}, pair{"--none-edge", back, control}, pair{"--stale-edge", back, control})
	}
	pairs = append(pairs, pair{"--on-link", "--link", text}, pair{"--on-link", "--link-strong", text}, pair{"--focus", "--focus-gap", control})
	for _, level := range []string{"l1", "l2", "l3", "l4", "ok"} {
		pairs = append(pairs,
			pair{"--" + level + "-on", "--" + level + "-fill", text},
			pair{"--" + level + "-edge", "--surface", text},
			pair{"--text", "--" + level + "-tint", text},
			pair{"--link", "--" + level + "-tint", text})
	}
	light, dark, _ := themes(t)
	for name, theme := range map[string]map[string]string{"light": light, "dark": dark} {
		for _, p := range pairs {
			if got := contrast(t, theme[p.front], theme[p.back]); got < p.least {
				t.Errorf("%s: %s on %s is %.1f, want at least %.1f", name, p.front, p.back, got, p.least)
			}
		}
	}
	// A known figure keeps the formula honest.
	if got := fmt.Sprintf("%.1f %.1f", contrast(t, "#000000", "#ffffff"), contrast(t, light["--text"], light["--bg"])); got != "21.0 15.8" {
		t.Errorf("black on white and text on background: %s", got)
	}
}

func TestOnlyTokensHoldRawValues(t *testing.T) {
	raw := regexp.MustCompile(`#[0-9a-fA-F]{3,8}\b|\b[0-9.]+(?:px|ms|s)\b|rgba?\(|hsla?\(|oklch\(`)
	for css, found := range map[string]bool{"color: #fff": true, "width: 3px": true, "transition: 1s": true, "margin: 0.5rem": false, "z-index: 3": false} {
		if raw.MatchString(css) != found {
			t.Errorf("the rule judges %q wrongly", css)
		}
	}
	light, _, _ := themes(t)
	var all strings.Builder
	sheets := map[string]string{}
	for name, a := range assets {
		if strings.HasSuffix(name, ".css") && name != "tokens.css" {
			sheets[name] = regexp.MustCompile(`(?s)/\*.*?\*/`).ReplaceAllString(string(a.body), "")
			all.WriteString(sheets[name])
		}
	}
	for name, css := range sheets {
		if bad := raw.FindAllString(css, -1); bad != nil {
			t.Errorf("%s holds %q", name, bad)
		}
		for _, m := range regexp.MustCompile(`var\((--[a-z0-9-]+)`).FindAllStringSubmatch(css, -1) {
			if light[m[1]] == "" && !strings.Contains(all.String(), m[1]+":") {
				t.Errorf("%s uses %s, which does not exist", name, m[1])
			}
		}
	}
}

func TestWeightOfStyleSheets(t *testing.T) {
	const limit = 25_000 // bytes, gzip: a phone on a slow network must not wait for them
	sum := 0
	for name, a := range assets {
		if strings.HasSuffix(name, ".css") {
			sum += len(a.gzipped())
		}
	}
	if sum > limit {
		t.Errorf("all style sheets together weigh %d bytes, at most %d are allowed", sum, limit)
	}
}
