package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"

	"golang.org/x/sync/errgroup"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
)

// employ gives the people of each place their accounts at its node, by the
// command line that an administrator would use. Who has one keeps it.
func (d *demo) employ(ctx context.Context, f *folder) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, n := range f.nodes {
		g.Go(func() error {
			list, err := json.Marshal(f.staff(n))
			if err != nil {
				return err
			}
			cmd := exec.CommandContext(ctx, d.binary, "--log-level", "error", "people", "import", "--config", n.config())
			cmd.Stdin = bytes.NewReader(list)
			if out, err := cmd.CombinedOutput(); err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				return &problem.Error{Op: "demo: people", Key: "demo.error.people", Err: err,
					Args: i18n.Args{"name": n.place.Title, "detail": string(bytes.TrimSpace(out))}}
			}
			return nil
		})
	}
	return g.Wait()
}

// staffed is an organisation as `trojmezi people import` reads it.
type staffed struct {
	Name      string     `json:"name"`
	Country   string     `json:"country"`
	Addresses []string   `json:"addresses"`
	Phone     string     `json:"phone"`
	People    []employee `json:"people"`
}

type employee struct {
	Login    string   `json:"login"`
	Name     string   `json:"name"`
	Language string   `json:"language"`
	Roles    []string `json:"roles"`
	Password string   `json:"password"`
}

// staff is the control room of a node with its people. The console works at the
// address of the dispatch system: both see everything.
func (f *folder) staff(n *node) []staffed {
	room := staffed{Name: n.place.Operator, Country: n.place.Country, Addresses: []string{n.place.Desk}, Phone: n.place.Phone}
	for _, p := range n.place.People {
		room.People = append(room.People, employee{p.Login, p.Name, n.place.Language, []string{p.Role}, f.passwords[n.place.Name+"/"+p.Login]})
	}
	return []staffed{room}
}
