package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"trojmezi/internal/app"
	"trojmezi/internal/exchange"
	"trojmezi/internal/exchange/ucrmclient"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

type exchangeCmd struct {
	Send     sendCmd     `cmd:"" help:"cli.exchange.send"`
	Receive  receiveCmd  `cmd:"" help:"cli.exchange.receive"`
	Commit   commitCmd   `cmd:"" help:"cli.exchange.commit"`
	Registry registryCmd `cmd:"" help:"cli.exchange.registry"`
	Status   statusCmd   `cmd:"" help:"cli.exchange.status"`
	Peers    peersCmd    `cmd:"" help:"cli.exchange.peers"`
}

// clientFlags name a node's client interface and an account there.
type clientFlags struct {
	URL      string `required:"" name:"url" placeholder:"http://localhost:3001/ucrm/client/v0" env:"TROJMEZI_URL" help:"cli.exchange.url"`
	Username string `required:"" placeholder:"NAME" env:"TROJMEZI_USERNAME" help:"cli.exchange.username"`
	Password string `required:"" placeholder:"PASSWORD" env:"TROJMEZI_PASSWORD" help:"cli.exchange.password"`
	CA       string `name:"ca" type:"existingfile" placeholder:"FILE" help:"cli.exchange.ca"`
}

func (f *clientFlags) client() (*ucrmclient.Client, error) {
	cfg := ucrmclient.Config{BaseURL: f.URL, Username: f.Username, Password: f.Password, UserAgent: "trojmezi/" + app.Version,
		Timeout: (ucri.DefaultMaxDelay + 15) * time.Second}
	var err error
	if cfg.TLS, err = f.tls(); err != nil {
		return nil, err
	}
	return ucrmclient.New(cfg)
}

// tls trusts the given authority; nil: those of the system.
func (f *clientFlags) tls() (*tls.Config, error) {
	if f.CA == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("cli: no certificate in %s", f.CA)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}, nil
}

type sendCmd struct {
	clientFlags
	File string `required:"" placeholder:"FILE" help:"cli.exchange.file"`
}

func (c *sendCmd) Run(e *env) error {
	var body []byte
	var err error
	if c.File == "-" {
		body, err = io.ReadAll(e.in)
	} else {
		body, err = os.ReadFile(c.File)
	}
	if err != nil {
		return err
	}
	cl, err := c.client()
	if err != nil {
		return err
	}
	sent, err := cl.SendRaw(e.ctx, body)
	if err != nil {
		return err
	}
	return e.show(json.RawMessage(sent.AppendJSON(nil)), func() {
		e.say("cli.exchange.sent", i18n.Args{"id": sent.MessageID, "destination": sent.Destinations[0]})
	})
}

type receiveCmd struct {
	clientFlags
	OID   []string `required:"" name:"oid" placeholder:"OID" help:"cli.exchange.oid"`
	Max   int      `default:"10" help:"cli.exchange.max"`
	Delay int      `default:"0" help:"cli.exchange.delay"`
}

func (c *receiveCmd) Run(e *env) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	got, err := cl.Receive(e.ctx, ucri.ReceiveRequest{Destinations: c.OID, MaxMessages: c.Max, MaxDelay: c.Delay})
	if err != nil {
		return err
	}
	list := make([]json.RawMessage, len(got))
	for i, m := range got {
		list[i] = m.AppendReceived(nil, m.Destination, m.SequenceID)
	}
	return e.show(list, func() {
		if len(got) == 0 {
			e.say("cli.exchange.none", nil)
		}
		for _, m := range got {
			fmt.Fprintf(e.out, "%d\t%s\t%s\t%s/%s\t%s\n", m.SequenceID, m.SentDate, m.Source, m.Payload.AppID, m.Payload.SchemaID, m.Payload.Data)
		}
	})
}

type commitCmd struct {
	clientFlags
	OID      string `required:"" name:"oid" placeholder:"OID" help:"cli.exchange.oid"`
	Sequence int64  `required:"" help:"cli.exchange.sequence"`
}

func (c *commitCmd) Run(e *env) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	if err := cl.Commit(e.ctx, ucri.MessageRef{Destination: c.OID, SequenceID: c.Sequence}); err != nil {
		return err
	}
	return e.show(map[string]any{"destination": c.OID, "sequenceId": c.Sequence}, func() {
		e.say("cli.exchange.committed", i18n.Args{"sequence": strconv.FormatInt(c.Sequence, 10), "destination": c.OID})
	})
}

type registryCmd struct{ clientFlags }

func (c *registryCmd) Run(e *env) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	list, err := cl.Registry(e.ctx)
	if err != nil {
		return err
	}
	return e.show(list, func() {
		w := tabwriter.NewWriter(e.out, 0, 8, 2, ' ', 0)
		for _, p := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", p.ID, p.Type, p.Status, p.OperatorName)
		}
		w.Flush()
	})
}

type statusCmd struct{ configFlag }

func (c *statusCmd) Run(e *env) error {
	return e.withDB(c.Config, func(ctx context.Context, cfg *app.Config, o *app.Opened) error {
		var queues []exchange.QueueState
		if err := o.DB.Read(ctx, func(tx *store.Tx) (err error) {
			queues, err = exchange.QueueStates(tx)
			return err
		}); err != nil {
			return err
		}
		return e.show(queues, func() {
			for _, u := range cfg.Exchange.Unjudged() {
				e.say("cli.exchange.unjudged", i18n.Args{"account": u.Account, "addresses": strings.Join(u.OIDs, ", "), "agreement": u.Agreement})
			}
			if len(queues) == 0 {
				e.say("cli.exchange.no_queues", nil)
				return
			}
			w := tabwriter.NewWriter(e.out, 0, 8, 2, ' ', 0)
			fmt.Fprintln(w, e.t("cli.exchange.queues.head", nil))
			for _, q := range queues {
				fmt.Fprintf(w, "%s\t%d\t%d\t%s\n", q.Destination, q.LastSeq, q.Waiting, e.yes(q.Online))
			}
			w.Flush()
		})
	})
}

type peersCmd struct {
	configFlag
	Quarantine   string `placeholder:"PEER" xor:"action" help:"cli.exchange.quarantine"`
	Unquarantine string `placeholder:"PEER" xor:"action" help:"cli.exchange.unquarantine"`
}

func (c *peersCmd) Run(e *env) error {
	return e.withDB(c.Config, func(ctx context.Context, cfg *app.Config, o *app.Opened) error {
		if peer := c.Quarantine + c.Unquarantine; peer != "" {
			return c.set(ctx, e, o, peer, c.Quarantine != "")
		}
		var peers []exchange.PeerState
		if err := o.DB.Read(ctx, func(tx *store.Tx) (err error) {
			peers, err = exchange.PeerStates(tx)
			return err
		}); err != nil {
			return err
		}
		return e.show(peers, func() {
			if len(peers) == 0 {
				e.say("cli.exchange.no_peers", nil)
				return
			}
			w := tabwriter.NewWriter(e.out, 0, 8, 2, ' ', 0)
			fmt.Fprintln(w, e.t("cli.exchange.peers.head", nil))
			for _, p := range peers {
				read, failure := e.t("cli.never", nil), ""
				if p.FetchedAt > 0 {
					read = e.texts.DateTime(e.lang, time.UnixMilli(p.FetchedAt))
				}
				if p.Failure != "" {
					failure = e.t(p.Failure, nil)
				}
				fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%+d ms\t%s\t%s\n", p.ID, read, p.Participants, p.Waiting, p.SkewMs, e.yes(p.Quarantined), failure)
			}
			w.Flush()
		})
	})
}

func (c *peersCmd) set(ctx context.Context, e *env, o *app.Opened, peer string, on bool) error {
	found := false
	if err := o.DB.Write(ctx, func(tx *store.Tx) (err error) {
		found, err = exchange.Quarantine(tx, o.Audit, peer, on)
		return err
	}); err != nil {
		return err
	}
	if err := o.Audit.Sequence(ctx); err != nil {
		return err
	}
	if !found {
		return problem.New("cli.peers", problem.NotFound, "cli.exchange.no_peer", i18n.Args{"peer": peer})
	}
	key := "cli.exchange.unquarantined"
	if on {
		key = "cli.exchange.quarantined"
	}
	return e.show(map[string]any{"peer": peer, "quarantined": on}, func() { e.say(key, i18n.Args{"peer": peer}) })
}

func (e *env) yes(b bool) string {
	if b {
		return e.t("cli.yes", nil)
	}
	return e.t("cli.no", nil)
}
