package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"trojmezi/internal/exchange/ucrmclient"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/i18n"
)

const (
	// stepTimeout is how long one message may take to its receipt; the restart
	// of a node in between fits in.
	stepTimeout = 60 * time.Second
	// messageTimeout is what the messages themselves get, in seconds.
	messageTimeout = 600
	// pollSeconds is how long one receive request waits.
	pollSeconds = 20
	// retryPause is how long a desk waits after an error.
	retryPause = 500 * time.Millisecond
)

// step is one message of the play.
type step struct {
	From, To string
	App      string
	Schema   string
	What     string // ending of its key demo.step.…
	Quote    string // what the dispatcher writes, in the sender's language
	Data     json.RawMessage
}

func loadScript() ([]step, error) {
	raw, err := play.ReadFile("play/script.json")
	if err != nil {
		return nil, fmt.Errorf("demo: script: %w", err)
	}
	var steps []step
	if err := json.Unmarshal(raw, &steps); err != nil {
		return nil, fmt.Errorf("demo: script: %w", err)
	}
	return steps, nil
}

// cast are the values that a run of the play puts into its messages.
type cast struct {
	incident, request string
}

// fill writes the step's message for this run.
func (s step) fill(c cast, now time.Time) (string, error) {
	quote, err := json.Marshal(s.Quote)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if err := json.Compact(&b, s.Data); err != nil {
		return "", err
	}
	return strings.NewReplacer(
		`"$quote"`, string(quote), "$incident", c.incident, "$request", c.request, "$now", now.Format("2006-01-02T15:04:05.000Z07:00"),
	).Replace(b.String()), nil
}

// desk is a dispatch system: it reads its queue, confirms what it read and
// remembers it.
type desk struct {
	place  place
	client *ucrmclient.Client

	mu       sync.Mutex
	changed  chan struct{} // closed at the next arrival
	arrived  map[string]arrival
	receipts map[string]receipt
}

type arrival struct {
	seq    int64
	source string
	schema string
	data   string
	at     time.Time
}

type receipt struct {
	status ucri.DeliveryStatus
	at     time.Time
}

func newDesk(p place, c *ucrmclient.Client) *desk {
	return &desk{place: p, client: c, changed: make(chan struct{}), arrived: map[string]arrival{}, receipts: map[string]receipt{}}
}

// read works until ctx ends; an error of the node or the way to it is tried again.
func (k *desk) read(ctx context.Context) {
	for ctx.Err() == nil {
		if err := k.readOnce(ctx); err != nil {
			sleep(ctx, retryPause)
		}
	}
}

func (k *desk) readOnce(ctx context.Context) error {
	got, err := k.client.Receive(ctx, ucri.ReceiveRequest{Destinations: []string{k.place.Desk}, MaxDelay: pollSeconds})
	if err != nil || len(got) == 0 {
		return err
	}
	now := time.Now()
	k.mu.Lock()
	for _, m := range got {
		if !ucri.TransportLayer(m.Payload) {
			k.arrived[m.MessageID] = arrival{m.SequenceID, m.Source, m.Payload.SchemaID, m.Payload.Data, now}
		} else if s, bad := ucri.ParseDeliveryStatus(m.Payload); bad == nil {
			k.receipts[s.RefMessageID] = receipt{s, now}
		}
	}
	close(k.changed)
	k.changed = make(chan struct{})
	k.mu.Unlock()
	return k.client.Commit(ctx, ucri.MessageRef{Destination: k.place.Desk, SequenceID: got[len(got)-1].SequenceID})
}

// await returns what is in one of the desk's lists under id, once it is there.
func await[T any](ctx context.Context, k *desk, list map[string]T, id string) (T, error) {
	for {
		k.mu.Lock()
		v, ok := list[id]
		changed := k.changed
		k.mu.Unlock()
		if ok {
			return v, nil
		}
		select {
		case <-ctx.Done():
			return v, ctx.Err()
		case <-changed:
		}
	}
}

// awaitFrom returns the first message of a schema that came from source since a time,
// once there is one.
func (k *desk) awaitFrom(ctx context.Context, source, schema string, since time.Time) (arrival, error) {
	for {
		k.mu.Lock()
		changed := k.changed
		for _, a := range k.arrived {
			if a.source == source && a.schema == schema && !a.at.Before(since) {
				k.mu.Unlock()
				return a, nil
			}
		}
		k.mu.Unlock()
		select {
		case <-ctx.Done():
			return arrival{}, fmt.Errorf("no %s from %s: %w", schema, source, ctx.Err())
		case <-changed:
		}
	}
}

// send hands a message to the desk's node, again and again under the same
// messageId while the node can't take it. went is the message as it goes on: the rules of
// disclosure may leave out what its receiver is not told.
func (k *desk) send(ctx context.Context, e *ucri.Envelope) (went *ucri.Envelope, err error) {
	for {
		went, err = k.client.Send(ctx, e)
		if err == nil {
			return went, nil
		}
		if r, ok := errors.AsType[*ucrmclient.Refusal](err); ok && r.Final() || ctx.Err() != nil {
			return nil, err
		}
		sleep(ctx, retryPause)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func byName(desks []*desk) map[string]*desk {
	named := map[string]*desk{}
	for _, k := range desks {
		named[k.place.Name] = k
	}
	return named
}

// play goes through the script; each step waits for the receipt of the one before.
// The desks read already.
func (d *demo) play(ctx context.Context, f *folder, desks []*desk, out foreign) error {
	steps, err := loadScript()
	if err != nil {
		return err
	}
	named := byName(desks)
	c := cast{incident: d.clock.NewID(), request: d.clock.NewID()}
	for _, s := range steps {
		if err := d.step(ctx, s, named[s.From], named[s.To], c); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return d.stepError(named[s.From].place.Title, named[s.To].place.Title, s.What, err)
		}
	}
	more, err := d.playForeign(ctx, f, desks, out)
	if err != nil {
		return err
	}
	d.say("demo.done", i18n.Args{"n": len(steps) + more})
	return nil
}

// step sends one message and prints what became of it.
func (d *demo) step(ctx context.Context, s step, from, to *desk, c cast) error {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	start := time.Now()
	data, err := s.fill(c, start)
	if err != nil {
		return err
	}
	d.head(start, from.place.Title, to.place.Title, s.What, s.Quote)
	e := &ucri.Envelope{
		MessageID: d.clock.NewID(), Timeout: messageTimeout, Ack: ucri.AckAll, Source: from.place.Desk, Destinations: []string{to.place.Desk},
		Payload: ucri.Payload{AppID: s.App, AppVersion: "1.0", SchemaID: s.Schema, ContentType: ucri.ContentJSON, Data: data},
	}
	went, err := from.send(ctx, e)
	if err != nil {
		return err
	}
	stored := time.Now()
	a, err := await(ctx, to, to.arrived, e.MessageID)
	if err != nil {
		return err
	}
	if a.data != went.Payload.Data {
		return errors.New("the message arrived changed")
	}
	if went.Payload.Data != data {
		fmt.Fprintf(d.out, "          %s\n", d.texts.Text(d.lang, "demo.withheld", nil))
	}
	r, err := await(ctx, from, from.receipts, e.MessageID)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "          %s\n", d.texts.Text(d.lang, "demo.receipts", i18n.Args{
		"stored": stored.Format(exact), "received": a.at.Format(exact), "sequence": strconv.FormatInt(a.seq, 10),
		"status": strconv.Itoa(r.status.StatusCode), "confirmed": r.at.Format(exact),
	}))
	if r.status.StatusCode != ucri.Delivered {
		return fmt.Errorf("delivery status %d: %s", r.status.StatusCode, r.status.StatusMessage)
	}
	return nil
}
