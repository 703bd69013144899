package transport

import (
	"testing"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/notify"
)

// Every mistake has a text in every language, and what is right has none.
func TestValidate(t *testing.T) {
	texts, err := i18n.Load(Locales(), notify.Locales())
	if err != nil {
		t.Fatal(err)
	}
	smtp := notify.SMTP{Host: "127.0.0.1", From: "a@example.org", TLS: "none"}
	for _, c := range []struct {
		name string
		cfg  Config
		want []string
	}{
		{"none", Config{}, []string{"transport.config.one"}},
		{"two", Config{Directory: &Directory{Path: "x"}, Mail: &Mail{Maildir: "m", From: []string{"a@b.cz"}}}, []string{"transport.config.one"}},
		{"push", Config{Push: &Push{URL: "https://a.example/x", Listen: ":8443", SecretFile: "s", TLS: TLS{Cert: "c", Key: "k"}}}, nil},
		{"push plain", Config{Push: &Push{URL: "http://a.example/x", Listen: "0.0.0.0:80", SecretFile: "s", InsecureLoopback: true}},
			[]string{"transport.config.url_plain", "transport.config.listen_plain"}},
		{"push loopback", Config{Push: &Push{URL: "http://127.0.0.1:1/x", Listen: "127.0.0.1:2", SecretFile: "s", InsecureLoopback: true}}, nil},
		{"push loopback unsaid", Config{Push: &Push{URL: "http://127.0.0.1:1/x", SecretFile: "s"}}, []string{"transport.config.url_plain"}},
		{"push empty", Config{Push: &Push{}}, []string{"transport.config.nothing", "transport.config.secret"}},
		{"push half", Config{Push: &Push{Listen: "8443", SecretFile: "s", TLS: TLS{Cert: "c"}, Window: -1}}, []string{"transport.config.listen", "transport.config.tls", "transport.config.duration"}},
		{"poll", Config{Poll: &Poll{URL: "ftp://x", SecretFile: "s", Every: 1}}, []string{"transport.config.url", "transport.config.duration"}},
		{"directory", Config{Directory: &Directory{Keep: time.Hour}}, []string{"transport.config.path", "transport.config.duration"}},
		{"amqp", Config{AMQP: &AMQP{URL: "amqp://u:p@hub.example", Queues: []string{"q"}, Prefetch: -1, Username: "u"}},
			[]string{"transport.config.url_plain", "transport.config.password_in_url", "transport.config.password", "transport.config.prefetch"}},
		{"amqp empty", Config{AMQP: &AMQP{URL: "amqps://hub.example"}}, []string{"transport.config.nothing"}},
		{"mail", Config{Mail: &Mail{To: "a@b.cz", SMTP: smtp, Maildir: "m", From: []string{"c@d.cz"}}}, nil},
		{"mail kept", Config{Mail: &Mail{Maildir: "m", From: []string{"c@d.cz"}, Keep: -1}}, []string{"transport.config.duration"}},
		{"mail wrong", Config{Mail: &Mail{To: "a", Maildir: "m", SMTP: smtp}}, []string{"transport.config.email", "transport.config.from"}},
		{"mail server", Config{Mail: &Mail{To: "a@b.cz", SMTP: notify.SMTP{Host: "mail.example", From: "a@b.cz", TLS: "none"}}}, []string{"notify.config.tls_none"}},
		{"mail senders", Config{Mail: &Mail{Maildir: "m", From: []string{"x"}}}, []string{"transport.config.email"}},
	} {
		var got []string
		for _, f := range c.cfg.Validate() {
			got = append(got, f.Key)
			for _, l := range i18n.Langs {
				texts.Text(l, f.Key, f.Args)
			}
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
			}
		}
	}
	if n := texts.Missing(); n > 0 {
		t.Errorf("%d texts are missing", n)
	}
}
