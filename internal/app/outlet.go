package app

import (
	"context"
	"io"
	"log/slog"
	"path"
	"strconv"
	"strings"

	"trojmezi/internal/alert/area"
	"trojmezi/internal/alert/notice"
	"trojmezi/internal/alert/outlet"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
)

// outletOptions are what is fetched from a node, but for the official documents, which
// only a running node has.
func outletOptions(c *Config, o *Opened, texts *i18n.Bundle, places *register.Register, areas *area.Table) outlet.Options {
	base := strings.TrimSuffix(c.Notify.BaseURL, "/")
	return outlet.Options{Renderer: outlet.Renderer{Voice: outlet.Voice{Texts: texts}, Areas: areas, Clock: o.Clock, Base: base, Node: o.Key.Fingerprint()}, Places: places}
}

// newOutlets builds what others fetch from the node.
func (n *node) newOutlets() *outlet.Service {
	o := outletOptions(n.config, n.Opened, n.texts, n.places, n.areas.Table)
	o.Warnings, o.Notices, o.Original = n.warnings, n.notices, n.official
	return outlet.New(o)
}

// Outlets opens them for the command line, which prints them.
func Outlets(c *Config, o *Opened, texts *i18n.Bundle) (*outlet.Service, error) {
	places, err := register.Load()
	if err != nil {
		return nil, err
	}
	areas, err := area.Load(places)
	if err != nil {
		return nil, err
	}
	out := outletOptions(c, o, texts, places, areas)
	if out.Notices, err = notice.New(noticeOptions(o, texts, places)); err != nil {
		return nil, err
	}
	out.Warnings = warnings(c, o, slog.New(slog.DiscardHandler), nil, nil)
	return outlet.New(out), nil
}

// mostOfficial bounds an official document that is handed on: more is none.
const mostOfficial = 32 << 20

// official reads an official document as it was fetched: who keeps the book of warnings
// has what people brought, who fetches has the rest.
func (n *node) official(ctx context.Context, document string) (body []byte, name string, err error) {
	const op = "app.official"
	in, d, err := n.warnings.Document(ctx, document)
	if err != nil {
		return nil, "", err
	}
	if d.Link != "" {
		id, err := strconv.ParseInt(path.Base(d.Link), 10, 64)
		if err != nil {
			return nil, "", problem.Wrap(op, err)
		}
		o, body, err := n.feeds.Original(ctx, id)
		return body, o.Source + "-" + path.Base(o.Address), err
	}
	defer in.Close()
	body, err = io.ReadAll(io.LimitReader(in, mostOfficial))
	return body, d.Feed + "-" + d.ID, problem.Wrap(op, err)
}
