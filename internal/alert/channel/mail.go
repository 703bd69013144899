package channel

import (
	"context"
	"errors"
	netmail "net/mail"
	"strings"

	"github.com/wneessen/go-mail"

	"trojmezi/internal/kernel/store"
)

// mail sends letters one by one: each receiver sees his own address alone.
func (s *Service) mail(c *channel) {
	smtp := c.setup.SMTP
	smtp.PasswordFile, smtp.CAFile = s.path(smtp.PasswordFile), s.path(smtp.CAFile)
	c.send = func(ctx context.Context, l *letter) outcome {
		msg, err := s.compose(smtp.From, l)
		if err != nil {
			return never(err)
		}
		client, err := smtp.Client(ctx)
		if err != nil {
			return later(err)
		}
		err = client.DialAndSendWithContext(ctx, msg)
		if err == nil {
			return accepted("", "")
		}
		failure, ok := errors.AsType[*mail.SendError](err)
		if !ok {
			return later(err)
		}
		o := later(err)
		// What the server says of the receiver or the text is no fault of the channel.
		o.broken = failure.Reason != mail.ErrSMTPRcptTo && failure.Reason != mail.ErrSMTPData && failure.Reason != mail.ErrSMTPDataClose
		if !o.broken && failure.ErrorCode() >= 500 {
			o.state = Failed
			o.refused = failure.Reason == mail.ErrSMTPRcptTo
		}
		return o
	}
	c.try = func(ctx context.Context) error {
		client, err := smtp.Client(ctx)
		if err != nil {
			return err
		}
		if err := client.DialWithContext(ctx); err != nil {
			return err
		}
		return client.Close()
	}
}

// compose is the mail of a letter.
func (s *Service) compose(from string, l *letter) (*mail.Msg, error) {
	out := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := out.From(from); err != nil {
		return nil, err
	}
	if err := out.To(l.Target); err != nil {
		return nil, err
	}
	f := s.frame(l)
	out.Subject(f.Title)
	out.SetDateWithValue(l.at)
	out.SetMessageIDWithValue(l.id + "@" + domainOf(from)) // the same in each attempt: a second one is known as such
	// Holiday answers and mailing lists keep away. spec: RFC 3834, §5.
	out.SetGenHeader("Auto-Submitted", "auto-generated")
	out.SetGenHeader("Content-Language", string(l.Lang)) // spec: RFC 3282
	if l.Stop != "" {
		out.SetGenHeader("List-Unsubscribe", "<"+l.Stop+">") // spec: RFC 2369, §3.2
		if strings.HasPrefix(l.Stop, "https://") {
			out.SetGenHeader("List-Unsubscribe-Post", "List-Unsubscribe=One-Click") // spec: RFC 8058, §3.1
		}
	}
	if l.Kind != store.Live {
		out.SetGenHeader("Trojmezi-Kind", string(l.Kind)) // for filters of who practises
	}
	out.SetBodyString(mail.TypeTextPlain, s.page(l))
	return out, nil
}

// domainOf is that of a sender, for the id of the mail (spec: RFC 5322, §3.6.4).
func domainOf(from string) string {
	if a, err := netmail.ParseAddress(from); err == nil {
		from = a.Address
	}
	return from[strings.LastIndexByte(from, '@')+1:]
}
