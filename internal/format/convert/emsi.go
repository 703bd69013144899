package convert

import (
	"strings"

	"trojmezi/internal/format/incident"
	"trojmezi/internal/format/tree"
)

const (
	systemEMSI = "emsi"
	emsiRoot   = "emsi"
	emsiSpace  = "urn:emergency:eda:1.9:emsi"
)

// emsiArrays are the members that are arrays in JSON.
var emsiArrays = map[string]bool{
	"CONTEXT/LINK": true, "CONTEXT/EXTERNAL_INFO": true,
	"EVENT/ETYPE/CATEGORY": true, "EVENT/ETYPE/ACTOR": true, "EVENT/ETYPE/LOCTYPE": true, "EVENT/REFERENCE": true, "EVENT/REFERENCE/OTHER_EVENT_ID": true,
	"EVENT/CASUALTIES": true, "EVENT/EVAC": true, "EVENT/EGEO": true, "EVENT/EGEO/WEATHER": true, "EVENT/EGEO/POSITION/COORD": true, "EVENT/EGEO/POSITION/ADDRESS": true,
	"MISSION": true, "MISSION/RESOURCE_ID": true, "MISSION/PARENT_MISSION_ID": true, "MISSION/CHILD_MISSION_ID": true, "MISSION/POSITION/COORD": true, "MISSION/POSITION/ADDRESS": true,
	"RESOURCE": true, "RESOURCE/RTYPE/RCLASS": true, "RESOURCE/RTYPE/CAPABILITY": true, "RESOURCE/RTYPE/CHARACTERISTICS": true,
	"RESOURCE/RGEO": true, "RESOURCE/RGEO/POSITION": true, "RESOURCE/RGEO/POSITION/COORD": true, "RESOURCE/RGEO/POSITION/ADDRESS": true, "RESOURCE/CONTACTS": true,
}

// emsiSpelling are names that are met and meant otherwise: the standard's text and
// its schema differ in some.
var emsiSpelling = map[string]string{"RISK_ASSESSMNT": "RISK_ASSESMENT", "RISK_ASSESSMENT": "RISK_ASSESMENT", "CERTAINLY": "CERTAINTY"}

func emsiName(name string) string {
	if strings.HasPrefix(name, tree.AttributeMark) || name == tree.TextName {
		return name
	}
	name = strings.ToUpper(strings.TrimSpace(name))
	if right := emsiSpelling[name]; right != "" {
		return right
	}
	return name
}

// part is the first child of a name in any case that has parts itself.
func part(n *tree.Node, name string) *tree.Node {
	for _, k := range n.Kids {
		if k.Kind == tree.Object && strings.EqualFold(k.Name, name) {
			return k
		}
	}
	return nil
}

// readEMSI reads the message at n of a document.
func readEMSI(d *tree.Document, n *tree.Node, path string) (*source, *incident.Incident) {
	s := emptySource(d, systemEMSI)
	s.name = emsiName
	s.add(d.Syntax, n, "", path)
	if l := s.byKey["CONTEXT/ORIGIN/ORG_ID"]; l != nil {
		s.sender = l.node.Text
	}
	i := &incident.Incident{}
	s.sizeEMSI(i)
	s.read(emsiCells(i))
	var modes []string
	for _, l := range s.leaves {
		switch key := plain(l.key); {
		case key == "CONTEXT/MODE", strings.EqualFold(key, "CONTEXT/"+tree.AttributeMark+"MODE"),
			strings.HasPrefix(key, "CONTEXT/MODE/") && !strings.Contains(key, tree.AttributeMark):
			modes = append(modes, l.node.Text)
		}
	}
	s.real = realityOf(modes...)
	return s, i
}

// sizeEMSI makes room for what repeats.
func (s *source) sizeEMSI(i *incident.Incident) {
	grow(&i.Message.Links, s.count("CONTEXT/LINK"))
	grow(&i.Message.Files, s.count("CONTEXT/EXTERNAL_INFO"))
	grow(&i.Types, s.count("EVENT/ETYPE/CATEGORY"))
	grow(&i.Actors, s.count("EVENT/ETYPE/ACTOR"))
	grow(&i.Scenes, s.count("EVENT/ETYPE/LOCTYPE"))
	grow(&i.References, s.count("EVENT/REFERENCE"))
	for n := range i.References {
		grow(&i.References[n].IDs, s.count(at("EVENT/REFERENCE", n)+"/OTHER_EVENT_ID"))
	}
	grow(&i.Casualties, s.count("EVENT/CASUALTIES"))
	grow(&i.Evacuated, s.count("EVENT/EVAC"))
	grow(&i.Areas, s.count("EVENT/EGEO"))
	for n := range i.Areas {
		grow(&i.Areas[n].Weather, s.count(at("EVENT/EGEO", n)+"/WEATHER"))
		s.sizeLocation(&i.Areas[n].Location, at("EVENT/EGEO", n)+"/POSITION")
	}
	grow(&i.Tasks, s.count("MISSION"))
	for n := range i.Tasks {
		t, key := &i.Tasks[n], at("MISSION", n)
		grow(&t.Resources, s.count(key+"/RESOURCE_ID"))
		grow(&t.Parents, s.count(key+"/PARENT_MISSION_ID"))
		grow(&t.Children, s.count(key+"/CHILD_MISSION_ID"))
		s.sizeLocation(&t.Location, key+"/POSITION")
	}
	grow(&i.Resources, s.count("RESOURCE"))
	for n := range i.Resources {
		r, key := &i.Resources[n], at("RESOURCE", n)
		grow(&r.Classes, s.count(key+"/RTYPE/RCLASS"))
		grow(&r.Capabilities, s.count(key+"/RTYPE/CAPABILITY"))
		grow(&r.Features, s.count(key+"/RTYPE/CHARACTERISTICS"))
		grow(&r.Contacts, s.count(key+"/CONTACTS"))
		grow(&r.Positions, s.count(key+"/RGEO"))
		for m := range r.Positions {
			place := key + "/" + at("RGEO", m) + "/POSITION"
			grow(&r.Positions[m].Locations, s.count(place))
			for k := range r.Positions[m].Locations {
				s.sizeLocation(&r.Positions[m].Locations[k], at(place, k))
			}
		}
	}
}

func (s *source) sizeLocation(l *incident.Location, key string) {
	grow(&l.Points, s.count(key+"/COORD"))
	grow(&l.Lines, s.count(key+"/ADDRESS"))
}

// emsiCells are the cells of a message, in the order of its schema (spec: ISO/TR
// 22351 in its French profile).
func emsiCells(i *incident.Incident) []cell {
	b := cellsBelow("")
	m := &i.Message
	b.below("CONTEXT", func(b *cellList) {
		b.text("ID", &m.ID)
		b.text("MODE", &i.Kind)
		b.text("MSGTYPE", &m.Type)
		b.text("CREATION", &m.Created)
		for n := range m.Links {
			b.text(at("LINK", n)+"/ID", &m.Links[n].ID)
			b.text(at("LINK", n)+"/LINK_ROLE", &m.Links[n].Role)
		}
		b.text("LEVEL", &m.Level)
		b.text("SECLASS", &m.Secrecy)
		b.text("FREETEXT", &m.Note)
		b.text("ORIGIN/ORG_ID", &m.Sender.Address)
		b.text("ORIGIN/USER_ID", &m.Sender.Person)
		b.text("ORIGIN/NAME", &m.Sender.Name)
		for n := range m.Files {
			b.text(at("EXTERNAL_INFO", n)+"/FREETEXT", &m.Files[n].Note)
			b.text(at("EXTERNAL_INFO", n)+"/URI", &m.Files[n].URL)
			b.text(at("EXTERNAL_INFO", n)+"/TYPE", &m.Files[n].Type)
		}
		b.text("URGENCY", &m.Urgency)
	})
	b.below("EVENT", func(b *cellList) { b.event(i) })
	for n := range i.Tasks {
		b.mission(at("MISSION", n), &i.Tasks[n])
	}
	for n := range i.Resources {
		b.unit(at("RESOURCE", n), &i.Resources[n])
	}
	return b.cells
}

func (b *cellList) list(name string, values []incident.Value) {
	for n := range values {
		b.text(at(name, n), &values[n])
	}
}

func (b *cellList) event(i *incident.Incident) {
	b.text("ID", &i.Own)
	b.text("NAME", &i.What)
	b.text("MAIN_EVENT_ID", &i.Main)
	b.below("ETYPE", func(b *cellList) {
		b.list("CATEGORY", i.Types)
		b.list("ACTOR", i.Actors)
		b.list("LOCTYPE", i.Scenes)
		b.text("ENV", &i.Environment)
	})
	b.text("SOURCE", &i.Source)
	b.text("SCALE", &i.Scale)
	b.number("CERTAINTY", &i.Certainty)
	b.text("DECL_DATIME", &i.Declared)
	b.text("OCC_DATIME", &i.Began)
	b.text("OBS_DATIME", &i.Observed)
	b.text("STATUS", &i.Status)
	b.text("RISK_ASSESMENT", &i.Risk)
	for n := range i.References {
		b.text(at("REFERENCE", n)+"/ORG_ID", &i.References[n].Organisation)
		b.list(at("REFERENCE", n)+"/OTHER_EVENT_ID", i.References[n].IDs)
	}
	for n := range i.Casualties {
		c := &i.Casualties[n]
		b.below(at("CASUALTIES", n), func(b *cellList) {
			b.text("CONTEXT", &c.Context)
			b.text("DATIME", &c.At)
			b.number("DECONT", &c.Decontaminated)
			b.number("TRIAGERED", &c.Red)
			b.number("TRIAGEYELLOW", &c.Yellow)
			b.number("TRIAGEGREEN", &c.Green)
			b.number("TRIAGEBLACK", &c.Dead)
			b.number("MISSING", &c.Missing)
		})
	}
	for n := range i.Evacuated {
		b.text(at("EVAC", n)+"/DATIME", &i.Evacuated[n].At)
		b.number(at("EVAC", n)+"/DISPLACED", &i.Evacuated[n].Displaced)
		b.number(at("EVAC", n)+"/EVACUATED", &i.Evacuated[n].Evacuated)
	}
	for n := range i.Areas {
		a := &i.Areas[n]
		b.below(at("EGEO", n), func(b *cellList) {
			b.text("DATIME", &a.At)
			b.text("TYPE", &a.Type)
			b.list("WEATHER", a.Weather)
			b.text("FREETEXT", &a.Note)
			b.position("POSITION", &a.Location)
		})
	}
	b.text("CAUSE", &i.Cause)
	b.text("FREETEXT", &i.Description)
}

func (b *cellList) position(name string, l *incident.Location) {
	b.below(name, func(b *cellList) {
		b.text("LOC_ID", &l.ID)
		b.text("NAME", &l.Name)
		b.text("TYPE", &l.Type)
		b.text("HEIGHT_ROLE", &l.HeightRole)
		b.text("COORDSYS", &l.System)
		for n := range l.Points {
			b.number(at("COORD", n)+"/LAT", &l.Points[n].Lat)
			b.number(at("COORD", n)+"/LONG", &l.Points[n].Lon)
			b.number(at("COORD", n)+"/HEIGHT", &l.Points[n].Height)
		}
		b.list("ADDRESS", l.Lines)
	})
}

func (b *cellList) mission(name string, t *incident.Task) {
	b.below(name, func(b *cellList) {
		b.text("TYPE", &t.Type)
		b.text("FREETEXT", &t.Note)
		b.text("ID", &t.ID)
		b.text("ORG_ID", &t.Organisation)
		b.text("NAME", &t.Name)
		b.text("STATUS", &t.Status)
		b.text("START_TIME", &t.Start)
		b.text("END_TIME", &t.End)
		b.list("RESOURCE_ID", t.Resources)
		b.list("PARENT_MISSION_ID", t.Parents)
		b.list("CHILD_MISSION_ID", t.Children)
		b.text("MAIN_MISSION_ID", &t.Main)
		b.position("POSITION", &t.Location)
		b.text("PRIORITY", &t.Priority)
	})
}

func (b *cellList) unit(name string, r *incident.Resource) {
	b.below(name, func(b *cellList) {
		b.list("RTYPE/RCLASS", r.Classes)
		b.list("RTYPE/CAPABILITY", r.Capabilities)
		b.list("RTYPE/CHARACTERISTICS", r.Features)
		b.text("ID", &r.ID)
		b.text("ORG_ID", &r.Organisation)
		b.text("NAME", &r.Name)
		b.text("FREETEXT", &r.Note)
		for n := range r.Positions {
			p := &r.Positions[n]
			b.below(at("RGEO", n), func(b *cellList) {
				b.text("DATIME", &p.At)
				b.text("TYPE", &p.Type)
				b.text("FREETEXT", &p.Note)
				b.text("ID", &p.ID)
				for m := range p.Locations {
					b.position(at("POSITION", m), &p.Locations[m])
				}
			})
		}
		b.number("QUANTITY", &r.Quantity)
		b.text("UM", &r.Unit)
		b.text("STATUS", &r.Status)
		b.text("NATIONALITY", &r.Nationality)
		for n := range r.Contacts {
			b.text(at("CONTACTS", n)+"/TYPE", &r.Contacts[n].Type)
			b.text(at("CONTACTS", n)+"/DETAIL", &r.Contacts[n].Detail)
		}
	})
}
