package emsi

import "time"

// Namespace is that of the elements of an EMSI message in XML.
const Namespace = "urn:emergency:eda:1.9:emsi"

// The parts of a message. The tag names the element or member, in the order of the
// standard; "required" is said of what its schemas demand. An optional text that is
// "" does not stand; a required one always does. Optional groups are pointers: an
// empty group may stand.

// Message is an EMSI message (spec: ISO/TR 22351, emsi).
type Message struct {
	Context   Context    `emsi:"CONTEXT,required"`
	Event     *Event     `emsi:"EVENT,required"` // nil in what is no message by the schema
	Missions  []Mission  `emsi:"MISSION"`
	Resources []Resource `emsi:"RESOURCE"`
	// Extra is what Read found no place for. Write leaves it out.
	Extra []Value `emsi:"-"`
}

// Value is a value of a document for which the model has no field.
type Value struct {
	Path string // as tree.Document.Walk gives it
	Text string
}

// Code is a code of one of the standard's lists.
type Code struct {
	Text string // as it came
	// Known is the nearest code that the list has: Text itself, its right spelling
	// or what stands above it in the tree of codes; "" without.
	Known string
}

// Time is a moment.
type Time struct {
	Text string // as it came
	// At is the moment, with the offset it was written with; zero when Text is none:
	// without a time zone nobody can know.
	At time.Time
}

// Decimal is a number as it is written, without exponent, so that its precision
// stays; "" for none.
type Decimal string

// Context is about the message itself (spec: CONTEXT).
type Context struct {
	ID      string         `emsi:"ID,required"` // of the message
	Mode    Code           `emsi:"MODE,required" list:"CONTEXT.MODE"`
	Type    Code           `emsi:"MSGTYPE,required" list:"CONTEXT.MSGTYPE"`
	Created Time           `emsi:"CREATION"`
	Links   []Link         `emsi:"LINK"`
	Level   Code           `emsi:"LEVEL" list:"CONTEXT.LEVEL"`     // of command
	Secrecy Code           `emsi:"SECLASS" list:"CONTEXT.SECLASS"` // protective marking
	Text    string         `emsi:"FREETEXT"`
	Origin  *Origin        `emsi:"ORIGIN"`
	Infos   []ExternalInfo `emsi:"EXTERNAL_INFO"`
	Urgency Code           `emsi:"URGENCY" list:"CONTEXT.URGENCY"`
}

// Link names an earlier message (spec: CONTEXT.LINK).
type Link struct {
	ID   string `emsi:"ID,required"`
	Role Code   `emsi:"LINK_ROLE" list:"CONTEXT.LINK_ROLE"`
}

// Origin is who sent the message (spec: CONTEXT.ORIGIN).
type Origin struct {
	OrgID  string `emsi:"ORG_ID"`
	UserID string `emsi:"USER_ID"`
	Name   string `emsi:"NAME"`
}

// ExternalInfo is where there is more to know (spec: CONTEXT.EXTERNAL_INFO).
type ExternalInfo struct {
	Text string `emsi:"FREETEXT"`
	URI  string `emsi:"URI,required"`
	Type Code   `emsi:"TYPE" list:"CONTEXT.EXTERNAL_INFO.TYPE"`
}

// Event is the incident (spec: EVENT).
type Event struct {
	ID         string       `emsi:"ID,required"` // in the sender's system
	Name       string       `emsi:"NAME"`
	MainID     string       `emsi:"MAIN_EVENT_ID"` // of the incident this one is part of, or of the shared one
	Type       *EventType   `emsi:"ETYPE"`
	Source     Code         `emsi:"SOURCE" list:"EVENT.SOURCE"` // how it became known
	Scale      Code         `emsi:"SCALE" list:"EVENT.SCALE"`   // "1" local means … "5" help from other countries
	Certainty  *int32       `emsi:"CERTAINTY"`                  // per cent
	Declared   Time         `emsi:"DECL_DATIME"`                // when it was reported
	Occurred   Time         `emsi:"OCC_DATIME"`                 // when it began
	Observed   Time         `emsi:"OBS_DATIME"`                 // when it was last seen as described
	Status     Code         `emsi:"STATUS" list:"EVENT.STATUS"`
	Risk       Code         `emsi:"RISK_ASSESMENT" list:"EVENT.RISK_ASSESMENT"` // does it grow; the schema's spelling
	References []Reference  `emsi:"REFERENCE"`
	Casualties []Casualties `emsi:"CASUALTIES"`
	Evacuation []Evacuation `emsi:"EVAC"`
	Areas      []Area       `emsi:"EGEO"`
	Cause      Code         `emsi:"CAUSE" list:"EVENT.CAUSE"`
	Text       string       `emsi:"FREETEXT"`
}

// EventType is of what kind an event is (spec: EVENT.ETYPE).
type EventType struct {
	Category    []Code `emsi:"CATEGORY,required" list:"EVENT.ETYPE.CATEGORY"` // what happened
	Actor       []Code `emsi:"ACTOR,required" list:"EVENT.ETYPE.ACTOR"`       // to whom or what
	Location    []Code `emsi:"LOCTYPE,required" list:"EVENT.ETYPE.LOCTYPE"`   // at what kind of place
	Environment Code   `emsi:"ENV" list:"EVENT.ETYPE.ENV"`                    // in what larger event
}

// Reference is what another organisation calls the event (spec: EVENT.REFERENCE).
type Reference struct {
	OrgID    string   `emsi:"ORG_ID,required"`
	EventIDs []string `emsi:"OTHER_EVENT_ID,required"`
}

// Casualties are numbers of persons (spec: EVENT.CASUALTIES).
type Casualties struct {
	Context         string `emsi:"CONTEXT,required"` // what the numbers are: before, needing action, after
	At              Time   `emsi:"DATIME"`
	Decontamination *int32 `emsi:"DECONT"`
	Red             *int32 `emsi:"TRIAGERED"` // triage: at once
	Yellow          *int32 `emsi:"TRIAGEYELLOW"`
	Green           *int32 `emsi:"TRIAGEGREEN"`
	Black           *int32 `emsi:"TRIAGEBLACK"` // dead
	Missing         *int32 `emsi:"MISSING"`
}

// Evacuation are numbers of persons (spec: EVENT.EVAC).
type Evacuation struct {
	At        Time   `emsi:"DATIME"`
	Displaced *int32 `emsi:"DISPLACED"`
	Evacuated *int32 `emsi:"EVACUATED"`
}

// Area is a place with a meaning for the event (spec: EVENT.EGEO).
type Area struct {
	At       Time      `emsi:"DATIME"`
	Type     Code      `emsi:"TYPE" list:"EVENT.EGEO.TYPE"`
	Weather  []Code    `emsi:"WEATHER" list:"EVENT.EGEO.WEATHER"`
	Text     string    `emsi:"FREETEXT"`
	Position *Position `emsi:"POSITION"`
}

// Position is a place (spec: POSITION).
type Position struct {
	ID         string   `emsi:"LOC_ID"`
	Name       string   `emsi:"NAME"`
	Type       Code     `emsi:"TYPE" list:"POSITION.TYPE"` // what the coordinates are the corners of
	HeightRole string   `emsi:"HEIGHT_ROLE"`               // what a height is: MIN, MAX, …
	System     string   `emsi:"COORDSYS"`                  // of the coordinates; "EPSG-4326" for WGS 84
	Coords     []Coord  `emsi:"COORD"`
	Address    []string `emsi:"ADDRESS"` // lines
}

// Coord is a point (spec: POSITION.COORD).
type Coord struct {
	Lat    Decimal `emsi:"LAT,required"`  // degrees, north positive
	Long   Decimal `emsi:"LONG,required"` // degrees, east positive
	Height Decimal `emsi:"HEIGHT"`        // metres
}

// Mission is a task, asked for or under way (spec: MISSION).
type Mission struct {
	Type        Code      `emsi:"TYPE,required" list:"MISSION.TYPE"`
	Text        string    `emsi:"FREETEXT"`
	ID          string    `emsi:"ID,required"`
	OrgID       string    `emsi:"ORG_ID"` // who carries it out
	Name        string    `emsi:"NAME,required"`
	Status      Code      `emsi:"STATUS,required" list:"MISSION.STATUS"`
	Start       Time      `emsi:"START_TIME"`
	End         Time      `emsi:"END_TIME"`
	ResourceIDs []string  `emsi:"RESOURCE_ID"` // those that Resources describe
	ParentIDs   []string  `emsi:"PARENT_MISSION_ID"`
	ChildIDs    []string  `emsi:"CHILD_MISSION_ID"`
	MainID      string    `emsi:"MAIN_MISSION_ID"`
	Position    *Position `emsi:"POSITION"`
	Priority    Code      `emsi:"PRIORITY" list:"MISSION.PRIORITY"` // "0" … "5" most urgent
}

// Resource is a unit, a person, material or a place that helps (spec: RESOURCE).
type Resource struct {
	Type        *ResourceType `emsi:"RTYPE,required"`
	ID          string        `emsi:"ID,required"`
	OrgID       string        `emsi:"ORG_ID"` // whose it is
	Name        string        `emsi:"NAME,required"`
	Text        string        `emsi:"FREETEXT"`
	Positions   []ResourceGeo `emsi:"RGEO"`
	Quantity    Decimal       `emsi:"QUANTITY"`              // in Unit
	Unit        Code          `emsi:"UM" list:"RESOURCE.UM"` // of measure
	Status      Code          `emsi:"STATUS,required" list:"RESOURCE.STATUS"`
	Nationality Code          `emsi:"NATIONALITY" list:"RESOURCE.NATIONALITY"` // ISO 3166-1 alpha-2
	Contacts    []Contact     `emsi:"CONTACTS"`
}

// ResourceType is of what kind a resource is (spec: RESOURCE.RTYPE).
type ResourceType struct {
	Class           []Code   `emsi:"RCLASS,required" list:"RESOURCE.RTYPE.CLASS"`
	Capability      []string `emsi:"CAPABILITY"` // of the standard's codes; its public list is damaged
	Characteristics []string `emsi:"CHARACTERISTICS"`
}

// ResourceGeo is where a resource is, was or shall be (spec: RESOURCE.RGEO).
type ResourceGeo struct {
	At        Time       `emsi:"DATIME"`
	Type      Code       `emsi:"TYPE,required" list:"RESOURCE.RGEO.TYPE"`
	Text      string     `emsi:"FREETEXT"`
	ID        string     `emsi:"ID"`
	Positions []Position `emsi:"POSITION"`
}

// Contact is how a resource is reached (spec: RESOURCE.CONTACTS).
type Contact struct {
	Type   Code   `emsi:"TYPE,required" list:"RESOURCE.CONTACTS.TYPE"`
	Detail string `emsi:"DETAIL,required"`
}
