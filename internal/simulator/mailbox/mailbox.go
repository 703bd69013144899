// Package mailbox plays a mail server that takes mail and delivers it to nobody: it is
// for trying out, on this machine, what a node would send. It understands as much of SMTP
// (spec: RFC 5321) as a client needs that hands in one mail after the other, and shares no
// code with the product. It encrypts nothing, asks for no password and listens on this
// machine only.
package mailbox

import (
	"bufio"
	"context"
	"errors"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/textproto"
	"strings"
	"sync"
	"time"
)

// Mail is one that was handed in, for one recipient.
type Mail struct {
	To, Subject string
	Header      mail.Header
	Body        string
}

const (
	// most is what one mail may have: nodes send text.
	most = 1 << 20
	// patience is how long a client may be silent.
	patience = 30 * time.Second
)

// Serve takes mail from l until ctx ends and calls take for each recipient, before the
// client is told that it was taken.
func Serve(ctx context.Context, l net.Listener, take func(Mail)) error {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	var open sync.WaitGroup
	defer open.Wait()
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		open.Go(func() {
			end := context.AfterFunc(ctx, func() { c.Close() })
			defer end()
			defer c.Close()
			talk(c, take)
		})
	}
}

// talk is one connection.
func talk(c net.Conn, take func(Mail)) {
	in := textproto.NewReader(bufio.NewReader(io.LimitReader(c, 16*most)))
	say := func(line string) bool {
		_, err := io.WriteString(c, line+"\r\n")
		return err == nil
	}
	var to []string
	for ok := say("220 localhost"); ok; {
		if c.SetDeadline(time.Now().Add(patience)) != nil {
			return
		}
		line, err := in.ReadLine()
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(line, " ")
		switch strings.ToUpper(verb) {
		case "EHLO", "HELO", "RSET", "NOOP", "MAIL":
			to = nil
			ok = say("250 localhost")
		case "RCPT":
			address, err := path(rest)
			if err != nil {
				ok = say("501 " + err.Error())
				continue
			}
			to = append(to, address)
			ok = say("250 OK")
		case "DATA":
			if len(to) == 0 {
				ok = say("503 no recipient")
				continue
			}
			if !say("354 go on") {
				return
			}
			raw, err := in.ReadDotBytes()
			if err != nil {
				return
			}
			m, err := read(raw)
			if err != nil {
				ok = say("554 " + strings.ReplaceAll(err.Error(), "\n", " "))
				continue
			}
			for _, address := range to {
				m.To = address
				take(m)
			}
			ok, to = say("250 OK"), nil
		case "QUIT":
			say("221 bye")
			return
		default:
			ok = say("502 not known")
		}
	}
}

// path reads "TO:<address>" with parameters after it.
func path(text string) (string, error) {
	from, to := strings.IndexByte(text, '<'), strings.IndexByte(text, '>')
	if from < 0 || to < from || !strings.EqualFold(strings.TrimSpace(text[:from]), "TO:") {
		return "", errors.New("no address")
	}
	return text[from+1 : to], nil
}

// read takes a mail of one part apart.
func read(raw []byte) (m Mail, err error) {
	if len(raw) > most {
		return m, errors.New("too large")
	}
	got, err := mail.ReadMessage(strings.NewReader(string(raw)))
	if err != nil {
		return m, err
	}
	m.Header = got.Header
	if m.Subject, err = new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject")); err != nil {
		return m, err
	}
	body := got.Body
	if strings.EqualFold(got.Header.Get("Content-Transfer-Encoding"), "quoted-printable") {
		body = quotedprintable.NewReader(body)
	}
	text, err := io.ReadAll(body)
	m.Body = strings.ReplaceAll(string(text), "\r\n", "\n")
	return m, err
}
