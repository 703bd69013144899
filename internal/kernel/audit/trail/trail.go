package trail

import (
	"context"
	"embed"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/health"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/store"
)

//go:embed locales/*.json
var locales embed.FS

//go:embed policy.cedar
var policy []byte

// Locales returns the package's texts.
func Locales() fs.FS { return locales }

// Policy returns the package's access rules.
func Policy() []byte { return policy }

// Person is somebody the node knows or knew.
type Person struct {
	ID           string
	Name         string // "" when it is not kept any more
	Organisation string // id
	Deleted      bool
}

// Organisation is a body that works with the node.
type Organisation struct {
	ID, Name  string
	Addresses []string
	Operator  bool // it operates the node
}

// Options is what the pages need. All functions but People and Organisations may be
// nil: then nothing is found.
type Options struct {
	DB    *store.DB
	Audit *audit.Log
	Jobs  *job.Queue
	Clock *clock.Clock
	Texts *i18n.Bundle
	Log   *slog.Logger
	// People lists everybody, deleted people too.
	People        func(context.Context) ([]Person, error)
	Organisations func(context.Context) ([]Organisation, error)
	// Neighbour names who has an address, or returns the address.
	Neighbour func(address string) string
	// Incident finds the incident of an organisation that an object stands for, "" for
	// none.
	Incident func(tx *store.Tx, organisation, object string) (string, error)
	// IncidentURL is the address of an incident's page.
	IncidentURL func(incident string) string
	// Traces lists the objects under which something was done with an incident of an
	// organisation, found by its number.
	Traces func(tx *store.Tx, organisation, incident string) ([]string, error)
}

// Pages are the addresses of the log.
type Pages struct{ o Options }

// New returns the pages. Nothing runs before Schedule.
func New(o Options) *Pages {
	if o.Neighbour == nil {
		o.Neighbour = func(address string) string { return address }
	}
	if o.Incident == nil {
		o.Incident = func(*store.Tx, string, string) (string, error) { return "", nil }
	}
	if o.Traces == nil {
		o.Traces = func(*store.Tx, string, string) ([]string, error) { return nil, nil }
	}
	return &Pages{o}
}

// The actors that are no person, as the log names them.
const (
	actorNode     = "node"
	actorOperator = "operator"
)

// registry is who is who on the node.
type registry struct {
	people map[string]Person       // by id
	bodies map[string]Organisation // by id and by address
	alone  bool                    // there is one organisation
}

func (p *Pages) registry(ctx context.Context) (*registry, error) {
	people, err := p.o.People(ctx)
	if err != nil {
		return nil, err
	}
	bodies, err := p.o.Organisations(ctx)
	if err != nil {
		return nil, err
	}
	r := &registry{people: make(map[string]Person, len(people)), bodies: map[string]Organisation{}, alone: len(bodies) < 2}
	for _, who := range people {
		r.people[who.ID] = who
	}
	for _, b := range bodies {
		r.bodies[b.ID] = b
		for _, a := range b.Addresses {
			r.bodies[a] = b
		}
	}
	return r, nil
}

// owner is the organisation a leaf belongs to, "" for the operating one's.
func (r *registry) owner(l audit.Leaf) string {
	for _, id := range []string{l.Actor, l.Object} {
		if who, ok := r.people[id]; ok {
			return who.Organisation
		}
	}
	for _, id := range []string{l.Actor, l.Object} {
		if body, ok := r.bodies[id]; ok {
			return body.ID
		}
	}
	return ""
}

// mine reports whether people of an organisation may read a leaf.
func (r *registry) mine(l audit.Leaf, organisation string) bool {
	owner := r.owner(l)
	return owner == organisation || owner == "" && r.bodies[organisation].Operator
}

// colleagues are the people of an organisation whose names are known, by name.
func (r *registry) colleagues(organisation string) (all []Person) {
	for _, who := range r.people {
		if who.Organisation == organisation && who.Name != "" {
			all = append(all, who)
		}
	}
	slices.SortFunc(all, func(a, b Person) int {
		return strings.Compare(strings.ToLower(a.Name)+a.ID, strings.ToLower(b.Name)+b.ID)
	})
	return all
}

// scanned is how many leaves are read at a time when not all of them are shown.
const scanned = 500

// each gives the leaves of an organisation to f, the newest first, until it returns
// false. Each portion is read by itself: nothing is held open while f writes to
// somebody with a slow line.
func (p *Pages) each(ctx context.Context, r *registry, organisation string, f audit.Filter, after audit.Place, portion int, give func(audit.Leaf) (bool, error)) error {
	if !r.alone {
		portion = scanned
	}
	for {
		var leaves []audit.Leaf
		if err := p.o.DB.Read(ctx, func(tx *store.Tx) (err error) {
			leaves, err = audit.List(tx, f, after, portion)
			return err
		}); err != nil {
			return err
		}
		for _, l := range leaves {
			if !r.mine(l, organisation) {
				continue
			}
			if more, err := give(l); err != nil || !more {
				return err
			}
		}
		if len(leaves) < portion {
			return nil
		}
		after = leaves[len(leaves)-1].Place()
	}
}

// page returns up to limit leaves after a place, and whether there are more.
func (p *Pages) page(ctx context.Context, r *registry, organisation string, f audit.Filter, after audit.Place, limit int) (leaves []audit.Leaf, more bool, err error) {
	err = p.each(ctx, r, organisation, f, after, limit+1, func(l audit.Leaf) (bool, error) {
		if more = len(leaves) == limit; !more {
			leaves = append(leaves, l)
		}
		return !more, nil
	})
	return leaves, more, err
}

const (
	// queue is the background work that verifies the log.
	queue = "audit.verify"
	// nightly is the time of the one that nobody asks for: after the backup's test.
	nightly = "04:10"
	// attempts are those of a verification that could not be done.
	attempts = 3
)

// Schedule verifies the whole log each night, and whenever a person asks.
func (p *Pages) Schedule(ctx context.Context) error {
	return p.o.Jobs.Daily(ctx, queue, nightly, store.Live, p.verify)
}

// verify does the work. Of the nightly one nobody has written down yet that it was
// asked for.
func (p *Pages) verify(ctx context.Context, j job.Job) error {
	if len(j.Payload) == 0 {
		begun := false
		if err := p.o.DB.Write(ctx, func(tx *store.Tx) (err error) { begun, err = p.o.Audit.Begin(tx, ""); return err }); err != nil || !begun {
			return err
		}
	}
	r, err := p.o.Audit.Check(ctx)
	if err == nil && len(r.Faults) > 0 {
		p.o.Log.Error("audit: the log is damaged", "faults", len(r.Faults), "first", string(r.Faults[0].Code), "numbers", r.Faults[0].Numbers())
	}
	return err
}

// ask writes down that a person wants the log to be verified, and has it done. While
// one runs it does nothing.
func (p *Pages) ask(ctx context.Context, person string) error {
	return p.o.DB.Write(ctx, func(tx *store.Tx) error {
		begun, err := p.o.Audit.Begin(tx, person)
		if err != nil || !begun {
			return err
		}
		if _, err := p.o.Jobs.Enqueue(tx, job.Job{Queue: queue, Kind: store.Live, Payload: []byte(person), UniqueKey: "asked", MaxAttempts: attempts}); err != nil {
			return err
		}
		return p.o.Audit.Append(tx, audit.Event{Action: actionVerify, Actor: person})
	})
}

// Damage is the check of package health for what the last verification found.
func (p *Pages) Damage() health.Check {
	return health.Check{ID: "audit", Area: "health.area.record", Func: func(ctx context.Context) ([]health.Finding, error) {
		var v audit.Verification
		err := p.o.DB.Read(ctx, func(tx *store.Tx) (err error) { v, err = p.o.Audit.LastVerification(tx); return err })
		if err != nil || v.Faults == 0 {
			return nil, err
		}
		return []health.Finding{{Text: notify.Text{Key: "trail.damaged", Args: i18n.Args{"n": v.Faults, "at": v.Reported}}, Todo: "trail.damaged.technician", Level: health.L3, Since: v.Reported}}, nil
	}}
}

// settle waits a moment for a verification that takes no longer, so that its result
// stands on the page that comes.
func (p *Pages) settle(ctx context.Context) {
	const most, pause = 2 * time.Second, 50 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for {
		var v audit.Verification
		err := p.o.DB.Read(ctx, func(tx *store.Tx) (err error) { v, err = p.o.Audit.LastVerification(tx); return err })
		if err != nil || !v.Running {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}
