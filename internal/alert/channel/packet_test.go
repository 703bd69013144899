package channel

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// crowd is a change for many of the public.
func crowd(channel string, change string, n int) (all []Dispatch) {
	for i := range n {
		lang := i18n.Langs[i%4]
		all = append(all, Dispatch{Channel: channel, Target: fmt.Sprintf("p%d", i), Lang: lang, Kind: store.Live, Reference: Reference{Subscription, change, fmt.Sprint("s", i)}, Title: "Smědá", Body: strings.Repeat("Voda stoupá. ", 80) + string(lang),
			Stop: fmt.Sprintf("https://node.example/s/%d", i), Source: "ČHMÚ"})
	}
	return all
}

// What is for many waits in packets, sealed, and leaves once to each: also after a stop,
// what was queued twice, and what was queued before and after in rows. What was waiting
// when a backup was made does not leave from it.
func TestPacket(t *testing.T) {
	folder := t.TempDir()
	r := newRig(t, Config{List: []Setup{{Name: "out", Sort: "handover", PerMinute: 100_000, Handover: FolderSetup{Directory: folder}}}})
	const people = mostPacked + 2*packFrom
	rows := func(table string) (n int) {
		t.Helper()
		r.ok(r.DB.Read(t.Context(), func(tx *store.Tx) error { return tx.Row(`SELECT COUNT(*) FROM ` + table).Scan(&n) }))
		return n
	}
	r.ok(r.queue(crowd("out", "c1", 5)...))
	r.clk.Advance(time.Second)
	r.ok(r.queue(crowd("out", "c1", people)...))
	r.ok(r.queue(crowd("out", "c1", people)...))
	if d, p, texts := rows("channel_dispatch"), rows("channel_packet"), rows("channel_text"); d != 5 || p != 4 || texts != 4 {
		t.Fatalf("%d rows, %d packets, %d texts", d, p, texts)
	}
	states, err := r.States(t.Context())
	r.ok(err)
	if n := states[0].Waiting(); n != 2*people+5 {
		t.Errorf("%d are said to wait", n)
	}
	var sealed string
	r.ok(r.DB.Read(t.Context(), func(tx *store.Tx) error {
		var raw []byte
		err := tx.Row(`SELECT items FROM channel_packet LIMIT 1`).Scan(&raw)
		sealed = string(raw)
		return err
	}))
	if strings.Contains(sealed, "node.example") {
		t.Error("addresses are readable")
	}
	r.open() // a node that starts again
	r.run(func() bool { return rows("channel_packet") == 0 && r.settled() })
	files, err := os.ReadDir(folder)
	r.ok(err)
	if len(files) != people {
		t.Errorf("%d left, want %d", len(files), people)
	}
	r.ok(r.queue(crowd("out", "c2", packFrom)...))
	r.ok(r.DB.Write(t.Context(), Restored))
	r.run(func() bool {
		return rows("channel_packet") == 0 && !slices.ContainsFunc(r.all(), func(x Receipt) bool { return !x.State.over() })
	})
	if again, err := os.ReadDir(folder); err != nil || len(again) != people {
		t.Errorf("%d left from a backup, %v", len(again)-people, err)
	}
	if n := rows("channel_dispatch"); n != people+packFrom {
		t.Errorf("%d receipts", n)
	}
	r.clk.Advance(DefaultKeep + time.Hour)
	r.ok(r.Erase(t.Context()))
	r.clk.Advance(24 * time.Hour)
	r.ok(r.Erase(t.Context()))
	if n := rows("channel_dispatch") + rows("channel_text"); n != 0 {
		t.Errorf("%d are kept", n)
	}
}

// TestMembers: addresses of members are asked for when the turn of a message has come. Who
// has left meanwhile, or whose address is not permitted any more, is told nothing; few wait
// in rows as if they had been given with the message.
func TestMembers(t *testing.T) {
	folder := t.TempDir()
	r := newRig(t, Config{List: []Setup{{Name: "out", Sort: "handover", PerMinute: 100_000, Handover: FolderSetup{Directory: folder}}}})
	var left sync.Map
	var asked atomic.Int64
	r.Addresses = func(_ *store.Tx, members []int64) (map[int64]Address, error) {
		all := map[int64]Address{}
		for _, m := range members {
			asked.Add(1)
			if _, gone := left.Load(m); !gone {
				all[m] = Address{Target: fmt.Sprint("m", m), Stop: fmt.Sprintf("https://node.example/s/%d", m)}
			}
			if m == 3 {
				all[m] = Address{Target: "no name"}
			}
		}
		return all, nil
	}
	members := func(change string, n int) []Dispatch {
		all := crowd("out", change, n)
		for i := range all {
			all[i].Target, all[i].Stop, all[i].Member = "", "", int64(i+1)
		}
		return all
	}
	r.ok(r.queue(members("many", packFrom+10)...))
	if n := asked.Load(); n != 0 {
		t.Errorf("%d addresses are asked for too early", n)
	}
	left.Store(int64(1), true)
	left.Store(int64(2), true)
	r.run(func() bool {
		packets := 0
		r.ok(r.DB.Read(t.Context(), func(tx *store.Tx) error { return tx.Row(`SELECT COUNT(*) FROM channel_packet`).Scan(&packets) }))
		return packets == 0 && r.settled()
	})
	r.ok(r.queue(members("few", 5)...))
	if n := asked.Load(); n != packFrom+10+5 {
		t.Errorf("%d addresses are asked for", n)
	}
	r.run(r.settled)
	files, err := os.ReadDir(folder)
	r.ok(err)
	if len(files) != packFrom+10-3+2 {
		t.Errorf("%d left", len(files))
	}
	both := members("both", 1)
	both[0].Target = "m1"
	r.refused(r.queue(both...), "channel.refuse.reference")
	notice := members("notice", 1)
	notice[0].Reference.Origin = Notice
	r.refused(r.queue(notice...), "channel.refuse.reference")
}

// A packet with one message that is wrong is not queued, and says why.
func TestPacketRefused(t *testing.T) {
	r := newRig(t, Config{List: []Setup{{Name: "out", Sort: "handover", Handover: FolderSetup{Directory: t.TempDir()}}}})
	for key, change := range map[string]func(*Dispatch){
		"target.handover": func(d *Dispatch) { d.Target = "no name" },
		"link":            func(d *Dispatch) { d.Stop = "javascript:x" },
		"kind":            func(d *Dispatch) { d.Kind = store.Exercise },
		"reference":       func(d *Dispatch) { d.Reference.Revision = "" },
		"length":          func(d *Dispatch) { d.Target = strings.Repeat("x", maxTarget+1) },
	} {
		all := crowd("out", "c", 2*packFrom)
		change(&all[packFrom+5])
		r.refused(r.queue(all...), "channel.refuse."+key)
	}
	states, err := r.States(t.Context())
	r.ok(err)
	if states[0].Waiting() != 0 {
		t.Error("something is queued")
	}
}

// BenchmarkQueue is 500 messages to the public in one transaction: one by one as rows, as
// it was; together as rows; as a packet. Divide by 500 for each.
func BenchmarkQueue(b *testing.B) {
	for _, way := range []string{"one", "rows", "packet"} {
		b.Run(way, func(b *testing.B) {
			db, err := store.Open(b.Context(), store.Config{Dir: b.TempDir()})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			for name, files := range tables {
				if err := db.Migrate(b.Context(), name, files); err != nil {
					b.Fatal(err)
				}
			}
			s, _, err := assemble(db, clock.Fake(start), b.TempDir(), Config{List: []Setup{{Name: "out", Sort: "handover", Handover: FolderSetup{Directory: b.TempDir()}}}}, nil)
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			for b.Loop() {
				n++
				all := crowd("out", fmt.Sprint("c", n), mostPacked)
				for i := range all {
					if way != "packet" {
						all[i].Receiver = "x"
					}
				}
				if err := db.Write(b.Context(), func(tx *store.Tx) error {
					if way != "one" {
						return s.Queue(tx, all...)
					}
					for i := range all {
						if err := s.Queue(tx, all[i]); err != nil {
							return err
						}
					}
					return nil
				}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
