package phrase

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
)

// What may be sent to a translating machine: free text of messages, and the
// description of an incident. Fields about persons never are.
const (
	TextMessage = "notification"
	TextIssue   = "issue"
)

// Server is where a machine translates.
type Server struct {
	URL     string // of the server, without /translate
	Key     string // "" for a server that wants none
	Timeout time.Duration
	Texts   []string // which texts may be sent
}

// Limits of a translation: what an operator's remark can be, and what an answer to
// it can be.
const (
	maxSource = 4000 // characters
	maxAnswer = 256 << 10
)

// Translator asks a server that speaks the API of LibreTranslate. It keeps nothing.
type Translator struct {
	server Server
	http   *http.Client
	host   string // of the server, for texts
}

// NewTranslator returns one; nil for a server without an address.
func NewTranslator(s Server) *Translator {
	u, err := url.Parse(s.URL)
	if s.URL == "" || err != nil {
		return nil
	}
	t := &Translator{server: s, host: u.Host, http: &http.Client{
		Timeout: s.Timeout,
		// A text goes to the address that the operator wrote down and nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	t.server.URL = strings.TrimSuffix(s.URL, "/")
	return t
}

// May reports whether texts of that sort may be sent; a nil Translator sends none.
func (t *Translator) May(text string) bool { return t != nil && slices.Contains(t.server.Texts, text) }

// Host is the server's name, for the pages.
func (t *Translator) Host() string { return t.host }

// Translate returns what the machine makes of a text; from "" lets it guess. Every
// error is a *problem.Error with a text for the person who asked.
func (t *Translator) Translate(ctx context.Context, text string, from, to i18n.Lang) (string, error) {
	fail := func(key string, args i18n.Args, err error) error {
		if args == nil {
			args = i18n.Args{}
		}
		args["host"] = t.host
		return &problem.Error{Op: "phrase.Translate", Kind: problem.Unavailable, Key: "phrase.machine." + key, Args: args, Err: err}
	}
	if utf8.RuneCountInString(text) > maxSource {
		return "", fail("long", i18n.Args{"n": maxSource}, nil)
	}
	source := string(from)
	if source == "" {
		source = "auto"
	}
	ask := map[string]string{"q": text, "source": source, "target": string(to), "format": "text"}
	if t.server.Key != "" {
		ask["api_key"] = t.server.Key
	}
	body, err := json.Marshal(ask)
	if err != nil {
		return "", problem.Wrap("phrase.Translate", err)
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, t.server.URL+"/translate", bytes.NewReader(body))
	if err != nil {
		return "", fail("unreachable", nil, err)
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("Accept", "application/json")
	answer, err := t.http.Do(q)
	if err != nil {
		return "", fail(missed(err), nil, err)
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err != nil {
		return "", fail(missed(err), nil, err)
	}
	if len(raw) > maxAnswer {
		return "", fail("huge", nil, nil)
	}
	var said struct {
		Text  string `json:"translatedText"`
		Error string `json:"error"`
	}
	bad := json.Unmarshal(raw, &said)
	switch {
	case answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden:
		return "", fail("key", nil, nil)
	case answer.StatusCode == http.StatusTooManyRequests:
		return "", fail("busy", nil, nil)
	case answer.StatusCode >= 500:
		return "", fail("failed", i18n.Args{"status": answer.StatusCode}, nil)
	case answer.StatusCode != http.StatusOK:
		return "", fail("refused", i18n.Args{"status": answer.StatusCode, "detail": shown(said.Error, 200)}, nil)
	case bad != nil || strings.TrimSpace(said.Text) == "":
		return "", fail("garbage", nil, bad)
	}
	return shown(said.Text, 4*maxSource), nil
}

// missed tells a server that is slow from one that is not there.
func missed(err error) string {
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return "slow"
	}
	return "unreachable"
}

// shown makes a stranger's text harmless on a page: no hidden signs but line ends,
// and not longer than n characters.
func shown(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r == '\n' {
			return r
		}
		if !plain(string(r)) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if r := []rune(s); len(r) > n {
		s = string(r[:n]) + "…"
	}
	return strings.TrimSpace(s)
}
