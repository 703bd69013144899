package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/simulator"
	"trojmezi/internal/simulator/czizs"
)

// A simulated Czech system hands over an event by a folder, hears its receipt, and
// finds what is wrong in another message.
func TestSimulate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	go func() { // the other side of the folder
		peer := simulator.New(czizs.Profile{}, "de.node", "cz.hzs.lbk", simulator.Test, nil)
		for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			names, _ := filepath.Glob(filepath.Join(dir, "in", "[^.]*.xml"))
			for _, name := range names {
				text, err := os.ReadFile(name)
				if err != nil || peer.Take(text) != nil {
					return
				}
				l, _ := peer.Letter(0)
				_ = os.WriteFile(filepath.Join(dir, "out", "1.xml"), l.Bytes, 0o600)
				_ = os.WriteFile(filepath.Join(dir, "out", "2.xml"), bytes.Replace(l.Bytes, []byte("Potvrzeni"), []byte("Potvrzen"), 2), 0o600)
				return
			}
		}
	}()
	var out, errw bytes.Buffer
	code := Main([]string{"--lang=en", "simulate", "czizs", "--name=cz.hzs.lbk", "--peer=de.node", "--folder=" + dir, "--events=1", "--for=8s"}, nil, &out, &errw)
	got := out.String()
	if code != exitFailed || !strings.Contains(got, "→ event") || !strings.Contains(got, "← receipt") || !strings.Contains(got, "! structure DatovaVeta/") || errw.Len() > 0 {
		t.Errorf("exit %d\n%s%s", code, got, errw.String())
	}
}

func TestSimulateUsage(t *testing.T) {
	for want, args := range map[string][]string{
		"truncated, oversized": {"--folder=" + t.TempDir(), "--mistake=sloppy"},
		"--secret-file":        {"--listen=127.0.0.1:0"},
	} {
		var out, errw bytes.Buffer
		code := Main(append([]string{"--lang=en", "simulate", "plswd", "--name=a", "--peer=b", "--for=1s"}, args...), nil, &out, &errw)
		if code != exitUsage || !strings.Contains(errw.String(), want) {
			t.Errorf("exit %d, %s", code, errw.String())
		}
	}
}
