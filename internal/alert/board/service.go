package board

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/alert/notice"
	"trojmezi/internal/alert/warning"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web/sign"
)

// Item is what is to be acknowledged.
type Item struct {
	Ref    string // of the message: an update is another one
	Kind   store.Kind
	Owner  string // organisation whose notice it is; "" for an official warning
	Level  sign.Level
	Titles map[i18n.Lang]string
	Texts  map[i18n.Lang]string // what it says, for who reads it at another node
	Marks  []string             // by which another node knows the same official warning
	Link   string               // path of its page
	At     time.Time
	Until  time.Time // zero: not known
	Gone   time.Time // it holds no more; zero: it does
}

// Title is that in a language, else any: an official one is not translated.
func (x *Item) Title(l i18n.Lang) string {
	if t := x.Titles[l]; t != "" {
		return t
	}
	for _, l := range i18n.Langs {
		if t := x.Titles[l]; t != "" {
			return t
		}
	}
	return x.Titles[""]
}

// says is what it says in a language, else in any, as an official one is not translated.
func (x *Item) says(l i18n.Lang) string {
	for _, l := range append([]i18n.Lang{l}, i18n.Langs...) {
		if t := x.Texts[l]; t != "" {
			return t
		}
	}
	return ""
}

// far reports whether it is known only because another node told it.
func (x *Item) far() bool { return x.Owner == farOwner || x.Owner == farOfficial }

// Over reports whether nothing is asked of anybody any more.
func (x *Item) Over(now time.Time) bool {
	return !x.Gone.IsZero() || !x.Until.IsZero() && !x.Until.After(now)
}

// Ack is the acknowledgement of an organisation.
type Ack struct {
	Person string // id; its name in a Row
	Lang   i18n.Lang
	At     time.Time
}

// Office is an organisation of the node, or one at another node.
type Office struct {
	ID, Name, Country string
	Far               bool
	// Trouble is a key of why it could not be told.
	Trouble string
	// Reached is when its node was told; zero: not yet, or it is of this node.
	Reached time.Time
}

// Row is an item with who has and who has not.
type Row struct {
	*Item
	OwnerName string
	// Far are those who told this node of it.
	Far     []string
	Done    []Line
	Missing []Office
}

// Official reports whether it is an official warning, told by a neighbour or not.
func (r Row) Official() bool { return r.Owner == "" || r.Owner == farOfficial }

// Line is an acknowledgement in words.
type Line struct {
	Office
	Ack
}

// Options are what a service stands on.
type Options struct {
	DB            *store.DB
	Audit         *audit.Log
	Clock         *clock.Clock
	Jobs          *job.Queue
	Log           *slog.Logger
	Organisations func(tx *store.Tx) ([]Office, error)
	Name          func(tx *store.Tx, person string) string
	Notify        func(tx *store.Tx, n notify.Notification) error
	Warnings      func(context.Context) ([]*warning.Warning, *warning.Book, error)
	// Texts are those of lines to other nodes, Lines what carries them; without Post the
	// board is this node's alone.
	Texts *i18n.Bundle
	Lines notice.Lines
}

// Service keeps the board. It is safe for concurrent use.
type Service struct{ o Options }

// New returns the service.
func New(o Options) *Service {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{o}
}

const (
	// Minutes is after how many a missing acknowledgement is told unless somebody says
	// otherwise: twice as long as a busy desk needs to look up.
	Minutes = 10
	setting = "board.minutes"
	keep    = 90 * 24 * time.Hour // for the report of an event
	shown   = 7 * 24 * time.Hour
	steps   = 2

	queueMissing = "board.missing"
	queueErase   = "board.erase"
	eraseAt      = "03:35"
)

// Topic wakes who watches the board.
const Topic = "board"

func after(tx *store.Tx) (time.Duration, error) {
	text, err := tx.Setting(setting)
	n, wrong := strconv.Atoi(text)
	if err != nil || text == "" || wrong != nil {
		n = Minutes
	}
	return time.Duration(n) * time.Minute, err
}

// SetMinutes says after how many minutes a missing acknowledgement is told.
func (s *Service) SetMinutes(ctx context.Context, n int) error {
	if n < 1 || n > 24*60 {
		return problem.New("board.SetMinutes", problem.Invalid, "board.fault.minutes", nil)
	}
	return problem.Wrap("board.SetMinutes", s.o.DB.Write(ctx, func(tx *store.Tx) error {
		if err := tx.SetSetting(setting, strconv.Itoa(n)); err != nil {
			return err
		}
		return s.o.Audit.Append(tx, audit.Event{Action: "board.minutes", Actor: "node", Object: "board", Detail: []byte(strconv.Itoa(n))})
	}))
}

// Post enters an item in the transaction that makes it, and sets the clock.
func (s *Service) Post(tx *store.Tx, x Item) error {
	x.At = s.o.Clock.Now()
	fresh, err := x.insert(tx)
	if err != nil || !fresh {
		return problem.Wrap("board.Post", err)
	}
	if err := x.putText(tx); err != nil {
		return problem.Wrap("board.Post", err)
	}
	if err := s.adopt(tx, &x); err != nil {
		return problem.Wrap("board.Post", err)
	}
	if x.Owner != farOwner && x.Owner != farOfficial { // each node tells its own
		if err := s.askFar(tx, &x); err != nil {
			return problem.Wrap("board.Post", err)
		}
	}
	wait, err := after(tx)
	if err != nil {
		return problem.Wrap("board.Post", err)
	}
	for step := 1; step <= steps; step++ {
		if _, err := s.o.Jobs.Enqueue(tx, job.Job{Queue: queueMissing, Kind: x.Kind, Payload: []byte(fmt.Sprint(step, " ", x.Ref)), RunAt: x.At.Add(time.Duration(step) * wait)}); err != nil {
			return problem.Wrap("board.Post", err)
		}
	}
	tx.Notify(Topic)
	return nil
}

// Published takes an own notice that goes out, in its transaction; what it updates needs
// no acknowledgement any more.
func (s *Service) Published(tx *store.Tx, p *notice.Publication) error {
	for n := 1; n < p.Revision; n++ {
		if err := s.closed(tx, noticeRef(p.Notice, n)); err != nil {
			return problem.Wrap("board.Published", err)
		}
	}
	return s.Post(tx, Item{Ref: noticeRef(p.Notice, p.Revision), Kind: p.Kind, Owner: p.Organisation, Level: sign.L3, Titles: p.Titles, Texts: textsOf(p.Document), Link: "/notices/notice/" + p.Notice, Until: p.Expires})
}

// textsOf are what a message says in each language.
func textsOf(document []byte) map[i18n.Lang]string {
	a, _, fault := cap.Read(document)
	if fault != nil {
		return nil
	}
	all := map[i18n.Lang]string{}
	for _, i := range a.Infos {
		tag, _, _ := strings.Cut(strings.ToLower(i.Language), "-")
		if l, ok := i18n.Parse(tag); ok && all[l] == "" {
			all[l] = cut(i.Description + "\n" + i.Instruction)
		}
	}
	return all
}

// cut keeps a text within what another board takes.
func cut(s string) string {
	if r := []rune(strings.TrimSpace(s)); len(r) > maxText {
		return string(r[:maxText-1]) + "…"
	}
	return strings.TrimSpace(s)
}

func noticeRef(id string, revision int) string { return fmt.Sprintf("notice/%s/%d", id, revision) }

// signs are the colours that ask for an acknowledgement: act soon, act now, extreme.
var signs = map[string]sign.Level{"orange": sign.L2, "red": sign.L3, "violet": sign.L4}

// Observe enters official warnings from the second colour on, and takes out what has ended.
// A warning that becomes worse is another item.
func (s *Service) Observe(ctx context.Context) error {
	all, _, err := s.o.Warnings(ctx)
	if err != nil {
		return problem.Wrap("board.Observe", err)
	}
	now := map[string]Item{}
	for _, w := range all {
		if w.Phase == warning.Ended {
			continue
		}
		level := sign.Level("")
		for _, l := range w.Levels() {
			level = max(level, signs[l.Colour])
		}
		if level == "" {
			continue
		}
		ref := "warning/" + w.ID + "/" + string(level)
		if w.Kind != store.Live { // what turns out to be an exercise is another item: of the first nobody is asked any more
			ref += "/" + string(w.Kind)
		}
		x := Item{Ref: ref, Kind: w.Kind, Level: level, Titles: map[i18n.Lang]string{}, Texts: map[i18n.Lang]string{}, Link: "/warnings/" + w.ID, Until: w.Says().Expires.At}
		for _, m := range w.Members[:min(maxMarks, len(w.Members))] {
			x.Marks = append(x.Marks, m.ID)
		}
		for _, t := range w.Says().Texts {
			title := cmp.Or(t.Headline, t.Event)
			tag, _, _ := strings.Cut(strings.ToLower(t.Language), "-")
			if l, ok := i18n.Parse(tag); ok && x.Titles[l] == "" {
				x.Titles[l], x.Texts[l] = title, cut(t.Description+"\n"+t.Instruction)
			}
			x.Titles[""] = cmp.Or(x.Titles[""], title)
		}
		x.Titles[""] = cmp.Or(x.Titles[""], w.Says().Event)
		now[x.Ref] = x
	}
	var gone []string
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		open, err := items(tx, `WHERE gone = 0 AND owner = '' ORDER BY at`)
		for _, x := range open {
			if _, there := now[x.Ref]; !there {
				gone = append(gone, x.Ref)
			} else {
				delete(now, x.Ref)
			}
		}
		return err
	})
	if err != nil || len(gone)+len(now) == 0 {
		return problem.Wrap("board.Observe", err)
	}
	return problem.Wrap("board.Observe", s.o.DB.Write(ctx, func(tx *store.Tx) error {
		for _, ref := range gone {
			if err := s.closed(tx, ref); err != nil {
				return err
			}
		}
		for _, x := range now {
			if err := s.Post(tx, x); err != nil {
				return err
			}
		}
		tx.Notify(Topic)
		return nil
	}))
}

// Acknowledge notes that a person has read an item for his organisation. Once more is no
// error: the first counts.
func (s *Service) Acknowledge(ctx context.Context, person, organisation string, l i18n.Lang, ref string) error {
	const op = "board.Acknowledge"
	return problem.Wrap(op, s.o.DB.Write(ctx, func(tx *store.Tx) error {
		found, err := items(tx, `WHERE ref = $1`, ref)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return problem.New(op, problem.NotFound, "board.not_found", nil)
		}
		if x := found[0]; x.far() {
			sources, err := froms(tx, `WHERE ref = $1 AND organisation = $2`, ref, organisation)
			if err != nil {
				return err
			}
			if len(sources) == 0 { // others of this node were not asked
				return problem.New(op, problem.NotFound, "board.not_found", nil)
			}
		}
		a := Ack{Person: person, Lang: l, At: s.o.Clock.Now()}
		n, err := a.insert(tx, found[0], organisation)
		if err != nil || n == 0 {
			return err
		}
		tx.Notify(Topic)
		if err := s.acknowledged(tx, found[0], organisation); err != nil {
			return err
		}
		return s.o.Audit.Append(tx, audit.Event{Action: "board.acknowledge", Actor: person, Object: ref, Detail: []byte(organisation)})
	}))
}

// List is the board, what needs somebody first.
func (s *Service) List(ctx context.Context) (all []Row, err error) {
	now := s.o.Clock.Now()
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		offices, err := s.o.Organisations(tx)
		if err != nil {
			return err
		}
		// Apart: however much a neighbour asks, what this node has is shown.
		found, err := items(tx, `WHERE at >= $1 AND owner NOT IN ($2, $3) ORDER BY CASE WHEN gone = 0 THEN 0 ELSE 1 END, at DESC, ref LIMIT 500`, millis(now.Add(-shown)), farOwner, farOfficial)
		if err != nil {
			return err
		}
		theirs, err := items(tx, `WHERE at >= $1 AND owner IN ($2, $3) ORDER BY CASE WHEN gone = 0 THEN 0 ELSE 1 END, at DESC, ref LIMIT 500`, millis(now.Add(-shown)), farOwner, farOfficial)
		if err != nil {
			return err
		}
		found = append(found, theirs...)
		slices.SortStableFunc(found, func(a, b *Item) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Ref, b.Ref)) })
		done, err := acks(tx, now.Add(-shown))
		if err != nil {
			return err
		}
		since := millis(now.Add(-shown))
		sources, err := froms(tx, `WHERE ref IN (SELECT ref FROM board_item WHERE at >= $1)`, since)
		if err != nil {
			return err
		}
		questions, err := asked(tx, `WHERE ref IN (SELECT ref FROM board_item WHERE at >= $1)`, since)
		if err != nil {
			return err
		}
		answers, err := farAcks(tx, `WHERE ref IN (SELECT ref FROM board_item WHERE at >= $1)`, since)
		if err != nil {
			return err
		}
		for _, x := range found {
			if text, err := textOf(tx, x.Ref); err != nil {
				return err
			} else if x.far() { // what it says has no page of its own here
				x.Texts = text.Texts
			}
			r := Row{Item: x}
			for _, f := range sources {
				if f.ref != x.Ref {
					continue
				}
				if r.Far = append(r.Far, s.nameOf(f.other)); x.Owner == farOwner {
					r.OwnerName = f.owner
				}
			}
			for _, o := range offices {
				a, ok := done[x.Ref][o.ID]
				switch {
				case x.far() && !slices.ContainsFunc(sources, func(f from) bool { return f.ref == x.Ref && f.organisation == o.ID }):
					// others of this node were not asked
				case o.ID == x.Owner:
					r.OwnerName = o.Name
				case ok:
					a.Person = s.o.Name(tx, a.Person)
					r.Done = append(r.Done, Line{o, a})
				case !x.Over(now):
					r.Missing = append(r.Missing, o)
				}
			}
			s.across(tx, &r, questions, answers, x.Over(now))
			all = append(all, r)
		}
		return nil
	})
	slices.SortStableFunc(all, func(a, b Row) int {
		over := func(r Row) int {
			if r.Over(now) {
				return 1
			}
			return 0
		}
		return cmp.Compare(over(a), over(b))
	})
	return all, problem.Wrap("board.List", err)
}

// across adds who at other nodes has and has not.
func (s *Service) across(tx *store.Tx, r *Row, questions []question, answers []farAck, over bool) {
	answered := map[string]bool{}
	for _, a := range answers {
		if a.ref == r.Ref {
			a.Far, answered[a.other] = true, true
			if !slices.ContainsFunc(r.Done, func(l Line) bool { return l.Far && l.ID == a.ID && l.Name == a.Name && l.Person == a.Person }) { // it may be told on two ways
				r.Done = append(r.Done, a.Line)
			}
		}
	}
	for _, q := range questions {
		if q.ref != r.Ref || answered[q.other] || over {
			continue
		}
		o := Office{ID: q.other, Name: s.nameOf(q.other), Far: true, Trouble: q.failed}
		if q.letter != 0 && s.o.Lines.Reached != nil {
			o.Reached = s.o.Lines.Reached(tx, q.letter)
		}
		r.Missing = append(r.Missing, o)
	}
}

// Schedule registers what happens by itself: the clock of each item stands in the queue on
// disk, so that it also runs through a restart.
func (s *Service) Schedule(ctx context.Context) error {
	var errs []error
	for _, kind := range store.Kinds {
		errs = append(errs, s.o.Jobs.Handle(queueMissing, kind, func(ctx context.Context, j job.Job) error { return s.missing(ctx, kind, string(j.Payload)) }))
		if s.o.Lines.Post != nil {
			errs = append(errs, s.o.Jobs.Handle(queueBorder, kind, func(ctx context.Context, j job.Job) error { return s.run(ctx, kind, j.Payload) }))
		}
	}
	errs = append(errs, s.o.Jobs.Daily(ctx, queueErase, eraseAt, store.Live, func(ctx context.Context, _ job.Job) error {
		return s.o.DB.Write(ctx, func(tx *store.Tx) error {
			n, err := erase(tx, s.o.Clock.Now().Add(-keep))
			if err != nil || n == 0 {
				return err
			}
			return s.o.Audit.Append(tx, audit.Event{Action: "board.erase", Actor: "node", Object: "board"})
		})
	}))
	return errors.Join(errs...)
}

// missing tells who has not acknowledged: first the organisation itself, then whose notice
// it is, or everybody's operator for an official warning.
func (s *Service) missing(ctx context.Context, kind store.Kind, what string) error {
	number, ref, _ := strings.Cut(what, " ")
	step, err := strconv.Atoi(number)
	if err != nil {
		return fmt.Errorf("board: job %q: %w", what, err)
	}
	return problem.Wrap("board.missing", s.o.DB.Write(ctx, func(tx *store.Tx) error {
		now := s.o.Clock.Now()
		found, err := items(tx, `WHERE ref = $1 AND kind = $2`, ref, string(kind))
		if err != nil || len(found) == 0 || found[0].Over(now) {
			return err
		}
		x := found[0]
		offices, err := s.o.Organisations(tx)
		if err != nil {
			return err
		}
		done, err := acks(tx, x.At)
		if err != nil {
			return err
		}
		sources, err := froms(tx, `WHERE ref = $1`, ref)
		if err != nil {
			return err
		}
		owner := x.Owner
		if x.far() { // whose it is, is told at his node
			owner = ""
		}
		for _, o := range offices {
			if _, ok := done[ref][o.ID]; ok || o.ID == x.Owner {
				continue
			}
			if x.far() && !slices.ContainsFunc(sources, func(f from) bool { return f.organisation == o.ID }) {
				continue
			}
			if n, err := tell(tx, x, o.ID, step, now); err != nil {
				return err
			} else if n == 0 {
				continue // another instance was faster
			}
			args := i18n.Args{"title": x.Title(langOf(o.Country)), "name": o.Name, "n": int(now.Sub(x.At).Minutes())}
			to, key := o.ID, "board.tell.own"
			if step > 1 {
				to, key = owner, "board.tell.other" // "" is the whole node's business
			}
			if err := s.o.Notify(tx, notify.Notification{Kind: kind, Class: notify.A, Text: notify.Text{Key: key, Args: args}, Organisation: to, Link: root, Unique: fmt.Sprintf("board/%d/%s/%s", step, ref, o.ID)}); err != nil {
				return err
			}
		}
		tx.Notify(Topic)
		if step < steps { // their own node tells them
			return nil
		}
		return s.missingFar(tx, x, offices, step, now)
	}))
}

// missingFar tells whose item it is who at other nodes has not acknowledged.
func (s *Service) missingFar(tx *store.Tx, x *Item, offices []Office, step int, now time.Time) error {
	questions, err := asked(tx, `WHERE ref = $1`, x.Ref)
	if err != nil {
		return err
	}
	answers, err := farAcks(tx, `WHERE ref = $1`, x.Ref)
	if err != nil {
		return err
	}
	lang := i18n.En
	for _, o := range offices {
		if o.ID == x.Owner {
			lang = langOf(o.Country)
		}
	}
	for _, q := range questions {
		if slices.ContainsFunc(answers, func(a farAck) bool { return a.other == q.other }) {
			continue
		}
		if n, err := tell(tx, x, q.other, step, now); err != nil {
			return err
		} else if n == 0 {
			continue
		}
		args := i18n.Args{"title": x.Title(lang), "name": s.nameOf(q.other), "n": int(now.Sub(x.At).Minutes())}
		if err := s.o.Notify(tx, notify.Notification{Kind: x.Kind, Class: notify.A, Text: notify.Text{Key: "board.tell.other", Args: args}, Organisation: x.Owner, Link: root, Unique: fmt.Sprintf("board/%d/%s/%s", step, x.Ref, q.other)}); err != nil {
			return err
		}
	}
	return nil
}

func langOf(country string) i18n.Lang {
	return cmp.Or(map[string]i18n.Lang{"CZ": i18n.Cs, "DE": i18n.De, "PL": i18n.Pl}[country], i18n.En)
}

// lookEvery is how often is looked without being woken.
const lookEvery = 10 * time.Second

// Run watches the official warnings until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	watch := s.o.DB.Watch(warning.Topic)
	defer watch.Close()
	for ctx.Err() == nil {
		if err := s.Observe(ctx); err != nil && ctx.Err() == nil {
			s.o.Log.Error("board: observe", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-watch.C():
		case <-time.After(lookEvery):
		}
	}
	return ctx.Err()
}
