package demo

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"trojmezi/internal/exchange/ucrmclient"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
)

//go:embed locales/*.json
var locales embed.FS

// Locales returns the package's texts.
func Locales() fs.FS { return locales }

//go:embed play/*.json
var play embed.FS

// place is a control room of the demo.
type place struct {
	Name     string // of its folder, in the log and on the command line
	Title    string
	Language string
	OID      string // of the node
	Desk     string // OID of its dispatch system
	System   string
	Operator string
	Short    string
	Phone    string // of the desk; no number that exists
	Country  string
	// Sirens are told by a folder of what concerns these places.
	Sirens      string
	SirenPlaces []string
	People      []person
	Systems     []system // behind gateways of the node
}

// participants are the addresses at the place's node.
func (p place) participants() []string {
	all := []string{p.Desk}
	for _, s := range p.Systems {
		all = append(all, s.OID)
	}
	return all
}

// person has an account at the place's console. The names are invented.
type person struct{ Login, Role, Name string }

const (
	// readyTimeout is how long the nodes may take to know each other; they poll
	// every two seconds, and a slow machine creates three databases at once.
	readyTimeout = 90 * time.Second
	// readyPoll is how often they are asked.
	readyPoll = 100 * time.Millisecond

	// deskLogin is the account of each dispatch system.
	deskLogin = "dispatch"
	roleDesk  = "client"
)

// Options says how the demo runs.
type Options struct {
	// Data is the folder that keeps keys, passwords, databases and logs; a
	// further run with it goes on where the last ended. "": a temporary folder,
	// removed at the end.
	Data string
	// Once ends the demo after the play and the replay; otherwise it runs until ctx ends.
	Once bool
	// Replay also plays the flood of 2010, on a page of its own.
	Replay bool
	// Insecure uses plain HTTP on the loopback interface instead of mTLS.
	Insecure bool
	// Out gets everything a person reads.
	Out   io.Writer
	Texts *i18n.Bundle
	Lang  i18n.Lang
	// Binary is the program, started as "Binary serve --config FILE"; "": the
	// one that runs.
	Binary string
	// Ports are the wanted ports, three for browsers and three for the exchange;
	// nil: DefaultPorts. A taken one is replaced by a free one.
	Ports []int
}

// DefaultPorts lie together, above those a developer's own servers usually take.
var DefaultPorts = []int{8101, 8102, 8103, 8201, 8202, 8203}

// Run starts the nodes, prints "demo NAME URL ROLE LOGIN PASSWORD" for each
// account, with a replay "demo replay URL", and "demo ready" once all know each other, plays the exchange, prints "demo
// played" and waits for the end of ctx, which is no error. When it returns, no process of
// its own is left. An error that has a text for people is a *problem.Error.
func Run(ctx context.Context, o Options) error {
	out := &output{w: o.Out}
	d := &demo{out: out, texts: o.Texts, lang: o.Lang, binary: o.Binary, insecure: o.Insecure, clock: clock.System()}
	err := d.run(ctx, o)
	if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
		return nil
	}
	return err
}

type demo struct {
	out      *output
	texts    *i18n.Bundle
	lang     i18n.Lang
	binary   string
	insecure bool
	clock    *clock.Clock
}

// say prints a line for people.
func (d *demo) say(key string, args i18n.Args) {
	fmt.Fprintln(d.out, d.texts.Text(d.lang, key, args))
}

func (d *demo) run(ctx context.Context, o Options) (err error) {
	if d.binary == "" {
		if d.binary, err = os.Executable(); err != nil {
			return &problem.Error{Op: "demo: program", Key: "demo.error.binary", Args: i18n.Args{"file": "trojmezi", "detail": err.Error()}, Err: err}
		}
	}
	dir := o.Data
	if dir == "" {
		if dir, err = os.MkdirTemp("", "trojmezi-demo-"); err != nil {
			return folderError(os.TempDir(), err)
		}
		defer os.RemoveAll(dir)
	} else if dir, err = filepath.Abs(dir); err != nil {
		return folderError(o.Data, err)
	}
	places, err := loadPlaces()
	if err != nil {
		return err
	}
	wanted := o.Ports
	if wanted == nil {
		wanted = DefaultPorts
	}
	ports, err := d.choosePorts(ctx, wanted)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	pager, page, err := d.pager(ctx)
	if err != nil {
		return err
	}
	f, err := prepare(dir, places, ports, pager, d.insecure, d.clock.Now())
	if err != nil {
		return folderError(dir, err)
	}
	d.say("demo.folder", i18n.Args{"dir": dir})

	if err := d.employ(ctx, f); err != nil {
		return err
	}
	out := foreignOf(f)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(page)
	for _, s := range out {
		g.Go(func() error { return s.run(ctx) })
	}
	listen := ""
	if o.Replay {
		port, err := d.choosePorts(ctx, []int{replayPort})
		if err != nil {
			return err
		}
		listen = net.JoinHostPort("127.0.0.1", strconv.Itoa(port[0]))
	}
	replayed := make(chan struct{}) // closed when the replay is over, or there is none
	if o.Replay {
		g.Go(func() error {
			defer close(replayed)
			return d.replay(ctx, listen, o.Once)
		})
	} else {
		close(replayed)
	}
	procs := make([]*process, len(f.nodes))
	for i, n := range f.nodes {
		procs[i] = newProcess(d, n)
		g.Go(func() error { return procs[i].supervise(ctx) })
	}
	g.Go(func() error {
		defer stop() // the nodes end with the demo
		if err := d.show(ctx, f, procs, out, listen, o.Once); err != nil {
			return err
		}
		select {
		case <-replayed:
		case <-ctx.Done():
		}
		return nil
	})
	return g.Wait()
}

func folderError(dir string, err error) error {
	return &problem.Error{Op: "demo: folder", Key: "demo.error.folder", Args: i18n.Args{"dir": dir, "detail": err.Error()}, Err: err}
}

func loadPlaces() ([]place, error) {
	raw, err := play.ReadFile("play/places.json")
	if err != nil {
		return nil, fmt.Errorf("demo: places: %w", err)
	}
	var list []place
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("demo: places: %w", err)
	}
	return list, nil
}

// show is the demo as its reader sees it.
func (d *demo) show(ctx context.Context, f *folder, procs []*process, out foreign, replay string, once bool) error {
	for _, p := range procs {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.listening:
		}
	}
	desks := make([]*desk, len(f.nodes))
	for i, n := range f.nodes {
		c, err := ucrmclient.New(ucrmclient.Config{
			BaseURL: n.exchangeURL() + "/ucrm/client/v0", Username: deskLogin, Password: f.passwords[n.place.Name+"/"+deskLogin], TLS: f.clientTLS(),
		})
		if err != nil {
			return err
		}
		defer c.Close()
		desks[i] = newDesk(n.place, c)
	}
	if err := d.waitReady(ctx, desks); err != nil {
		return err
	}
	for _, n := range f.nodes {
		fmt.Fprintln(d.out, "demo", n.place.Name, "http://"+n.listen, roleDesk, deskLogin, f.passwords[n.place.Name+"/"+deskLogin])
		for _, p := range n.place.People {
			fmt.Fprintln(d.out, "demo", n.place.Name, "http://"+n.listen, p.Role, p.Login, f.passwords[n.place.Name+"/"+p.Login])
		}
	}
	if replay != "" {
		fmt.Fprintln(d.out, "demo", "replay", "http://"+replay+replayPath)
	}
	fmt.Fprintln(d.out, "demo ready")
	// The dispatch systems go on reading after the play, for whoever then works at
	// a console.
	ctx, stop := context.WithCancel(ctx)
	var readers sync.WaitGroup
	defer readers.Wait()
	defer stop()
	for _, k := range desks {
		readers.Go(func() { k.read(ctx) })
	}
	if err := d.play(ctx, f, desks, out); err != nil {
		return err
	}
	fmt.Fprintln(d.out, "demo played")
	if once {
		return nil
	}
	if replay != "" { // the play has carried the line above away
		d.say("demo.replay", i18n.Args{"url": "http://" + replay + replayPath})
	}
	d.say("demo.wait", nil)
	<-ctx.Done()
	return ctx.Err()
}

// waitReady returns when every node has all others' participants and says that
// its start is over.
func (d *demo) waitReady(ctx context.Context, desks []*desk) error {
	deadline := time.Now().Add(readyTimeout)
	for _, k := range desks {
		for {
			why := k.missing(ctx, desks)
			if why == nil {
				break
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if time.Now().After(deadline) {
				return &problem.Error{Op: "demo: start", Kind: problem.Unavailable, Key: "demo.error.unready",
					Args: i18n.Args{"name": k.place.Title, "detail": why.Error(), "seconds": int(readyTimeout / time.Second)}, Err: why}
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(readyPoll):
			}
		}
	}
	return nil
}

// missing tells what the node still lacks.
func (k *desk) missing(ctx context.Context, desks []*desk) error {
	info, err := k.client.Info(ctx)
	if err != nil {
		return err
	}
	if info.Status != ucri.NodeNormal {
		return fmt.Errorf("status %d", info.Status)
	}
	list, err := k.client.Registry(ctx)
	if err != nil {
		return err
	}
	for _, other := range desks {
		for _, oid := range other.place.participants() {
			if !slices.ContainsFunc(list, func(p *ucri.Participant) bool { return p.ID == oid }) {
				return fmt.Errorf("no %s in the registry", oid)
			}
		}
	}
	return nil
}

// output writes whole lines from several goroutines.
type output struct {
	mu sync.Mutex
	w  io.Writer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.w.Write(p)
}

// lines cuts what is written to it into lines.
type lines struct {
	line func(string)
	rest []byte
}

// maxLine cuts a line without end.
const maxLine = 64 << 10

func (l *lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		i := slices.Index(l.rest, '\n')
		if i < 0 && len(l.rest) < maxLine {
			return len(p), nil
		}
		if i < 0 {
			i = maxLine - 1
		}
		l.line(strings.TrimRight(string(l.rest[:i]), "\r\n"))
		l.rest = l.rest[i+1:]
	}
}
