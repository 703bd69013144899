package intake

import (
	"errors"
	"net/http"
	"net/url"
	"os"
	"strings"

	"trojmezi/internal/kernel/notify"
)

const (
	// authorization is where a token stands when the configuration does not say.
	authorization = "Authorization"
	// minToken is the shortest token: a shorter one could not be kept out of what is shown
	// without making that unreadable.
	minToken = 8
	// playToken is shown to a simulator, which has no use for a real one.
	playToken = "simulated-token"
	// hidden stands where a token was.
	hidden = "…"
)

// token is what the source shows to its sender, "" for nothing. It is read anew for each
// question, so that a person can change it beside a running node.
func (s *Source) token() (string, error) {
	var text string
	switch {
	case s.TokenFile == "" && s.TokenEnv == "":
		return "", nil
	case s.played:
		return playToken, nil
	case s.TokenFile != "":
		raw, err := notify.Secret(s.TokenFile)
		if err != nil {
			return "", err
		}
		text = string(raw)
	default:
		text = os.Getenv(s.TokenEnv)
	}
	if text = strings.TrimSpace(text); len(text) < minToken || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", errors.New("token: not 8 or more plain characters without a space")
	}
	return text, nil
}

// show puts the token into a question.
func (s *Source) show(r *http.Request, token string) {
	switch {
	case token == "":
	case s.TokenQuery != "":
		q := r.URL.Query()
		q.Set(s.TokenQuery, token)
		r.URL.RawQuery = q.Encode()
	case s.TokenHeader == authorization:
		r.Header.Set(authorization, "Bearer "+token)
	default:
		r.Header.Set(s.TokenHeader, token)
	}
}

// hider takes a token out of a text, in every form in which an address may hold it.
func hider(token string) func(string) string {
	if token == "" {
		return func(s string) string { return s }
	}
	r := strings.NewReplacer(token, hidden, url.QueryEscape(token), hidden, url.PathEscape(token), hidden)
	return r.Replace
}

// addressOf is an address as it is kept and shown: without a token, and with the body by which
// one question differs from another at the same address.
func addressOf(u *url.URL, s *Source, body string) string {
	shown := *u
	if s.TokenQuery != "" {
		q := shown.Query()
		if q.Has(s.TokenQuery) {
			q.Del(s.TokenQuery)
			shown.RawQuery = q.Encode()
		}
	}
	if body != "" {
		shown.Fragment = body
	}
	return shown.String()
}
