package crash

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// foreign is a system behind a gateway, as docs/profiles/cz-izs.md demands of one: it
// writes texts into a folder, confirms what it reads there, and keeps account.
type foreign struct {
	t   testing.TB
	dir string

	mu        sync.Mutex
	confirmed map[string]bool           // what it wrote: whether the node has it
	read      map[string]map[string]int // what it read, by id: how often which bytes
}

func (f *foreign) drop(id, body string) {
	now := time.Now().UTC()
	text := fmt.Sprintf(`<DatovaVeta xmlns="urn:trojmezi:profile:cz-izs:1" verze="1.0"><Hlavicka><IdZpravy>%s</IdZpravy><Odesilatel>cz</Odesilatel><Prijemce>desk</Prijemce>`+
		`<Odeslano>%s</Odeslano><Rezim>ostry</Rezim></Hlavicka>%s</DatovaVeta>`, id, now.Format(time.RFC3339Nano), body)
	in := filepath.Join(f.dir, "in")
	hidden, name := filepath.Join(in, "."+id), filepath.Join(in, id+".xml")
	if err := os.WriteFile(hidden, []byte(text), 0o600); err != nil {
		f.t.Error(err)
	}
	if err := os.Rename(hidden, name); err != nil {
		f.t.Error(err)
	}
}

var (
	idElement     = regexp.MustCompile(`<IdZpravy>([^<]+)<`)
	answerElement = regexp.MustCompile(`<NaZpravu>([^<]+)<`)
)

// look reads what the node wrote and answers it.
func (f *foreign) look() {
	files, err := filepath.Glob(filepath.Join(f.dir, "out", "[^.]*.xml"))
	if err != nil {
		f.t.Error(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.t.Error(err)
			continue
		}
		os.Remove(name)
		id, answers := idElement.FindSubmatch(text), answerElement.FindSubmatch(text)
		f.mu.Lock()
		switch {
		case id == nil || strings.Contains(string(text), "<Chyba>"):
			f.t.Errorf("the node refuses: %s", text)
		case answers != nil:
			f.confirmed[string(answers[1])] = true
		default:
			if f.read[string(id[1])] == nil {
				f.read[string(id[1])] = map[string]int{}
			}
			f.read[string(id[1])][string(text)]++
			f.drop(newUUID(), "<Potvrzeni><NaZpravu>"+string(id[1])+"</NaZpravu></Potvrzeni>")
		}
		f.mu.Unlock()
	}
}

// TestGatewayKill kills a node between a dispatch system and a foreign one at any
// moment: what either was told is stored arrives at the other, once.
func TestGatewayKill(t *testing.T) {
	const desk, system = "1.2.3.203.1001", "1.2.3.203.1002"
	rng := random(t)
	f := &foreign{t: t, dir: filepath.Join(scratch, "foreign"), confirmed: map[string]bool{}, read: map[string]map[string]int{}}
	if err := os.MkdirAll(filepath.Join(f.dir, "in"), 0o700); err != nil {
		t.Fatal(err)
	}
	n := newNode(t, spec{oid: "1.2.3.203.0", clients: []string{desk}, gateways: []record{{
		"name": "cz", "oid": system, "system": "czizs", "partner": "cz", "resend": "2s",
		"addresses": []any{record{"oid": desk, "name": "desk"}}, "transport": record{"directory": record{"path": f.dir}},
	}}})
	start(t, n)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	var mu sync.Mutex
	sent, got, statuses := map[string]bool{}, map[string]int{}, map[string][]int{}
	loop := func(pause time.Duration, step func()) {
		wg.Go(func() {
			for ctx.Err() == nil {
				step()
				time.Sleep(pause)
			}
		})
	}
	loop(20*time.Millisecond, f.look)
	writing, sending := true, branch(rng)
	loop(40*time.Millisecond, func() {
		mu.Lock()
		defer mu.Unlock()
		if !writing {
			return
		}
		id := newUUID()
		f.mu.Lock()
		f.confirmed[id] = false
		f.mu.Unlock()
		f.drop(id, "<Zprava><Poznamka><Text>in "+id+"</Text></Poznamka></Zprava>")
	})
	loop(40*time.Millisecond, func() {
		mu.Lock()
		open := writing
		mu.Unlock()
		if !open {
			return
		}
		m := message(newUUID(), desk, system, fmt.Sprint("out ", sending.Uint64()), "ALL", 3600)
		for ctx.Err() == nil { // until it is promised to be stored
			if r := n.call("POST", "/messaging/send", m); r.err == nil && r.status == 200 {
				mu.Lock()
				sent[m["messageId"].(string)] = true
				mu.Unlock()
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	seen := int64(0)
	loop(10*time.Millisecond, func() {
		items, _, ok := n.receive(ctx, desk, 0, 1)
		if !ok {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for _, m := range items {
			if m.SequenceID <= seen {
				continue // not committed the last time
			}
			seen = m.SequenceID
			if s, isReceipt := m.receipt(); isReceipt {
				statuses[s.RefMessageID] = append(statuses[s.RefMessageID], s.StatusCode)
			} else if _, id, ok := strings.Cut(m.Payload.Data, "in "); ok && len(id) >= 36 {
				got[id[:36]]++
			}
		}
		if len(items) > 0 {
			n.commit(desk, seen)
		}
	})
	total := rounds(t, 3, 50)
	for round := range total {
		moment := time.Duration(300+rng.IntN(1500)) * time.Millisecond
		time.Sleep(moment)
		n.wantAlive(t)
		n.kill()
		time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
		if err := n.run(); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		fmt.Printf("round %d: killed after %v, %d sent, %d received\n", round+1, moment, len(sent), len(got))
		mu.Unlock()
	}
	mu.Lock()
	writing = false
	mu.Unlock()
	eventually(t, 90*time.Second, "everything at the other side", func() bool {
		mu.Lock()
		defer mu.Unlock()
		f.mu.Lock()
		defer f.mu.Unlock()
		for id, ok := range f.confirmed {
			if !ok || got[id] == 0 {
				return false
			}
		}
		for id := range sent {
			if len(f.read[id]) == 0 || len(statuses[id]) == 0 {
				return false
			}
		}
		return true
	})
	time.Sleep(3 * time.Second) // for what must not come any more
	mu.Lock()
	defer mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, times := range got {
		if times != 1 {
			t.Errorf("%s was posted %d times", id, times)
		}
	}
	for id := range sent {
		if len(f.read[id]) != 1 {
			t.Errorf("%s went out in %d different forms", id, len(f.read[id]))
		}
		if len(statuses[id]) != 1 || statuses[id][0] != 200 {
			t.Errorf("%s ended with %v", id, statuses[id])
		}
	}
	fmt.Printf("%d kills: %d in and %d out, each once\n", total, len(got), len(sent))
}
