package identity

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

const (
	// DefaultKeepNames is how long the name of a deleted person stands beside
	// what he did. It is no shorter than the longest retention of incidents, so
	// that no protocol loses the name of who decided.
	DefaultKeepNames = 10 * 365 * 24 * time.Hour
	// UndoTime is how long a deletion can be taken back on the page.
	UndoTime = 10 * time.Second
	// undoGrace lets a press in the last second arrive.
	undoGrace = 10 * time.Second
)

// Options is what a Directory needs.
type Options struct {
	DB     *store.DB
	Clock  *clock.Clock
	Node   *seal.Node
	Audit  *audit.Log
	Log    *slog.Logger
	Config Config // validated
	// Busy reports whether an incident of the organisation is open: a session at
	// one of its desks then does not expire. nil: never.
	Busy func(ctx context.Context, organisation string) bool
	// Alarm is told in the transaction of its sign-in that the sealed account of
	// the organisation is in use, for an alarm to the shift leaders. nil: nobody
	// but the audit log.
	Alarm func(tx *store.Tx, organisation, person string) error
	// KeepNames is how long a deleted person's name is kept; 0: DefaultKeepNames.
	KeepNames time.Duration
	// Address tells where a request comes from, for the limits on wrong
	// sign-ins; nil: the address of the connection.
	Address func(*http.Request) string
	// Dir is where relative paths of Config count from.
	Dir string
	// Client talks to the OpenID providers; nil: one with a timeout of 10 s.
	Client *http.Client
}

// Directory is the people of a node. It is safe for concurrent use.
type Directory struct {
	o         Options
	seal      *sealer
	limits    limits
	waiting   chan struct{} // sign-ins whose password is being checked
	providers map[string]*provider

	mu      sync.Mutex
	parties map[string]*webauthn.WebAuthn // by origin
}

// New returns the directory on o.DB, whose tables are Migrations. It calls no
// provider.
func New(o Options) (*Directory, error) {
	if o.KeepNames == 0 {
		o.KeepNames = DefaultKeepNames
	}
	if o.Busy == nil {
		o.Busy = func(context.Context, string) bool { return false }
	}
	if o.Address == nil {
		o.Address = func(r *http.Request) string {
			host, _, err := net.SplitHostPort(r.RemoteAddr)
			if err != nil {
				return r.RemoteAddr
			}
			return host
		}
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: providerTimeout}
	}
	d := &Directory{o: o, seal: newSealer(o.Node), waiting: make(chan struct{}, maxWaiting), providers: map[string]*provider{}, parties: map[string]*webauthn.WebAuthn{}}
	d.limits.clock = o.Clock
	for _, c := range o.Config.OIDC {
		p, err := newProvider(c, o)
		if err != nil {
			return nil, err
		}
		d.providers[c.ID] = p
	}
	return d, nil
}

// Roles of people, in the order in which they are shown.
var Roles = []string{"dispatcher", "shift_leader", "technician", "administrator", "auditor"}

const administrator = "administrator"

// Faults are mistakes in what a person entered, by field. Its first one is also
// the *problem.Error of the chain.
type Faults []FieldFault

// FieldFault is one of them: the name of the field and the text that says what
// is wrong.
type FieldFault struct {
	Field, Key string
	Args       i18n.Args
}

// Error returns the technical text.
func (f Faults) Error() string {
	var keys []string
	for _, x := range f {
		keys = append(keys, x.Field+": "+x.Key)
	}
	return "identity: " + strings.Join(keys, ", ")
}

// Unwrap returns the first fault as a problem of kind Invalid.
func (f Faults) Unwrap() error {
	return problem.New("identity", problem.Invalid, f[0].Key, f[0].Args)
}

func (f *Faults) add(field, key string, args i18n.Args) {
	*f = append(*f, FieldFault{field, key, args})
}

func (f Faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

// actor is how the audit log names who acts: a person's id, or the node for its
// own jobs and for whoever works at its command line.
func actor(by *web.Person) string {
	if by == nil {
		return "node"
	}
	return by.ID
}

// note writes the leaf of a change. detail is hashed, not stored.
func (d *Directory) note(tx *store.Tx, e audit.Event, detail any) error {
	if detail != nil {
		raw, err := json.Marshal(detail)
		if err != nil {
			return err
		}
		e.Detail = raw
	}
	return d.o.Audit.Append(tx, e)
}

// changed is note for a change of a person, whose sessions and pages watch
// TopicPeople.
func (d *Directory) changed(tx *store.Tx, by *web.Person, action, object string, detail any) error {
	tx.Notify(TopicPeople)
	return d.note(tx, audit.Event{Action: action, Actor: actor(by), Object: object}, detail)
}

// TopicPeople is notified when people, roles or sessions change: what serves
// somebody for long asks Alive then.
const TopicPeople = "identity.people"

// outside reports whether by acts on what belongs to another organisation, which
// is answered as if it were not there. The node and its command line act on all.
func outside(by *web.Person, organisation string) bool {
	return by != nil && by.Organisation != organisation
}

func notFound(op string) error { return problem.New(op, problem.NotFound, "", nil) }

// none turns store.ErrNoRows into a problem of kind NotFound.
func none(op string, err error) error {
	if errors.Is(err, store.ErrNoRows) {
		return notFound(op)
	}
	return err
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
