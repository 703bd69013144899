package health

import (
	"context"
	"strconv"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

func number(n int64) string { return strconv.FormatInt(n, 10) }

// span writes since when a finding is there, or from when to when it was.
func span(ctx context.Context, i Item) string {
	if i.Until.IsZero() {
		return web.T(ctx, "health.since", i18n.Args{"at": i.Since, "d": max(0, web.Now(ctx).Sub(i.Since))})
	}
	return web.T(ctx, "health.span", i18n.Args{"since": i.Since, "until": i.Until})
}

// table is the head of the history.
func (r *Registry) table(ctx context.Context) ui.Table {
	t := ui.Table{Caption: web.T(ctx, "health.section.past", nil), Stack: true}
	for _, key := range []string{"health.column.level", "health.column.area", "health.column.text", "health.column.since", "health.column.until", "health.column.by"} {
		t.Columns = append(t.Columns, ui.Column{Text: web.T(ctx, key, nil)})
	}
	return t
}
