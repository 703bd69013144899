package console

import (
	"time"

	"trojmezi/internal/exchange/disclosure"
	"trojmezi/internal/exchange/phrase"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// Org is a control room served by this node: an organisation with its own
// UCRI 2 addresses.
type Org struct {
	ID        string
	Name      string
	Country   string // CZ, DE or PL
	Lang      i18n.Lang
	Addresses []string // OIDs; the first is the one messages leave from
}

// Actor is the person who acts, for one organisation.
type Actor struct {
	Person string // id of identity
	Org    string // id of the organisation
}

// State is where a hand-over stands.
type State string

// States of a hand-over that came in.
const (
	Ringing    State = "ringing"     // nobody here has opened it
	Opened     State = "opened"      // a person opened it and has not decided
	InProgress State = "in_progress" // accepted, and something happened since
	Elsewhere  State = "elsewhere"   // the sender says: taken over by telephone, or completed it before we decided
)

// States of a hand-over that went out.
const (
	HandedOver State = "handed_over" // stored here
	Delivered  State = "delivered"   // the neighbour's node has it
	Read       State = "read"        // their system has read it; no person has
	Telephoned State = "telephoned"  // taken over orally
	Withdrawn  State = "withdrawn"   // taken back before the neighbour had it
	Expired    State = "expired"     // nobody took it in time
	Failed     State = "failed"      // the neighbour's node refused it
)

// States of both directions.
const (
	Accepted  State = "accepted"  // by a person
	Rejected  State = "rejected"  // by a person
	Completed State = "completed" // the receiver says done
	Aborted   State = "aborted"   // the receiver says broken off
)

// Noted is a message that belongs to no hand-over and that a person has seen.
const Noted State = "noted"

// Undecided reports whether the hand-over still waits for a person's answer.
func (s State) Undecided() bool {
	switch s {
	case Ringing, Opened, HandedOver, Delivered, Read, Expired, Failed:
		return true
	}
	return false
}

// Class is how soon a person has to act.
type Class string

// The classes of alarms, with their rhythm in static/sound.js.
const (
	ClassA Class = "A" // act now
	ClassB Class = "B" // act soon
	ClassC Class = "C" // be aware
)

// Filter chooses rows of the queue.
type Filter struct {
	Closed bool      // the closed ones instead of the open ones
	Since  time.Time // closed ones: changed since then; zero: today in the organisation's zone
	Limit  int       // 0: MaxRows
}

// Queue is the list of one organisation.
type Queue struct {
	Rows        []Row // what needs a person first, then the oldest
	Open        int   // all open ones, also beyond Rows
	ClosedToday int
	Kinds       []store.Kind // kinds among the rows, live last
	At          time.Time    // when it was read
}

// Row is an incident, or a message without one, in the queue.
type Row struct {
	ID       string // of the incident, for Incident
	SharedID string // UUID common to all parties; "" without an incident
	Kind     store.Kind
	App      string // UCRI 2 app of the first message
	Message  string // and its message
	Type     string // keyword of the sender's catalogue, "" without one
	TypeKey  string // of the crosswalk, where the sender states it
	Headline string // what is the matter in the sender's words; "" when deleted
	Place    string // municipality, "" when unknown
	Injured  *int   // as stated; nil: not stated
	Incoming bool   // the first hand-over came in
	Neighbour
	More    int // further neighbours taking part
	Records int // records of its case, at least 1
	State   State
	Class   Class     // of the most urgent alarm, "" for none
	Nobody  bool      // nobody accepted in time
	Late    bool      // arrived older than the set time
	Differs bool      // confirmed place or number differs from the stated one
	Danger  bool      // danger to life
	Since   time.Time // of State
	First   time.Time // stored first
	Changed time.Time
	Claim   *Claim    // who is handling it now
	Unseen  int       // messages nobody here has seen
	Deleted time.Time // content deleted then; zero: it is there
}

// Neighbour names another control room.
type Neighbour struct {
	OID  string
	Name string // as its register says, else the OID
}

// Claim says who is handling an incident, until when the note holds.
type Claim struct {
	Person string
	Name   string
	Until  time.Time
}

// Incident is everything about one incident.
type Incident struct {
	Row
	Facts     *Facts       // of the newest hand-over; nil when deleted
	Handovers []Handover   // in the order they were stored
	Thread    []Entry      // messages, oldest first
	Events    []Event      // what persons and systems did, oldest first
	Partners  []Neighbour  // whom a text about it goes to
	Mismatch  []Mismatch   // confirmed values that differ from the stated ones
	Resources []Resource   // requested, granted, on their way
	Records   []CaseRecord // of its case, the lead first; one when it stands alone
	Suggested []Candidate  // other open incidents that may be of the same event
	Changes   []Change     // what was changed since the hand-over, oldest first
	Editors   []Claim      // who is writing a change at the moment
	Flow      Flow         // whether changes of one side pass on by themselves
	DeleteAt  time.Time    // its content is deleted in the second night after it unless more comes; zero: it is
}

// CaseRecord is what one neighbour and we know under one number of an event.
type CaseRecord struct {
	Row
	Facts *Facts // of its newest hand-over; nil when deleted or without one
	// Differs are the values in which it differs from the lead's.
	Differs []Difference
}

// Facts is what an incident message says, read from the sealed envelope.
type Facts struct {
	Type            string
	TypeKey         string // of the crosswalk, where the sender states it
	TypeCode        string // "cz-hzs 3100/3108", the sender's own
	Classifications []string
	Issue           string
	Place           string // municipality
	Address         string // in one line
	Object          string
	Lat, Lon        float64
	HasPoint        bool
	Injured         *int
	Danger          bool // blue light, or stated by a node of ours
	SentAt          time.Time
	Began           time.Time
	InternalID      string
	Additional      string
	Callers         []Person
	Patients        []Person
	Accused         []Person
	Victims         []Person
	Remarks         []Remark
	Lang            i18n.Lang // of the free text; "" when the sender doesn't say
	Pickup          string    // patient transport
	Destination     string
	PickupAt        time.Time
	ArrivalAt       time.Time
	ECall           bool
}

// Person is a person of a message.
type Person struct {
	Name  string // given and family name
	Phone string
	Note  string // age, gender, what has no field of its own
}

// Remark is a line of the incident's log.
type Remark struct {
	At       time.Time
	Text     string
	Category string
	Said     *phrase.Said `json:"-"` // Text is this phrase; nil: a person's own words
}

// Handover is one incident, patient, transport order or request for resources
// handed from one control room to another.
type Handover struct {
	ID       int64 // number in the node's log
	App      string
	Incoming bool
	Own      string // our address
	Neighbour
	State     State
	Since     time.Time
	Stored    time.Time
	Expires   time.Time
	Sent      time.Time // by the dispatcher, as the sender says
	Danger    bool
	Late      bool
	Nobody    bool      // nobody accepted within the set time
	Closed    bool      // nobody has to do anything about it
	PhoneAt   time.Time // outgoing: "telephone now" is due then; zero: not
	Phone     string    // desk number of the neighbour; "" when none is known
	PhoneOld  bool      // confirmed too long ago, or never
	Receipt   Receipt
	OpenedBy  string // name; incoming
	OpenedAt  time.Time
	DecidedBy string // name as known: our person, or what the neighbour wrote
	DecidedAt time.Time
	Reason    string // of a rejection, failure or end
	Stated    Confirm
	Confirmed *Confirm // what the receiver confirmed; nil: not, or not in our form
	Requests  []Request
}

// Receipt is how far an outgoing message came, in four layers that are never
// mixed: zero means not yet.
type Receipt struct {
	Stored     time.Time
	Delivered  time.Time // the neighbour's node has it
	Read       time.Time // their system has read it
	Accepted   time.Time // a person accepted it
	AcceptedBy string    // the person's name where the neighbour sends one
	Failed     time.Time
	Cause      string    // why, for people
	NextTry    time.Time // while it is not delivered; zero: unknown
	Withdrawn  time.Time
}

// Confirm is what an accepting person confirms.
type Confirm struct {
	Place   string
	Injured *int // nil: not known
}

// Mismatch is a confirmed value that differs from the stated one.
type Mismatch struct {
	Field     string // "place" or "injured"
	Stated    string
	Confirmed string
	Neighbour string
}

// Request is one wanted resource of a request.
type Request struct {
	ID   string
	Type string
	Name string
}

// Resource is a requested resource and what became of it.
type Resource struct {
	Request
	Neighbour Neighbour
	Handover  int64
	Incoming  bool // they ask us
	Status    string
	Granted   []Unit
	Deployed  []Unit
	Comment   string
	ChangedAt time.Time
}

// Status of a Resource.
const (
	ResourceAsked    = "asked"
	ResourceGranted  = "granted"
	ResourceRefused  = "refused"
	ResourceDeployed = "deployed"
)

// Unit is a resource with its owner's name.
type Unit struct {
	ID   string
	Name string
	Type string
	At   time.Time
}

// Form is the shape in which a message of the thread is recognised.
type Form string

// The forms.
const (
	FormIncident   Form = "incident"
	FormAccepted   Form = "accepted"
	FormRejected   Form = "rejected"
	FormText       Form = "text"
	FormConfirm    Form = "confirm" // text with our fixed first line
	FormTelephone  Form = "telephone"
	FormUpdate     Form = "update" // text with our fixed first line: what changed
	FormCompletion Form = "completion"
	FormRequest    Form = "request"
	FormResource   Form = "resource"
	FormOther      Form = "other" // catalogues and what we don't know
)

// Entry is one message of the thread.
type Entry struct {
	ID       int64
	App      string
	Message  string
	Form     Form
	Incoming bool
	Neighbour
	At      time.Time
	Author  string // name of our person; "" for incoming ones
	Lines   []Remark
	Changes []Change // of FormUpdate
	Lang    i18n.Lang
	Late    bool
	Expired bool // nobody took it in time: the sender was told so
	Receipt Receipt
	SeenBy  string
	Deleted bool // the content is deleted
}

// Event is a line of the course of events.
type Event struct {
	At     time.Time
	Who    string    // name, or the neighbour's
	Key    string    // of the text, "console.d.event.…"
	Args   i18n.Args // neighbour
	Reason string    // key of why, "" without one
	Note   string    // a person's own words
}

// Alarm is something a person has to do.
type Alarm struct {
	ID       string
	Org      string
	Kind     store.Kind
	Class    Class
	Cause    Cause
	Incident string
	Handover int64
	Neighbour
	Type         string
	TypeKey      string
	Headline     string    // what is the matter; "" when deleted
	First        time.Time // when its incident was stored
	Place        string
	Phone        string // telephone now: the desk's number
	PhoneOld     bool
	Step         int    // telephone now: numbers tried without an answer
	Reason       string // key of why, such as "console.d.why.offline"
	Raised       time.Time
	Waiting      time.Time // since when somebody waits: the storage of the hand-over
	Seen         time.Time
	SeenBy       string
	Ended        time.Time // the cause is gone; shown until seen
	EndedBy      string    // who accepted after all
	Escalated    bool      // the shift leader sees it too
	ShelvedUntil time.Time
	ShelvedBy    string
	ShelveReason string
	Count        int      // repeats merged into this one, at least 1
	Merged       []string // ids of the others among them
}

// Cause says what an alarm is about.
type Cause string

// The causes. Each has a card: what to do is in the locales, console.d.card.*.
const (
	CauseIncoming  Cause = "incoming"  // a hand-over nobody has opened
	CauseUndecided Cause = "undecided" // opened and not decided for 60 s
	CauseTelephone Cause = "telephone" // nobody accepted: telephone now
	CauseMessage   Cause = "message"   // a text
	CauseAnswer    Cause = "answer"    // rejected, granted, on its way
	CauseEnd       Cause = "end"       // completion
	CauseLink      Cause = "link"      // a neighbour's node is not reachable

	CauseUndelivered Cause = "undelivered" // an answer or a text of ours was refused or expired
)

// Strip is the state of the alarms of one organisation.
type Strip struct {
	Alarms  []Alarm // not seen or not ended, the most urgent first, then the oldest
	Shelved []Alarm
	Flood   bool
	Sound   Sound
	Counts  map[Class]int
	Accept  int // how many need acceptance
	At      time.Time
}

// Sound is what sounds now.
type Sound struct {
	Class Class // "" for silence
	Kind  store.Kind
	Count int
	Since time.Time // newest onset: not more often than every 10 s in a flood
}

// Draft is a hand-over before it leaves. Place, Injured and Danger are what the
// receiver is asked to confirm.
type Draft struct {
	ID          string // "" for a new one
	Incident    string // hand on an existing incident; "" for a new one
	To          []string
	App         string // "" is incident_transfer
	Type        string // keyword of the own catalogue, or words of the crosswalk
	TypeKey     string `json:"-"` // of the crosswalk, when it is sent
	TypeCode    string `json:"-"` // the own code of that type
	Issue       string
	Place       string // municipality
	Street      string
	House       string
	Postal      string
	District    string
	Country     string // of the place
	Object      string
	Additional  string
	Lat, Lon    float64
	HasPoint    bool
	Injured     *int
	Danger      bool
	Caller      Person
	Callers     []Person // further ones
	Patients    []Person
	Answers     map[disclosure.Group]bool // whether the receiver is told; as the rules say where it has none
	Emergency   string                    // why he is told everything; "": he is not
	Remarks     []string
	InternalID  string
	Began       time.Time
	Pickup      Location // patient transport
	Destination Location
	PickupAt    time.Time
	ArrivalAt   time.Time
	Want        []Request // requested resources
	Updated     time.Time
	Raw         map[string]string // fields of the form as typed, kept by autosave
	Once        string            // idempotency key of the form
	DeleteAt    time.Time         `json:"-"` // when it is deleted unless it is saved again
}

// Location is a place of a patient transport.
type Location struct {
	Street, House, Postal, City, Country, Object string
}

// Resources is a request for resources about an incident.
type Resources struct {
	To       []string
	Want     []Request // ID may be empty
	Patients []Person  // at least one is required by the specification
	Comment  string
}

// Answer answers one wanted resource.
type Answer struct {
	Request string // resourceRequestId; "" when the request has one only
	Status  string // ResourceGranted, ResourceRefused or ResourceDeployed
	Units   []Unit
	Comment string
}

// Console is an open console.
type Console struct {
	ID     string
	Person string
	Name   string
	Armed  bool // its sound was tested and runs
	Since  time.Time
}

// Shift is a person on duty.
type Shift struct {
	ID      string
	Person  string
	Name    string
	Started time.Time
	Tested  time.Time // sound
	Ended   time.Time
	Note    string   // "" when deleted
	Open    []string // incidents handed over
	To      string   // person taking over
	ToName  string
	Signed  time.Time // by the person who goes
	Taken   time.Time // by the person who comes
	Shelved []Alarm
	// DeleteAt is when the note is deleted; zero while the shift runs.
	DeleteAt time.Time
}
