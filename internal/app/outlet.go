package app

import (
	"context"
	"io"
	"path"
	"strconv"
	"strings"

	"trojmezi/internal/alert/area"
	"trojmezi/internal/alert/outlet"
	"trojmezi/internal/kernel/problem"
)

// newOutlets builds what others fetch from the node.
func (n *node) newOutlets() (*outlet.Service, error) {
	areas, err := area.Load(n.places)
	if err != nil {
		return nil, err
	}
	return outlet.New(outlet.Options{
		Renderer: outlet.Renderer{Voice: outlet.Voice{Texts: n.texts}, Areas: areas, Clock: n.Clock, Base: strings.TrimSuffix(n.config.Notify.BaseURL, "/"), Node: n.Key.Fingerprint()},
		Places:   n.places, Warnings: n.warnings, Notices: n.notices, Original: n.official,
	}), nil
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
