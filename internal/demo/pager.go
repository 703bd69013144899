package demo

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode"

	"trojmezi/internal/kernel/i18n"
)

// A pager is where the nodes tell what no console can sound: here it is a line of
// the demo's output. A real room has a pager's gateway or a mail server there.

// pagerBody bounds what it reads.
const pagerBody = 64 << 10

// pager listens on this machine only and returns the address of its pages, one for
// each place.
func (d *demo) pager(ctx context.Context) (url string, run func() error, err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{place}", func(w http.ResponseWriter, r *http.Request) {
		var m struct {
			Class    string               `json:"class"`
			Headline map[i18n.Lang]string `json:"headline"`
		}
		if err := json.NewDecoder(io.LimitReader(r.Body, pagerBody)).Decode(&m); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		d.say("demo.pager", i18n.Args{"place": oneLine(r.PathValue("place")), "class": oneLine(m.Class), "text": oneLine(m.Headline[d.lang])})
		w.WriteHeader(http.StatusNoContent)
	})
	s := &http.Server{Handler: mux, ReadTimeout: 10 * time.Second}
	run = func() error {
		stop := context.AfterFunc(ctx, func() { s.Close() })
		defer stop()
		if err := s.Serve(l); err != http.ErrServerClosed {
			return err
		}
		return nil
	}
	return "http://" + l.Addr().String(), run, nil
}

// oneLine keeps what comes from outside out of the lines of the demo.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}
