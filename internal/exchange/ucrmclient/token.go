package ucrmclient

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	// opaqueLife is how long a token is used whose end can't be read.
	opaqueLife = 10 * time.Minute
	// maxLife also keeps an absurd number from overflowing.
	maxLife = 24 * time.Hour
	// A token is renewed before its end, by a tenth of its life but not more
	// than this: a request under way must not outlive it.
	renewBefore = 30 * time.Second
)

// token is one token with the headers built from it.
type token struct {
	header http.Header
	renew  time.Time // with monotonic reading: a stepped clock changes nothing
}

// flight is a token request under way that others wait for.
type flight struct {
	done  chan struct{}
	token *token
	err   error
}

// token returns a token that is not stale (nil: none is), asking for it at most
// once at a time.
func (c *Client) token(ctx context.Context, stale *token) (*token, error) {
	for {
		if t := c.current.Load(); t != nil && t != stale && time.Now().Before(t.renew) {
			return t, nil
		}
		c.mu.Lock()
		if t := c.current.Load(); t != nil && t != stale && time.Now().Before(t.renew) {
			c.mu.Unlock()
			return t, nil
		}
		f := c.flight
		if f == nil {
			f = &flight{done: make(chan struct{})}
			c.flight = f
			c.mu.Unlock()
			f.token, f.err = c.fetchToken(ctx)
			c.mu.Lock()
			if f.err == nil {
				c.current.Store(f.token)
			}
			c.flight = nil
			c.mu.Unlock()
			close(f.done)
			return f.token, f.err
		}
		c.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-f.done:
		}
		// Whoever asked may have given up; that is no answer for the others.
		if f.err != nil && (errors.Is(f.err, context.Canceled) || errors.Is(f.err, context.DeadlineExceeded)) && ctx.Err() == nil {
			continue
		}
		return f.token, f.err
	}
}

// fetchToken signs in. spec: UCRI 2 transport 2.0.0, GET /token.
func (c *Client) fetchToken(ctx context.Context) (*token, error) {
	reply, _, err := c.attempt(ctx, request{method: http.MethodGet, url: c.tokenURL, limit: maxSmall}, c.basic)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	var answer struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal(reply, &answer); err != nil {
		// The error of the decoder may quote a piece of the token.
		return nil, errors.New("token: unusable answer: not JSON")
	}
	if answer.Token == "" || strings.ContainsFunc(answer.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("token: unusable answer: no token in it")
	}
	life := tokenLife(answer.Token, time.Now().Add(c.ClockSkew()))
	return &token{
		header: c.header("Bearer " + answer.Token),
		renew:  time.Now().Add(life - min(life/10, renewBefore)),
	}, nil
}

// tokenLife reads how long a JWT is valid (RFC 7519 §4.1.4), without verifying
// it: it is not for us. Its times are of the node's clock, so the life is taken
// from the moment of issue, or from the node's time now.
func tokenLife(jwt string, now time.Time) time.Duration {
	part := strings.Split(jwt, ".")
	if len(part) != 3 {
		return opaqueLife
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(part[1], "="))
	if err != nil {
		return opaqueLife
	}
	var claims struct {
		IssuedAt  *float64 `json:"iat"`
		ExpiresAt *float64 `json:"exp"`
	}
	if json.Unmarshal(raw, &claims) != nil || claims.ExpiresAt == nil {
		return opaqueLife
	}
	from := float64(now.UnixMilli()) / 1000
	if claims.IssuedAt != nil {
		from = *claims.IssuedAt
	}
	seconds := *claims.ExpiresAt - from
	if seconds <= 0 {
		return opaqueLife // it will be refused if it is void, and then renewed
	}
	return time.Duration(min(seconds, maxLife.Seconds()) * float64(time.Second))
}
