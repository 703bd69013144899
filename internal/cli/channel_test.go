package cli

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trojmezi/internal/app"
)

// Receivers are added, changed, ended, written to a file and read again by commands, and
// tried only where the configuration permits it; what is wrong is told and exits with it.
func TestReceivers(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "node.json")
	if err := os.WriteFile(file, []byte(`{"data": "data", "listen": "127.0.0.1:0",
		"exchange": {"oid": "1.2.3.0", "listen": "127.0.0.1:0", "insecure_loopback": true},
		"channels": {"list": [{"name": "mail", "sort": "mail", "tests": true, "smtp": {"host": "127.0.0.1", "port": 1, "from": "a@node.example", "tls": "none"}},
			{"name": "closed", "sort": "mail", "smtp": {"host": "127.0.0.1", "port": 1, "from": "a@node.example", "tls": "none"}}]}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := app.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	o, err := app.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer o.DB.Close()
	run := func(code int, in string, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if got := Main(append([]string{"channel"}, append(args, "--config", file, "--lang", "en")...), strings.NewReader(in), &out, &errs); got != code {
			t.Fatalf("%v: exit %d: %s%s", args, got, &out, &errs)
		}
		return out.String() + errs.String()
	}
	if said := run(exitUsage, "", "receiver", "add", "--name", "Mayor", "--channel", "mail", "--to", "bad", "--language", "cs", "--place", "CZ-564028", "--until", "2099-01-01", "--reason", "floods"); !strings.Contains(said, "address: This is no address of mail") || !strings.Contains(said, "until: ") {
		t.Errorf("%s", said)
	}
	var saved savedReceiver
	until := o.Clock.Now().AddDate(1, 0, 0).Format("2006-01-02")
	for _, channel := range []string{"mail", "closed"} {
		said := run(0, "", "receiver", "add", "--json", "--name", "Mayor", "--channel", channel, "--to", "m@x.example", "--language", "cs", "--place", "CZ-564028", "--until", until, "--reason", "floods")
		if err := json.Unmarshal([]byte(said), &saved); err != nil || saved.ID == "" {
			t.Fatalf("%s %v", said, err)
		}
		if channel == "closed" {
			if said := run(exitFailed, "", "test", "--receiver", saved.ID); !strings.Contains(said, "tests: true") {
				t.Errorf("%s", said)
			}
			continue
		}
		run(0, "", "receiver", "change", saved.ID, "--to", "n@x.example", "--reason", "new address")
		run(0, "", "receiver", "end", saved.ID, "--reason", "left")
		run(0, "", "receiver", "undo", saved.ID, "--reason", "mistake")
		if said := run(0, "", "test", "--receiver", saved.ID); !strings.Contains(said, "1") {
			t.Errorf("%s", said)
		}
	}
	written := run(0, "", "receiver", "export")
	if !strings.Contains(written, "n@x.example") || strings.Contains(written, "Mayor,mail,live,m@x.example") {
		t.Errorf("%s", written)
	}
	if said := run(0, written, "receiver", "import", "-"); !strings.Contains(said, "unchanged: 2") {
		t.Errorf("%s", said)
	}
	if said := run(0, "", "receiver", "list"); strings.Count(said, "Mayor") != 2 || !strings.Contains(said, "waiting") || strings.Contains(said, "x.example") {
		t.Errorf("%s", said)
	}
}
