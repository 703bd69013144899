package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"trojmezi/internal/exchange"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

// Version is the release, set by the linker.
var Version = "0.1.0-dev"

// Texts loads the translations of every package that has some; extra adds those
// of the command line.
func Texts(extra ...fs.FS) (*i18n.Bundle, error) {
	return i18n.Load(append([]fs.FS{
		access.Locales, identity.Locales, web.Locales, ucri.Locales(), audit.Locales, exchange.Locales(), Locales(),
	}, extra...)...)
}

// Opened is a node's database with what belongs to it, for serving and for the
// commands that work on it directly.
type Opened struct {
	DB    *store.DB
	Key   *seal.Node
	Ring  *seal.Ring
	Audit *audit.Log
	Clock *clock.Clock
}

// module is one part with tables of its own, in the order of migration.
var modules = []struct {
	name  string
	files func() fs.FS
}{
	{"seal", func() fs.FS { return seal.Migrations() }},
	{"audit", func() fs.FS { return audit.Migrations() }},
	{"job", func() fs.FS { return job.Migrations() }},
	{"exchange", func() fs.FS { return exchange.Migrations() }},
}

// settingKey remembers which node key a database belongs to.
const settingKey = "node.key"

// settingRestoring marks a database into which a restore is not complete.
const settingRestoring = "restoring"

// Open opens the database of a configuration and brings its tables up to date.
// The node key is made on the first start of an empty database only.
func Open(ctx context.Context, c *Config, log *slog.Logger) (*Opened, error) {
	clk := clock.System()
	db, err := store.Open(ctx, store.Config{Dir: c.DataDir(), URL: c.Database, Log: log, Clock: clk})
	if err != nil {
		return nil, explain(err)
	}
	o, err := open(ctx, c, db, clk, log)
	if err != nil {
		db.Close()
		return nil, explain(err)
	}
	return o, nil
}

func open(ctx context.Context, c *Config, db *store.DB, clk *clock.Clock, log *slog.Logger) (*Opened, error) {
	if err := MigrateAll(ctx, db); err != nil {
		return nil, err
	}
	var known, restoring string
	if err := db.Read(ctx, func(tx *store.Tx) (err error) {
		if restoring, err = tx.Setting(settingRestoring); err != nil {
			return err
		}
		known, err = tx.Setting(settingKey)
		return err
	}); err != nil {
		return nil, err
	}
	if restoring != "" {
		return nil, problem.New("app.Open", problem.Conflict, "app.restore.unfinished", nil)
	}
	load := seal.Load
	if known == "" {
		load = seal.LoadOrCreate
	}
	key, err := load(c.KeyFile())
	if err == nil && known != "" && key.Fingerprint() != known || errors.Is(err, seal.ErrNoKey) {
		return nil, problem.New("app.Open", problem.Conflict, "app.start.foreign_key", i18n.Args{"file": c.KeyFile()})
	}
	if err != nil {
		return nil, err
	}
	err = db.Write(ctx, func(tx *store.Tx) error {
		// Two instances may start at once: the first one's key counts.
		if known, err := tx.Setting(settingKey); err != nil || known == key.Fingerprint() {
			return err
		} else if known != "" {
			return problem.New("app.Open", problem.Conflict, "app.start.foreign_key", i18n.Args{"file": c.KeyFile()})
		}
		return tx.SetSetting(settingKey, key.Fingerprint())
	})
	if err != nil {
		return nil, err
	}
	return &Opened{DB: db, Key: key, Ring: seal.NewRing(key, clk), Audit: audit.New(db, key, clk, log), Clock: clk}, nil
}

// MigrateAll brings the tables of all modules up to date.
func MigrateAll(ctx context.Context, db *store.DB) error {
	for _, m := range modules {
		if err := db.Migrate(ctx, m.name, m.files()); err != nil {
			return err
		}
	}
	return nil
}

// explain turns what a person can act on into a text.
func explain(err error) error {
	if errors.Is(err, store.ErrNewer) {
		return &problem.Error{Op: "app.Open", Kind: problem.Conflict, Key: "app.start.newer", Err: err}
	}
	return err
}

// Serve runs a node until ctx ends. The line "Listening on port N" goes to out
// once the exchange accepts connections, before any peer is asked.
func Serve(ctx context.Context, c *Config, texts *i18n.Bundle, log *slog.Logger, out io.Writer) error {
	unlock, err := lock(c)
	if err != nil {
		return err
	}
	defer unlock()
	o, err := Open(ctx, c, log)
	if err != nil {
		return err
	}
	defer o.DB.Close()
	policy, err := access.Load(map[string][]byte{"exchange/policy.cedar": exchange.Policy()})
	if err != nil {
		return err
	}
	node, err := exchange.New(ctx, c.Exchange, exchange.Deps{
		DB: o.DB, Key: o.Key, Ring: o.Ring, Audit: o.Audit, Policy: policy, Clock: o.Clock, Texts: texts,
		Log: log, Dir: c.dir, Version: Version, ID: o.Clock.NewID(), Lang: c.lang(),
	})
	if err != nil {
		return err
	}
	jobs := job.New(o.DB, o.Clock, log)
	if err := node.Schedule(ctx, jobs); err != nil {
		return err
	}
	site, err := newSite(c, o, node, texts, log)
	if err != nil {
		return err
	}
	defer site.close()
	g, gctx := errgroup.WithContext(ctx)
	listening := make(chan struct{})
	g.Go(func() error {
		return node.Serve(gctx, func(port int) {
			fmt.Fprintf(out, "Listening on port %d\n", port)
			close(listening)
		})
	})
	g.Go(func() error { return site.serve(gctx) })
	g.Go(func() error { return ended(o.Audit.Run(gctx)) })
	g.Go(func() error { return ended(jobs.Run(gctx)) })
	g.Go(func() error {
		select {
		case <-listening:
			return node.Run(gctx)
		case <-gctx.Done():
			return nil
		}
	})
	return g.Wait()
}

// ended makes the normal end no error.
func ended(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// lock keeps a second process from serving the same SQLite folder. Instances on
// PostgreSQL share the folder's keys and lock nothing.
func lock(c *Config) (unlock func(), err error) {
	if c.Database != "" {
		return func() {}, nil
	}
	if err := os.MkdirAll(c.DataDir(), 0o750); err != nil {
		return nil, fmt.Errorf("app: data folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(c.DataDir(), "node.lock"), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, fmt.Errorf("app: data folder: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, &problem.Error{Op: "app.Serve", Kind: problem.Conflict, Key: "app.start.locked", Args: i18n.Args{"dir": c.DataDir()}, Err: err}
	}
	return func() { f.Close() }, nil
}

// site is the browser's side of the node.
type site struct {
	srv *http.Server
	l   net.Listener
}

func newSite(c *Config, o *Opened, node *exchange.Node, texts *i18n.Bundle, log *slog.Logger) (*site, error) {
	rt := web.NewRouter(web.Config{Bundle: texts, Log: log, Clock: o.Clock})
	rt.Health(web.Check{Name: "database", Func: o.DB.Ping})
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	reg.MustRegister(node.Collectors()...)
	rt.Metrics(reg)
	rt.Handle("GET /{$}", func(w http.ResponseWriter, r *http.Request) error {
		return web.Render(w, r, http.StatusOK, web.StatusPage(status(r.Context(), c, o, node, texts)))
	})
	rt.Handle("GET /api/exchange/openapi.json", exchange.ServeOpenAPI)
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("app: listen: %w", err)
	}
	if c.ListenTLS.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Path(c.ListenTLS.Cert), c.Path(c.ListenTLS.Key))
		if err != nil {
			l.Close()
			return nil, fmt.Errorf("app: listen_tls: %w", err)
		}
		l = tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}})
	}
	return &site{l: l, srv: &http.Server{
		Handler:           rt,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}, nil
}

func (s *site) serve(ctx context.Context) error {
	go func() {
		<-ctx.Done()
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if s.srv.Shutdown(drain) != nil {
			s.srv.Close()
		}
	}()
	if err := s.srv.Serve(s.l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("app: serve: %w", err)
	}
	return nil
}

func (s *site) close() { s.l.Close() }

// status is what a stranger may see of the node.
func status(ctx context.Context, c *Config, o *Opened, node *exchange.Node, texts *i18n.Bundle) web.Status {
	lang := web.Lang(ctx)
	s := web.Status{Node: c.Exchange.Operator, OID: c.Exchange.OID, Version: Version, Now: o.Clock.Now(), State: web.StateNormal}
	switch node.Info().Status {
	case 1:
		s.State = web.StateStarting
	case 2:
		s.State = web.StateFaulty
	}
	db := web.Row{Label: texts.Text(lang, "app.status.database", nil), Value: texts.Text(lang, "app.status.database.ok", nil), State: web.StateNormal}
	if err := o.DB.Ping(ctx); err != nil {
		db.Value, db.State, s.State = texts.Text(lang, "app.status.database.down", nil), web.StateFaulty, web.StateFaulty
	}
	s.Rows = append(s.Rows, db, web.Row{Label: texts.Text(lang, "app.status.peers", nil), Value: strconv.Itoa(len(c.Exchange.Peers))})
	var held bool
	if err := o.DB.Read(ctx, func(tx *store.Tx) (err error) {
		held, err = exchange.Held(tx)
		return err
	}); err == nil && held {
		s.Rows = append(s.Rows, web.Row{Label: texts.Text(lang, "app.status.held", nil), Value: texts.Text(lang, "app.status.held.yes", nil), State: web.StateFaulty})
	}
	return s
}
