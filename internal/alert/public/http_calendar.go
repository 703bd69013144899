package public

import (
	"net/http"
	"strings"
	"time"

	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

// calendar is what applies at a place as a calendar to be subscribed to (spec: RFC 5545).
func (p *Pages) calendar(kind store.Kind) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		l, _, err := langOf(r)
		if err != nil {
			return err
		}
		at, err := p.find(r)
		if err != nil {
			return err
		}
		s, err := p.now(r.Context())
		if err != nil {
			return err
		}
		ctx := web.Region(r.Context(), l)
		v := p.picture(s, at, kind, l)
		// An address of its own host makes a link of the event; no name of one is known here.
		c := Calendar{Name: t(ctx, "public.title") + " " + title(at, l)}
		for _, x := range v.Items {
			head := x.Text.Headline
			if head == "" {
				head = x.Text.Event
			}
			if kind != store.Live {
				head = t(ctx, "web.drill.exercise.word") + ": " + strings.TrimPrefix(head, t(ctx, "web.drill.exercise.word")+": ")
			}
			e := Event{UID: strings.ReplaceAll(x.ID, "/", "-") + "-" + at.ID + "@trojmezi", Summary: head, From: x.From, Until: x.Until, Changed: x.Received, Location: title(at, l), Over: x.Over}
			for _, part := range []string{x.Text.Description, x.Text.Instruction, x.Source} {
				if part != "" {
					e.Description += strings.Join(paragraphs(part), "\n") + "\n"
				}
			}
			c.Events = append(c.Events, e)
		}
		if !v.Known() && kind == store.Live {
			c.Events = append(c.Events, Event{UID: "no-data-" + at.ID + "@trojmezi", Summary: t(ctx, "public.nodata"), From: v.Now.Truncate(time.Hour), Until: v.Now.Truncate(time.Hour).Add(time.Hour), Changed: v.Now.Truncate(time.Hour)})
		}
		w.Header().Set("Content-Language", string(l))
		return answer(w, r, c.Write(), "text/calendar; charset=utf-8")
	}
}
