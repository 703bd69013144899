package transport

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"
)

// poll asks the other side for what comes after the last message stored here. The
// next question, with the new cursor, is the acknowledgement.
type poll struct {
	client
	every time.Duration
}

// Shared: one instance asks.
func (p *poll) Shared() bool { return false }

func (p *poll) Send(ctx context.Context, parcel Parcel) error { return p.send(ctx, parcel) }

func (p *poll) Check(ctx context.Context) error {
	r, err := p.question(ctx, "", "")
	if err != nil {
		return err
	}
	r.Method = http.MethodHead
	answer, _, err := p.do(r, "check", []byte(r.URL.RequestURI()))
	if err == nil && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden) {
		return fail("transport.failure.credentials", errors.New(answer.Status))
	}
	return err
}

// question asks for the message after the cursor, unless nothing changed since the
// answer with that tag.
func (p *poll) question(ctx context.Context, cursor, tag string) (*http.Request, error) {
	u, err := url.Parse(p.url)
	if err != nil {
		return nil, fail("transport.failure.unreachable", errors.New("the address is wrong"))
	}
	q := u.Query()
	q.Set("after", cursor)
	u.RawQuery = q.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fail("transport.failure.unreachable", errors.New("the address is wrong"))
	}
	if tag != "" {
		r.Header.Set("If-None-Match", tag)
	}
	return r, nil
}

// Receive asks until ctx ends: at once after a message, else at its pace.
func (p *poll) Receive(ctx context.Context, box Box, up func()) error {
	tag := ""
	for {
		cursor, err := box.Cursor(ctx)
		if err != nil {
			return err
		}
		d, next, err := p.ask(ctx, cursor, tag)
		if err != nil {
			return err
		}
		up()
		if d != nil {
			tag = ""
			if err := box.Take(ctx, cut(*d)); err != nil {
				return err
			}
			continue
		}
		tag = next
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(p.every):
		}
	}
}

// ask returns the next message; nil with the tag of the answer when there is none.
func (p *poll) ask(ctx context.Context, cursor, tag string) (*Delivery, string, error) {
	r, err := p.question(ctx, cursor, tag)
	if err != nil {
		return nil, "", err
	}
	answer, body, err := p.do(r, "after."+cursor, []byte(r.URL.RequestURI()))
	if err != nil {
		return nil, "", err
	}
	switch answer.StatusCode {
	case http.StatusNoContent:
		return nil, answer.Header.Get("ETag"), nil
	case http.StatusNotModified:
		return nil, tag, nil
	case http.StatusUnauthorized, http.StatusForbidden:
		return nil, "", fail("transport.failure.credentials", errors.New(answer.Status))
	case http.StatusOK:
	default:
		return nil, "", fail("transport.failure.answer", errors.New(answer.Status))
	}
	keys, err := secrets(p.secretFile)
	if err != nil {
		return nil, "", err
	}
	id, at := answer.Header.Get(IDHeader), answer.Header.Get(CursorHeader)
	if at == "" || at == cursor || id == "" || len(id) > maxID || len(at) > maxID {
		return nil, "", fail("transport.failure.answer", errors.New("the answer has no id, or no cursor that goes on"))
	}
	if len(body) <= MaxBytes {
		// The cursor is signed with the id: an answer cannot be moved to another place.
		if err := verify(keys, answer.Header.Get(SignatureHeader), id+"."+at, body, p.clock.Now(), p.window); err != nil {
			return nil, "", fail("transport.failure.signature", err)
		}
	}
	return &Delivery{ID: id, Type: answer.Header.Get("Content-Type"), Body: body, Cursor: at}, "", nil
}
