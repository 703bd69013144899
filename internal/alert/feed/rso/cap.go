package rso

import (
	"cmp"
	"slices"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

// capMessages are the messages of CAP in a document: it is one, or has several below its
// root, by whatever name that goes.
func capMessages(d *tree.Document) (all []*tree.Document) {
	if d.Syntax != tree.XML {
		return nil
	}
	for _, n := range append([]*tree.Node{d.Root}, d.Root.Kids...) {
		one := *d
		one.Root = n
		if _, is := cap.Is(&one); is {
			all = append(all, &one)
		}
	}
	return all
}

// fromCAP reads messages. That one is absent ends nothing: nobody has said that all
// stand in the document; a message says its end itself.
func fromCAP(messages []*tree.Document) *feed.Reading {
	r := &feed.Reading{}
	for _, d := range messages {
		a, odd := cap.FromDocument(d)
		w := feed.Warning{ID: "rso/" + a.Identifier, Originals: []string{a.Identifier}, Source: "rso", Sender: "RSO", Status: feed.StatusOf(a), State: feed.InForce, Level: feed.LevelOf("Unknown"), Deviations: odd}
		references, regular := cap.References(a.References)
		if !regular {
			w.Deviations = append(w.Deviations, shape.Deviation{Path: "/references", Line: 1, Rule: "references", Severity: shape.Warning, Key: "cap.rule.references",
				Args: map[string]any{"line": 1, "path": "/references", "found": a.References}})
		}
		for _, ref := range references {
			w.Replaces = append(w.Replaces, ref.Identifier)
		}
		for i := range a.Infos {
			info := &a.Infos[i]
			w.Texts = append(w.Texts, feed.TextOf(info))
			if i > 0 {
				continue // other languages repeat the rest
			}
			var wrong []feed.OddTime
			w.Sent, w.Onset, w.Expires, wrong = feed.TimesOf(a, info)
			for _, o := range wrong {
				w.Deviations = append(w.Deviations, o.Doubt(info.Event))
			}
			w.Level, w.State, w.Areas, w.Extra = feed.LevelOf(info.Severity), feed.StateOf(a, info), feed.AreasOf(info), slices.Clone(info.Parameters)
			w.Sender = cmp.Or(info.SenderName, w.Sender)
			w.Event = cmp.Or(w.Texts[0].Headline, w.Texts[0].Event)
		}
		if len(a.Infos) == 0 {
			w.Sent, _ = feed.CAPMoment(a.Sent)
			if a.MsgType == cap.TypeCancel {
				w.State = feed.Cancelled
			}
		}
		if w.Sent.At.After(r.Issued.At) {
			r.Issued = w.Sent
		}
		r.Add(w)
	}
	return r
}
