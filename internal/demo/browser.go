package demo

import (
	"context"
	"crypto/rand"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"
)

const (
	// pageBytes bounds a page that is read, pageTimeout the wait for it.
	pageBytes   = 4 << 20
	pageTimeout = 15 * time.Second
	// pagePoll is how often a page is read again for what is to come.
	pagePoll = 150 * time.Millisecond
)

// browser is a person at the pages of a node, without scripts.
type browser struct {
	place  place
	url    string
	client *http.Client
}

// signIn lets a person of the place sign in with the password that the demo printed.
func signIn(ctx context.Context, n *node, login, password string) (*browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	b := &browser{place: n.place, url: "http://" + n.listen, client: &http.Client{
		Jar: jar, Timeout: pageTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	_, err = b.post(ctx, "/signin", url.Values{"login": {login}, "password": {password}})
	return b, err
}

// signOut ends the session; what is left of it ends by its time.
func (b *browser) signOut(ctx context.Context) {
	_, _ = b.post(ctx, "/signout", nil)
	b.client.CloseIdleConnections()
}

// page reads a page, with its characters as a reader sees them.
func (b *browser) page(ctx context.Context, path string) (string, error) {
	status, _, text, err := b.do(ctx, http.MethodGet, path, nil)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("GET %s%s: status %d", b.url, path, status)
	}
	return html.UnescapeString(text), err
}

// post sends a form and returns the page it leads to, as forms of the node do when
// all was well.
func (b *browser) post(ctx context.Context, path string, form url.Values) (next string, err error) {
	status, next, _, err := b.do(ctx, http.MethodPost, path, form)
	if err == nil && status != http.StatusSeeOther {
		err = fmt.Errorf("POST %s%s: status %d", b.url, path, status)
	}
	return next, err
}

func (b *browser) do(ctx context.Context, method, path string, form url.Values) (status int, next, text string, err error) {
	r, err := http.NewRequestWithContext(ctx, method, b.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, "", "", err
	}
	r.Header.Set("Accept", "text/html")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	a, err := b.client.Do(r)
	if err != nil {
		return 0, "", "", err
	}
	defer a.Body.Close()
	body, err := io.ReadAll(io.LimitReader(a.Body, pageBytes))
	return a.StatusCode, a.Header.Get("Location"), string(body), err
}

// until reads a page until words stand in it.
func (b *browser) until(ctx context.Context, path, words string) (string, error) {
	for {
		text, err := b.page(ctx, path)
		if err != nil && ctx.Err() == nil {
			return "", err
		}
		if strings.Contains(text, words) {
			return text, nil
		}
		if ctx.Err() != nil {
			return "", fmt.Errorf("%q is not on %s%s", words, b.url, path)
		}
		sleep(ctx, pagePoll)
	}
}

// press sends what a button of an incident's page about a neighbour would send.
func (b *browser) press(ctx context.Context, path, group, neighbour string) error {
	_, err := b.post(ctx, path, url.Values{"group": {group}, "neighbour": {neighbour}, "once": {rand.Text()}})
	return err
}
