package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

const (
	// SignatureHeader holds "t=UNIX,v1=HEX": the time of the attempt in seconds,
	// and HMAC-SHA256 (spec: RFC 2104) of "UNIX." and the body. A receiver
	// refuses an old time, else the message could be played to him again.
	SignatureHeader = "Trojmezi-Signature"
	// IDHeader is the notification's id, the same in every attempt.
	IDHeader = "Trojmezi-Id"
	// MinSecret is the shortest shared secret in bytes: half the hash, below
	// which it could be guessed from one message.
	MinSecret = 16
	// maxAnswer bounds what is read of an answer, which nobody looks at.
	maxAnswer = 64 << 10
)

// hook posts to one address.
type hook struct {
	service *Service
	cfg     Webhook
}

// Posted is the body of a webhook. Texts are in all four languages by code.
type Posted struct {
	ID       string                 `json:"id"`
	Kind     store.Kind             `json:"kind"`
	Class    Class                  `json:"class"`
	At       time.Time              `json:"at"`
	Place    string                 `json:"place"`
	Key      string                 `json:"key"` // of the headline: what a program decides by
	Headline map[i18n.Lang]string   `json:"headline"`
	More     map[i18n.Lang][]string `json:"more"`
	Mark     map[i18n.Lang]string   `json:"mark,omitempty"` // of an exercise or a test
	Link     string                 `json:"link,omitempty"`
}

func (h *hook) send(ctx context.Context, m message) error {
	body, err := json.Marshal(h.service.posted(m))
	if err != nil {
		return fmt.Errorf("notify: webhook: %w", err)
	}
	key, err := Secret(h.cfg.SecretFile)
	if err != nil {
		return fmt.Errorf("notify: webhook: %w", err)
	}
	if len(key) < MinSecret {
		return fmt.Errorf("notify: webhook: the secret in %s has fewer than %d bytes", h.cfg.SecretFile, MinSecret)
	}
	roots, err := Roots(h.cfg.CAFile)
	if err != nil {
		return fmt.Errorf("notify: webhook: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return errors.New("notify: webhook: the address is wrong")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(IDHeader, m.id)
	r.Header.Set(SignatureHeader, Sign(key, h.service.Clock.Now(), body))
	client := &http.Client{
		// Messages are few: a connection each, and none left behind.
		Transport: &http.Transport{
			Proxy:             http.ProxyFromEnvironment,
			TLSClientConfig:   &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			DisableKeepAlives: true,
		},
		// A redirection could lead to plain http or to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(r)
	if err != nil {
		// Without the address, whose path may be a secret.
		if bad, ok := errors.AsType[*url.Error](err); ok {
			err = bad.Err
		}
		return fmt.Errorf("notify: webhook: %w", err)
	}
	defer answer.Body.Close()
	io.Copy(io.Discard, io.LimitReader(answer.Body, maxAnswer)) // the status is the answer
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return fmt.Errorf("notify: webhook: answered %s", plain(answer.Status))
	}
	return nil
}

func (s *Service) posted(m message) Posted {
	p := Posted{ID: m.id, Kind: m.kind, Class: m.class, At: m.at, Place: s.Place, Key: m.texts[0].Key, Link: s.link(m.link),
		Headline: map[i18n.Lang]string{}, More: map[i18n.Lang][]string{}}
	for _, l := range i18n.Langs {
		p.Headline[l] = m.texts[0].In(s.Texts, l)
		p.More[l] = []string{}
		for _, t := range m.texts[1:] {
			p.More[l] = append(p.More[l], t.In(s.Texts, l))
		}
		if mark := s.mark(l, m.kind); mark != "" {
			if p.Mark == nil {
				p.Mark = map[i18n.Lang]string{}
			}
			p.Mark[l] = mark
		}
	}
	return p
}

// Sign returns the value of SignatureHeader.
func Sign(key []byte, at time.Time, body []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(t + "."))
	mac.Write(body)
	return strings.Join([]string{"t=" + t, "v1=" + hex.EncodeToString(mac.Sum(nil))}, ",")
}
