package link

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"trojmezi/internal/exchange"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/health"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// Options are what a service stands on.
type Options struct {
	DB    *store.DB
	Node  *exchange.Node
	Audit *audit.Log
	Clock *clock.Clock
	// Name is what a person with that id is called.
	Name func(tx *store.Tx, person string) string
}

// Service keeps the links of a node.
type Service struct{ o Options }

// New returns the service.
func New(o Options) *Service { return &Service{o} }

// Settings in which an organisation keeps what it hands over.
const (
	settingURL   = "link-url"
	settingPhone = "link-phone-" // and the organisation's id
)

// maxText bounds what is typed into one field.
const maxText = 400

// Own is what a neighbour needs to know of this node.
type Own struct {
	OID         string
	URL         string // "" until somebody has written it down
	Fingerprint string // "" without TLS
	Phone       string
	NotBefore   time.Time
	NotAfter    time.Time
	Subject     string
}

// Own returns it for an organisation.
func (s *Service) Own(ctx context.Context, organisation string) (Own, error) {
	o := Own{OID: s.o.Node.OID()}
	cert, err := s.o.Node.Certificate()
	if err != nil {
		return o, problem.Wrap("link.Own", err)
	}
	if cert != nil {
		o.Fingerprint, o.NotBefore, o.NotAfter, o.Subject = exchange.Fingerprint(cert), cert.NotBefore, cert.NotAfter, cert.Subject.String()
	}
	err = s.o.DB.Read(ctx, func(tx *store.Tx) (err error) {
		if o.URL, err = tx.Setting(settingURL); err != nil {
			return err
		}
		o.Phone, err = tx.Setting(settingPhone + organisation)
		return err
	})
	if o.URL == "" {
		o.URL = guess(cert, s.o.Node.Listen())
	}
	return o, problem.Wrap("link.Own", err)
}

// guess is the address a certificate is for, at the port where the node listens;
// without TLS, which is the machine itself, where it listens. A person looks it over.
func guess(c *x509.Certificate, listen string) string {
	const path = "/ucrm/p2p/v0"
	host, port, err := net.SplitHostPort(listen)
	switch {
	case err != nil || c != nil && len(c.DNSNames) == 0:
		return ""
	case c == nil:
		return "http://" + net.JoinHostPort(host, port) + path
	case port == "443":
		return "https://" + c.DNSNames[0] + path
	}
	return "https://" + net.JoinHostPort(c.DNSNames[0], port) + path
}

// Fault is a field of a form that can't be used.
type Fault struct {
	Field, Key string
	Args       i18n.Args
}

// SetOwn writes down where neighbours reach this node and the organisation's desk.
func (s *Service) SetOwn(ctx context.Context, person, organisation, address, phone string) ([]Fault, error) {
	address, phone = strings.TrimSpace(address), strings.TrimSpace(phone)
	var faults []Fault
	if u, err := url.Parse(address); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || len(address) > maxText {
		faults = append(faults, Fault{"url", "exchange.config.base_url", i18n.Args{"value": address}})
	}
	if !validPhone(phone) {
		faults = append(faults, Fault{"phone", "link.fault.phone", nil})
	}
	if len(faults) > 0 {
		return faults, nil
	}
	return nil, problem.Wrap("link.SetOwn", s.o.DB.Write(ctx, func(tx *store.Tx) error {
		if err := tx.SetSetting(settingURL, address); err != nil {
			return err
		}
		if err := tx.SetSetting(settingPhone+organisation, phone); err != nil {
			return err
		}
		return s.o.Audit.Append(tx, audit.Event{Action: "link.own", Actor: person, Object: organisation, Detail: []byte(address + "\n" + phone)})
	}))
}

// SeedPhone writes down the number of an organisation's desk where it has none: for
// the command line, which sets a node up. A number nobody abroad can dial is refused.
func SeedPhone(ctx context.Context, db *store.DB, log *audit.Log, organisation, phone string) error {
	phone = strings.TrimSpace(phone)
	if !validPhone(phone) {
		return problem.New("link.SeedPhone", problem.Invalid, "link.fault.phone", nil)
	}
	return problem.Wrap("link.SeedPhone", db.Write(ctx, func(tx *store.Tx) error {
		if there, err := tx.Setting(settingPhone + organisation); err != nil || there != "" {
			return err
		}
		if err := tx.SetSetting(settingPhone+organisation, phone); err != nil {
			return err
		}
		return log.Append(tx, audit.Event{Action: "link.own", Actor: "operator", Object: organisation, Detail: []byte(phone)})
	}))
}

// validPhone takes an international number: no neighbour can dial another.
func validPhone(p string) bool {
	digits := 0
	for i, r := range p {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case r == '+' && i == 0, r == ' ', r == '-', r == '/', r == '(', r == ')', r == '\u00a0':
		default:
			return false
		}
	}
	return strings.HasPrefix(p, "+") && digits >= 8 && digits <= 15
}

// Theirs is what the neighbour reads out. Fingerprint "" keeps the accepted ones.
type Theirs struct {
	OID, URL, Username, Password, Phone, Fingerprint string
}

var errNotFound = problem.New("link", problem.NotFound, "link.not_found", nil)

// change runs f on one link and records who did what.
func (s *Service) change(ctx context.Context, id, person, action string, f func(tx *store.Tx, l *exchange.Link) (object string, err error)) error {
	return problem.Wrap("link."+action, s.o.DB.Write(ctx, func(tx *store.Tx) error {
		l, err := s.o.Node.Link(tx, id)
		if errors.Is(err, store.ErrNoRows) {
			return errNotFound
		}
		if err != nil {
			return err
		}
		object, err := f(tx, &l)
		if err != nil {
			return err
		}
		if err := addEvent(tx, id, s.o.Clock.Now(), person, action, object); err != nil {
			return err
		}
		return s.o.Audit.Append(tx, audit.Event{Action: "link." + action, Actor: person, Object: id, Detail: []byte(object)})
	}))
}

func conflict(key string, args i18n.Args) error {
	return problem.New("link", problem.Conflict, key, args)
}

// Create begins a link with a neighbour of that name. Its id is also the user name
// the neighbour signs in with here.
func (s *Service) Create(ctx context.Context, person, organisation, name string) (id string, faults []Fault, err error) {
	name = strings.Join(strings.Fields(name), " ")
	if name == "" || utf8.RuneCountInString(name) > 80 {
		return "", []Fault{{"name", "link.fault.name", nil}}, nil
	}
	base := slug(name)
	for try := 1; try <= 50; try++ {
		id = base
		if try > 1 {
			id += "-" + string(rune('0'+try/10)) + string(rune('0'+try%10))
		}
		taken := false
		err = s.o.DB.Write(ctx, func(tx *store.Tx) error {
			l := exchange.Link{Peer: exchange.Peer{ID: id}, Name: name, Organisation: organisation, Login: id, Secret: exchange.NewSecret(), CreatedBy: person}
			if taken, err = s.idTaken(tx, l); err != nil || taken {
				return err
			}
			if err := s.o.Node.PutLink(tx, l); err != nil {
				return err
			}
			if err := addEvent(tx, id, s.o.Clock.Now(), person, "create", ""); err != nil {
				return err
			}
			return s.o.Audit.Append(tx, audit.Event{Action: "link.create", Actor: person, Object: id})
		})
		if err != nil || !taken {
			return id, nil, problem.Wrap("link.Create", err)
		}
	}
	return "", []Fault{{"name", "link.fault.name_taken", nil}}, nil
}

func (s *Service) idTaken(tx *store.Tx, l exchange.Link) (bool, error) {
	if _, err := s.o.Node.Link(tx, l.ID); !errors.Is(err, store.ErrNoRows) {
		return err == nil, err
	}
	for _, p := range s.o.Node.Configured() {
		if p.ID == l.ID {
			return true, nil
		}
	}
	faults, err := s.o.Node.LinkFaults(tx, l)
	return faults["login"] != "", err
}

// slug makes a short id that can be read out: ASCII letters, digits and hyphens.
func slug(name string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(strings.ToLower(name)) {
		switch {
		case r == 'ł':
			b.WriteByte('l')
		case r == 'ß':
			b.WriteString("ss")
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case unicode.Is(unicode.Mn, r):
		default:
			if b.Len() > 0 && !strings.HasSuffix(b.String(), "-") {
				b.WriteByte('-')
			}
		}
		if b.Len() >= 24 {
			break
		}
	}
	return cmp.Or(strings.Trim(b.String(), "-"), "neighbour")
}

// SetTheirs writes down what the neighbour read out. After that the link is to be
// tested anew.
func (s *Service) SetTheirs(ctx context.Context, id, person string, d Theirs) (faults []Fault, err error) {
	for _, v := range []*string{&d.OID, &d.URL, &d.Username, &d.Password, &d.Phone} {
		*v = strings.TrimSpace(*v)
	}
	d.URL = strings.TrimSuffix(d.URL, "/")
	err = s.change(ctx, id, person, "theirs", func(tx *store.Tx, l *exchange.Link) (string, error) {
		faults = nil
		if !l.State.Trial() {
			return "", conflict("link.fault.state", nil)
		}
		l.OID, l.BaseURL, l.Username, l.DeskPhone, l.ProposedBy, l.ProposedAt = d.OID, d.URL, d.Username, d.Phone, "", time.Time{}
		if d.Password != "" {
			l.Password = d.Password
		}
		wrong, err := s.o.Node.LinkFaults(tx, *l)
		if err != nil {
			return "", err
		}
		add := func(field, key, value string) { faults = append(faults, Fault{field, key, i18n.Args{"value": value}}) }
		switch {
		case d.OID == "":
			add("oid", "exchange.config.oid", "")
		case wrong["oid"] != "":
			add("oid", wrong["oid"], d.OID)
		}
		switch {
		case d.URL == "" || len(d.URL) > maxText:
			add("url", "exchange.config.base_url", d.URL)
		case wrong["base_url"] != "":
			add("url", wrong["base_url"], d.URL)
		}
		if d.Username == "" || len(d.Username) > maxText || strings.Contains(d.Username, ":") {
			add("username", "link.fault.username", "")
		}
		if l.Password == "" || len(l.Password) > maxText {
			add("password", "link.fault.password", "")
		}
		if !validPhone(d.Phone) {
			add("phone", "link.fault.phone", "")
		}
		fp, ok := exchange.ParseFingerprint(d.Fingerprint)
		known := accepted(*l)
		if secure := !strings.HasPrefix(d.URL, "http:"); !ok && (strings.TrimSpace(d.Fingerprint) != "" || secure && len(known) == 0) {
			add("fingerprint", "link.fault.fingerprint", "")
		}
		if len(faults) > 0 {
			return "", errFaults
		}
		if err := s.o.Node.PutLink(tx, *l); err != nil {
			return "", err
		}
		if ok {
			// What was misheard before must not stay accepted.
			for _, c := range known {
				if c != fp {
					if err := s.o.Node.RemoveCertificate(tx, id, c, person); err != nil {
						return "", err
					}
				}
			}
			if err := s.o.Node.AcceptCertificate(tx, id, fp, person, ""); err != nil {
				return "", err
			}
		}
		return "", s.o.Node.SetLinkState(tx, id, exchange.LinkProposed)
	})
	if errors.Is(err, errFaults) {
		return faults, nil
	}
	return nil, err
}

// errFaults ends a transaction whose form has faults.
var errFaults = errors.New("link: faults")

// accepted are the fingerprints a link's peer may show now.
func accepted(l exchange.Link) (out []string) {
	for _, c := range l.Certificates {
		if c.Accepted(l.State) {
			out = append(out, c.Fingerprint)
		}
	}
	return out
}

// Test tries a link in both directions and keeps the result. Without a fault the
// link counts as tested.
func (s *Service) Test(ctx context.Context, id, person string) error {
	l, err := s.link(ctx, id)
	if err != nil {
		return err
	}
	if !l.Complete() || l.State == exchange.LinkGone {
		return problem.Wrap("link.test", conflict("link.fault.incomplete", nil))
	}
	found := s.o.Node.CheckLink(ctx, l)
	good := true
	for _, c := range found {
		good = good && c.Cause == ""
	}
	return s.change(ctx, id, person, "test", func(tx *store.Tx, now *exchange.Link) (string, error) {
		if err := putChecks(tx, id, s.o.Clock.Now(), found); err != nil {
			return "", err
		}
		result := "ok"
		if !good {
			result = "failed"
		}
		// Whoever changed it in the meantime has to test what he made of it.
		same := now.State == exchange.LinkProposed && now.Peer == l.Peer && now.StateAt.Equal(l.StateAt)
		if good && same {
			return result, s.o.Node.SetLinkState(tx, id, exchange.LinkTested)
		}
		return result, nil
	})
}

func (s *Service) link(ctx context.Context, id string) (l exchange.Link, err error) {
	err = s.o.DB.Read(ctx, func(tx *store.Tx) (err error) {
		l, err = s.o.Node.Link(tx, id)
		return err
	})
	if errors.Is(err, store.ErrNoRows) {
		err = errNotFound
	}
	return l, problem.Wrap("link.link", err)
}

// Propose asks a second person: of a tested link for its go-live, of a live one to
// leave.
func (s *Service) Propose(ctx context.Context, id, person string) error {
	return s.change(ctx, id, person, "propose", func(tx *store.Tx, l *exchange.Link) (string, error) {
		if l.State != exchange.LinkTested && l.State != exchange.LinkLive {
			return "", conflict("link.fault.not_tested", nil)
		}
		if l.ProposedBy != "" {
			return "", conflict("link.fault.proposed", i18n.Args{"name": s.o.Name(tx, l.ProposedBy)})
		}
		l.ProposedBy, l.ProposedAt = person, s.o.Clock.Now()
		return string(l.State), s.o.Node.PutLink(tx, *l)
	})
}

// Recall takes a proposal back; anybody who may propose can.
func (s *Service) Recall(ctx context.Context, id, person string) error {
	return s.change(ctx, id, person, "recall", func(tx *store.Tx, l *exchange.Link) (string, error) {
		if l.ProposedBy == "" {
			return "", conflict("link.fault.no_proposal", nil)
		}
		l.ProposedBy, l.ProposedAt = "", time.Time{}
		return "", s.o.Node.PutLink(tx, *l)
	})
}

// Confirm is the second person's yes: the link goes live, or the neighbour leaves.
func (s *Service) Confirm(ctx context.Context, id, person string) error {
	return s.change(ctx, id, person, "confirm", func(tx *store.Tx, l *exchange.Link) (string, error) {
		if l.ProposedBy == "" {
			return "", conflict("link.fault.no_proposal", nil)
		}
		if l.ProposedBy == person {
			return "", problem.New("link.confirm", problem.Forbidden, "link.fault.same_person", nil)
		}
		next := exchange.LinkLeaving
		if l.State == exchange.LinkTested {
			next = exchange.LinkLive
			// The second person confirms the whole link, its certificates with it.
			if _, err := s.o.Node.ConfirmCertificates(tx, id, "", person); err != nil {
				return "", err
			}
		} else if l.State != exchange.LinkLive {
			return "", conflict("link.fault.state", nil)
		}
		l.ConfirmedBy, l.ConfirmedAt, l.ProposedBy, l.ProposedAt = person, s.o.Clock.Now(), "", time.Time{}
		if err := s.o.Node.PutLink(tx, *l); err != nil {
			return "", err
		}
		return string(next), s.o.Node.SetLinkState(tx, id, next)
	})
}

// End forgets a neighbour that leaves, or one that never was live. discard says
// that messages which still wait for it end undelivered.
func (s *Service) End(ctx context.Context, id, person string, discard bool) error {
	return s.change(ctx, id, person, "end", func(tx *store.Tx, l *exchange.Link) (string, error) {
		if l.State != exchange.LinkLeaving && !l.State.Trial() {
			return "", conflict("link.fault.state", nil)
		}
		return "", s.o.Node.EndLink(tx, id, discard)
	})
}

// AddCertificate accepts one more fingerprint, beside those of now. On a live link
// it counts when another person has confirmed it.
func (s *Service) AddCertificate(ctx context.Context, id, person, fingerprint string) (faults []Fault, err error) {
	fp, ok := exchange.ParseFingerprint(fingerprint)
	if !ok {
		return []Fault{{"fingerprint", "link.fault.fingerprint", nil}}, nil
	}
	return nil, s.change(ctx, id, person, "certificate.add", func(tx *store.Tx, l *exchange.Link) (string, error) {
		if l.State == exchange.LinkGone {
			return "", conflict("link.fault.state", nil)
		}
		for _, c := range l.Certificates {
			if c.Fingerprint == fp && c.RemovedAt.IsZero() {
				return "", conflict("link.fault.certificate_known", nil)
			}
		}
		if l.State.Trial() && l.ProposedBy != "" {
			// What was proposed did not have it.
			l.ProposedBy, l.ProposedAt = "", time.Time{}
			if err := s.o.Node.PutLink(tx, *l); err != nil {
				return "", err
			}
		}
		return fp, s.o.Node.AcceptCertificate(tx, id, fp, person, "")
	})
}

// ConfirmCertificate is the second person's yes to a fingerprint.
func (s *Service) ConfirmCertificate(ctx context.Context, id, person, fingerprint string) error {
	return s.change(ctx, id, person, "certificate.confirm", func(tx *store.Tx, l *exchange.Link) (string, error) {
		for _, c := range l.Certificates {
			if c.Fingerprint != fingerprint || !c.RemovedAt.IsZero() || !c.ConfirmedAt.IsZero() {
				continue
			}
			if c.AddedBy == person {
				return "", problem.New("link.certificate.confirm", problem.Forbidden, "link.fault.same_person", nil)
			}
			_, err := s.o.Node.ConfirmCertificates(tx, id, fingerprint, person)
			return fingerprint, err
		}
		return "", conflict("link.fault.no_proposal", nil)
	})
}

// RemoveCertificate revokes a fingerprint at once. One person is enough: waiting
// for another would leave a stolen key in use.
func (s *Service) RemoveCertificate(ctx context.Context, id, person, fingerprint string) error {
	return s.change(ctx, id, person, "certificate.remove", func(tx *store.Tx, _ *exchange.Link) (string, error) {
		err := s.o.Node.RemoveCertificate(tx, id, fingerprint, person)
		if errors.Is(err, store.ErrNoRows) {
			return "", conflict("link.fault.no_certificate", nil)
		}
		return fingerprint, err
	})
}

// NewSecret gives the neighbour another password for our node; the old one is void.
func (s *Service) NewSecret(ctx context.Context, id, person string) error {
	return s.change(ctx, id, person, "secret", func(tx *store.Tx, l *exchange.Link) (string, error) {
		if !l.State.Trial() {
			return "", conflict("link.fault.state", nil)
		}
		l.Secret, l.ProposedBy, l.ProposedAt = exchange.NewSecret(), "", time.Time{}
		if err := s.o.Node.PutLink(tx, *l); err != nil {
			return "", err
		}
		return "", s.o.Node.SetLinkState(tx, id, exchange.LinkProposed)
	})
}

// SetPhone changes the number of the neighbour's desk.
func (s *Service) SetPhone(ctx context.Context, id, person, phone string) ([]Fault, error) {
	phone = strings.TrimSpace(phone)
	if !validPhone(phone) {
		return []Fault{{"phone", "link.fault.phone", nil}}, nil
	}
	return nil, s.change(ctx, id, person, "phone", func(tx *store.Tx, l *exchange.Link) (string, error) {
		l.DeskPhone = phone
		return "", s.o.Node.PutLink(tx, *l)
	})
}

// Certificates lists the accepted certificates of the neighbours that are live
// and were seen, for health.Certificates.
func (s *Service) Certificates(ctx context.Context) ([]health.Certificate, error) {
	var out []health.Certificate
	err := s.o.DB.Read(ctx, func(tx *store.Tx) error {
		out = nil
		links, err := s.o.Node.Links(tx)
		for _, l := range links {
			if l.State != exchange.LinkLive {
				continue
			}
			// While a later one is accepted too, the earlier may end.
			var last exchange.LinkCertificate
			for _, c := range l.Certificates {
				if c.Accepted(l.State) && c.NotAfter.After(last.NotAfter) {
					last = c
				}
			}
			if !last.NotAfter.IsZero() {
				out = append(out, health.Certificate{Name: l.Name, NotAfter: last.NotAfter})
			}
		}
		return err
	})
	return out, problem.Wrap("link.Certificates", err)
}
