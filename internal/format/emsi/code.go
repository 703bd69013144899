package emsi

import (
	_ "embed"
	"strings"
)

// List names one of the standard's lists of codes, by the place where it is used.
type List string

// The lists. Those of LocationType, PositionType, Capability and Nationality are
// recommended: the schemas permit any text there. All others are closed.
const (
	ModeList         List = "CONTEXT.MODE"
	MessageTypeList  List = "CONTEXT.MSGTYPE"
	LinkRoleList     List = "CONTEXT.LINK_ROLE"
	LevelList        List = "CONTEXT.LEVEL"
	SecrecyList      List = "CONTEXT.SECLASS"
	UrgencyList      List = "CONTEXT.URGENCY"
	InfoTypeList     List = "CONTEXT.EXTERNAL_INFO.TYPE"
	CategoryList     List = "EVENT.ETYPE.CATEGORY"
	ActorList        List = "EVENT.ETYPE.ACTOR"
	LocationTypeList List = "EVENT.ETYPE.LOCTYPE"
	EnvironmentList  List = "EVENT.ETYPE.ENV"
	SourceList       List = "EVENT.SOURCE"
	ScaleList        List = "EVENT.SCALE"
	EventStatusList  List = "EVENT.STATUS"
	RiskList         List = "EVENT.RISK_ASSESMENT"
	AreaTypeList     List = "EVENT.EGEO.TYPE"
	WeatherList      List = "EVENT.EGEO.WEATHER"
	CauseList        List = "EVENT.CAUSE"
	PositionTypeList List = "POSITION.TYPE"
	MissionTypeList  List = "MISSION.TYPE"
	MissionStateList List = "MISSION.STATUS"
	PriorityList     List = "MISSION.PRIORITY"
	ClassList        List = "RESOURCE.RTYPE.CLASS"
	CapabilityList   List = "RESOURCE.RTYPE.CAPABILITY"
	ResourceGeoList  List = "RESOURCE.RGEO.TYPE"
	UnitList         List = "RESOURCE.UM"
	ResourceList     List = "RESOURCE.STATUS"
	NationalityList  List = "RESOURCE.NATIONALITY"
	ContactList      List = "RESOURCE.CONTACTS.TYPE"
)

// recommended are the lists that the schemas do not enforce.
var recommended = map[List]bool{LocationTypeList: true, PositionTypeList: true, CapabilityList: true, NationalityList: true}

// The codes that decide what becomes of a message.
const (
	ModeActual   = "ACTUAL"
	ModeExercise = "EXERCS"
	ModeSystem   = "SYSTEM"
	ModeTest     = "TEST"

	TypeAck    = "ACK"
	TypeAlert  = "ALERT"
	TypeCancel = "CANCEL"
	TypeError  = "ERROR"
	TypeUpdate = "UPDATE"

	StatusNotStarted = "NST"
	StatusInProgress = "IPR"
	StatusStopped    = "STOP" // of an event: under control
	StatusComplete   = "COM"
)

// Of is a code as the list has it.
func Of(code string) Code { return Code{Text: code, Known: code} }

//go:embed codes.csv
var codesFile string

// dictionary is the codes of a list, in its order and by themselves.
type dictionary struct {
	order []string
	has   map[string]bool
}

// The codes are those that both schemas of the profile enumerate. The profile's
// published lists differ from them in four places, and the schema wins: MODE has
// EXCERCS for EXERCS, RISK_ASSESMENT has INCREA for NCREA, SECLASS has CONFID twice
// and RESTRC not at all, and codes of SOURCE and POSITION.TYPE end in a space. The
// list of CAPABILITY says AER15M sixteen times. The countries are ISO 3166-1.
var dictionaries = loadCodes(codesFile)

func loadCodes(file string) map[List]*dictionary {
	all := map[List]*dictionary{}
	for line := range strings.Lines(file) {
		list, code, _ := strings.Cut(strings.TrimSpace(line), ",")
		d := all[List(list)]
		if d == nil {
			d = &dictionary{has: map[string]bool{}}
			all[List(list)] = d
		}
		d.order = append(d.order, code)
		d.has[code] = true
	}
	return all
}

// Codes are the codes of a list, in the order of the standard. The caller must not
// change them.
func Codes(list List) []string {
	if d := dictionaries[list]; d != nil {
		return d.order
	}
	return nil
}

// misspelt are wrong codes that real systems send.
var misspelt = map[List]map[string]string{
	ModeList: {"EXCERCS": ModeExercise, "EXERCISE": ModeExercise},
	RiskList: {"INCREA": "NCREA", "INCREASE": "NCREA", "DECREASE": "DECREA"},
}

// longestCode bounds the search for what stands above a code: none has half of it.
const longestCode = 80

// Known finds the nearest code of a list: the code itself (exact), its right
// spelling, or the nearest above it in the tree that the slashes make. It is "" when
// there is none.
func Known(list List, code string) (nearest string, exact bool) {
	d := dictionaries[list]
	if d == nil {
		return "", false
	}
	if d.has[code] {
		return code, true
	}
	up := clean(code)
	if right, ok := misspelt[list][up]; ok {
		return right, false
	}
	if len(up) > longestCode {
		up = up[:strings.LastIndexByte(up[:longestCode], '/')+1]
	}
	for up != "" && !d.has[up] {
		up = up[:max(strings.LastIndexByte(up, '/'), 0)]
	}
	return up, false
}

// clean writes a code the way that all codes of the lists are written.
func clean(code string) string { return strings.ToUpper(strings.TrimSpace(code)) }
