package simulator

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// pace is how often carriers look for something new.
const pace = 50 * time.Millisecond

// after waits, or until ctx ends.
func after(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// Folder carries a desk's messages through a folder with "in", which the node reads,
// and "out", which it writes, until ctx ends.
func Folder(ctx context.Context, d *Desk, root string) error {
	in, out := filepath.Join(root, "in"), filepath.Join(root, "out")
	if err := errors.Join(os.MkdirAll(in, 0o770), os.MkdirAll(out, 0o770)); err != nil {
		return err
	}
	for place := 0; after(ctx, pace); {
		for {
			l, ok := d.Letter(place)
			if !ok {
				break
			}
			if err := drop(in, d, l); err != nil {
				return err
			}
			place = l.Place
		}
		if err := pick(out, d); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// drop writes a letter under a name with a dot, and renames it. A second one of the
// same message that says something else gets a name of its own.
func drop(dir string, d *Desk, l Letter) error {
	ext := ".json"
	if strings.Contains(d.Media(), "xml") {
		ext = ".xml"
	}
	name := filepath.Join(dir, l.ID+ext)
	if before, err := os.ReadFile(name); err == nil && string(before) != string(l.Bytes) {
		name = filepath.Join(dir, l.ID+"-"+strconv.Itoa(l.Place)+ext)
	}
	part, err := os.CreateTemp(dir, ".part-*")
	if err != nil {
		return err
	}
	_, err = part.Write(l.Bytes)
	return errors.Join(err, part.Chmod(0o660), part.Sync(), part.Close(), os.Rename(part.Name(), name))
}

// pick takes what lies in a folder, the oldest first.
func pick(dir string, d *Desk) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	type file struct {
		name string
		at   time.Time
	}
	var files []file
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && info.Mode().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
			files = append(files, file{e.Name(), info.ModTime()})
		}
	}
	slices.SortFunc(files, func(a, b file) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	for _, f := range files {
		name := filepath.Join(dir, f.name)
		message, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := d.Take(message); errors.Is(err, ErrDown) {
			return nil
		} else if err != nil {
			return err
		}
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

// signature is the header of the profiles' HTTPS transports.
func signature(secret []byte, at time.Time, id string, body []byte) string {
	unix := strconv.FormatInt(at.Unix(), 10)
	m := hmac.New(sha256.New, secret)
	fmt.Fprintf(m, "%s.%s.", unix, id)
	m.Write(body)
	return "t=" + unix + ",v1=" + hex.EncodeToString(m.Sum(nil))
}

// signed reports whether a signature is right and of these minutes.
func signed(header string, secret []byte, now time.Time, id string, body []byte) bool {
	unix, _, _ := strings.Cut(strings.TrimPrefix(header, "t="), ",")
	at, err := strconv.ParseInt(unix, 10, 64)
	off := now.Sub(time.Unix(at, 0)).Abs()
	return err == nil && off <= 5*time.Minute && hmac.Equal([]byte(header), []byte(signature(secret, time.Unix(at, 0), id, body)))
}

// Push posts a desk's messages to a node until ctx ends; Receiver takes what the node
// posts.
func Push(ctx context.Context, d *Desk, client *http.Client, url string, secret []byte) error {
	for place := 0; after(ctx, pace); {
		l, ok := d.Letter(place)
		if !ok {
			continue
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(string(l.Bytes)))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", d.Media())
		r.Header.Set("Trojmezi-Id", l.ID)
		r.Header.Set("Trojmezi-Signature", signature(secret, d.now(), l.ID, l.Bytes))
		answer, err := client.Do(r)
		if err != nil {
			after(ctx, time.Second)
			continue
		}
		_ = answer.Body.Close() // read or not, the status is known
		switch answer.StatusCode {
		case http.StatusBadRequest, http.StatusConflict, http.StatusGone, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
			place = l.Place // final
		default:
			if answer.StatusCode/100 == 2 {
				place = l.Place
			} else {
				after(ctx, time.Second)
			}
		}
	}
	return ctx.Err()
}

// Receiver is the desk's side of HTTPS push: it takes what is posted.
func Receiver(d *Desk, secret []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { take(d, secret, w, r) })
}

// maxRequest bounds what is read of a request.
const maxRequest = 4 << 20

func take(d *Desk, secret []byte, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
	switch {
	case err != nil:
		http.Error(w, "the body ended early", http.StatusBadRequest)
	case !signed(r.Header.Get("Trojmezi-Signature"), secret, d.now(), r.Header.Get("Trojmezi-Id"), body):
		http.Error(w, "the signature is wrong", http.StatusUnauthorized)
	case r.Method == http.MethodOptions:
		w.WriteHeader(http.StatusNoContent)
	case r.Method != http.MethodPost:
		http.Error(w, "post a message", http.StatusMethodNotAllowed)
	case d.Take(body) != nil:
		w.Header().Set("Retry-After", "1")
		http.Error(w, "down", http.StatusServiceUnavailable)
	default:
		w.WriteHeader(http.StatusAccepted)
	}
}

// Server is the desk's side of HTTPS poll: it gives what the desk says, message by
// message, and takes what is posted.
func Server(d *Desk, secret []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			take(d, secret, w, r)
			return
		}
		if !signed(r.Header.Get("Trojmezi-Signature"), secret, d.now(), r.Header.Get("Trojmezi-Id"), []byte(r.URL.RequestURI())) {
			http.Error(w, "the signature is wrong", http.StatusUnauthorized)
			return
		}
		place, err := strconv.Atoi("0" + r.URL.Query().Get("after"))
		if err != nil {
			http.Error(w, "no place of ours", http.StatusBadRequest)
			return
		}
		l, ok := d.Letter(place)
		if !ok {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		cursor := strconv.Itoa(l.Place)
		w.Header().Set("Content-Type", d.Media())
		w.Header().Set("Trojmezi-Id", l.ID)
		w.Header().Set("Trojmezi-Cursor", cursor)
		w.Header().Set("Trojmezi-Signature", signature(secret, d.now(), l.ID+"."+cursor, l.Bytes))
		_, _ = w.Write(l.Bytes) // who hung up asks again
	})
}
