package channel

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// checks is how many random cases are tried.
func checks(t *testing.T, n int) int {
	if v := os.Getenv("TROJMEZI_CHECKS"); v != "" {
		k, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	return n
}

// Whatever is queued by whatever channel, nothing of one kind leaves by a channel of
// another, and what is no reality says so in its first words.
func TestNoLeak(t *testing.T) {
	dir := t.TempDir()
	c := Config{}
	folders := map[store.Kind]string{}
	for _, k := range store.Kinds {
		folders[k] = filepath.Join(dir, string(k))
		if err := os.Mkdir(folders[k], 0o755); err != nil {
			t.Fatal(err)
		}
		c.List = append(c.List, Setup{Name: "f-" + string(k), Sort: "handover", Kind: string(k), PerMinute: 100_000, Handover: FolderSetup{Directory: folders[k]}},
			Setup{Name: "n-" + string(k), Sort: "node", Kind: string(k), PerMinute: 100_000})
	}
	r := newRig(t, c)
	random := rand.New(rand.NewPCG(5, 8))
	right, wrong := 0, 0
	for i := range checks(t, 300) {
		x := c.List[random.IntN(len(c.List))]
		target := "station"
		if x.Sort == "node" {
			target = "1.2.3.4"
		}
		d := flood(x.Name, target)
		if random.IntN(2) == 0 {
			d = official(x.Name, target)
		}
		d.Kind = store.Kinds[random.IntN(len(store.Kinds))]
		d.Lang = i18n.Langs[random.IntN(len(i18n.Langs))]
		d.Reference.Revision = strconv.Itoa(i)
		err := r.queue(d)
		if string(d.Kind) == x.Kind || x.Kind == "" && d.Kind == store.Live {
			right++
			r.ok(err)
		} else {
			wrong++
			r.refused(err, "channel.refuse.kind")
		}
	}
	if right == 0 || wrong == 0 {
		t.Fatalf("%d right, %d wrong", right, wrong)
	}
	// Not even by force: the database holds no row of a kind in a channel of another.
	if err := r.DB.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE channel_dispatch SET kind = 'exercise' WHERE kind = 'live'`)
		return err
	}); err == nil {
		t.Error("a live row became an exercise in a live channel")
	}
	// A row that was moved to another channel with its kind is of no worker there.
	r.ok(r.DB.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE channel_dispatch SET channel = 'f-live' WHERE id IN (SELECT MAX(id) FROM channel_dispatch WHERE channel = 'f-exercise')`)
		return err
	}))
	r.run(func() bool {
		for _, x := range r.all() {
			if !x.State.over() && !(x.Channel == "f-live" && x.Kind == store.Exercise) {
				return false
			}
		}
		return true
	})
	for k, folder := range folders {
		files, err := os.ReadDir(folder)
		r.ok(err)
		for _, f := range files {
			body, err := os.ReadFile(filepath.Join(folder, f.Name()))
			r.ok(err)
			if !strings.Contains(string(body), `"kind":"`+string(k)+`"`) {
				t.Errorf("%s in the folder of %s", body, k)
			}
			if marked := strings.Contains(string(body), `"mark":`); marked != (k != store.Live) {
				t.Errorf("%s: %s", k, body)
			}
		}
	}
	for _, m := range r.posts {
		first, _, _ := strings.Cut(m.Text, "\n")
		if want := map[store.Kind]string{store.Exercise: "CVIČENÍ · ÜBUNG · ĆWICZENIA · EXERCISE", store.Test: "ZKOUŠKA · PROBE · PRÓBA · TEST"}[m.Kind]; want != "" && first != want || want == "" && strings.Contains(first, "·") {
			t.Errorf("%s: %q", m.Kind, first)
		}
	}
}

// However a folder or a file of a secret is written, reality and exercise have their own.
func TestOwnCredentials(t *testing.T) {
	for _, path := range []string{"drill", "./drill", "drill/", "x/../drill"} {
		c := Config{List: []Setup{{Name: "a", Sort: "handover", Kind: "live", Handover: FolderSetup{Directory: "drill"}}, {Name: "b", Sort: "handover", Kind: "exercise", Handover: FolderSetup{Directory: path}}}}
		if f := c.Validate(); len(f) != 1 || f[0].Key != "channel.config.separate" {
			t.Errorf("%s: %+v", path, f)
		}
	}
}

// What is wrong with a dispatch is told, and nothing of a list with it is queued.
func TestRefused(t *testing.T) {
	r := newRig(t, Config{List: []Setup{{Name: "mail", Sort: "mail", SMTP: mailSetup("", "", 1).SMTP}, {Name: "sms", Sort: "sms", Gateway: GatewaySetup{URL: "https://sms.example/{to}/{text}"}}, {Name: "drill", Sort: "node", Kind: "exercise"}}})
	ok := flood("mail", "a@b.example")
	for _, c := range []struct {
		key    string
		change func(*Dispatch)
	}{
		{"unknown", func(d *Dispatch) { d.Channel = "none" }},
		{"kind", func(d *Dispatch) { d.Kind = store.Exercise }},
		{"kind", func(d *Dispatch) { d.Kind = "" }},
		{"kind", func(d *Dispatch) { d.Channel, d.Target = "drill", "1.2.3.4" }},
		{"trial", func(d *Dispatch) { d.Reference.Origin = Trial }},
		{"reference", func(d *Dispatch) { d.Reference.Revision = "" }},
		{"reference", func(d *Dispatch) { d.Reference.Origin = "else" }},
		{"title", func(d *Dispatch) { d.Title = " " }},
		{"source", func(d *Dispatch) { d.Source = "" }},
		{"short", func(d *Dispatch) { d.Reference.Origin = Warning }},
		{"length", func(d *Dispatch) { d.Body = strings.Repeat("x", maxBody) }},
		{"control", func(d *Dispatch) { d.Title = "a\x00b" }},
		{"link", func(d *Dispatch) { d.Link = "javascript:alert(1)" }},
		{"control", func(d *Dispatch) { d.Stop = "https://x.example/\r\nBcc: all" }},
		{"language", func(d *Dispatch) { d.Lang = "fr" }},
		{"target.mail", func(d *Dispatch) { d.Target = "A <a@b.example>" }},
		{"target.mail", func(d *Dispatch) { d.Target = "a@b.example, c@d.example" }},
		{"target.sms", func(d *Dispatch) { d.Channel, d.Target = "sms", "601000000" }},
	} {
		d := ok
		c.change(&d)
		err := r.queue(flood("mail", "first@b.example"), d)
		r.refused(err, "channel.refuse."+c.key)
	}
	if n := len(r.all()); n != 0 {
		t.Errorf("%d were queued", n)
	}
}
