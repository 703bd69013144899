package area

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/kernel/register"
)

// forms are what codes of a scheme look like. A code of another form is a mistake, and
// says nothing about where its area lies.
var forms = map[string]*regexp.Regexp{
	"CISORP":     regexp.MustCompile(`^\d{2}(\d{2})?$`),
	"EMMA_ID":    regexp.MustCompile(`^[A-Z]{2}\d{3,5}$`),
	"RUIAN_ORP":  regexp.MustCompile(`^\d{2,4}$`),
	"ISV_KRAJ":   regexp.MustCompile(`^\d{2}$`),
	"LAU1":       regexp.MustCompile(`^CZ0\d{2}[0-9A-Z]$`),
	"LAU2":       regexp.MustCompile(`^\d{6}$`),
	"NUTS":       regexp.MustCompile(`^[A-Z]{2}[0-9A-Z]{0,3}$`),
	"ISO3166-2":  regexp.MustCompile(`^[A-Z]{2}-[0-9A-Z]{1,3}$`),
	"AGS":        regexp.MustCompile(`^(0[1-9]|1[0-6])(\d{3}(\d{3})?)?$`),
	"ARS":        regexp.MustCompile(`^(0[1-9]|1[0-6])(\d{3}(\d{4}(\d{3})?)?)?$`),
	"WARNCELLID": regexp.MustCompile(`^[189](0[1-9]|1[0-6])\d{6}$`),
	"STATE":      regexp.MustCompile(`^[A-Z]{2}$`),
	"TERYT":      regexp.MustCompile(`^(0[2468]|[12][02468]|3[02])(\d{2}(\d{2}[1-589]?)?)?$`),
	"IMGW":       regexp.MustCompile(`^[ZR]_[A-Z]+_[A-Z]{2}_\d+(_[A-Z])?$`),
	"RSO":        regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`),
}

func wellFormed(k Key) bool {
	form := forms[k.Scheme]
	return form != nil && form.MatchString(k.Code)
}

// homes are the countries of schemes of one country.
var homes = map[string]register.Country{
	"CISORP": register.CZ, "RUIAN_ORP": register.CZ, "ISV_KRAJ": register.CZ, "LAU1": register.CZ, "LAU2": register.CZ,
	"AGS": register.DE, "ARS": register.DE, "WARNCELLID": register.DE, "STATE": register.DE,
	"TERYT": register.PL, "IMGW": register.PL, "RSO": register.PL,
}

// countryOf is the country that the form of a code tells, "" for none: two letters at the
// beginning where the scheme is of all of Europe.
func countryOf(k Key) register.Country {
	if !wellFormed(k) {
		return ""
	}
	switch k.Scheme {
	case "EMMA_ID", "NUTS", "ISO3166-2":
		return register.Country(k.Code[:2])
	}
	return homes[k.Scheme]
}

// Rules by which a code follows from another one; they are keys of texts ("area.rule.…").
const (
	ruleEMMACZ     = "emma_cz"     // CZ0 and CISORP
	ruleEMMAPL     = "emma_pl"     // PL and TERYT of four digits
	ruleWarncell1  = "warncell1"   // 1, the Kreis of the AGS and three zeros
	ruleWarncell8  = "warncell8"   // 8 and the AGS of the municipality
	ruleWarncell9  = "warncell9"   // 9, the Kreis of the AGS and the number of a part
	ruleARS        = "ars"         // Land, Kreis, association, municipality
	ruleAGS        = "ags"         // begins with its Kreis
	ruleTERYT      = "teryt"       // begins with its powiat
	ruleTERYTKinds = "teryt_kinds" // the last digit is a town or the land around it
)

// byRule finds a code by the one it follows from.
func (t *sheet) byRule(k Key, at time.Time) (Area, bool) {
	if !wellFormed(k) {
		return Area{}, false
	}
	c := k.Code
	switch k.Scheme {
	case "EMMA_ID":
		switch {
		case len(c) == 7 && c[:3] == "CZ0":
			return t.follow(k, Key{"CISORP", c[3:]}, ruleEMMACZ, at)
		case len(c) == 6 && c[:2] == "PL":
			return t.follow(k, Key{"TERYT", c[2:]}, ruleEMMAPL, at)
		}
	case "WARNCELLID":
		switch {
		case c[0] == '1' && c[6:] == "000":
			return t.follow(k, Key{"AGS", c[1:6]}, ruleWarncell1, at)
		case c[0] == '8':
			return t.follow(k, Key{"AGS", c[1:]}, ruleWarncell8, at)
		case c[0] == '9':
			return t.partOf(k, Key{"AGS", c[1:6]}, ruleWarncell9, at)
		}
	case "ARS":
		c += strings.Repeat("0", 12-len(c))
		switch land, kreis, association, one := c[:2], c[:5], c[5:9], c[9:]; {
		case kreis[2:] == "000" && association == "0000" && one == "000":
			return t.follow(k, Key{"AGS", land}, ruleARS, at)
		case one != "000":
			return t.follow(k, Key{"AGS", kreis + one}, ruleARS, at)
		case association == "0000":
			return t.follow(k, Key{"AGS", kreis}, ruleARS, at)
		default: // an association of municipalities: which, no row says
			return t.partOf(k, Key{"AGS", kreis}, ruleARS, at)
		}
	case "AGS":
		if len(c) == 8 && c[5:] == "000" {
			return t.follow(k, Key{"AGS", c[:5]}, ruleAGS, at)
		}
		if len(c) == 8 { // not in the register: it lies elsewhere if its Kreis does
			return t.elsewhere(k, Key{"AGS", c[:5]}, ruleAGS, at)
		}
	case "TERYT":
		switch len(c) {
		case 7:
			if c[6] == '4' || c[6] == '5' {
				if a, ok := t.partOf(k, Key{"TERYT", c[:6] + "3"}, ruleTERYTKinds, at); ok {
					return a, true
				}
			}
			return t.elsewhere(k, Key{"TERYT", c[:4]}, ruleTERYT, at)
		case 6:
			for _, kind := range "123" {
				if a, ok := t.follow(k, Key{"TERYT", c + string(kind)}, ruleTERYT, at); ok && a.Coverage == Listed {
					return a, true
				}
			}
			return t.elsewhere(k, Key{"TERYT", c[:4]}, ruleTERYT, at)
		}
	}
	return Area{}, false
}

// follow is the area of base by another code.
func (t *sheet) follow(k, base Key, rule string, at time.Time) (Area, bool) {
	a, ok := t.Lookup(base.Scheme, base.Code, at)
	if !ok {
		return Area{}, false
	}
	a.Key, a.Base, a.Rule, a.Status = k, base, rule, Derived
	a.Source, a.HasCentre, a.patterns, a.Own = "", false, false, 0
	return a, true
}

// partOf is some part of the area of base.
func (t *sheet) partOf(k, base Key, rule string, at time.Time) (Area, bool) {
	a, ok := t.follow(k, base, rule, at)
	if !ok {
		return Area{}, false
	}
	a.Parent, a.Level = base, a.Level+"part"
	if a.Coverage == Listed {
		a.Coverage = Part
	}
	return a, true
}

// elsewhere is an area that lies in base, if that holds nothing of the register.
func (t *sheet) elsewhere(k, base Key, rule string, at time.Time) (Area, bool) {
	a, ok := t.follow(k, base, rule, at)
	if !ok || a.Coverage != Outside {
		return Area{}, false
	}
	a.Parent = base
	return a, true
}

// derive adds the codes of the region that follow by a rule, so that they are in the
// list. Rows of the table come first: Check compares them with the rule.
func (t *sheet) derive() {
	for _, a := range slices.Clone(t.rows) {
		if a.Coverage != Listed || a.patterns {
			continue
		}
		switch {
		case a.Scheme == "CISORP" && a.Level == "orp":
			t.also(a, Key{"EMMA_ID", "CZ0" + a.Code}, ruleEMMACZ)
		case a.Scheme == "TERYT" && a.Level == "powiat":
			t.also(a, Key{"EMMA_ID", "PL" + a.Code}, ruleEMMAPL)
		case a.Scheme == "AGS" && a.Level == "kreis":
			t.also(a, Key{"WARNCELLID", "1" + a.Code + "000"}, ruleWarncell1)
			t.also(a, Key{"ARS", a.Code + "0000000"}, ruleARS)
		case a.Scheme == "AGS" && a.Level == "land":
			t.also(a, Key{"ARS", a.Code + "0000000000"}, ruleARS)
		case a.Scheme == "AGS" && a.Level == "municipality":
			t.also(a, Key{"WARNCELLID", "8" + a.Code}, ruleWarncell8)
		case a.Scheme == "TERYT" && a.Level == "municipality":
			t.also(a, Key{"TERYT", a.Code[:6]}, ruleTERYT)
		}
	}
}

func (t *sheet) also(base *Area, k Key, rule string) {
	if len(t.byKey[k]) > 0 && !slices.ContainsFunc(t.byKey[k], func(a *Area) bool { return a.Rule != "" }) {
		return // the table has it itself
	}
	a := *base
	a.Key, a.Base, a.Rule, a.Status, a.Source, a.HasCentre, a.Own = k, base.Key, rule, Derived, "", false, 0
	if t.add(&a) != nil {
		return // two bases at one time: Check says so of them
	}
}
