package feed

import (
	"embed"
	"io/fs"
	"slices"
	"time"

	"trojmezi/internal/format/cap"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

//go:embed locales/*.json
var locales embed.FS

// Locales returns the package's texts.
func Locales() fs.FS { return locales }

// Knowledge is how well the format of a feed is known, and nothing to be proud of: a
// person who relies on the feed reads it on the screen.
type Knowledge string

// The degrees of knowledge.
const (
	Capture       Knowledge = "capture"          // a file that the feed sent was read
	Specification Knowledge = "specification"    // its sender has published a schema
	Description   Knowledge = "description only" // from readers of others and from notes: not yet seen live
)

// Feed is a source of warnings.
type Feed struct {
	Name      string // on the command line, in the store and in addresses
	Title     string // of its sender, in the sender's language
	Knowledge Knowledge
	// Parse reads one document. It is a function of the document alone.
	Parse func(doc []byte) (*Reading, *tree.Fault)
}

// Reading is what one document of a feed says.
type Reading struct {
	Issued Moment // by the document itself, or the newest time in it; zero: it does not say
	// Dated says that Issued is what the document says of itself, so that two of them can
	// be put in order by it. The newest time of what is listed goes back when that is
	// withdrawn: such lists have only the order in which they were fetched.
	Dated    bool
	Warnings []Warning
	// Whole says that everything in force stands in the document: what is no longer in
	// it, is over.
	Whole bool
	// Total is how many entries the feed says it has, where it gives them in pages; 0: it
	// does not say.
	Total      int
	Quiet      int               // entries that said that there is no warning
	NoData     int               // entries that said that nothing is known: that is not the same
	Deviations []shape.Deviation // of the document as a whole
	// More are deviations that are counted and not kept: of a document in which everything
	// is odd, the first ones tell what is wrong.
	More int

	kept int // deviations of warnings that are kept
}

// maxDeviations are those that are kept of a document.
const maxDeviations = shape.MaxFound

// Full reports whether no more deviations are kept.
func (r *Reading) Full() bool { return r.kept+len(r.Deviations) >= maxDeviations }

// Add adds a warning, of whose deviations those are kept for which there is room.
func (r *Reading) Add(w Warning) {
	if room := max(0, maxDeviations-r.kept-len(r.Deviations)); len(w.Deviations) > room {
		r.More += len(w.Deviations) - room
		w.Deviations = append([]shape.Deviation(nil), w.Deviations[:room]...)
	}
	r.kept += len(w.Deviations)
	r.Warnings = append(r.Warnings, w)
}

// Warning is one official warning as a feed carries it.
type Warning struct {
	// ID is the same for every document of the feed that carries the warning.
	ID string
	// Originals are the identifiers under which other feeds carry it too (CAP
	// identifiers of its first sender).
	Originals []string
	Replaces  []string // identifiers of messages that this one updates or ends
	Source    string   // Feed.Name
	Sender    string   // who issued it: the organisation
	Event     string   // in the first of Texts
	Code      string   // of the event, with its list: "SIVS:I.4"; "" without one
	Level     Level
	Sent      Moment
	Onset     Moment // zero: from Sent on
	Expires   Moment // zero: it does not say
	Status    Status
	State     State
	Areas     []Area
	Texts     []Text
	Extra     []cap.Pair // what else the sender gives, by its own names
	// Deviations are what in it is not as it should be.
	Deviations []shape.Deviation
}

// Moment is a time with the text it came as. Zero At: there was none that can be read.
type Moment struct {
	At   time.Time
	Text string
}

// Level is how bad it may get: three words that do not mean the same. National levels
// are never counted against each other.
type Level struct {
	Severity string // of CAP: Minor, Moderate, Severe, Extreme, Unknown
	National string // as its sender says it: "2", "oranžový"; "" where it has none
	Colour   string // green, yellow, orange, red, violet: of the sender, or of the severity
}

// Status is what a warning is for.
type Status string

// The statuses. Whatever may be an exercise is one.
const (
	Actual   Status = "actual"
	Exercise Status = "exercise"
	Test     Status = "test" // of technology: nobody is to do anything
)

// State is what a document says of a warning's life.
type State string

// The states.
const (
	InForce   State = "in_force"
	Cancelled State = "cancelled" // taken back
	AllClear  State = "all_clear"
	Past      State = "past"
)

// Area is for whom it is: all codes and shapes together.
type Area struct {
	Name     string // free text of the sender: nothing to compare with
	Codes    []Code
	Polygons []string // as CAP writes them
	Holes    []string // of the polygons
	Circles  []string
}

// Code is that of an area in a list: CISORP, EMMA_ID, WARNCELLID, TERYT, …
type Code struct{ Scheme, Value string }

// Text is what is said in one language.
type Text struct {
	Language    string // BCP 47, as it was sent
	Event       string
	Headline    string
	Description string
	Instruction string
}

// Languages are those of the texts.
func (w *Warning) Languages() []string {
	var all []string
	for _, t := range w.Texts {
		if !slices.Contains(all, t.Language) {
			all = append(all, t.Language)
		}
	}
	return all
}

// colours of severities, as MeteoAlarm has them.
var colours = map[string]string{"Minor": "green", "Moderate": "yellow", "Severe": "orange", "Extreme": "red"}

// LevelOf is a level by the word of CAP.
func LevelOf(severity string) Level {
	if colours[severity] == "" {
		severity = "Unknown"
	}
	return Level{Severity: severity, Colour: colours[severity]}
}

// Doubt is a deviation at a node: something that can be read and that people who watch
// the feed should know.
func Doubt(n *tree.Node, path, rule string, args map[string]any) shape.Deviation {
	d := shape.Breach(n, path, rule, "")
	d.Severity, d.Key = shape.Warning, "feed.rule."+rule
	for k, v := range args {
		d.Args[k] = v
	}
	return d
}

// Refuse is a fault: the document is none of the feed.
func Refuse(line int, rule string, args map[string]any) *tree.Fault {
	if args == nil {
		args = map[string]any{}
	}
	args["line"] = line
	return &tree.Fault{Line: line, Rule: rule, Key: "feed.fault." + rule, Args: args}
}
