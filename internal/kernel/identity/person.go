package identity

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

// Person is somebody who may sign in.
type Person struct {
	ID           string
	Organisation string // id
	Login        string // lower case, unique on the node
	Name         string
	Lang         i18n.Lang // "" until chosen
	Theme        string    // "light", "dark" or ""
	SingleKeys   bool
	Roles        []string
	Locked       bool
	MustChange   bool   // a new password at the next sign-in
	Emergency    bool   // the sealed account
	Provider     string // of OpenID Connect; "" for a local account
	HasPassword  bool
	HasPIN       bool
	HasTOTP      bool
	Passkeys     int
	Recovery     int // recovery codes left
	CreatedAt    time.Time
	SeenAt       time.Time // last sign-in
	DeletedAt    time.Time

	password, pin, subject string
	pinFailures            int
	totp                   []byte
	totpStep               int64
	swept                  int
}

// Is reports whether the person has the role.
func (p *Person) Is(role string) bool { return slices.Contains(p.Roles, role) }

func (p *Person) active() bool    { return !p.Locked && p.DeletedAt.IsZero() }
func (p *Person) hasSecond() bool { return p.HasTOTP || p.Passkeys > 0 }
func (p *Person) undoable(now time.Time) bool {
	return !p.DeletedAt.IsZero() && p.swept == 0 && now.Sub(p.DeletedAt) <= UndoTime+undoGrace
}

// Bounds of what people enter.
const (
	// minPassword is four more than the least a password with a second factor
	// needs, one less is asked by nobody (spec: NIST SP 800-63B-4, 3.1.1.2: 15
	// alone, 8 with a second factor); here the limits on wrong sign-ins add to it.
	minPassword = 12
	maxPassword = 128 // characters; more only costs time
	minDistinct = 5   // different characters: "aaaaaaaaaaaa" is no password
	minPIN      = 6   // digits; a desk PIN opens nothing without the desk
	maxPIN      = 12
)

var (
	loginForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._@+-]{1,63}$`)
	pinForm   = regexp.MustCompile(`^[0-9]{6,12}$`)
)

// Themes are what a person may choose; "" follows the device.
var Themes = []string{"", "light", "dark"}

func checkPassword(f *Faults, field, password, login string) {
	distinct := map[rune]bool{}
	for _, r := range password {
		distinct[r] = true
	}
	switch n := utf8.RuneCountInString(password); {
	case n < minPassword:
		f.add(field, "identity.input.password_short", i18n.Args{"n": minPassword})
	case n > maxPassword:
		f.add(field, "identity.input.password_long", i18n.Args{"n": maxPassword})
	case len(distinct) < minDistinct || common(plain(password), login):
		f.add(field, "identity.input.password_weak", nil)
	}
}

// commonWords are what lists of stolen passwords in the four languages begin
// with, and what lies near in this house (spec: NIST SP 800-63B-4, 3.1.1.2).
var commonWords = []string{"password", "passwort", "kennwort", "heslo", "haslo", "qwertz", "qwerty", "asdfgh", "yxcvbn", "zxcvbn",
	"1234567890", "123456789", "12345678", "1234567", "123456", "12345", "1234", "123", "0987654321", "987654321", "654321", "iloveyou",
	"welcome", "willkommen", "admin", "letmein", "trojmezi", "dispecer", "dispecink", "leitstelle", "dyspozytor", "feuerwehr", "hasici",
	"straz", "112", "155", "158", "150", "997", "998", "999"}

// minOwn is how many characters must be left of a password without such words.
const minOwn = 6

func common(password, login string) bool {
	words := commonWords
	if len(login) > 2 {
		words = append([]string{login}, words...)
	}
	for _, w := range words {
		password = strings.ReplaceAll(password, w, "")
	}
	return utf8.RuneCountInString(password) < minOwn
}

// NewPerson is who is to be created. Without a password the person needs an
// invitation (Invite).
type NewPerson struct {
	Organisation string
	Login, Name  string
	Lang         i18n.Lang
	Roles        []string
	Password     string
	MustChange   bool
}

func (n *NewPerson) validate() Faults {
	var f Faults
	n.Login, n.Name = normalLogin(n.Login), tidy(n.Name)
	if !loginForm.MatchString(n.Login) {
		f.add("login", "identity.input.login", nil)
	}
	if n.Name == "" || utf8.RuneCountInString(n.Name) > maxName {
		f.add("name", "identity.input.name", i18n.Args{"n": maxName})
	}
	if n.Lang != "" && !slices.Contains(i18n.Langs, n.Lang) {
		f.add("lang", "identity.input.lang", nil)
	}
	n.Roles = checkRoles(&f, n.Roles)
	if n.Password != "" {
		checkPassword(&f, "password", n.Password, n.Login)
	}
	return f
}

// checkRoles returns roles in their order, each once.
func checkRoles(f *Faults, given []string) (roles []string) {
	for _, r := range given {
		if !slices.Contains(Roles, r) {
			f.add("roles", "identity.input.role", nil)
			return nil
		}
	}
	for _, r := range Roles {
		if slices.Contains(given, r) {
			roles = append(roles, r)
		}
	}
	if len(roles) == 0 {
		f.add("roles", "identity.input.role", nil)
	}
	return roles
}

// tidy takes out what does not show or turns the line around: a name must look
// like what it is.
func tidy(name string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.Is(unicode.Cc, r), unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, name))
}

func normalLogin(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// mayGrant refuses roles that by does not have himself. Administrators of the
// same organisation and the command line grant any.
func mayGrant(by *web.Person, organisation string, roles []string) error {
	if by == nil || by.Organisation == organisation && slices.Contains(by.Roles, administrator) {
		return nil
	}
	for _, r := range roles {
		if by.Organisation != organisation || !slices.Contains(by.Roles, r) {
			return problem.New("identity.grant", problem.Forbidden, "identity.refused.grant", nil)
		}
	}
	return nil
}

// CreatePerson adds a local account. Mistakes come as Faults; a login is unique
// on the node.
func (d *Directory) CreatePerson(ctx context.Context, by *web.Person, n NewPerson) (*Person, error) {
	const op = "identity.CreatePerson"
	if err := n.validate().err(); err != nil {
		return nil, err
	}
	if err := mayGrant(by, n.Organisation, n.Roles); err != nil {
		return nil, err
	}
	p, err := d.newPerson(n)
	if err != nil {
		return nil, problem.Wrap(op, err)
	}
	err = d.o.DB.Write(ctx, func(tx *store.Tx) error { return d.createPerson(tx, by, p) })
	return p, problem.Wrap(op, err)
}

// newPerson does the slow part, outside the transaction.
func (d *Directory) newPerson(n NewPerson) (*Person, error) {
	p := &Person{ID: d.o.Clock.NewID(), Organisation: n.Organisation, Login: n.Login, Name: n.Name, Lang: n.Lang,
		SingleKeys: true, Roles: n.Roles, MustChange: n.MustChange, CreatedAt: d.o.Clock.Now()}
	if n.Password != "" {
		hash, err := HashPassword(n.Password)
		if err != nil {
			return nil, err
		}
		p.password, p.HasPassword = hash, true
	}
	return p, nil
}

func (d *Directory) createPerson(tx *store.Tx, by *web.Person, p *Person) error {
	var n int
	if err := tx.Row(`SELECT COUNT(*) FROM identity_organisation WHERE id = $1`, p.Organisation).Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		return notFound("identity.organisation")
	}
	if _, err := personByLogin(tx, p.Login); err == nil {
		return Faults{{"login", "identity.input.login_taken", nil}}
	} else if !errors.Is(err, store.ErrNoRows) {
		return err
	}
	if err := insertPerson(tx, p); err != nil {
		return err
	}
	return d.changed(tx, by, "identity.person.create", p.ID, p)
}

// Person returns one, deleted ones too; a problem of kind NotFound if there is none.
func (d *Directory) Person(ctx context.Context, id string) (p *Person, err error) {
	err = d.o.DB.Read(ctx, func(tx *store.Tx) error {
		p, err = personByID(tx, id)
		return err
	})
	if err != nil {
		return nil, none("identity.Person", err)
	}
	return p, nil
}

// Name returns the name of a person within the caller's transaction, "" when it
// is not kept any more.
func (d *Directory) Name(tx *store.Tx, id string) string {
	var name string
	if err := tx.Row(`SELECT name FROM identity_person WHERE id = $1`, id).Scan(&name); err != nil {
		return ""
	}
	return name
}

// Filter chooses people of a list.
type Filter struct {
	Organisation string // id; "": all
	Text         string // part of name or login, without regard to diacritics
	Role         string
	State        string // "", "active", "locked" or "deleted"
}

// ListPeople lists people by name. Without State "deleted" the deleted ones are
// left out.
func (d *Directory) ListPeople(ctx context.Context, f Filter) (all []Person, err error) {
	err = d.o.DB.Read(ctx, func(tx *store.Tx) error {
		all, err = people(tx, f.Organisation)
		return err
	})
	want := plain(f.Text)
	all = slices.DeleteFunc(all, func(p Person) bool {
		switch {
		case (f.State == "deleted") == p.DeletedAt.IsZero(),
			f.State == "active" && p.Locked, f.State == "locked" && !p.Locked,
			f.Role != "" && !p.Is(f.Role),
			!strings.Contains(plain(p.Name), want) && !strings.Contains(p.Login, want):
			return true
		}
		return false
	})
	slices.SortStableFunc(all, func(a, b Person) int { return strings.Compare(plain(a.Name), plain(b.Name)) })
	return all, problem.Wrap("identity.ListPeople", err)
}

// change runs f on a person in a transaction with its leaf. f changes p; what it
// may change is stored.
func (d *Directory) change(ctx context.Context, by *web.Person, op, action, id string, f func(tx *store.Tx, p *Person) error) error {
	return problem.Wrap(op, d.o.DB.Write(ctx, func(tx *store.Tx) error {
		p, err := personByID(tx, id)
		if err != nil {
			return none(op, err)
		}
		if outside(by, p.Organisation) || !p.DeletedAt.IsZero() && action != restored {
			return notFound(op)
		}
		if err := f(tx, p); err != nil {
			return err
		}
		if err := updatePerson(tx, p); err != nil {
			return err
		}
		return d.changed(tx, by, action, p.ID, p)
	}))
}

// own refuses what an administrator may not do to himself, so that nobody locks
// himself out.
func own(by *web.Person, id string) error {
	if by != nil && by.ID == id {
		return problem.New("identity.own", problem.Conflict, "identity.refused.own", nil)
	}
	return nil
}

// lastAdministrator refuses to leave an organisation without one who can sign in.
func lastAdministrator(tx *store.Tx, p *Person) error {
	if !p.Is(administrator) || p.Emergency {
		return nil
	}
	all, err := people(tx, p.Organisation)
	if err != nil {
		return err
	}
	for _, o := range all {
		if o.ID != p.ID && o.active() && o.Is(administrator) && !o.Emergency && (o.HasPassword || o.Provider != "") {
			return nil
		}
	}
	return problem.New("identity.administrator", problem.Conflict, "identity.refused.last_administrator", nil)
}

// Rename stores name and login. The login of a provider's account is the
// provider's.
func (d *Directory) Rename(ctx context.Context, by *web.Person, id, name, login string) error {
	n := NewPerson{Name: name, Login: login, Roles: []string{administrator}}
	if err := n.validate().err(); err != nil {
		return err
	}
	return d.change(ctx, by, "identity.Rename", "identity.person.rename", id, func(tx *store.Tx, p *Person) error {
		if o, err := personByLogin(tx, n.Login); err == nil && o.ID != id {
			return Faults{{"login", "identity.input.login_taken", nil}}
		} else if err != nil && !errors.Is(err, store.ErrNoRows) {
			return err
		}
		p.Name, p.Login = n.Name, n.Login
		return nil
	})
}

// SetRoles replaces the roles. Nobody grants a role he does not have, unless he
// is an administrator of that organisation; the last administrator stays one.
func (d *Directory) SetRoles(ctx context.Context, by *web.Person, id string, roles []string) error {
	var f Faults
	if roles = checkRoles(&f, roles); len(f) > 0 {
		return f
	}
	return d.change(ctx, by, "identity.SetRoles", "identity.person.roles", id, func(tx *store.Tx, p *Person) error {
		if p.Provider != "" || p.Emergency {
			return problem.New("identity.SetRoles", problem.Conflict, "identity.refused.roles_elsewhere", nil)
		}
		var fresh []string
		for _, r := range roles {
			if !p.Is(r) {
				fresh = append(fresh, r)
			}
		}
		if err := mayGrant(by, p.Organisation, fresh); err != nil {
			return err
		}
		if p.Is(administrator) && !slices.Contains(roles, administrator) {
			if err := errors.Join(own(by, id), lastAdministrator(tx, p)); err != nil {
				return err
			}
		}
		p.Roles = roles
		return nil
	})
}

// Lock ends all sessions and links of the person and lets him sign in no more.
func (d *Directory) Lock(ctx context.Context, by *web.Person, id string) error {
	return d.change(ctx, by, "identity.Lock", "identity.person.lock", id, func(tx *store.Tx, p *Person) error {
		if err := errors.Join(own(by, id), lastAdministrator(tx, p)); err != nil {
			return err
		}
		p.Locked = true
		return errors.Join(endSessions(tx, id, ""), endLinks(tx, id))
	})
}

// Unlock lets the person sign in again.
func (d *Directory) Unlock(ctx context.Context, by *web.Person, id string) error {
	return d.change(ctx, by, "identity.Unlock", "identity.person.unlock", id, func(tx *store.Tx, p *Person) error {
		p.Locked, p.pinFailures = false, 0
		return nil
	})
}

// Delete removes a leaver: his sessions end at once, his links and passwords open
// nothing any more. It can be taken back by Restore until undo.
func (d *Directory) Delete(ctx context.Context, by *web.Person, id string) (undo time.Time, err error) {
	now := d.o.Clock.Now()
	err = d.change(ctx, by, "identity.Delete", "identity.person.delete", id, func(tx *store.Tx, p *Person) error {
		if err := errors.Join(own(by, id), lastAdministrator(tx, p)); err != nil {
			return err
		}
		p.DeletedAt = now
		return endSessions(tx, id, "")
	})
	return now.Add(UndoTime), err
}

const restored = "identity.person.restore"

// Restore takes a deletion back; a problem of kind Conflict when it is too late.
func (d *Directory) Restore(ctx context.Context, by *web.Person, id string) error {
	return d.change(ctx, by, "identity.Restore", restored, id, func(tx *store.Tx, p *Person) error {
		if !p.undoable(d.o.Clock.Now()) {
			return problem.New("identity.Restore", problem.Conflict, "identity.refused.undo_late", nil)
		}
		p.DeletedAt = time.Time{}
		return nil
	})
}

// Preferences are what a person sets for himself.
type Preferences struct {
	Lang       i18n.Lang
	Theme      string
	SingleKeys bool
}

// SetPreferences stores them.
func (d *Directory) SetPreferences(ctx context.Context, by *web.Person, s Preferences) error {
	var f Faults
	if s.Lang != "" && !slices.Contains(i18n.Langs, s.Lang) {
		f.add("lang", "identity.input.lang", nil)
	}
	if !slices.Contains(Themes, s.Theme) {
		f.add("theme", "identity.input.theme", nil)
	}
	if len(f) > 0 {
		return f
	}
	return d.change(ctx, by, "identity.SetPreferences", "identity.person.preferences", by.ID, func(_ *store.Tx, p *Person) error {
		p.Lang, p.Theme, p.SingleKeys = s.Lang, s.Theme, s.SingleKeys
		return nil
	})
}

// ChangePassword sets by's own password after the old one. All his other
// sessions end.
func (d *Directory) ChangePassword(ctx context.Context, by *web.Person, old, fresh string) error {
	const op = "identity.ChangePassword"
	p, err := d.Person(ctx, by.ID)
	if err != nil {
		return err
	}
	if p.Provider != "" || p.Emergency {
		return problem.New(op, problem.Conflict, "identity.refused.password_elsewhere", nil)
	}
	if err := d.limits.take("person", p.ID); err != nil {
		return err
	}
	if p.password != "" {
		if ok, err := CheckPassword(p.password, old); err != nil {
			return problem.Wrap(op, err)
		} else if !ok {
			return Faults{{"old", "identity.input.password_old", nil}}
		}
	}
	d.limits.give("person", p.ID)
	return d.setPassword(ctx, by, op, p, fresh, by.Session)
}

// setPassword stores a new password and ends all sessions but keep.
func (d *Directory) setPassword(ctx context.Context, by *web.Person, op string, p *Person, fresh, keep string) error {
	var f Faults
	checkPassword(&f, "password", fresh, p.Login)
	if len(f) > 0 {
		return f
	}
	hash, err := HashPassword(fresh)
	if err != nil {
		return problem.Wrap(op, err)
	}
	return d.change(ctx, by, op, "identity.person.password", p.ID, func(tx *store.Tx, p *Person) error {
		p.password, p.MustChange = hash, false
		if err := endSessions(tx, p.ID, keep); err != nil {
			return err
		}
		return endLinks(tx, p.ID)
	})
}

// row reports whether the digits stay, rise or fall evenly: what is tried first.
func row(pin string) bool {
	step := pin[1] - pin[0]
	for i := 1; i < len(pin); i++ {
		if pin[i]-pin[i-1] != step {
			return false
		}
	}
	return step+1 <= 2 // -1, 0 or 1
}

// SetPIN sets by's PIN for shared desks after his password; "" removes it. It is
// for local accounts: a provider's leaver must not come in round the provider.
func (d *Directory) SetPIN(ctx context.Context, by *web.Person, password, pin string) error {
	const op = "identity.SetPIN"
	if pin != "" && (!pinForm.MatchString(pin) || row(pin)) {
		return Faults{{"pin", "identity.input.pin", i18n.Args{"min": minPIN, "max": maxPIN}}}
	}
	p, err := d.Person(ctx, by.ID)
	if err != nil {
		return err
	}
	if p.password == "" || p.Emergency {
		return problem.New(op, problem.Conflict, "identity.refused.password_elsewhere", nil)
	}
	if err := d.limits.take("person", p.ID); err != nil {
		return err
	}
	if ok, err := CheckPassword(p.password, password); err != nil {
		return problem.Wrap(op, err)
	} else if !ok {
		return Faults{{"pin_password", "identity.input.password_old", nil}}
	}
	d.limits.give("person", p.ID)
	var hash string
	if pin != "" {
		if hash, err = HashPassword(pin); err != nil {
			return problem.Wrap(op, err)
		}
	}
	return d.change(ctx, by, op, "identity.person.pin", p.ID, func(_ *store.Tx, p *Person) error {
		p.pin, p.pinFailures = hash, 0
		return nil
	})
}
