package health

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/store"
)

// Thresholds. Each is one of the product's requirements or has its reason here;
// docs/ops/health.md lists them for operators.
const (
	checkClock = "clock"

	diskWarn = 80 // per cent
	diskFull = 95

	backupOld = 24 * time.Hour
	// verifyOld leaves one nightly test restore out before it is a finding.
	verifyOld = 50 * time.Hour

	clockOff = time.Second
	// clockEvery asks public time servers seldom, as their rules demand; a clock
	// that is not kept drifts a second in a day, not in minutes.
	clockEvery = 10 * time.Minute
	// clockPeers is what neighbours' clocks must differ by: their HTTP answers
	// tell whole seconds.
	clockPeers = 2 * time.Second

	certificateSoon = 60 * 24 * time.Hour
	certificateNear = 30 * 24 * time.Hour
	certificateLast = 7 * 24 * time.Hour
	// filesEvery is for what changes by hand.
	filesEvery = 10 * time.Minute

	// clockAhead is how far in the future a remembered time may lie: the clocks of
	// two instances differ by less.
	clockAhead = time.Minute

	// queueOld is how old the oldest waiting message may be: longer than any
	// "telephone now", so that the console has spoken first.
	queueOld = 10 * time.Minute
	// queueMany is the length from which growth counts; a busy minute of a whole
	// region is less.
	queueMany   = 100
	queueWindow = 5 * time.Minute

	// receiverAway is how old a message may get for a dispatch system that does not
	// fetch: it is longer than its restart takes. receiverStuck is the same for one
	// that fetches and confirms nothing.
	receiverAway  = 5 * time.Minute
	receiverStuck = 10 * time.Minute

	// peerDown is how long a link may be down before it is an alarm.
	peerDown = time.Minute

	// recordBehind is how old a leaf outside the audit tree may be: it needs one
	// second, and a busy disk a few.
	recordBehind = time.Minute

	deadListed = 1000
)

// older reports whether a remembered time is longer ago than limit. One that lies
// ahead counts too: it was written by a clock that was wrong, and nobody knows how
// long ago that is.
func older(now, at time.Time, limit time.Duration) bool {
	return now.Sub(at) > limit || ahead(now, at)
}

func ahead(now, at time.Time) bool { return at.Sub(now) > clockAhead }

// Folder is a place on a disk that must not fill up. Name is a text key.
type Folder struct {
	Name string
	Path string
}

// DataFolder is the node's folder.
func DataFolder(path string) Folder { return Folder{"health.folder.data", path} }

// BackupFolder is where the backups lie.
func BackupFolder(path string) Folder { return Folder{"health.folder.backup", path} }

// Disk watches the file systems of folders.
func Disk(folders ...Folder) Check { return disk(statfs, folders) }

// space is what a file system says of itself, in bytes.
type space struct {
	used, free int64 // free for the node, without the reserve of root
	device     uint64
}

func statfs(path string) (space, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return space{}, err
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return space{}, err
	}
	size := int64(fs.Bsize)
	return space{used: int64(fs.Blocks-fs.Bfree) * size, free: int64(fs.Bavail) * size, device: uint64(st.Dev)}, nil
}

func disk(stat func(string) (space, error), folders []Folder) Check {
	return Check{ID: "disk", Area: "health.area.storage", Func: func(context.Context) ([]Finding, error) {
		var out []Finding
		devices := map[uint64]string{}
		for _, f := range folders {
			folder := notify.Text{Key: f.Name}
			s, err := stat(f.Path)
			if err != nil {
				out = append(out, Finding{Text: notify.Text{Key: "health.disk.away", Args: i18n.Args{"folder": folder, "path": f.Path, "reason": err.Error()}},
					Todo: "health.disk.away.do", Level: L3, Object: f.Name})
				continue
			}
			if other, ok := devices[s.device]; ok {
				out = append(out, Finding{Text: notify.Text{Key: "health.disk.same", Args: i18n.Args{"folder": folder, "other": notify.Text{Key: other}}},
					Todo: "health.disk.same.do", Level: L1, Object: f.Name + "/same"})
			}
			devices[s.device] = f.Name
			if s.used+s.free <= 0 {
				continue
			}
			percent := s.used * 100 / (s.used + s.free)
			level := L2
			if percent >= diskFull {
				level = L3
			} else if percent < diskWarn {
				continue
			}
			out = append(out, Finding{Text: notify.Text{Key: "health.disk.full", Args: i18n.Args{"folder": folder, "n": percent, "free": gibibytes(s.free)}},
				Todo: "health.disk.full.do", Level: level, Object: f.Name})
		}
		return out, nil
	}}
}

// gibibytes rounds down to a tenth.
func gibibytes(n int64) float64 { return float64(n*10>>30) / 10 }

// BackupState is what is known of the backups. Times are zero for never.
type BackupState struct {
	Enabled     bool
	Since       time.Time // since when backups are expected: the node's start
	Good        time.Time // end of the last complete one
	Failed      time.Time
	Reason      string // of the failure, English
	Verifying   bool   // test restores are switched on
	Verified    time.Time
	Refuted     time.Time // when a test restore failed last
	RefuteCause string
	KeyKept     bool // a second copy of the node key is configured
}

// Backup watches the backups and their test restores.
func Backup(clk *clock.Clock, state func(context.Context) (BackupState, error)) Check {
	return Check{ID: "backup", Area: "health.area.backup", Func: func(ctx context.Context) ([]Finding, error) {
		s, err := state(ctx)
		if err != nil {
			return nil, err
		}
		now := clk.Now()
		if !s.Enabled {
			return []Finding{{Text: notify.Text{Key: "health.backup.none"}, Todo: "health.backup.none.do", Level: L2, Object: "backup"}}, nil
		}
		var out []Finding
		last := s.Good
		if last.IsZero() {
			last = s.Since
		}
		switch {
		case ahead(now, last):
			out = append(out, Finding{Text: notify.Text{Key: "health.backup.ahead", Args: i18n.Args{"at": last}}, Todo: "health.ahead.do", Level: L2, Object: "backup"})
		case now.Sub(last) > backupOld && s.Good.IsZero():
			out = append(out, Finding{Text: notify.Text{Key: "health.backup.never"}, Todo: "health.backup.do", Level: L2, Object: "backup", Since: s.Since})
		case now.Sub(last) > backupOld:
			out = append(out, Finding{Text: notify.Text{Key: "health.backup.old", Args: i18n.Args{"at": s.Good}}, Todo: "health.backup.do", Level: L2, Object: "backup", Since: s.Good.Add(backupOld)})
		case s.Failed.After(s.Good) && !ahead(now, s.Failed):
			out = append(out, Finding{Text: notify.Text{Key: "health.backup.failed", Args: i18n.Args{"at": s.Failed, "reason": s.Reason}}, Todo: "health.backup.do", Level: L2, Object: "backup"})
		}
		tried := s.Verified
		if tried.IsZero() {
			tried = s.Since
		}
		switch {
		case s.Refuted.After(s.Verified) && !ahead(now, s.Refuted):
			out = append(out, Finding{Text: notify.Text{Key: "health.backup.refuted", Args: i18n.Args{"at": s.Refuted, "reason": s.RefuteCause}}, Todo: "health.backup.refuted.do", Level: L2, Object: "verify"})
		case s.Verifying && ahead(now, tried):
			out = append(out, Finding{Text: notify.Text{Key: "health.backup.test_ahead", Args: i18n.Args{"at": tried}}, Todo: "health.ahead.do", Level: L2, Object: "verify"})
		case s.Verifying && now.Sub(tried) > verifyOld:
			out = append(out, Finding{Text: notify.Text{Key: "health.backup.untested", Args: i18n.Args{"at": tried}}, Todo: "health.backup.untested.do", Level: L2, Object: "verify"})
		}
		if !s.KeyKept {
			out = append(out, Finding{Text: notify.Text{Key: "health.backup.no_key"}, Todo: "health.backup.no_key.do", Level: L1, Object: "key"})
		}
		return out, nil
	}}
}

// Skew is how far our clock is behind another (negative: ahead).
type Skew struct {
	Source string
	Offset time.Duration
}

// Clock compares our clock with time servers.
func Clock(clk *clock.Clock, servers []string) Check {
	return Check{ID: checkClock, Area: "health.area.clock", Every: clockEvery, Func: func(ctx context.Context) ([]Finding, error) {
		var mu sync.Mutex
		var offsets []time.Duration
		var errs []error
		var wg sync.WaitGroup
		for _, s := range servers {
			wg.Go(func() {
				d, err := askTime(ctx, s, clk)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					errs = append(errs, err)
				} else {
					offsets = append(offsets, d)
				}
			})
		}
		wg.Wait()
		if len(offsets) == 0 {
			return []Finding{{Text: notify.Text{Key: "health.clock.unknown", Args: i18n.Args{"reason": errors.Join(errs...).Error()}}, Todo: "health.clock.unknown.do", Level: L1}}, nil
		}
		return clockFinding(median(offsets), clockOff), nil
	}}
}

// ClockPeers compares our clock with the neighbours' where no time server may be
// asked. One neighbour that differs from us may be wrong himself; most are not.
func ClockPeers(skews func(context.Context) ([]Skew, error)) Check {
	return Check{ID: checkClock, Area: "health.area.clock", Func: func(ctx context.Context) ([]Finding, error) {
		list, err := skews(ctx)
		if err != nil || len(list) == 0 {
			return nil, err
		}
		var offsets []time.Duration
		for _, s := range list {
			offsets = append(offsets, s.Offset)
		}
		// With two neighbours the smaller difference counts: one of them agrees.
		if m := median(offsets); len(list) > 1 {
			if out := clockFinding(m, clockPeers); out != nil {
				return out, nil
			}
		}
		var out []Finding
		for _, s := range list {
			if s.Offset.Abs() >= clockPeers {
				out = append(out, Finding{Text: notify.Text{Key: "health.clock.peer", Args: i18n.Args{"peer": s.Source, "d": s.Offset.Abs()}}, Todo: "health.clock.peer.do", Level: L1, Object: s.Source})
			}
		}
		return out, nil
	}}
}

func clockFinding(offset, limit time.Duration) []Finding {
	if offset.Abs() <= limit {
		return nil
	}
	key := "health.clock.behind"
	if offset < 0 {
		key = "health.clock.ahead"
	}
	// Below a second the text would say 0 s.
	seconds := float64(offset.Abs().Milliseconds()/100) / 10
	return []Finding{{Text: notify.Text{Key: key, Args: i18n.Args{"seconds": seconds}}, Todo: "health.clock.do", Level: L2}}
}

// median of an even number is the one of the middle two nearer to zero.
func median(d []time.Duration) time.Duration {
	d = slices.Clone(d)
	slices.Sort(d)
	a, b := d[(len(d)-1)/2], d[len(d)/2]
	if b.Abs() < a.Abs() {
		return b
	}
	return a
}

// Certificate is one that ends. Name says whose or which file.
type Certificate struct {
	Name      string
	NotBefore time.Time
	NotAfter  time.Time
	Err       error // it could not be read
}

// Chain is a certificate with those that it needs, in DER form: the one that ends
// first counts.
func Chain(name string, der [][]byte) Certificate {
	c := Certificate{Name: name}
	for _, d := range der {
		cert, err := x509.ParseCertificate(d)
		if err != nil {
			return Certificate{Name: name, Err: err}
		}
		if c.NotAfter.IsZero() || cert.NotAfter.Before(c.NotAfter) {
			c.NotAfter = cert.NotAfter
		}
		if cert.NotBefore.After(c.NotBefore) {
			c.NotBefore = cert.NotBefore
		}
	}
	if c.NotAfter.IsZero() {
		c.Err = fmt.Errorf("no certificate in %s", name)
	}
	return c
}

// PEMFiles reads the certificates of each file as a Chain. Files without
// certificates are errors.
func PEMFiles(files ...string) []Certificate {
	var out []Certificate
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			out = append(out, Certificate{Name: file, Err: err})
			continue
		}
		var der [][]byte
		for {
			var block *pem.Block
			if block, text = pem.Decode(text); block == nil {
				break
			}
			if block.Type == "CERTIFICATE" {
				der = append(der, block.Bytes)
			}
		}
		out = append(out, Chain(file, der))
	}
	return out
}

// Certificates watches the end of certificates, 60, 30 and 7 days before.
func Certificates(clk *clock.Clock, list func(context.Context) ([]Certificate, error)) Check {
	return Check{ID: "certificate", Area: "health.area.certificates", Every: filesEvery, Func: func(ctx context.Context) ([]Finding, error) {
		certs, err := list(ctx)
		if err != nil {
			return nil, err
		}
		now := clk.Now()
		var out []Finding
		for _, c := range certs {
			f := Finding{Object: c.Name, Todo: "health.certificate.do", Text: notify.Text{Args: i18n.Args{"name": c.Name, "until": c.NotAfter}}}
			left := c.NotAfter.Sub(now)
			switch {
			case c.Err != nil:
				f.Text = notify.Text{Key: "health.certificate.unreadable", Args: i18n.Args{"name": c.Name, "reason": c.Err.Error()}}
				f.Todo, f.Level = "health.certificate.unreadable.do", L2
			case now.Before(c.NotBefore):
				f.Text = notify.Text{Key: "health.certificate.early", Args: i18n.Args{"name": c.Name, "at": c.NotBefore}}
				f.Todo, f.Level = "health.certificate.early.do", L3
			case left <= 0:
				f.Key, f.Level = "health.certificate.ended", L3
			case left > certificateSoon:
				continue
			default:
				f.Key, f.Args["n"] = "health.certificate.ends", int64(left/(24*time.Hour))
				f.Level = L1
				if left <= certificateLast {
					f.Level = L3
				} else if left <= certificateNear {
					f.Level = L2
				}
			}
			out = append(out, f)
		}
		return out, nil
	}}
}

// Queue is how much waits for somebody. Oldest is zero when nothing does.
type Queue struct {
	Name    string
	Waiting int64
	Oldest  time.Time
}

// Queues watches queues for age and growth.
func Queues(clk *clock.Clock, list func(context.Context) ([]Queue, error)) Check {
	type sample struct {
		at time.Time
		n  int64
	}
	past := map[string][]sample{}
	return Check{ID: "queue", Area: "health.area.links", Func: func(ctx context.Context) ([]Finding, error) {
		queues, err := list(ctx)
		if err != nil {
			return nil, err
		}
		now := clk.Now()
		var out []Finding
		current := map[string][]sample{}
		for _, q := range queues {
			// The newest sample that is older than the window is the one to
			// compare with.
			s := append(past[q.Name], sample{now, q.Waiting})
			for len(s) > 1 && now.Sub(s[1].at) >= queueWindow {
				s = s[1:]
			}
			current[q.Name] = s
			grown := now.Sub(s[0].at) >= queueWindow && q.Waiting >= queueMany && q.Waiting > s[0].n
			f := Finding{Object: q.Name, Todo: "health.queue.do", Level: L2, Text: notify.Text{Args: i18n.Args{"queue": q.Name, "n": q.Waiting}}}
			switch {
			case q.Waiting > 0 && ahead(now, q.Oldest):
				f.Key, f.Args["at"], f.Todo = "health.queue.ahead", q.Oldest, "health.ahead.do"
			case q.Waiting > 0 && !q.Oldest.IsZero() && now.Sub(q.Oldest) > queueOld:
				f.Key, f.Args["d"], f.Since = "health.queue.old", now.Sub(q.Oldest).Truncate(time.Minute), q.Oldest.Add(queueOld)
			case grown:
				f.Key, f.Args["before"] = "health.queue.growing", s[0].n
			default:
				continue
			}
			out = append(out, f)
		}
		past = current
		return out, nil
	}}
}

// Receiver is a dispatch system of the node's own and what waits for it. Oldest is
// zero when nothing does; Online says that it fetches.
type Receiver struct {
	Address string
	Name    string
	Waiting int64
	Oldest  time.Time
	Online  bool
}

// Receivers watches what the node's own dispatch systems do not fetch or confirm.
func Receivers(clk *clock.Clock, list func(context.Context) ([]Receiver, error)) Check {
	return Check{ID: "receiver", Area: "health.area.receivers", Func: func(ctx context.Context) ([]Finding, error) {
		receivers, err := list(ctx)
		if err != nil {
			return nil, err
		}
		now := clk.Now()
		var out []Finding
		for _, r := range receivers {
			f := Finding{Object: r.Address, Level: L2, Text: notify.Text{Key: "health.receiver.away",
				Args: i18n.Args{"receiver": r.Name, "n": r.Waiting, "at": r.Oldest}}, Todo: "health.receiver.away.do", Since: r.Oldest}
			limit := receiverAway
			if r.Online {
				f.Key, f.Todo, limit = "health.receiver.stuck", "health.receiver.stuck.do", receiverStuck
			}
			if r.Waiting > 0 && !r.Oldest.IsZero() && older(now, r.Oldest, limit) {
				out = append(out, f)
			}
		}
		return out, nil
	}}
}

// Peer is the line to a neighbour's node. Since is when it went down.
type Peer struct {
	Name   string
	Down   bool
	Since  time.Time
	Reason string // text key
}

// Peers watches the lines to the neighbours. All of them down, or the only one,
// is to act on now.
func Peers(clk *clock.Clock, list func(context.Context) ([]Peer, error)) Check {
	return Check{ID: "peer", Area: "health.area.links", Func: func(ctx context.Context) ([]Finding, error) {
		peers, err := list(ctx)
		if err != nil {
			return nil, err
		}
		now := clk.Now()
		var out []Finding
		var last time.Time // when the last of them went down
		for _, p := range peers {
			if !p.Down || !older(now, p.Since, peerDown) {
				continue
			}
			if p.Since.After(last) {
				last = p.Since
			}
			out = append(out, Finding{Text: notify.Text{Key: "health.peer.down", Args: i18n.Args{"peer": p.Name, "reason": notify.Text{Key: p.Reason}}},
				Todo: "health.peer.do", Level: L2, Object: p.Name, Since: p.Since})
		}
		switch {
		case len(out) == 0 || len(out) < len(peers):
		case len(out) == 1:
			out[0].Level = L3
		default:
			out = append(out, Finding{Text: notify.Text{Key: "health.peer.all", Args: i18n.Args{"n": len(out)}}, Todo: "health.peer.all.do", Level: L3, Object: "*", Since: last})
		}
		return out, nil
	}}
}

// Record watches the audit log: outside is how many events are not in the tree
// yet, oldest the time of the first of them.
func Record(clk *clock.Clock, waiting func(context.Context) (outside int64, oldest time.Time, err error)) Check {
	return Check{ID: "record", Area: "health.area.record", Func: func(ctx context.Context) ([]Finding, error) {
		n, oldest, err := waiting(ctx)
		if err != nil || n == 0 || !older(clk.Now(), oldest, recordBehind) {
			return nil, err
		}
		return []Finding{{Text: notify.Text{Key: "health.record.behind", Args: i18n.Args{"n": n, "at": oldest}}, Todo: "health.record.do", Level: L2, Since: oldest}}, nil
	}}
}

// Jobs watches for background work that failed for good.
func Jobs(db *store.DB, jobs *job.Queue) Check {
	return Check{ID: "job", Area: "health.area.jobs", Func: func(ctx context.Context) ([]Finding, error) {
		var dead []job.Job
		if err := db.Read(ctx, func(tx *store.Tx) (err error) { dead, err = jobs.Dead(tx, deadListed); return err }); err != nil {
			return nil, err
		}
		count := map[string]int64{}
		latest := map[string]job.Job{}
		for _, j := range dead {
			if notify.IsChannel(j.Queue) {
				continue // the channel's own finding says more
			}
			if count[j.Queue]++; count[j.Queue] == 1 {
				latest[j.Queue] = j
			}
		}
		var out []Finding
		for queue, j := range latest {
			out = append(out, Finding{Text: notify.Text{Key: "health.job.dead", Args: i18n.Args{"queue": queue, "n": count[queue], "job": strconv.FormatInt(j.ID, 10), "reason": j.Error}},
				Todo: "health.job.do", Level: L2, Object: queue, Again: "job"})
		}
		return out, nil
	}}
}

// Place is a control room of this node.
type Place struct{ ID, Name string }

// Channels watches the ways out of the house: a notification that can't leave
// tells nobody that it can't, and neither does one that nobody is to get.
func Channels(db *store.DB, s *notify.Service, places func(context.Context) ([]Place, error)) Check {
	return Check{ID: "notify", Area: "health.area.notify", Func: func(ctx context.Context) ([]Finding, error) {
		var states []notify.ChannelState
		if err := db.Read(ctx, func(tx *store.Tx) (err error) { states, err = s.Channels(tx); return err }); err != nil {
			return nil, err
		}
		var out []Finding
		for _, c := range states {
			if !c.FailedAt.IsZero() {
				out = append(out, Finding{Text: notify.Text{Key: "health.notify.failing", Args: i18n.Args{"channel": c.ID, "reason": c.Error}}, Todo: "health.notify.do", Level: L2, Object: c.ID})
			}
		}
		all, err := places(ctx)
		if err != nil {
			return nil, err
		}
		deaf := slices.DeleteFunc(all, func(p Place) bool { return s.Reaches(store.Live, notify.A, p.ID) })
		if !s.Reaches(store.Live, notify.A, "") {
			out = append(out, Finding{Text: notify.Text{Key: "health.notify.nobody"}, Todo: "health.notify.nobody.do", Level: L2, Object: "nobody"})
			if len(deaf) == len(all) {
				deaf = nil // that says it all
			}
		}
		for _, p := range deaf {
			out = append(out, Finding{Text: notify.Text{Key: "health.notify.nobody_of", Args: i18n.Args{"organisation": p.Name}},
				Todo: "health.notify.nobody_of.do", Level: L2, Object: "nobody/" + p.ID})
		}
		return out, nil
	}}
}
