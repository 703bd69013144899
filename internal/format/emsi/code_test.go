package emsi

import (
	"reflect"
	"strings"
	"testing"

	"golang.org/x/text/language"
)

func TestKnown(t *testing.T) {
	for _, c := range []struct {
		list    List
		code    string
		nearest string
		exact   bool
	}{
		{CategoryList, "FIR", "FIR", true}, {CategoryList, " fir ", "FIR", false}, {CategoryList, "FIR/CZ_X/Y", "FIR", false}, {CategoryList, "CZ_X", "", false},
		{CategoryList, "", "", false}, {CategoryList, "/", "", false}, {CategoryList, "FIR//", "FIR", false},
		{MissionTypeList, "SAV/AR/CZ_LZS", "SAV", false}, {MissionTypeList, "SAV/AR/FR_MED/DE_NEF", "SAV/AR/FR_MED", false},
		{ModeList, "EXCERCS", "EXERCS", false}, {RiskList, "increa", "NCREA", false}, {NationalityList, "cz", "CZ", false},
		{ClassList, "HUM/" + strings.Repeat("X/", 100_000), "HUM", false}, {ClassList, strings.Repeat("X", 100_000), "", false}, {"NO.LIST", "FIR", "", false},
	} {
		if nearest, exact := Known(c.list, c.code); nearest != c.nearest || exact != c.exact {
			t.Errorf("%s %.40s: %q %v, want %q %v", c.list, c.code, nearest, exact, c.nearest, c.exact)
		}
	}
}

// Every list has codes, of a form that Known relies on, and every field its list.
func TestLists(t *testing.T) {
	used := map[List]bool{CapabilityList: true}
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(of reflect.Type) {
		for of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		if seen[of] || of.Kind() != reflect.Struct {
			return
		}
		seen[of] = true
		for i := range of.NumField() {
			tag := of.Field(i).Tag
			if tag.Get("emsi") == "" {
				continue
			}
			used[List(tag.Get("list"))] = true
			isCode := of.Field(i).Type == reflect.TypeFor[Code]() || of.Field(i).Type == reflect.TypeFor[[]Code]()
			if isCode != (len(Codes(List(tag.Get("list")))) > 0) {
				t.Errorf("%s.%s has the list %q", of.Name(), of.Field(i).Name, tag.Get("list"))
			}
			walk(of.Field(i).Type)
		}
	}
	walk(reflect.TypeFor[Message]())
	for list := range dictionaries {
		all := Codes(list)
		if !used[list] {
			t.Errorf("nothing uses %s", list)
		}
		if len(all) != len(dictionaries[list].has) {
			t.Errorf("%s has a code twice", list)
		}
		for _, c := range all {
			if c != clean(c) || c == "" || 2*len(c) > longestCode {
				t.Errorf("%s: %q", list, c)
			}
		}
	}
	for list, want := range map[List]int{CategoryList: 71, ActorList: 154, LocationTypeList: 53, EnvironmentList: 17, AreaTypeList: 79, WeatherList: 48, MissionTypeList: 22, ClassList: 601, UnitList: 50, NationalityList: 249} {
		if got := len(Codes(list)); got != want {
			t.Errorf("%s has %d codes, want %d", list, got, want)
		}
	}
	for _, c := range Codes(NationalityList) {
		if r, err := language.ParseRegion(c); err != nil || !r.IsCountry() {
			t.Errorf("%s is no country", c)
		}
	}
	if Codes("NO.LIST") != nil {
		t.Error("a list that is none has codes")
	}
}
