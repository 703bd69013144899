package exchange

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// refusal is an answer in the specification's form: a status, one of its codes
// and a reason a person understands.
type refusal struct {
	status int
	code   ucri.Code
	key    string
	args   i18n.Args
	retry  time.Duration // for Retry-After
	err    error         // for the log
}

func (r *refusal) Error() string {
	s := "exchange: " + strconv.Itoa(int(r.code)) + " " + r.key
	if r.err != nil {
		s += ": " + r.err.Error()
	}
	return s
}

func (r *refusal) Unwrap() error { return r.err }

// refuse is final: the same request will be refused again.
func refuse(code ucri.Code, key string, args i18n.Args) *refusal {
	return &refusal{status: statusOf(code), code: code, key: key, args: args}
}

// unavailable asks the caller to try again.
func unavailable(key string, args i18n.Args) *refusal {
	return &refusal{status: http.StatusInternalServerError, code: ucri.CodeInternal, key: key, args: args, retry: time.Second}
}

// statusOf is the HTTP status of a code.
// spec: UCRI 2 transport 2.0.0, error codes: only 400, 401 and 500.
func statusOf(code ucri.Code) int {
	switch code {
	case ucri.CodeUnauthorized:
		return http.StatusUnauthorized
	case ucri.CodeInternal:
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}

// fail answers with err; what the caller can't know is logged and told as 491.
func (n *Node) fail(w http.ResponseWriter, r *http.Request, err error) {
	lang := i18n.Match(r.Header.Get("Accept-Language"))
	var status int
	var body ucri.ErrorBody
	var retry time.Duration
	if bad, ok := errors.AsType[*ucri.Error](err); ok {
		status = statusOf(bad.Code)
		body = bad.Body(func(key string, args map[string]any) string { return n.texts.Text(lang, key, args) })
	} else {
		ref, ok := errors.AsType[*refusal](err)
		if !ok {
			ref = n.internal(err)
		}
		status, retry = ref.status, ref.retry
		body = ucri.ErrorBody{Code: ref.code, Reason: n.texts.Text(lang, ref.key, ref.args)}
	}
	n.metrics.refused(int(body.Code))
	if n.cfg.StrictSpec {
		switch status {
		case http.StatusRequestEntityTooLarge:
			status, body.Code = http.StatusBadRequest, ucri.CodeClientInvalid
		case http.StatusTooManyRequests:
			status = http.StatusInternalServerError
		}
	}
	if retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(retry/time.Second))))
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="UCRI", charset="UTF-8"`)
		if r.TLS != nil {
			// With the connection goes the certificate shown on it, which may be why.
			w.Header().Set("Connection", "close")
		}
	}
	w.Header().Set("Content-Language", string(lang))
	answer(w, status, body)
}

// internal classifies an error of our own.
func (n *Node) internal(err error) *refusal {
	switch {
	case errors.Is(err, errOtherContent):
		return &refusal{status: http.StatusBadRequest, code: ucri.CodeInternal, key: "exchange.refuse.other_content"}
	case store.IsFull(err):
		n.faulty.Store(true)
		n.log.Error("exchange: the disk is full or fails", "error", err)
		return &refusal{status: http.StatusInternalServerError, code: ucri.CodeInternal, key: "exchange.refuse.disk_full", retry: 5 * time.Second, err: err}
	case store.IsUnavailable(err):
		n.log.Error("exchange: the database is not available", "error", err)
		return &refusal{status: http.StatusInternalServerError, code: ucri.CodeInternal, key: "exchange.refuse.unavailable", retry: time.Second, err: err}
	}
	n.log.Error("exchange: internal error", "error", err)
	return &refusal{status: http.StatusInternalServerError, code: ucri.CodeInternal, key: "exchange.refuse.internal", err: err}
}

func answer(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"code":491,"reason":"internal error"}`)
	}
	write(w, status, b)
}

func write(w http.ResponseWriter, status int, b []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(b)
}
