package phrase

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
)

// What a translating server may do wrong is told in words, and never waited for.
func TestTranslator(t *testing.T) {
	b := texts(t)
	elsewhere := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer other.Close()
	release := make(chan struct{})
	answers := map[string]http.HandlerFunc{
		"good": func(w http.ResponseWriter, r *http.Request) {
			var q map[string]string
			if err := json.NewDecoder(r.Body).Decode(&q); err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("asked with %s %s: %v", r.Method, r.Header.Get("Content-Type"), err)
			}
			fmt.Fprintf(w, `{"translatedText": "<%s %s %s %s>\u202e\n2", "detectedLanguage": {"language": "cs"}}`, q["q"], q["source"], q["target"], q["format"])
		},
		"slow": func(http.ResponseWriter, *http.Request) { <-release },
		"trickle": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"trans`)
			w.(http.Flusher).Flush()
			<-release
		},
		"failed": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "oops", http.StatusInternalServerError) },
		"key": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"error":"Invalid API key"}`)
		},
		"busy": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
		"refused": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":"pl is not supported\u202e"}`)
		},
		"garbage": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>\x00\xff") },
		"empty":   func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"translatedText":"  "}`) },
		"list":    func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"translatedText":["a"]}`) },
		"huge": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"translatedText":"%s"}`, strings.Repeat("a", 10*maxAnswer))
		},
		"moved": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if rest != "translate" || answers[name] == nil {
			http.NotFound(w, r)
			return
		}
		answers[name](w, r)
	}))
	defer server.Close()
	defer close(release)
	ask := func(url, text string, timeout time.Duration) (string, error) {
		return NewTranslator(Server{URL: url, Timeout: timeout, Texts: []string{TextIssue}}).Translate(context.Background(), text, "", i18n.Pl)
	}
	got, err := ask(server.URL+"/good/", "Ahoj", time.Minute)
	if err != nil || got != "<Ahoj auto pl text>\n2" {
		t.Errorf("%q, %v", got, err)
	}
	for name, want := range map[string]string{
		"slow": "slow", "trickle": "slow", "failed": "failed", "key": "key", "busy": "busy", "refused": "refused", "garbage": "garbage", "empty": "garbage",
		"list": "garbage", "huge": "huge", "moved": "refused", "nothing": "refused", "http://127.0.0.1:1": "unreachable",
	} {
		url := name
		if !strings.HasPrefix(name, "http") {
			url = server.URL + "/" + name
		}
		timeout := time.Minute // a busy machine is not slow in this sense
		if want == "slow" {
			timeout = 300 * time.Millisecond
		}
		began := time.Now()
		_, err := ask(url, "Ahoj", timeout)
		e, ok := errors.AsType[*problem.Error](err)
		if !ok || e.Key != "phrase.machine."+want || e.Kind != problem.Unavailable {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("%s: waited %s", name, took)
		}
		for _, l := range i18n.Langs {
			if text := b.Text(l, e.Key, e.Args); strings.ContainsAny(text, "⟦\u202e") || !strings.Contains(text, "127.0.0.1") {
				t.Errorf("%s: %s", name, text)
			}
		}
	}
	if _, err := ask(server.URL+"/good", strings.Repeat("a", maxSource+1), time.Minute); err == nil {
		t.Error("a text of any length is sent")
	}
	if elsewhere != 0 {
		t.Error("a text went to another address")
	}
	var off *Translator
	if NewTranslator(Server{}) != nil || off.May(TextIssue) {
		t.Error("without an address there is a translator")
	}
}
