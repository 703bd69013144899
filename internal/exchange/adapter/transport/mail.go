package transport

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"trojmezi/internal/kernel/clock"
)

// maildirEvery is how often the mail folder is looked into: mail is slow anyway.
const maildirEvery = 5 * time.Second

// mailbox sends mail and reads a Maildir that a local mail system delivers to. Mail
// has no proof of its sender: who may deliver there is that system's matter.
type mailbox struct {
	cfg   Mail
	clock *clock.Clock
}

// Shared: two instances would both read a mail before one of them moves it.
func (m *mailbox) Shared() bool { return false }

// Check signs in at the mail server, and looks for the folder.
func (m *mailbox) Check(ctx context.Context) error {
	if m.cfg.Maildir != "" {
		if _, err := os.ReadDir(filepath.Join(m.cfg.Maildir, "new")); err != nil {
			return fail("transport.failure.folder", err)
		}
	}
	if m.cfg.To == "" {
		return nil
	}
	c, err := m.cfg.SMTP.Client(ctx)
	if err != nil {
		return fail("transport.failure.mail", err)
	}
	if err := c.DialWithContext(ctx); err != nil {
		return fail("transport.failure.mail", err)
	}
	if err := c.Close(); err != nil {
		return fail("transport.failure.mail", err)
	}
	return nil
}

// Send writes what people can read and attaches the message as it is.
func (m *mailbox) Send(ctx context.Context, p Parcel) error {
	if m.cfg.To == "" {
		return fail("transport.failure.one_way", nil)
	}
	out := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := errors.Join(out.From(m.cfg.SMTP.From), out.To(m.cfg.To)); err != nil {
		return fail("transport.failure.mail", err)
	}
	subject, _, _ := strings.Cut(strings.TrimSpace(p.Text), "\n")
	out.Subject(OneLine(subject))
	out.SetDateWithValue(m.clock.Now())
	out.SetMessageIDWithValue(strings.TrimSuffix(fileName(Parcel{ID: p.ID}), ".msg") + "@" + domain(m.cfg.SMTP.From)) // the same in each attempt
	out.SetGenHeader("Auto-Submitted", "auto-generated")                                                              // spec: RFC 3834, §5
	if !p.Expires.IsZero() {
		out.SetGenHeader("Expires", p.Expires.UTC().Format(time.RFC1123Z)) // spec: RFC 2156, §2.3.1.2
	}
	out.SetBodyString(gomail.TypeTextPlain, p.Text)
	if err := out.AttachReader(fileName(p), bytes.NewReader(p.Body), gomail.WithFileContentType(gomail.ContentType(p.Type))); err != nil {
		return fail("transport.failure.mail", err)
	}
	c, err := m.cfg.SMTP.Client(ctx)
	if err != nil {
		return fail("transport.failure.mail", err)
	}
	err = c.DialAndSendWithContext(ctx, out)
	if bad, ok := errors.AsType[*gomail.SendError](err); ok && !bad.IsTemp() && bad.ErrorCode() >= 500 {
		return &Refusal{Reason: OneLine(bad.Error())}
	}
	if err != nil {
		return fail("transport.failure.mail", err)
	}
	return nil
}

// domain is that of a mail address.
func domain(from string) string {
	if a, err := mail.ParseAddress(from); err == nil {
		from = a.Address
	}
	return from[strings.LastIndexByte(from, '@')+1:]
}

// Receive reads the Maildir until ctx ends.
func (m *mailbox) Receive(ctx context.Context, box Box, up func()) error {
	if m.cfg.Maildir == "" {
		<-ctx.Done()
		return ctx.Err()
	}
	fresh := filepath.Join(m.cfg.Maildir, "new")
	for {
		entries, err := os.ReadDir(fresh)
		if err != nil {
			return fail("transport.failure.folder", err)
		}
		up()
		for _, e := range entries { // by name, which begins with the time of delivery
			if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
				if err := m.take(ctx, box, e.Name()); err != nil {
					return err
				}
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(maildirEvery):
		}
	}
}

// maxMail bounds a mail: a message with its encoding.
const maxMail = 2 * MaxBytes

// Sweep implements Keeper.
func (m *mailbox) Sweep(ctx context.Context, now time.Time, spent func(Delivery, time.Time) (bool, error)) (removed int, err error) {
	if m.cfg.Maildir == "" {
		return 0, nil
	}
	return sweep(ctx, filepath.Join(m.cfg.Maildir, "cur"), now, m.cfg.Keep, func(path string) (Delivery, error) {
		raw, err := beginning(path, maxMail)
		return cut(m.open(raw)), err
	}, spent)
}

// take stores a mail and moves it to "cur" as seen. spec: maildir(5).
func (m *mailbox) take(ctx context.Context, box Box, name string) error {
	from := filepath.Join(m.cfg.Maildir, "new", name)
	raw, err := beginning(from, maxMail)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fail("transport.failure.folder", err)
	}
	if err := box.Take(ctx, cut(m.open(raw))); err != nil {
		return err
	}
	seen := filepath.Join(m.cfg.Maildir, "cur")
	unique, _, _ := strings.Cut(name, ":")
	if err := errors.Join(os.MkdirAll(seen, 0o700), rename(from, seen, unique+":2,S"), syncFolder(seen), syncFolder(filepath.Join(m.cfg.Maildir, "new"))); err != nil {
		return fail("transport.failure.folder", err)
	}
	return nil
}

// open takes the message out of a mail: its one attachment, else its text. What
// cannot be opened is delivered whole, with what is wrong.
func (m *mailbox) open(raw []byte) Delivery {
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return Delivery{Body: raw, Fault: "transport.fault.mail"}
	}
	d := Delivery{ID: OneLine(msg.Header.Get("Message-Id")), Body: raw}
	from, err := msg.Header.AddressList("From")
	if err != nil || len(from) != 1 || !slices.Contains(m.cfg.From, strings.ToLower(from[0].Address)) {
		d.Fault = "transport.fault.sender"
		return d
	}
	left := maxParts
	parts, err := leaves(msg.Header.Get("Content-Type"), msg.Header.Get("Content-Transfer-Encoding"), "", msg.Body, 0, &left)
	if err != nil {
		if d.Fault = "transport.fault.mail"; errors.Is(err, errParts) {
			d.Fault = "transport.fault.parts"
		}
		return d
	}
	attached := slices.DeleteFunc(slices.Clone(parts), func(p part) bool { return !p.attached })
	switch {
	case len(attached) == 1:
		d.Type, d.Body = attached[0].kind, attached[0].body
	case len(attached) == 0 && len(parts) > 0:
		d.Type, d.Body = parts[0].kind, parts[0].body
	default:
		d.Fault = "transport.fault.attachments"
	}
	return d
}

// part is a leaf of a mail.
type part struct {
	kind     string
	body     []byte
	attached bool
}

// What a mail is made of at most, as the text of its fault says: a part costs its sender
// seven bytes, and this side hundreds.
const (
	maxParts = 100 // those that hold others included
	maxDepth = 8   // of one in another
)

var errParts = errors.New("transport: mail: too many parts, or too deep in one another")

// leaves lists the parts of a mail that have no parts. left is how many parts it may
// still have. spec: RFC 2045, RFC 2046.
func leaves(kind, encoding, disposition string, body io.Reader, depth int, left *int) ([]part, error) {
	if *left--; *left < 0 || depth > maxDepth {
		return nil, errParts
	}
	typ, args, err := mime.ParseMediaType(kind)
	if kind == "" {
		typ, args, err = "text/plain", nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("transport: mail: content type %q, %w", kind, err)
	}
	if strings.HasPrefix(typ, "multipart/") {
		var all []part
		for r := multipart.NewReader(body, args["boundary"]); ; {
			p, err := r.NextRawPart()
			if errors.Is(err, io.EOF) {
				return all, nil
			}
			if err != nil {
				return nil, err
			}
			below, err := leaves(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p.Header.Get("Content-Disposition"), p, depth+1, left)
			if err != nil {
				return nil, err
			}
			all = append(all, below...)
		}
	}
	switch strings.ToLower(encoding) {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	content, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	how, _, _ := mime.ParseMediaType(disposition)
	return []part{{typ, content, how == "attachment"}}, nil
}
