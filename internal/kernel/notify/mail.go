package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	netmail "net/mail"
	"os"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/wneessen/go-mail"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// mailer writes to one recipient.
type mailer struct {
	service *Service
	smtp    SMTP
	to      string
	langs   []i18n.Lang
}

// languageRule separates the languages of one mail.
const languageRule = "\n----------\n\n"

// send hands one mail to the server. Secrets are read each time, so that a
// changed password counts at once.
func (m *mailer) send(ctx context.Context, msg message) error {
	mail, err := m.compose(msg)
	if err != nil {
		return m.scrub(err)
	}
	client, err := m.smtp.Client(ctx)
	if err != nil {
		return m.scrub(err)
	}
	return m.scrub(client.DialAndSendWithContext(ctx, mail))
}

func (m *mailer) compose(msg message) (*mail.Msg, error) {
	out := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := out.From(m.smtp.From); err != nil {
		return nil, err
	}
	if err := out.To(m.to); err != nil {
		return nil, err
	}
	out.Subject(m.service.subject(m.langs[0], msg))
	out.SetDateWithValue(msg.at)
	out.SetMessageIDWithValue(msg.id + "@" + m.domain()) // the same in each attempt
	// Holiday answers and mailing lists keep away. spec: RFC 3834, §5.
	out.SetGenHeader("Auto-Submitted", "auto-generated")
	var names []string
	var body strings.Builder
	for i, l := range m.langs {
		names = append(names, string(l))
		if i > 0 {
			body.WriteString(languageRule)
		}
		body.WriteString(m.service.body(l, msg))
	}
	out.SetGenHeader("Content-Language", strings.Join(names, ", ")) // spec: RFC 3282
	if msg.class == A {
		out.SetImportance(mail.ImportanceHigh)
	}
	out.SetBodyString(mail.TypeTextPlain, body.String())
	return out, nil
}

// domain is that of the sender, for the id of the mail (spec: RFC 5322, §3.6.4).
func (m *mailer) domain() string {
	from := m.smtp.From
	if a, err := netmail.ParseAddress(from); err == nil {
		from = a.Address
	}
	return from[strings.LastIndexByte(from, '@')+1:]
}

// Client returns a client for the server, with its secrets as they are now. Paths
// must be absolute.
func (s SMTP) Client(ctx context.Context) (*mail.Client, error) {
	roots, err := Roots(s.CAFile)
	if err != nil {
		return nil, err
	}
	// The library minds the context only while it connects.
	wait := sendTimeout
	if end, ok := ctx.Deadline(); ok {
		wait = max(time.Until(end), time.Millisecond)
	}
	opts := []mail.Option{
		mail.WithPort(s.Port), mail.WithTimeout(wait), mail.WithHELO("localhost"),
		mail.WithTLSConfig(&tls.Config{ServerName: s.Host, RootCAs: roots, MinVersion: tls.VersionTLS12}),
	}
	if name, err := os.Hostname(); err == nil && name != "" {
		opts = append(opts, mail.WithHELO(name))
	}
	switch s.TLS {
	case tlsWhole:
		opts = append(opts, mail.WithSSL())
	case tlsNone:
		opts = append(opts, mail.WithTLSPolicy(mail.NoTLS))
	default: // without encryption nothing is sent (spec: RFC 8314, §3)
		opts = append(opts, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if s.Username != "" {
		password, err := Secret(s.PasswordFile)
		if err != nil {
			return nil, err
		}
		opts = append(opts, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(s.Username), mail.WithPassword(string(password)))
	}
	return mail.NewClient(s.Host, opts...)
}

// scrub takes the address and the login out of what a server or library says:
// errors are stored and logged.
func (m *mailer) scrub(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for _, private := range []string{m.to, m.smtp.Username} {
		if private != "" {
			text = regexp.MustCompile("(?i)"+regexp.QuoteMeta(private)).ReplaceAllString(text, "***")
		}
	}
	return errors.New("notify: mail: " + plain(text))
}

// plain makes one line of what the other side sent.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// subject is the headline with the place and, for practice, what it is.
func (s *Service) subject(l i18n.Lang, m message) string {
	args := i18n.Args{"place": s.Place, "text": m.texts[0].In(s.Texts, l)}
	if m.kind == store.Live {
		return s.Texts.Text(l, "notify.mail.subject", args)
	}
	args["mark"] = s.mark(l, m.kind)
	return s.Texts.Text(l, "notify.mail.subject_marked", args)
}

// mark is the word that keeps practice from being taken for real, "" for live.
func (s *Service) mark(l i18n.Lang, kind store.Kind) string {
	switch kind {
	case store.Exercise:
		return s.Texts.Text(l, "notify.mark.exercise", nil)
	case store.Test:
		return s.Texts.Text(l, "notify.mark.test", nil)
	}
	return ""
}

// body is the whole text in one language.
func (s *Service) body(l i18n.Lang, m message) string {
	var lines []string
	if mark := s.mark(l, m.kind); mark != "" {
		lines = append(lines, mark, "")
	}
	lines = append(lines, s.Texts.Text(l, "notify.class."+strings.ToLower(string(m.class)), nil), "")
	for _, t := range m.texts {
		lines = append(lines, t.In(s.Texts, l))
	}
	if link := s.link(m.link); link != "" {
		lines = append(lines, "", link)
	}
	lines = append(lines, "", s.Texts.Text(l, "notify.mail.footer", i18n.Args{"place": s.Place, "time": m.at}))
	return strings.Join(lines, "\n") + "\n"
}

// Secret reads a file with one secret line.
func Secret(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("secret: %w", err)
	}
	text = []byte(strings.TrimRight(string(text), "\r\n"))
	if len(text) == 0 {
		return nil, fmt.Errorf("secret: %s is empty", file)
	}
	return text, nil
}

// Roots reads the authorities of a PEM file; nil stands for the system's.
func Roots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("authorities: %s holds no certificate", file)
	}
	return pool, nil
}
