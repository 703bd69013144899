package intake

import (
	"context"
	"time"

	"trojmezi/internal/format/shape"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// Status is what can be said of a feed's news. Only of a fresh one can be said that
// there is no warning when it has none.
type Status string

// The states.
const (
	Off     Status = "off"     // nobody has switched it on
	Never   Status = "never"   // nothing of it was ever understood
	Stale   Status = "stale"   // its news are too old, whether it answers or not
	Failing Status = "failing" // the last look came to nothing, its news are not too old yet
	Fresh   Status = "fresh"
)

// Deviation is something that is not as it should be in a document that was understood.
type Deviation struct {
	Severity shape.Severity `json:"severity"`
	Line     int            `json:"line"`
	Path     string         `json:"path"`
	Key      string         `json:"key"`
	Args     i18n.Args      `json:"args"`
}

// listed counts deviations and takes the first of them.
func listed(all []shape.Deviation) (n int64, first []Deviation) {
	for _, d := range all[:min(len(all), maxListed)] {
		args := i18n.Args{}
		for k, v := range d.Args {
			if text, ok := v.(string); ok {
				v = harmless(text)
			}
			args[k] = v
		}
		first = append(first, Deviation{d.Severity, d.Line, d.Path, d.Key, args})
	}
	return int64(len(all)), first
}

// State is a source with what is known of it now.
type State struct {
	Source
	Status Status
	// Age is that of its news: by what they say themselves (Source.Dated), else by the last
	// answer that was understood. Known is false when nothing tells it.
	Age   time.Duration
	Known bool
	From  time.Time // from when Age counts
	Since time.Time // since when it is stale; zero: it is not, or nothing tells
	// Silent says that it is stale because nothing of it was understood for too long, not
	// by the age of its news.
	Silent bool

	On         bool
	SwitchedAt time.Time
	SwitchedBy string // name
	Reason     string

	AskedAt, AnsweredAt, ChangedAt, IssuedAt, NextAt time.Time
	Failures                                         int64
	FailedAt                                         time.Time
	Failure                                          *Diagnosis
	Document                                         int64
	Answered                                         string
	Entries, Quiet, NoData, Parts, Missing           int64
	Incomplete                                       *Diagnosis
	Deviations                                       int64
	Listed                                           []Deviation
	Skew                                             time.Duration // of the sender's clock, when it tells
	ClockWrong                                       bool          // what is remembered lies in the future
}

// judge makes the state of a row at a moment.
func judge(src *Source, r row, now time.Time) State {
	s := State{
		Source: *src, On: r.on, SwitchedAt: r.switchedAt, Reason: r.reason, AskedAt: r.askedAt, AnsweredAt: r.answeredAt, ChangedAt: r.changedAt, IssuedAt: r.issuedAt, NextAt: r.nextAt,
		Failures: r.failures, FailedAt: r.failedAt, Failure: r.diagnosis, Document: r.document, Answered: r.address, Entries: r.entries, Quiet: r.quiet, NoData: r.noData,
		Parts: r.parts, Missing: r.missing, Incomplete: r.incomplete, Deviations: r.deviations, Listed: r.listed, Skew: r.skew,
	}
	s.From = r.answeredAt
	if src.Dated && (r.issuedAt.IsZero() || r.issuedAt.Before(r.answeredAt)) {
		s.From = r.issuedAt // one in the future is of a sender whose clock is wrong
	}
	s.Known = !s.From.IsZero()
	if s.Known {
		s.Age = max(0, now.Sub(s.From))
		s.ClockWrong = s.From.Sub(now) > clockStep
	}
	limits, dated := src.limits(), time.Time{}
	if src.Dated {
		dated = s.From
	}
	s.Since = limits.Stale(dated, r.answeredAt, now)
	s.Silent = !s.Since.IsZero() && src.Dated && s.Age < src.Stale
	switch {
	case !r.on:
		s.Status = Off
	case r.answeredAt.IsZero():
		s.Status = Never
	case !s.Known, s.ClockWrong, !s.Since.IsZero():
		s.Status = Stale
	case r.failures > 0:
		s.Status = Failing
	default:
		s.Status = Fresh
	}
	return s
}

// StateIn is the state of a source within a transaction; problem NotFound.
func (s *Service) StateIn(tx *store.Tx, name string) (State, error) {
	src, err := s.source("intake.State", name)
	if err != nil {
		return State{}, err
	}
	r, err := s.row(tx, src)
	if err != nil {
		return State{}, err
	}
	v := judge(src, r, s.Clock.Now())
	if v.SwitchedBy = r.switchedBy; s.Name != nil && r.switchedBy != "" && r.switchedBy != Operator {
		v.SwitchedBy = s.Name(tx, r.switchedBy)
	}
	return v, nil
}

// Operator is who acts at the command line, in the audit log.
const Operator = "operator"

// State is the state of a source.
func (s *Service) State(ctx context.Context, name string) (v State, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) (err error) { v, err = s.StateIn(tx, name); return err })
	return v, problem.Wrap("intake.State", err)
}

// StatesIn are the states of all sources within a transaction.
func (s *Service) StatesIn(tx *store.Tx) (all []State, err error) {
	for i := range s.sources {
		v, err := s.StateIn(tx, s.sources[i].Name)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// States are the states of all sources, in the order of the configuration.
func (s *Service) States(ctx context.Context) (all []State, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) (err error) { all, err = s.StatesIn(tx); return err })
	return all, problem.Wrap("intake.States", err)
}
