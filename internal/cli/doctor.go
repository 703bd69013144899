package cli

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"trojmezi/internal/app"
	"trojmezi/internal/exchange"
	"trojmezi/internal/kernel/health"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

type doctorCmd struct{ configFlag }

// finding is one line of the examination. What is not OK needs attention; a Level
// stands at what the page of health shows too: 1 to be aware, 2 act soon, 3 act now.
type finding struct {
	OK    bool         `json:"ok"`
	Level health.Level `json:"level,omitempty"`
	Text  string       `json:"text"`
	Todo  string       `json:"todo,omitempty"`
}

// sign is the line's first letter.
func (f finding) sign() string {
	switch {
	case !f.OK:
		return "✗"
	case f.Level > 0:
		return "!"
	}
	return "✓"
}

// Run examines everything a technician would look at first. The exit code is 1
// when something needs attention.
func (c *doctorCmd) Run(e *env) error {
	cfg, err := app.Load(c.Config)
	if err != nil {
		return err
	}
	d := &doctor{env: e, list: []finding{}}
	d.note(true, "cli.doctor.config", nil)
	d.files(cfg)
	d.accounts(cfg)
	if found := d.database(cfg); found != nil {
		d.peers(found.Peers, found.Probes)
	} else if probes, err := exchange.Probe(d.ctx, cfg.Exchange, cfg.Dir(), app.Version); err != nil {
		d.list = append(d.list, finding{Text: err.Error()})
	} else {
		d.peers(cfg.Exchange.Peers, probes)
	}
	bad := slices.ContainsFunc(d.list, func(f finding) bool { return !f.OK })
	if err := e.show(d.list, func() {
		for _, f := range d.list {
			fmt.Fprintln(e.out, f.sign(), f.Text)
			if f.Todo != "" {
				fmt.Fprintln(e.out, " ", f.Todo)
			}
		}
	}); err != nil {
		return err
	}
	if bad {
		return exit(exitFailed)
	}
	return nil
}

type doctor struct {
	*env
	list []finding
}

func (d *doctor) note(ok bool, key string, args i18n.Args) {
	d.list = append(d.list, finding{OK: ok, Text: d.t(key, args)})
}

func (d *doctor) files(cfg *app.Config) {
	if info, err := os.Stat(cfg.KeyFile()); err == nil {
		d.note(info.Mode().Perm()&0o077 == 0, "cli.doctor.key_mode", i18n.Args{"file": cfg.KeyFile()})
	}
	if cfg.Exchange.TLS.Cert == "" {
		return
	}
	text, err := os.ReadFile(cfg.Path(cfg.Exchange.TLS.Cert))
	if err != nil {
		d.list = append(d.list, finding{Text: err.Error()})
		return
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		d.list = append(d.list, finding{Text: err.Error()})
		return
	}
	names := slices.ContainsFunc(cert.URIs, func(u *url.URL) bool { return strings.EqualFold(u.String(), "urn:oid:"+cfg.Exchange.OID) })
	d.note(names || len(cfg.Exchange.Peers) == 0, "cli.doctor.certificate_oid", i18n.Args{"oid": cfg.Exchange.OID})
}

func (d *doctor) accounts(cfg *app.Config) {
	for _, a := range cfg.Exchange.Accounts {
		d.note(a.PasswordHash != "", "cli.doctor.plain_password", i18n.Args{"account": a.Username})
	}
}

// database looks through what the node keeps; nil when it can't be opened.
func (d *doctor) database(cfg *app.Config) *app.Examination {
	if cfg.Database == "" && !store.Exists(cfg.DataDir()) {
		d.note(false, "cli.db.none", i18n.Args{"dir": cfg.DataDir()})
		return nil
	}
	o, err := app.Open(d.ctx, cfg, d.log)
	if err != nil {
		d.list = append(d.list, finding{Text: d.explain(err)})
		return nil
	}
	defer o.DB.Close()
	d.note(true, "cli.doctor.database", i18n.Args{"engine": string(o.DB.Engine())})
	var held bool
	if err := o.DB.Read(d.ctx, func(tx *store.Tx) (err error) {
		held, err = exchange.Held(tx)
		return err
	}); err == nil {
		d.note(!held, "cli.doctor.held", nil)
	}
	found, err := app.Examine(d.ctx, cfg, o, d.texts, d.log, d.lang)
	if err != nil {
		d.list = append(d.list, finding{Text: d.explain(err)})
		return nil
	}
	for _, l := range found.Health.Ill {
		d.list = append(d.list, finding{OK: l.Level < health.L2, Level: l.Level, Text: l.Area + ": " + l.Text, Todo: l.Todo})
	}
	if found.Health.Healthy {
		d.note(true, "cli.doctor.healthy", nil)
	}
	return &found
}

// peers says what every neighbour's node answered, and where nobody could be called.
func (d *doctor) peers(peers []exchange.Peer, probes []exchange.Probed) {
	for _, p := range peers {
		d.note(p.DeskPhone != "", "cli.doctor.desk_phone", i18n.Args{"peer": p.ID})
	}
	for _, p := range probes {
		if p.Failure != "" {
			d.note(false, "cli.doctor.peer_fails", i18n.Args{"peer": p.ID, "reason": d.t(p.Failure, nil)})
			continue
		}
		d.note(p.Skew.Abs() <= exchange.SkewAlarm, "cli.doctor.peer", i18n.Args{"peer": p.ID, "skew": strconv.FormatInt(p.Skew.Milliseconds(), 10)})
	}
}

// withDB opens the node's database beside a running node. It makes none: a
// wrong path would look like an empty node.
func (e *env) withDB(config string, f func(context.Context, *app.Config, *app.Opened) error) error {
	cfg, err := app.Load(config)
	if err != nil {
		return err
	}
	if cfg.Database == "" && !store.Exists(cfg.DataDir()) {
		return problem.New("cli.withDB", problem.NotFound, "cli.db.none", i18n.Args{"dir": cfg.DataDir()})
	}
	o, err := app.Open(e.ctx, cfg, e.log)
	if err != nil {
		return err
	}
	defer o.DB.Close()
	if err := f(e.ctx, cfg, o); err != nil {
		return err
	}
	e.leaves(o)
	return nil
}

// leaves puts what a command recorded into the tree of the audit log: no node may be
// running that would, and what waits for long is a finding.
func (e *env) leaves(o *app.Opened) {
	if err := o.Audit.Sequence(e.ctx); err != nil {
		e.log.Warn("audit: leaves stay outside the tree", "error", err)
	}
}
