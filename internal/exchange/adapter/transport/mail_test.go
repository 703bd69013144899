package transport

import (
	"bufio"
	"encoding/json"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/notify"
)

// smtpd starts a real mail server that is not ours: python3-aiosmtpd of Debian.
func smtpd(t testing.TB) (port int, mails chan string) {
	t.Helper()
	python := ""
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(name, "-c", "import aiosmtpd").Run() == nil {
			python = name
			break
		}
	}
	if python == "" {
		t.Skip("no mail server to test with: install Debian's python3-aiosmtpd")
	}
	cmd := exec.Command(python, "../../../kernel/notify/testdata/smtpd.py", "none", "", "", "", "")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<20)
	if !lines.Scan() {
		t.Fatal("the mail server did not start")
	}
	port, _ = strconv.Atoi(strings.TrimPrefix(lines.Text(), "port "))
	mails = make(chan string, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for lines.Scan() {
			var got struct{ Raw string }
			if json.Unmarshal(lines.Bytes(), &got) == nil {
				mails <- got.Raw
			}
		}
	}()
	t.Cleanup(func() { cmd.Process.Kill(); <-done; cmd.Wait() })
	return port, mails
}

func maildir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, n := range []string{"new", "cur", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, n), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A mail that goes out through a real server can be read by people and comes in again
// with the same bytes.
func TestMail(t *testing.T) {
	port, mails := smtpd(t)
	dir := maildir(t)
	smtp := notify.SMTP{Host: "127.0.0.1", Port: port, From: "Node <node@liberec.example>", TLS: "none"}
	out := made(t, Config{Mail: &Mail{SMTP: smtp, To: "desk@praha.example"}})
	if err := out.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	body := "<a>Požár\r\n</a>\n"
	for range 2 {
		if err := out.Send(t.Context(), Parcel{ID: "id-1", Type: "application/xml", Body: []byte(body), Text: "Událost z\u00a0Liberce\nJe v\u00a0příloze.\n", Expires: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	first, second := <-mails, <-mails
	id := func(raw string) string {
		m, err := mail.ReadMessage(strings.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		return m.Header.Get("Message-Id")
	}
	if id(first) != "<id-1@liberec.example>" || id(first) != id(second) {
		t.Errorf("ids %s, %s", id(first), id(second))
	}
	if !strings.Contains(first, "Expires: ") || !strings.Contains(first, "Auto-Submitted: auto-generated") {
		t.Errorf("%s", first)
	}
	if err := os.WriteFile(filepath.Join(dir, "new", "1700000000.M1.host"), []byte(first), 0o600); err != nil {
		t.Fatal(err)
	}
	box := &shelf{full: true}
	receiving(t, made(t, Config{Mail: &Mail{Maildir: dir, From: []string{"Node@Liberec.example"}}}), box)
	until(t, "an attempt", func() bool { _, n := box.all(); return n > 0 })
	if got := names(t, filepath.Join(dir, "new")); len(got) != 1 {
		t.Errorf("moved although it was not stored: %v", got)
	}
	box.setFull(false)
	until(t, "the mail", func() bool { return len(names(t, filepath.Join(dir, "cur"))) == 1 })
	got, _ := box.all()
	if len(got) != 1 || got[0].Fault != "" || string(got[0].Body) != body || got[0].Type != "application/xml" || got[0].ID != "<id-1@liberec.example>" {
		t.Errorf("%+v", got)
	}
	if cur := names(t, filepath.Join(dir, "cur")); cur[0] != "1700000000.M1.host:2,S" {
		t.Errorf("%v", cur)
	}
	refused := made(t, Config{Mail: &Mail{SMTP: smtp, To: "refused@praha.example"}})
	if _, final := any(refused.Send(t.Context(), Parcel{ID: "2", Text: "x", Type: "application/xml"})).(*Refusal); !final {
		t.Error("a mailbox that is unknown is tried for ever")
	}
}

// What is no message in a mail is stored with what is wrong, never left or dropped.
func TestMailOdd(t *testing.T) {
	m := made(t, Config{Mail: &Mail{Maildir: "/m", From: []string{"a@b.cz"}}}).(*mailbox)
	for _, c := range []struct{ name, raw, fault, body string }{
		{"text alone", "From: A <A@b.cz>\r\nMessage-Id: <1@b>\r\n\r\n<a/>", "", "<a/>"},
		{"base64", "From: a@b.cz\r\nContent-Type: application/xml\r\nContent-Transfer-Encoding: base64\r\n\r\nPGEvPg==\r\n", "", "<a/>"},
		{"stranger", "From: x@b.cz\r\n\r\n<a/>", "transport.fault.sender", ""},
		{"two senders", "From: a@b.cz, x@b.cz\r\n\r\n<a/>", "transport.fault.sender", ""},
		{"no mail", "nothing", "transport.fault.mail", ""},
		{"broken parts", "From: a@b.cz\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\nhalf", "transport.fault.mail", ""},
		{"two attachments", "From: a@b.cz\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Disposition: attachment\r\n\r\n1\r\n--x\r\nContent-Disposition: attachment\r\n\r\n2\r\n--x--", "transport.fault.attachments", ""},
	} {
		d := m.open([]byte(c.raw))
		want := c.body
		if c.fault != "" {
			want = c.raw
		}
		if d.Fault != c.fault || string(d.Body) != want {
			t.Errorf("%s: %q %q", c.name, d.Fault, d.Body)
		}
	}
}

// A mail of very many parts, or of parts within parts, is not taken apart: it is kept
// whole, with what is wrong.
func TestMailParts(t *testing.T) {
	m := &mailbox{cfg: Mail{From: []string{"a@b.cz"}}}
	flat := func(n int) string {
		return "From: a@b.cz\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n<a/>\r\n" + strings.Repeat("--x\r\n\r\n\r\n", n-1) + "--x--"
	}
	deep := func(n int) string {
		head, tail := "From: a@b.cz\r\n", ""
		for i := range n {
			boundary := "x" + strconv.Itoa(i) + "y"
			head += "Content-Type: multipart/mixed; boundary=" + boundary + "\r\n\r\n--" + boundary + "\r\n"
			tail = "\r\n--" + boundary + "--" + tail
		}
		return head + "\r\n<a/>" + tail
	}
	for name, c := range map[string]struct{ raw, fault string }{
		"as many as may be": {flat(maxParts - 1), ""}, "one more": {flat(maxParts), "transport.fault.parts"}, "a million": {flat(1_000_000), "transport.fault.parts"},
		"as deep as may be": {deep(maxDepth), ""}, "one deeper": {deep(maxDepth + 1), "transport.fault.parts"}, "very deep": {deep(10_000), "transport.fault.parts"},
	} {
		d := m.open([]byte(c.raw))
		want := "<a/>"
		if c.fault != "" {
			want = c.raw
		}
		if d.Fault != c.fault || string(d.Body) != want {
			t.Errorf("%s: %q %.80q", name, d.Fault, d.Body)
		}
	}
}

// FuzzMail opens any bytes as a mail: what comes of it is the message or the mail itself
// with what is wrong, and never more than came.
func FuzzMail(f *testing.F) {
	for _, raw := range []string{
		"From: a@b.cz\r\n\r\n<a/>",
		"From: a@b.cz\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\nPGEvPg==\r\n--x--",
		"From: a@b.cz\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=3Ca/=3E",
		"From: x@b.cz\r\n\r\n", "",
	} {
		f.Add([]byte(raw))
	}
	m := &mailbox{cfg: Mail{From: []string{"a@b.cz"}}}
	f.Fuzz(func(t *testing.T, raw []byte) {
		d := m.open(raw)
		if d.Fault != "" && string(d.Body) != string(raw) {
			t.Error("a mail that is wrong is not kept whole")
		}
		if len(d.Body) > len(raw) || len(d.ID) > 4*maxReason+4 {
			t.Errorf("%d bytes of %d, id of %d", len(d.Body), len(raw), len(d.ID))
		}
	})
}

// FuzzSignature verifies any header: none is right without the secret.
func FuzzSignature(f *testing.F) {
	now := time.Unix(1_800_000_000, 0)
	f.Add(sign([]byte("another secret of both"), now, "id", []byte("x")), "id")
	f.Add("t=1800000000,v1=00,v1=", "")
	f.Fuzz(func(t *testing.T, header, id string) {
		if verify([][]byte{[]byte("the secret of both sides")}, header, id, []byte("body"), now, DefaultWindow) == nil {
			t.Errorf("%q of %q is taken for right", header, id)
		}
	})
}
