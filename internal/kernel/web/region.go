package web

import (
	"context"
	"time"

	"trojmezi/internal/kernel/i18n"
)

// Region returns a context to draw parts of pages for everybody who reads l, for
// a stream that serves many. It knows no person and no moment: ages are written
// as 0 s and counted by live.js, so that the same state is drawn in the same
// letters. It outlives the request of ctx.
func Region(ctx context.Context, l i18n.Lang) context.Context {
	s := *scopeOf(ctx)
	s.person, s.lang, s.now, s.id = nil, l, time.Time{}, ""
	return context.WithValue(context.WithoutCancel(ctx), scopeKey{}, &s)
}
