package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"trojmezi/internal/bench"
	"trojmezi/internal/format/ucri"
)

type benchCmd struct {
	Exchange benchExchangeCmd `cmd:"" help:"cli.bench.exchange"`
	Suite    benchSuiteCmd    `cmd:"" help:"cli.bench.suite"`
}

type benchExchangeCmd struct {
	clientFlags
	From        []string      `required:"" placeholder:"OID" help:"cli.bench.from"`
	To          []string      `required:"" placeholder:"OID" help:"cli.bench.to"`
	ToURL       string        `name:"to-url" placeholder:"URL" help:"cli.bench.to_url"`
	ToUsername  string        `placeholder:"NAME" help:"cli.exchange.username"`
	ToPassword  string        `placeholder:"PASSWORD" env:"TROJMEZI_TO_PASSWORD" help:"cli.exchange.password"`
	Senders     int           `default:"8" help:"cli.bench.senders"`
	Rate        float64       `default:"0" help:"cli.bench.rate"`
	Messages    int           `default:"0" help:"cli.bench.messages"`
	Duration    time.Duration `default:"0s" help:"cli.bench.duration"`
	Ack         string        `enum:"NONE,NACK,ALL" default:"NONE" help:"cli.bench.ack"`
	Payload     int           `default:"430" help:"cli.bench.payload"`
	Disk        string        `type:"existingdir" placeholder:"DIR" help:"cli.bench.disk"`
	AllowRemote bool          `help:"cli.bench.remote"`
	Discard     bool          `help:"cli.bench.discard"`
}

func (c *benchExchangeCmd) Run(e *env) error {
	from := bench.Side{BaseURL: c.URL, Username: c.Username, Password: c.Password, OIDs: c.From}
	to := bench.Side{BaseURL: c.ToURL, Username: c.ToUsername, Password: c.ToPassword, OIDs: c.To}
	if to.BaseURL == "" {
		to.BaseURL, to.Username, to.Password = from.BaseURL, from.Username, from.Password
	}
	var err error
	if from.TLS, err = c.tls(); err != nil {
		return err
	}
	to.TLS = from.TLS
	p := bench.Printer{W: e.out, Texts: e.texts, Lang: e.lang}
	base, err := bench.MeasureBaseline(e.ctx, c.Disk, c.Senders, 0)
	if err != nil {
		return err
	}
	r, err := bench.Run(e.ctx, bench.Options{
		From: from, To: to, Senders: c.Senders, Rate: c.Rate, Messages: c.Messages, Duration: c.Duration,
		Ack: ucri.Ack(c.Ack), Payload: c.Payload, AllowRemote: c.AllowRemote, Discard: c.Discard,
		Progress: bench.Printer{W: e.errw, Texts: e.texts, Lang: e.lang}.Progress,
	})
	if err != nil {
		return err
	}
	if err := e.show(map[string]any{"baseline": base, "result": r}, func() {
		p.Baseline(base)
		p.Result(r)
	}); err != nil {
		return err
	}
	if !r.Clean() {
		return exit(exitFailed)
	}
	return nil
}

type benchSuiteCmd struct {
	Dir      string        `type:"existingdir" placeholder:"DIR" help:"cli.bench.dir"`
	RAMDisk  string        `name:"ram-disk" default:"/dev/shm" help:"cli.bench.ram"`
	Messages int           `default:"0" help:"cli.bench.messages"`
	Paced    time.Duration `default:"0s" help:"cli.bench.paced"`
}

// Run starts two federated nodes on disk and two on a RAM disk, measures them
// and prints the speed table.
func (c *benchSuiteCmd) Run(e *env) error {
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	disk, nodes, err := startPair(ctx, e, c.Dir)
	if err != nil {
		return err
	}
	defer disk.stop()
	o := bench.SuiteOptions{Nodes: *nodes, Disk: disk.dir, Messages: c.Messages, Paced: c.Paced,
		Progress: func(name string, p bench.Progress) {
			fmt.Fprint(e.errw, e.t("bench.case."+name, nil), " ")
			bench.Printer{W: e.errw, Texts: e.texts, Lang: e.lang}.Progress(p)
		}}
	if info, err := os.Stat(c.RAMDisk); err == nil && info.IsDir() {
		memory, nodes, err := startPair(ctx, e, c.RAMDisk)
		if err != nil {
			return err
		}
		defer memory.stop()
		o.Memory = nodes
	}
	t, err := bench.Suite(ctx, o)
	if err != nil {
		return err
	}
	return e.show(t, func() { bench.Printer{W: e.out, Texts: e.texts, Lang: e.lang}.Table(t) })
}

// pair is two federated nodes in processes of their own.
type pair struct {
	dir  string
	cmds []*exec.Cmd
}

func (p *pair) stop() {
	for _, c := range p.cmds {
		c.Process.Signal(syscall.SIGTERM)
	}
	for _, c := range p.cmds {
		c.Wait()
	}
	os.RemoveAll(p.dir)
}

// benchOIDs is the widest case's number of destinations.
const benchOIDs = 8

// startPair starts two nodes that are peers in a temporary folder below dir.
func startPair(ctx context.Context, e *env, dir string) (*pair, *bench.Nodes, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	p := &pair{}
	if p.dir, err = os.MkdirTemp(dir, "trojmezi-bench-"); err != nil {
		return nil, nil, err
	}
	ports, err := freePorts(4)
	if err != nil {
		p.stop()
		return nil, nil, err
	}
	var sides [2]struct{ from, to bench.Side }
	for i := range 2 {
		own, other := fmt.Sprintf("1.2.3.%d", i+1), fmt.Sprintf("1.2.3.%d", 2-i)
		var oids []string
		var records []any
		for k := range 2 * benchOIDs {
			oid := fmt.Sprintf("%s.%d", own, k+1)
			oids = append(oids, oid)
			records = append(records, map[string]any{"id": oid, "type": "client", "systemName": "bench", "operatorName": "bench",
				"operatorShortName": "bench", "supportedApps": []any{map[string]any{"appId": "incident_transfer", "appVersion": "1.0"}},
				"techSupport": map[string]any{"phone": "0", "e-mail": "bench@localhost"}, "transmitsUnsignedMessages": true})
		}
		config := map[string]any{
			"data": filepath.Join(p.dir, own), "listen": fmt.Sprintf("127.0.0.1:%d", ports[2+i]),
			"exchange": map[string]any{
				"oid": own, "listen": fmt.Sprintf("127.0.0.1:%d", ports[i]), "insecure_loopback": true,
				"accounts": []any{
					map[string]any{"username": "bench", "password": "bench", "type": "client", "oids": oids},
					map[string]any{"username": "peer", "password": "peer", "type": "p2p"},
				},
				"participants": records,
				"peers": []any{map[string]any{"id": "other", "oid": other, "username": "peer", "password": "peer",
					"base_url": fmt.Sprintf("http://127.0.0.1:%d/ucrm/p2p/v0", ports[1-i])}},
			},
		}
		if err := p.start(ctx, e, binary, own, config); err != nil {
			p.stop()
			return nil, nil, err
		}
		side := bench.Side{BaseURL: fmt.Sprintf("http://127.0.0.1:%d/ucrm/client/v0", ports[i]), Username: "bench", Password: "bench"}
		sides[i].from, sides[i].to = side, side
		sides[i].from.OIDs, sides[i].to.OIDs = oids[:benchOIDs], oids[benchOIDs:]
	}
	return p, &bench.Nodes{
		One: bench.Pair{From: sides[0].from, To: sides[0].to},
		Two: bench.Pair{From: sides[0].from, To: sides[1].to},
	}, nil
}

// start runs one node and waits until it listens.
func (p *pair) start(ctx context.Context, e *env, binary, name string, config any) error {
	text, err := json.Marshal(config) // JSON is YAML
	if err != nil {
		return err
	}
	file := filepath.Join(p.dir, name+".yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, binary, "--log-level=warn", "serve", "--config", file)
	cmd.Stderr = e.errw
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	p.cmds = append(p.cmds, cmd)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "Listening on port ") {
			go io.Copy(io.Discard, out)
			return nil
		}
	}
	return fmt.Errorf("cli: the node %s did not start", name)
}

func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
