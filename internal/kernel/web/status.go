package web

import "time"

// State is how a node or a part of it is. It is shown as shape, colour and word.
type State uint8

const (
	StateNone     State = iota // says nothing about health; shown without a sign
	StateNormal                // works
	StateStarting              // waits for the neighbours' registers
	StateFaulty                // does not work and needs a person
)

var stateNames = [...]string{StateNone: "none", StateNormal: "normal", StateStarting: "starting", StateFaulty: "faulty"}

func (s State) String() string { return stateNames[s] }

// Row is one line of a status page. Label and Value are written in the
// reader's language already. State is StateNone for mere facts.
type Row struct {
	Label, Value string
	State        State
}

// Status is what StatusPage shows. Strangers see it: nothing in it may be
// personal or secret.
type Status struct {
	Node    string    // name of the place, such as Liberec
	OID     string    // dotted decimal
	Version string    // of the product
	State   State     // of the whole node; not StateNone
	Now     time.Time // when the state was read
	Rows    []Row
}
