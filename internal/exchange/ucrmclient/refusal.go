package ucrmclient

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"trojmezi/internal/format/ucri"
)

const (
	// maxReason bounds what is kept of a node's text, in bytes: it goes into logs.
	maxReason = 1 << 10
	// maxRetryAfter keeps a node from silencing us for days.
	maxRetryAfter = time.Hour
)

// Refusal is an answer other than success.
type Refusal struct {
	Status     int           // HTTP
	Code       ucri.Code     // 0: the answer had none
	Reason     string        // for people, as the node wrote it, one line; "": none
	Message    string        // what the code means; "": none
	RetryAfter time.Duration // 0: not said
}

// Error is the refusal in one line, for logs.
func (r *Refusal) Error() string {
	s := "refused with HTTP " + strconv.Itoa(r.Status)
	if r.Code != 0 {
		s += ", code " + strconv.Itoa(int(r.Code))
	}
	if r.Reason != "" {
		s += ": " + r.Reason
	}
	return s
}

// Final reports whether the same request will be refused again.
//
//	3xx            no   a door in between is set up wrongly; no redirect is followed
//	401            no   after a new token was tried: credentials are put right by a
//	                    person, and the message is still good then
//	408, 425, 429  no   too slow, too early, too many: the status asks to try again
//	other 4xx      yes  the message itself is the reason, also of 413
//	5xx            no   the node's trouble
//
// Every error that is no Refusal (no connection, no or a broken answer) can be
// tried again too.
func (r *Refusal) Final() bool {
	switch r.Status {
	case http.StatusUnauthorized, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return r.Status >= 400 && r.Status < 500
}

// refusal reads the error body; anything else than the specification's form,
// such as the page of a proxy, gives a refusal without code and reason.
func refusal(res *http.Response, reply []byte) *Refusal {
	r := &Refusal{Status: res.StatusCode, RetryAfter: retryAfter(res.Header)}
	var b ucri.ErrorBody
	if json.Unmarshal(reply, &b) == nil {
		r.Code, r.Reason, r.Message = b.Code, line(b.Reason), line(b.Message)
	}
	return r
}

// line makes a stranger's text safe for a log and a terminal.
func line(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, s)
	if len(s) > maxReason {
		s = strings.ToValidUTF8(s[:maxReason], "") + "…"
	}
	return s
}

// retryAfter reads seconds or a date. spec: RFC 9110 §10.2.3.
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if v == "" {
		return 0
	}
	var d time.Duration
	if n, err := strconv.Atoi(v); err == nil {
		d = time.Duration(min(n, int(maxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(v); err == nil {
		now, err := http.ParseTime(h.Get("Date"))
		if err != nil {
			now = time.Now()
		}
		d = at.Sub(now)
	}
	return max(0, min(d, maxRetryAfter))
}
