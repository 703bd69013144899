package console

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/exchange"
	"trojmezi/internal/exchange/disclosure"
	"trojmezi/internal/format/convert"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

const (
	// lookPage is how many records one look opens in one snapshot.
	lookPage = 50
	// lookFor is how long one step of a search goes on; whoever searches sees how far
	// it has come and goes on, or does not.
	lookFor = 4 * time.Second
)

// References to what was found: letters of disclosure.Search.Found, before the number of
// the message or of the action.
const (
	refMessage = 'm'
	refNote    = 'n'
)

// boundsOf are the bounds of a search, unix milliseconds.
func boundsOf(q disclosure.Sought) (from, to int64) {
	return millis(q.From), cmp.Or(millis(q.To), endOfTime)
}

// Look goes on with the search for a person in what is stored of an organisation's
// messages and of its people's words about incidents, for some seconds or until ctx
// ends. It opens each content with its key, keeps nothing, and counts what is deleted.
func (s *Service) Look(ctx context.Context, org string, q disclosure.Sought, at disclosure.Search) (disclosure.Search, error) {
	const op = "console.Look"
	from, to := boundsOf(q)
	if at.Message == 0 && at.Note == 0 {
		err := s.DB.Read(ctx, func(tx *store.Tx) error {
			return tx.Row(`SELECT (SELECT COUNT(*) FROM console_message WHERE org = $1 AND at >= $2 AND at < $3)
				+ (SELECT COUNT(*) FROM console_action WHERE org = $1 AND at >= $2 AND at < $3 AND key_id > 0 AND LENGTH(note) > 0)`, org, from, to).Scan(&at.All)
		})
		if err != nil {
			return at, problem.Wrap(op, err)
		}
	}
	for end := time.Now().Add(lookFor); !at.Finished && time.Now().Before(end); {
		next := at
		err := s.DB.Read(ctx, func(tx *store.Tx) (err error) {
			next = at
			next.Found = slices.Clone(at.Found)
			more, err := s.lookMessages(tx, org, q, &next)
			if err == nil && !more {
				more, err = s.lookNotes(tx, org, q, &next)
			}
			next.Finished = !more || next.Many()
			return err
		})
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return at, problem.Wrap(op, err)
		}
		at = next
	}
	return at, nil
}

// lookMessages opens a page of messages; more is false when there was none.
func (s *Service) lookMessages(tx *store.Tx, org string, q disclosure.Sought, at *disclosure.Search) (more bool, err error) {
	from, to := boundsOf(q)
	var entries []int64
	err = each(tx, `SELECT entry FROM console_message WHERE org = $1 AND entry > $2 AND at >= $3 AND at < $4 ORDER BY entry LIMIT $5`,
		args{org, at.Message, from, to, lookPage}, func(r *store.Rows) error {
			var entry int64
			err := r.Scan(&entry)
			entries = append(entries, entry)
			return err
		})
	if err != nil {
		return false, err
	}
	for _, entry := range entries {
		at.Message, at.Done = entry, at.Done+1
		e, found, err := s.mentions(tx, q, entry)
		if err != nil {
			return false, err
		}
		if e.Envelope == nil {
			at.Erased++
		}
		if len(found) > 0 {
			at.Found = append(at.Found, string(refMessage)+itoa(entry))
		}
	}
	return len(entries) > 0, nil
}

// mentions opens a message and finds the person in it. A message that the node no longer
// knows is as one whose content is deleted.
func (s *Service) mentions(tx *store.Tx, q disclosure.Sought, entry int64) (exchange.Entry, []disclosure.Mention, error) {
	e, err := s.Node.Entry(tx, entry)
	if errors.Is(err, store.ErrNoRows) {
		return exchange.Entry{}, nil, nil
	}
	if err != nil || e.Envelope == nil {
		return e, nil, err
	}
	m, f := convert.Read(e.Envelope.AppendJSON(nil), convert.UCRI2)
	if f != nil { // what cannot be read as a message is a text
		if q.Text(e.Envelope.Payload.Data) {
			return e, []disclosure.Mention{{Group: disclosure.Data, By: disclosure.ByText, Values: []disclosure.Datum{{Text: e.Envelope.Payload.Data}}}}, nil
		}
		return e, nil, nil
	}
	return e, q.In(m.Incident), nil
}

// lookNotes opens a page of what people wrote about incidents.
func (s *Service) lookNotes(tx *store.Tx, org string, q disclosure.Sought, at *disclosure.Search) (more bool, err error) {
	from, to := boundsOf(q)
	list, err := scanActions(tx, `org = $1 AND seq > $2 AND at >= $3 AND at < $4 AND key_id > 0 AND LENGTH(note) > 0`, lookPage, org, at.Note, from, to)
	for _, a := range list {
		at.Note, at.Done = a.seq, at.Done+1
		if q.Text(s.unseal(tx, a.keyID, a.note, actionPlace(org))) {
			at.Found = append(at.Found, string(refNote)+itoa(a.seq))
		}
	}
	return len(list) > 0, err
}

// Recall opens again what Look found, and looks through the few records it does not:
// drafts and notes of shifts. What is not the organisation's, or does not fit, is left
// out, whoever names it.
func (s *Service) Recall(ctx context.Context, org string, q disclosure.Sought, refs []string) (out []disclosure.Stored, err error) {
	orgs, err := s.Organisations(ctx)
	if err != nil {
		return nil, problem.Wrap("console.Recall", err)
	}
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		out = nil
		for _, ref := range refs[:min(len(refs), disclosure.MostFound)] {
			if err := ctx.Err(); err != nil {
				return err
			}
			r, err := s.recalled(tx, org, q, ref)
			if err != nil {
				return err
			}
			out = append(out, r...)
		}
		if err := s.dated(tx, orgs, org, out); err != nil {
			return err
		}
		drafts, err := s.concernedDrafts(tx, org, q)
		if err != nil {
			return err
		}
		shifts, err := s.concernedShifts(tx, org, q)
		out = append(append(out, drafts...), shifts...)
		return err
	})
	return out, problem.Wrap("console.Recall", err)
}

// recalled is what a reference stands for; nothing when it fits no more. Stored.Place has
// the console's id of the incident until dated.
func (s *Service) recalled(tx *store.Tx, org string, q disclosure.Sought, ref string) ([]disclosure.Stored, error) {
	if ref == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(ref[1:], 10, 64)
	if err != nil {
		return nil, nil
	}
	out := disclosure.Stored{Ref: ref}
	switch ref[0] {
	case refMessage:
		var incoming int64
		var at int64
		err := tx.Row(`SELECT incident, kind, incoming, other, message_id, at FROM console_message WHERE org = $1 AND entry = $2`, org, n).
			Scan(&out.Place, &out.Kind, &incoming, &out.Peer, &out.Message, &at)
		if errors.Is(err, store.ErrNoRows) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		out.Source, out.Incoming, out.At = disclosure.SourceMessage, incoming == 1, moment(at)
		_, out.Mentions, err = s.mentions(tx, q, n)
		if err != nil {
			return nil, err
		}
	case refNote:
		list, err := scanActions(tx, `org = $1 AND seq = $2`, 1, org, n)
		if err != nil || len(list) == 0 {
			return nil, err
		}
		a := list[0]
		out.Source, out.At, out.Place = disclosure.SourceNote, moment(a.at), a.incident
		out.Mentions = q.Written(s.unseal(tx, a.keyID, a.note, actionPlace(org)))
	}
	if len(out.Mentions) == 0 {
		return nil, nil
	}
	return []disclosure.Stored{out}, nil
}

// dated writes of which incidents records are, and when these are deleted.
func (s *Service) dated(tx *store.Tx, orgs []Org, org string, all []disclosure.Stored) error {
	var ids []string
	for _, r := range all {
		ids = append(ids, r.Place)
	}
	dates, err := s.deleteAt(tx, orgs, slices.Compact(slices.Sorted(slices.Values(ids))))
	if err != nil {
		return err
	}
	for n := range all {
		r := &all[n]
		rows, err := scanIncidents(tx, `i.org = $1 AND i.id = $2`, org, r.Place)
		if err != nil {
			return err
		}
		r.DeleteAt, r.Place = dates[r.Place], ""
		if len(rows) > 0 {
			r.Incident, r.Kind, r.Type, r.Place = rows[0].sharedID, rows[0].kind, rows[0].typ, rows[0].city
		}
	}
	return nil
}

// KeptUntil is when the content of incidents of an organisation is deleted, by what all
// who work on them call them.
func (s *Service) KeptUntil(ctx context.Context, org string, shared []string) (map[string]time.Time, error) {
	out := map[string]time.Time{}
	orgs, err := s.Organisations(ctx)
	if err != nil {
		return nil, problem.Wrap("console.KeptUntil", err)
	}
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		of := map[string]string{}
		err := byIncident(tx, `SELECT id, shared_id FROM console_incident WHERE org = $1 AND shared_id IN %s`, org, shared, func(r *store.Rows) error {
			var id, shared string
			err := r.Scan(&id, &shared)
			of[id] = shared
			return err
		})
		if err != nil {
			return err
		}
		var ids []string
		for id := range of {
			ids = append(ids, id)
		}
		dates, err := s.deleteAt(tx, orgs, ids)
		for id, at := range dates {
			out[of[id]] = at
		}
		return err
	})
	return out, problem.Wrap("console.KeptUntil", err)
}

// Addresses are the pages of incidents of an organisation, by what all who work on them
// call them. A deleted one has none.
func (s *Service) Addresses(ctx context.Context, org string, shared []string) (map[string]string, error) {
	out := map[string]string{}
	var ids []string
	for _, n := range shared {
		for _, k := range store.Kinds {
			ids = append(ids, idOf(k, n))
		}
	}
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		return byIncident(tx, `SELECT id, shared_id FROM console_incident WHERE org = $1 AND id IN %s`, org, ids, func(r *store.Rows) error {
			var id, shared string
			err := r.Scan(&id, &shared)
			out[shared] = incidentURL(id)
			return err
		})
	})
	return out, problem.Wrap("console.Addresses", err)
}

// concernedDrafts looks through the hand-overs of an organisation's people that were not
// sent.
func (s *Service) concernedDrafts(tx *store.Tx, org string, q disclosure.Sought) (out []disclosure.Stored, err error) {
	from, to := boundsOf(q)
	var people []string
	err = each(tx, `SELECT DISTINCT person FROM console_draft WHERE org = $1 ORDER BY person`, args{org}, func(r *store.Rows) error {
		var person string
		err := r.Scan(&person)
		people = append(people, person)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, person := range people {
		drafts, err := s.drafts(tx, Actor{Person: person, Org: org}, `AND updated_at >= $3 AND updated_at < $4 ORDER BY updated_at`, from, to)
		if err != nil {
			return nil, err
		}
		for _, d := range drafts {
			if found := draftMentions(q, d); len(found) > 0 {
				out = append(out, disclosure.Stored{Ref: "d" + d.ID, Source: disclosure.SourceDraft, At: d.Updated, DeleteAt: d.DeleteAt, Type: d.Type, Place: d.Place, Mentions: found})
			}
		}
	}
	return out, nil
}

// draftMentions finds the person among those of a draft, and in the rest of it.
func draftMentions(q disclosure.Sought, d Draft) (found []disclosure.Mention) {
	for _, l := range []struct {
		group disclosure.Group
		list  []Person
	}{{disclosure.Callers, append([]Person{d.Caller}, d.Callers...)}, {disclosure.Patients, d.Patients}} {
		for n, p := range l.list {
			found = append(found, q.Listed(l.group, n, p.Name, p.Phone, p.Note)...)
		}
	}
	d.Caller, d.Callers, d.Patients = Person{}, nil, nil
	if len(found) > 0 {
		d.Raw = nil // the same as it was typed
	}
	rest, err := json.Marshal(d)
	if err != nil {
		return found
	}
	if m := q.Written(string(rest)); len(m) > 0 { // the whole of it names others
		m[0].Values = []disclosure.Datum{{Text: strings.Join(compact([]string{d.Issue, d.Additional, strings.Join(d.Remarks, "\n")}), "\n")}}
		found = append(found, m...)
	}
	return found
}

// concernedShifts looks through the notes of an organisation's shifts.
func (s *Service) concernedShifts(tx *store.Tx, org string, q disclosure.Sought) (out []disclosure.Stored, err error) {
	from, to := boundsOf(q)
	shifts, err := s.shifts(tx, `org = $1 AND key_id > 0 AND ended_at >= $2 AND ended_at < $3`, org, from, to)
	for _, h := range shifts {
		if found := q.Written(h.Note); len(found) > 0 {
			out = append(out, disclosure.Stored{Ref: "s" + h.ID, Source: disclosure.SourceShift, At: h.Ended, DeleteAt: h.DeleteAt, Mentions: found})
		}
	}
	return out, err
}
