package identity

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// Address is where a request comes from, for the limits on wrong sign-ins.
func (d *Directory) Address(r *http.Request) string { return d.o.Address(r) }

const (
	workedCookieName = "desk_people"
	// maxWorked is how many names one desk offers: a shift and the one before it
	// are found at one look.
	maxWorked = 12
)

// WorkedHere returns who signed in at this desk before, the last one first, as
// far as they can again, with a password or PIN of ours or at their provider;
// nobody where the browser is no desk. The browser keeps the ids, so that no list of who worked where arises.
func (d *Directory) WorkedHere(r *http.Request) (here []Person, err error) {
	desk, err := d.DeskOf(r)
	if err != nil || desk == nil {
		return nil, err
	}
	err = d.o.DB.Read(r.Context(), func(tx *store.Tx) error {
		here = nil
		for _, id := range d.worked(r) {
			p, err := personByID(tx, id)
			if errors.Is(err, store.ErrNoRows) {
				continue
			}
			if err != nil {
				return err
			}
			known := p.HasPassword || p.HasPIN
			if p.Provider != "" {
				known = d.providers[p.Provider] != nil
			}
			if known && p.active() && p.Organisation == desk.Organisation && !p.Emergency {
				here = append(here, *p)
			}
		}
		return nil
	})
	return here, problem.Wrap("identity.WorkedHere", err)
}

func (d *Directory) worked(r *http.Request) []string {
	ids := strings.FieldsFunc(d.read(r, workedCookieName), func(c rune) bool { return c == '.' })
	return ids[:min(len(ids), maxWorked)]
}

// WorksHere notes with the browser, which is a desk, that a person works at it.
func (d *Directory) WorksHere(w http.ResponseWriter, r *http.Request, person string) {
	ids := append([]string{person}, slices.DeleteFunc(d.worked(r), func(id string) bool { return id == person })...)
	c := d.cookie(r, workedCookieName, strings.Join(ids[:min(len(ids), maxWorked)], "."))
	c.MaxAge = int(deskCookieAge / time.Second)
	http.SetCookie(w, c)
}
