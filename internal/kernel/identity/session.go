package identity

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"time"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

// Ends of sessions.
const (
	// idleTime is the usual hour of office programs: shorter makes people write
	// passwords down, longer leaves open rooms with open accounts.
	idleTime = time.Hour
	// absoluteTime is a working day with overtime.
	absoluteTime = 12 * time.Hour
	// deskIdleTime counts from the last sign of the console's stream: a desk with
	// a running console never gets there, one switched off in the evening does.
	deskIdleTime = 2 * time.Hour
	// deskAbsoluteTime is a shift of twelve hours and its hand-over.
	deskAbsoluteTime = 13 * time.Hour
	// heldTime is how long a desk's session goes on that only an open incident kept:
	// enough to be told of its end and to sign in again.
	heldTime = 5 * time.Minute
	// stageTime is for finding the telephone with the codes.
	stageTime = 10 * time.Minute
	// seenEvery is how often the last sign of a session is written: once a
	// request would make each page a commit.
	seenEvery = time.Minute
)

// Stage is what is missing until a session opens pages.
type Stage string

// The stages.
const (
	StageDone     Stage = ""         // nothing
	StageSecond   Stage = "second"   // the second factor
	StageEnrol    Stage = "enrol"    // a second factor has to be set up
	StagePassword Stage = "password" // a new password has to be chosen
)

// Session is somebody signed in, or about to be.
type Session struct {
	ID        string // public
	Person    string // id
	Desk      string // name of the shared desk; "": none
	Stage     Stage
	Method    string // "password", "pin" or "provider"
	CreatedAt time.Time
	SeenAt    time.Time

	desk             string
	tries            int
	pending, refresh []byte
	checkedAt        time.Time
	heldAt           time.Time
}

// limits are when the session ends unless it is used, and when at the latest.
func (s *Session) limits() (idleEnd, lastEnd time.Time) {
	idle, absolute := idleTime, absoluteTime
	switch {
	case s.Stage != StageDone:
		idle, absolute = stageTime, stageTime
	case s.desk != "":
		idle, absolute = deskIdleTime, deskAbsoluteTime
	}
	return s.SeenAt.Add(idle), s.CreatedAt.Add(absolute)
}

// ends is when the session ends by itself if nothing more happens; extends reports
// whether using it puts that off.
func (s *Session) ends() (end time.Time, extends bool) {
	end, last := s.limits()
	if extends = end.Before(last); !extends {
		end = last
	}
	if held := s.heldAt.Add(heldTime); !s.heldAt.IsZero() && held.After(end) {
		return held, extends
	}
	return end, extends
}

// over reports whether the session would have ended, were it not for an incident.
func (s *Session) over(now time.Time) bool {
	idle, last := s.limits()
	return !now.Before(idle) || !now.Before(last)
}

// held reports whether an open incident keeps the session: it is at a desk.
func (d *Directory) held(ctx context.Context, s *Session, organisation string) bool {
	return s.desk != "" && s.Stage == StageDone && d.o.Busy(ctx, organisation)
}

// alive reports whether the session has not ended. A desk stays while its
// organisation has an open incident.
func (d *Directory) alive(ctx context.Context, s *Session, organisation string) bool {
	end, _ := s.ends()
	return d.o.Clock.Now().Before(end) || d.held(ctx, s, organisation)
}

const (
	cookieName     = "session"
	deskCookieName = "desk"
	// cookieAge is that of desk cookies; the desk is removed on the server.
	deskCookieAge = 400 * 24 * time.Hour // the most browsers keep (spec: RFC 6265bis, §5.5)
)

// secure reports whether the browser talks TLS to us or to the proxy before us.
func (d *Directory) secure(r *http.Request) bool {
	return r.TLS != nil || d.o.Config.OverTLS()
}

// cookieNamed is the name of a cookie. Over TLS it has the prefix that binds it
// to the host (spec: RFC 6265bis, §4.1.3.2). Without, which is the machine itself,
// it has the port: cookies know no ports, and several nodes may run there.
func (d *Directory) cookieNamed(r *http.Request, name string) string {
	if d.secure(r) {
		return "__Host-" + name
	}
	if _, port, err := net.SplitHostPort(r.Host); err == nil {
		return name + "-" + port
	}
	return name
}

func (d *Directory) cookie(r *http.Request, name, value string) *http.Cookie {
	return &http.Cookie{Name: d.cookieNamed(r, name), Value: value, Path: "/", HttpOnly: true, Secure: d.secure(r), SameSite: http.SameSiteLaxMode}
}

func (d *Directory) read(r *http.Request, name string) string {
	c, err := r.Cookie(d.cookieNamed(r, name))
	if err != nil || len(c.Value) > 4096 {
		return ""
	}
	return c.Value
}

// SetCookie gives the browser the token of its session; it goes when the browser
// is closed.
func (d *Directory) SetCookie(w http.ResponseWriter, r *http.Request, token string) {
	http.SetCookie(w, d.cookie(r, cookieName, token))
}

// ClearCookie takes it back.
func (d *Directory) ClearCookie(w http.ResponseWriter, r *http.Request) {
	c := d.cookie(r, cookieName, "")
	c.MaxAge = -1
	http.SetCookie(w, c)
}

// Token returns the token of the request's session, "" without.
func (d *Directory) Token(r *http.Request) string { return d.read(r, cookieName) }

// Authenticate finds out who asks, nil for a stranger and for whoever has not
// finished signing in. A page that asks how long its session lasts does not make
// it last longer.
func (d *Directory) Authenticate(r *http.Request) (*web.Person, error) {
	token := d.Token(r)
	if token == "" {
		return nil, nil
	}
	s, p, place, err := d.find(r.Context(), token)
	if err != nil || s == nil || s.Stage != StageDone {
		return nil, err
	}
	ctx := r.Context()
	d.touch(ctx, s, p.Organisation, r.Method != http.MethodGet || r.URL.Path != web.SessionStatePath)
	who := webPerson(s, p, place)
	who.Ends, who.Extends = s.ends()
	now := d.o.Clock.Now()
	if (s.over(now) || !now.Before(who.Ends.Add(-web.EndNotice))) && d.held(ctx, s, p.Organisation) {
		who.Ends = time.Time{}
	}
	return who, nil
}

func webPerson(s *Session, p *Person, place string) *web.Person {
	return &web.Person{ID: p.ID, Login: p.Login, Name: p.Name, Organisation: p.Organisation, Place: place, Roles: p.Roles,
		Lang: p.Lang, Theme: p.Theme, Session: s.ID, Desk: s.desk != "", SingleKeys: p.SingleKeys}
}

// find returns the living session of a token with its person, nil without.
func (d *Directory) find(ctx context.Context, token string) (s *Session, p *Person, place string, err error) {
	err = d.o.DB.Read(ctx, func(tx *store.Tx) error {
		if s, err = sessionByToken(tx, token); err != nil {
			return err
		}
		if p, err = personByID(tx, s.Person); err != nil {
			return err
		}
		return tx.Row(`SELECT name FROM identity_organisation WHERE id = $1`, p.Organisation).Scan(&place)
	})
	if errors.Is(err, store.ErrNoRows) {
		return nil, nil, "", nil
	}
	if err != nil {
		return nil, nil, "", problem.Wrap("identity.find", err)
	}
	if !p.active() || !d.alive(ctx, s, p.Organisation) {
		return nil, nil, "", nil
	}
	return s, p, place, nil
}

// touch notes that the session is used, and that an open incident keeps it beyond
// its end. It waits for nothing: a lost note costs a minute.
func (d *Directory) touch(ctx context.Context, s *Session, organisation string, used bool) {
	now := d.o.Clock.Now()
	seen, held := s.SeenAt, s.heldAt
	if used && now.Sub(seen) >= seenEvery {
		s.SeenAt = now
	}
	if now.Sub(held) >= seenEvery && s.over(now) && d.held(ctx, s, organisation) {
		s.heldAt = now
	}
	if s.SeenAt.Equal(seen) && s.heldAt.Equal(held) {
		return
	}
	id := s.ID
	seen, held = s.SeenAt, s.heldAt
	d.o.DB.TryWriteLater(func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE identity_session SET seen_at = CASE WHEN seen_at < $2 THEN $2 ELSE seen_at END,
			held_at = CASE WHEN held_at < $3 THEN $3 ELSE held_at END WHERE id = $1`, id, millis(seen), millis(held))
		return err
	})
}

// Alive reports whether the session with this public id may still be served. A
// stream asks at TopicPeople and at least once a minute; at a desk that counts
// as use, since nobody has to press a key in a quiet night.
func (d *Directory) Alive(ctx context.Context, id string) bool {
	return d.served(ctx, id) != nil
}

// Unchanged is Alive for a stream that was opened with the rights of who: it is
// false too when they have changed since.
func (d *Directory) Unchanged(ctx context.Context, who *web.Person) bool {
	p := d.served(ctx, who.Session)
	return p != nil && p.ID == who.ID && slices.Equal(p.Roles, who.Roles)
}

func (d *Directory) served(ctx context.Context, id string) *Person {
	s, p, err := d.byID(ctx, id)
	if err != nil || s.Stage != StageDone || !p.active() || !d.alive(ctx, s, p.Organisation) {
		return nil
	}
	if s.desk != "" {
		d.touch(ctx, s, p.Organisation, true)
	}
	return p
}

func (d *Directory) byID(ctx context.Context, id string) (s *Session, p *Person, err error) {
	err = d.o.DB.Read(ctx, func(tx *store.Tx) error {
		if s, err = sessionByID(tx, id); err != nil {
			return err
		}
		p, err = personByID(tx, s.Person)
		return err
	})
	return s, p, none("identity.session", err)
}

// Pending returns the session of a token with its person, whatever its stage;
// a problem of kind Unauthenticated without.
func (d *Directory) Pending(ctx context.Context, token string) (*Session, *Person, error) {
	s, p, _, err := d.find(ctx, token)
	if err != nil {
		return nil, nil, err
	}
	if s == nil {
		return nil, nil, problem.New("identity.Pending", problem.Unauthenticated, "", nil)
	}
	return s, p, nil
}

// SignedIn is the result of a step of signing in: the token for the browser and
// what is missing.
type SignedIn struct {
	Token   string
	Session string // public id
	Person  string
	Stage   Stage
}

// begin starts a session in the caller's transaction.
func (d *Directory) begin(tx *store.Tx, p *Person, s *Session) (SignedIn, error) {
	now := d.o.Clock.Now()
	if s.ID == "" {
		s.ID = d.o.Clock.NewID()
	}
	s.Person, s.CreatedAt, s.SeenAt = p.ID, now, now
	token := newToken()
	if err := insertSession(tx, s, token); err != nil {
		return SignedIn{}, err
	}
	if s.Stage == StageDone {
		if err := d.opened(tx, p, s); err != nil {
			return SignedIn{}, err
		}
	}
	return SignedIn{token, s.ID, p.ID, s.Stage}, nil
}

// opened notes that somebody is in.
func (d *Directory) opened(tx *store.Tx, p *Person, s *Session) error {
	if _, err := tx.Exec(`UPDATE identity_person SET seen_at = $2 WHERE id = $1`, p.ID, d.o.Clock.Now().UnixMilli()); err != nil {
		return err
	}
	if p.Emergency {
		if err := d.note(tx, audit.Event{Action: "identity.emergency.use", Actor: p.ID, Object: p.Organisation}, nil); err != nil {
			return err
		}
		if d.o.Alarm != nil {
			if err := d.o.Alarm(tx, p.Organisation, p.ID); err != nil {
				return err
			}
		}
	}
	if s.desk != "" && s.Method != "pin" {
		if err := visit(tx, p.ID, s.desk, d.o.Clock.Now()); err != nil {
			return err
		}
	}
	tx.Notify(TopicPeople)
	return d.note(tx, audit.Event{Action: "identity.session.start", Actor: p.ID, Object: s.ID}, map[string]string{"method": s.Method, "desk": s.desk})
}

// advance moves a session on after a step and gives it a new token, so that one
// known before the step is worth nothing after it.
func (d *Directory) advance(tx *store.Tx, p *Person, s *Session) (SignedIn, error) {
	s.Stage = StageDone
	if p.MustChange {
		s.Stage = StagePassword
	}
	s.SeenAt = d.o.Clock.Now()
	if s.Stage == StageDone {
		s.CreatedAt = s.SeenAt
	}
	token := newToken()
	n, err := tx.Exec(`UPDATE identity_session SET hash = $2, stage = $3, tries = 0, pending = $4, created_at = $5, seen_at = $6 WHERE id = $1`,
		s.ID, hashToken(token), string(s.Stage), []byte{}, millis(s.CreatedAt), millis(s.SeenAt))
	if err != nil {
		return SignedIn{}, err
	}
	if n == 0 {
		return SignedIn{}, problem.New("identity.advance", problem.Unauthenticated, "", nil)
	}
	if s.Stage == StageDone {
		if err := d.opened(tx, p, s); err != nil {
			return SignedIn{}, err
		}
	}
	return SignedIn{token, s.ID, p.ID, s.Stage}, nil
}

// SignOut ends the session of a token; there may be none.
func (d *Directory) SignOut(ctx context.Context, token string) error {
	return problem.Wrap("identity.SignOut", d.o.DB.Write(ctx, func(tx *store.Tx) error {
		s, err := optional(sessionByToken(tx, token))
		if err != nil || s == nil {
			return err
		}
		return d.end(tx, s.Person, s.ID)
	}))
}

func (d *Directory) end(tx *store.Tx, by, id string) error {
	if err := dropForm(tx, id); err != nil {
		return err
	}
	n, err := tx.Exec(`DELETE FROM identity_session WHERE id = $1`, id)
	if err != nil || n == 0 {
		return err
	}
	tx.Notify(TopicPeople)
	return d.note(tx, audit.Event{Action: "identity.session.end", Actor: by, Object: id}, nil)
}

// OpenSession is a session with its person, for lists.
type OpenSession struct {
	Session
	Name, Login, Organisation string
	Ends                      time.Time
}

// Sessions lists the open sessions of a person, of an organisation, or all with
// "" for both; the last used first.
func (d *Directory) Sessions(ctx context.Context, person, organisation string) (open []OpenSession, err error) {
	var all []Session
	who := map[string]*Person{}
	err = d.o.DB.Read(ctx, func(tx *store.Tx) error {
		if all, err = sessions(tx, person, organisation); err != nil {
			return err
		}
		for _, s := range all {
			if who[s.Person] == nil {
				if who[s.Person], err = personByID(tx, s.Person); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, problem.Wrap("identity.Sessions", err)
	}
	for _, s := range all {
		if p := who[s.Person]; s.Stage == StageDone && p.active() && d.alive(ctx, &s, p.Organisation) {
			end, _ := s.ends()
			open = append(open, OpenSession{s, p.Name, p.Login, p.Organisation, end})
		}
	}
	return open, nil
}

// Session returns an open session; a problem of kind NotFound without.
func (d *Directory) Session(ctx context.Context, id string) (OpenSession, error) {
	s, p, err := d.byID(ctx, id)
	if err != nil {
		return OpenSession{}, err
	}
	end, _ := s.ends()
	return OpenSession{*s, p.Name, p.Login, p.Organisation, end}, nil
}

// EndSession ends a session by its public id; it may have ended.
func (d *Directory) EndSession(ctx context.Context, by *web.Person, id string) error {
	const op = "identity.EndSession"
	return problem.Wrap(op, d.o.DB.Write(ctx, func(tx *store.Tx) error {
		s, err := optional(sessionByID(tx, id))
		if err != nil || s == nil {
			return err
		}
		p, err := personByID(tx, s.Person)
		if err != nil {
			return none(op, err)
		}
		if outside(by, p.Organisation) {
			return notFound(op)
		}
		return d.end(tx, actor(by), id)
	}))
}

// EndSessions ends all sessions of a person, but by's own one.
func (d *Directory) EndSessions(ctx context.Context, by *web.Person, person string) error {
	const op = "identity.EndSessions"
	return problem.Wrap(op, d.o.DB.Write(ctx, func(tx *store.Tx) error {
		p, err := personByID(tx, person)
		if err != nil {
			return none(op, err)
		}
		if outside(by, p.Organisation) {
			return notFound(op)
		}
		keep := ""
		if by != nil && by.ID == person {
			keep = by.Session
		}
		if err := endSessions(tx, person, keep); err != nil {
			return err
		}
		return d.changed(tx, by, "identity.session.end_all", person, nil)
	}))
}
