package unit

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"slices"
	"strings"
	"sync"
	"time"

	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// Status is what a unit does.
type Status string

// Statuses in the order of a mission; Unknown stands for what was not told or is
// too old to hold.
const (
	Free     Status = "free"
	Alarmed  Status = "alarmed"
	OnTheWay Status = "on_the_way"
	AtScene  Status = "at_scene"
	Return   Status = "returning"
	NotReady Status = "not_ready"
	OffDuty  Status = "off_duty"
	Unknown  Status = ""
)

// Statuses are those a unit can have, in the order of their keys 1 to 7.
var Statuses = []Status{Free, Alarmed, OnTheWay, AtScene, Return, NotReady, OffDuty}

// Valid reports whether s is one of Statuses.
func (s Status) Valid() bool { return slices.Contains(Statuses, s) }

// EMSI is the code of RESOURCE.STATUS (ISO/TR 22351) for s, "" for Unknown. EMSI has
// no word for alarmed, returning and off duty: the nearest stands for them.
func (s Status) EMSI() string {
	switch s {
	case Free:
		return "AVAILB"
	case Alarmed:
		return "RESRVD"
	case OnTheWay, Return:
		return "IN_USE/MOBILE"
	case AtScene:
		return "IN_USE/ON_SCENE"
	case NotReady, OffDuty:
		return "UNAV"
	}
	return ""
}

// Sources of a position. A system may name its own.
const (
	FromStation = "station" // nothing was reported: its home
	FromPerson  = "person"
	FromImport  = "import"
)

// Position is where a unit is.
type Position struct {
	geo.Point
	At     time.Time // zero: not told
	Source string
}

// Unit is one of a control room's own.
type Unit struct {
	ID       string
	Org      string
	Kind     store.Kind // a test unit is told to test addresses alone
	CallSign string
	Type     string // code of the catalogue
	Station  string
	Home     *geo.Point // of the station; nil: not known
	Reported *Position  // nil: none, or its station counts again
	Status   Status
	StatusAt time.Time
	StatusBy string // id of a person; "": a system
	Ready    int    // minutes to turn out; -1: not known
	Crew     int    // how many; -1: not known
	Skills   string // equipment and training in words, no names
	Version  int64  // rises with every change but of the position
}

// Where is the reported position, else the station's; nil: not known.
func (u *Unit) Where() *Position {
	if u.Reported != nil {
		return u.Reported
	}
	if u.Home != nil {
		return &Position{Point: *u.Home, Source: FromStation}
	}
	return nil
}

// Type is an entry of the catalogue of resource types. The labels are drafts of our
// own, from memory, to be verified.
type Type struct {
	Code    string
	Service string // fire, ems, police, other
	EMSI    string // RESOURCE.RTYPE.CLASS of ISO/TR 22351
	// For are the families of incident types it is usually sent to; from memory, like the
	// labels: what goes where is decided by people.
	For    []string
	Labels map[i18n.Lang]string
}

// catalogueVersion rises with types.csv.
const catalogueVersion = "2026-11"

//go:embed types.csv
var typesFile []byte

var catalogue = sync.OnceValue(func() []Type {
	rows, err := csv.NewReader(bytes.NewReader(typesFile)).ReadAll()
	if err != nil {
		panic(err) // the file is part of the program
	}
	var all []Type
	for _, r := range rows[1:] {
		all = append(all, Type{Code: r[0], Service: r[1], EMSI: r[2], For: strings.Fields(r[3]), Labels: map[i18n.Lang]string{i18n.Cs: r[4], i18n.De: r[5], i18n.Pl: r[6], i18n.En: r[7]}})
	}
	return all
})

// Types is the catalogue, in its order.
func Types() []Type { return catalogue() }

// TypesFor are the codes of what is usually sent to a family of incident types, such as
// "fire"; none for a family nobody knows.
func TypesFor(family string) (codes []string) {
	for _, t := range catalogue() {
		if slices.Contains(t.For, family) {
			codes = append(codes, t.Code)
		}
	}
	return codes
}

// TypeOf finds an entry of the catalogue.
func TypeOf(code string) (Type, bool) {
	for _, t := range catalogue() {
		if t.Code == code {
			return t, true
		}
	}
	return Type{}, false
}

// Label is the word for a type in a language; a code that is not in the catalogue
// stays as it is.
func Label(l i18n.Lang, code string) string {
	if t, ok := TypeOf(code); ok {
		return t.Labels[l]
	}
	return code
}

// Org is a control room of this node.
type Org struct {
	ID        string
	Name      string
	Lang      i18n.Lang
	Addresses []string // OIDs
}

// Actor is who acts; Person "" is a system or the command line.
type Actor struct{ Person, Org string }
