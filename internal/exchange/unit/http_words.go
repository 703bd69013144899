package unit

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/web"
)

// PositionOld is the age from which a position is marked: a vehicle is ten kilometres
// on by then.
const PositionOld = 10 * time.Minute

func orText(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func orUnknown(ctx context.Context, text string) string { return orText(text, t(ctx, "unit.unknown")) }

func counted(n int) string {
	if n < 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// minutes to turn out; "" when they are not known.
func minutes(ctx context.Context, n int) string {
	if n < 0 {
		return ""
	}
	return web.T(ctx, "unit.minutes", i18n.Args{"n": n})
}

func readyOf(ctx context.Context, p Published) string {
	if p.Ready == nil {
		return ""
	}
	return minutes(ctx, *p.Ready)
}

func crewOf(p Published) string {
	var out []string
	if p.Crew != nil {
		out = append(out, strconv.Itoa(*p.Crew))
	}
	if p.Skills != "" {
		out = append(out, p.Skills)
	}
	return strings.Join(out, " · ")
}

func emsiOf(u *Unit) string {
	x, _ := TypeOf(u.Type)
	return x.EMSI + " · " + u.Status.EMSI()
}

func spotText(ctx context.Context, s *Spot) string {
	if s.Error > 0 { // more digits would promise more
		return web.Coordinates(ctx, strconv.FormatFloat(s.Lat, 'f', 3, 64)+", "+strconv.FormatFloat(s.Lon, 'f', 3, 64))
	}
	return web.Coordinates(ctx, geo.Format(geo.Point{Lat: s.Lat, Lon: s.Lon}, geo.Decimal))
}

// kilometres are metres as people say them: one digit after the comma below ten.
func kilometres(ctx context.Context, metres float64) string {
	km, digits := metres/1000, 0
	if km < 9.95 {
		digits = 1
	}
	return decimal(ctx, km, digits)
}

// decimal writes a number as the reader does; digits are those of strconv.FormatFloat.
func decimal(ctx context.Context, v float64, digits int) string {
	text := strconv.FormatFloat(v, 'f', digits, 64)
	if web.Lang(ctx) != i18n.En {
		text = strings.Replace(text, ".", ",", 1)
	}
	return text
}

// Way says how far a unit is, and how that was reckoned.
func (o Offer) Way(ctx context.Context) string {
	text := web.T(ctx, "unit.way", i18n.Args{"road": kilometres(ctx, o.Road), "straight": kilometres(ctx, o.Straight), "factor": decimal(ctx, o.Factor, -1)})
	if o.Spot != nil && o.Spot.Error > 0 {
		text += " · " + web.T(ctx, "unit.coarse", i18n.Args{"km": kilometres(ctx, float64(o.Spot.Error))})
	}
	return text
}

// Readiness is the time to turn out in words; "" when it is not shown.
func (o Offer) Readiness(ctx context.Context) string {
	if text := readyOf(ctx, o.Published); text != "" {
		return web.T(ctx, "unit.ready.in", i18n.Args{"time": text})
	}
	return ""
}

// Place says that the unit is at its station; "" when its position was reported, or
// the station is not named.
func (o Offer) Place(ctx context.Context) string {
	if o.Spot == nil || o.Spot.Source != FromStation || o.Station == "" {
		return ""
	}
	return web.T(ctx, "unit.at_station", i18n.Args{"station": o.Station})
}

// Mark is the unit on a map; false: its position is not known.
func (o Offer) Mark(ctx context.Context) (register.Mark, bool) {
	if o.Spot == nil {
		return register.Mark{}, false
	}
	label := o.CallSign + " · " + o.State.Word(ctx)
	if o.Spot.Error > 0 {
		label += " · ± " + kilometres(ctx, float64(o.Spot.Error)) + "\u00a0km"
	}
	return register.Mark{Point: geo.Point{Lat: o.Spot.Lat, Lon: o.Spot.Lon}, Level: string(o.State.Level()), Label: label}, true
}

// marked bounds the units on the map: more hide each other.
const marked = 200

// mapOf is the region with the units; nil without places.
func (p *Pages) mapOf(ctx context.Context, offers []Offer) templ.Component {
	if p.places == nil {
		return nil
	}
	var marks []register.Mark
	for _, o := range offers {
		if m, ok := o.Mark(ctx); ok && len(marks) < marked {
			marks = append(marks, m)
		}
	}
	if len(marks) == 0 {
		return nil
	}
	return p.places.Map(register.View{Title: t(ctx, "unit.map"), Time: web.Now(ctx)}, register.Options{ID: "units-map", Tiles: true}, marks...)
}

// followWords are how it stands with asking a neighbour.
func followWords(ctx context.Context, x peer) string {
	switch f := x.Follow; {
	case !x.Reached:
		return t(ctx, "unit.follow.unreached")
	case f == nil:
		return t(ctx, "unit.follow.not")
	case !x.Can:
		return t(ctx, "unit.follow.cannot")
	case f.tells && f.heardAt.IsZero():
		return t(ctx, "unit.follow.waiting")
	case f.tells:
		return t(ctx, "unit.follow.yes")
	case !f.answerAt.IsZero():
		return t(ctx, "unit.follow.foreign")
	}
	return t(ctx, "unit.follow.asked")
}
