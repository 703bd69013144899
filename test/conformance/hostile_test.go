package conformance

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// wantCivil checks that an answer, whatever it is, is no page, trace or redirect
// and that its code, if there is one, is published.
func (r reply) wantCivil(t testing.TB) {
	t.Helper()
	text := strings.ToLower(string(r.body) + r.header.Get("Content-Type"))
	for _, trace := range []string{"<html", "text/html", "<!doctype", "goroutine ", "panic:", "runtime error"} {
		if strings.Contains(text, trace) {
			t.Errorf("the answer contains %q: %v", trace, r)
		}
	}
	if r.status >= 500 || r.status >= 300 && r.status < 400 {
		t.Errorf("got %v", r)
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	n := solo(t)
	a := n.fresh(t)
	text := func(body string) string { // a good message as text with XXXX replaced
		return strings.Replace(`{"source":"`+a.oid+`","destinations":["`+a.oid+`"],"description":"XXXX","payload":{"appId":"notification_text","appVersion":"1.0","schemaId":"notification","contentType":"application/json","data":`+quote(notification("x"))+`}}`, "XXXX", body, 1)
	}
	post := func(t *testing.T, body string) reply {
		return n.api(t, poolAccount).call("POST", "/messaging/send", body)
	}
	t.Run("good_text_as_control", func(t *testing.T) { post(t, text("x")).want(t, 200) })
	for name, body := range map[string]string{
		"nul_byte":            text("a\x00b"),
		"invalid_utf8":        text("a\xff\xfeb"),
		"overlong_utf8":       text("a\xc0\xafb"),
		"control_character":   text("a\x01b"),
		"raw_newline":         text("a\nb"),
		"bad_escape":          text(`\x41`),
		"nul_before_the_json": "\x00" + text("x"),
		"half_a_message":      text("x")[:100],
		"two_messages":        text("x") + text("y"),
		"depth_bomb_list":     strings.Repeat("[", 200_000),
		"depth_bomb_closed":   strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000),
		"depth_bomb_object":   strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000),
		"depth_bomb_member":   strings.Replace(text("x"), `"description":"x"`, `"x":`+strings.Repeat("[", 50_000)+strings.Repeat("]", 50_000), 1),
		"infinity":            strings.Replace(text("x"), `"description":"x"`, `"timeout":Infinity`, 1),
		"leading_zero":        strings.Replace(text("x"), `"description":"x"`, `"timeout":0060`, 1),
		"utf16":               "\xff\xfe{\x00}\x00",
	} {
		t.Run(name+"_400_460", func(t *testing.T) {
			quickly(t, time.Second, func() reply { return post(t, body) }).wantError(t, 400, 460, 465)
		})
	}
	t.Run("depth_bomb_in_payload", func(t *testing.T) {
		r := n.as(t, a).trySend(a.oid, set("payload.data", strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)))
		r.wantError(t, 400, 464, 465)
	})
	for name, body := range map[string]string{
		"escaped_nul":    text(`a\u0000b`),
		"lone_surrogate": text(`a\ud800b`),
		"member_twice":   strings.Replace(text("x"), `{`, `{"source":"`+a.oid+`",`, 1),
		"debug_words":    text("debug crash exit throw error __proto__ constructor"),
		"format_verbs":   text("%s %n %v {{.}} ${x} <script>"),
		"sql":            text(`'; DROP TABLE message; --`),
	} {
		t.Run(name+"_civil", func(t *testing.T) {
			r := post(t, body)
			r.wantCivil(t)
			if r.status != 200 {
				r.wantError(t, 400, 460)
			}
		})
	}
	for _, word := range []string{"debug", "DEBUG", "crash", "panic", "exit", "kill", "throw", "test"} {
		t.Run("description_begins_with_"+word, func(t *testing.T) {
			n.as(t, a).send(a.oid, label(word+" the process"))
		})
	}
	n.as(t, a).commit(1 << 30)

	methods := []struct{ method, path string }{
		{"GET", "/messaging/send"}, {"PUT", "/messaging/send"}, {"GET", "/messaging/receive"}, {"DELETE", "/messaging/commit"},
		{"POST", "/registry"}, {"DELETE", "/registry/" + otherOID}, {"POST", "/info"}, {"PUT", "/token"}, {"PATCH", "/token"},
	}
	for _, m := range methods {
		t.Run("wrong_method/"+m.method+m.path+"_405", func(t *testing.T) {
			c := n.api(t, poolAccount)
			r := c.call(m.method, m.path, record{})
			r.wantError(t, 405, published...)
			if r.header.Get("Allow") == "" {
				t.Error("no Allow header")
			}
		})
	}
	for _, path := range []string{"/ucrm/client/v0/messages", "/ucrm/client/v0", "/ucrm/client/v0/", "/ucrm/client/v1/info", "/ucrm/p2p/v0/messaging/receive", "/ucrm/p2p/v0/registry/" + otherOID, "/", "/favicon.ico", "/index.html", "/ucrm//client/v0/info", "/ucrm/client/v0/../../x", "/ucrm/client/v0/info/", "/%3Cscript%3E"} {
		t.Run("unknown_path/"+path+"_404", func(t *testing.T) {
			c := n.api(t, poolAccount)
			if strings.HasPrefix(path, "/ucrm/p2p") {
				c = n.p2p(t, "remote")
			}
			c.base = n.base
			c.agent = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			r := c.call("GET", path, nil)
			r.wantCivil(t)
			r.wantError(t, 404, published...)
		})
	}
	for name, kind := range map[string]string{"form": "application/x-www-form-urlencoded", "xml": "application/xml", "broken": "application/", "none": ""} {
		t.Run("content_type_"+name+"_with_no_json", func(t *testing.T) {
			request, _ := http.NewRequest("POST", clientBase(n)+"/messaging/send", strings.NewReader("a=b&c=d"))
			request.Header.Set("Authorization", n.api(t, poolAccount).auth)
			if kind != "" {
				request.Header.Set("Content-Type", kind)
			}
			caller{}.do(request).wantError(t, 400, 460, 465)
		})
	}
	t.Run("node_is_well_afterwards", func(t *testing.T) {
		if err := n.awaitStatus(0, soon); err != nil {
			t.Error(err)
		}
		c := n.fresh(t)
		c.send(c.oid)
		c.await(1, soon)
	})
}

// connect opens a plain connection to the node.
func (n *node) connect(t testing.TB) *net.TCPConn {
	t.Helper()
	c, err := net.DialTimeout("tcp", strings.TrimPrefix(n.base, "http://"), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

func rawReceive(c client, delay int) string {
	body := fmt.Sprintf(`{"destinations":[%q],"maxDelay":%d}`, c.oid, delay)
	return fmt.Sprintf("POST /ucrm/client/v0/messaging/receive HTTP/1.1\r\nHost: localhost\r\nAuthorization: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", c.auth, len(body), body)
}

func TestConnections(t *testing.T) {
	t.Parallel()
	n := start(t, spec{oid: "1.2.3.4.60.0", clients: pool("1.2.3.4.60", 40)})
	quick := func(t *testing.T) {
		t.Helper()
		c := n.fresh(t)
		quickly(t, time.Second, func() reply { return c.trySend(c.oid) }).want(t, 200)
		quickly(t, time.Second, func() reply {
			return c.call("POST", "/messaging/receive", record{"destinations": []any{c.oid}, "maxMessages": 1})
		}).want(t, 200)
	}
	t.Run("half_closed_connection_is_answered", func(t *testing.T) {
		c := n.fresh(t)
		c.send(c.oid)
		conn := n.connect(t)
		io.WriteString(conn, rawReceive(c, 0))
		conn.CloseWrite()
		conn.SetReadDeadline(time.Now().Add(soon))
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || answer.StatusCode != 200 {
			t.Errorf("got %v, %v", answer, err)
		}
	})
	t.Run("closed_during_a_held_poll", func(t *testing.T) {
		c := n.fresh(t)
		conn := n.connect(t)
		io.WriteString(conn, rawReceive(c, 30))
		time.Sleep(100 * time.Millisecond)
		conn.SetLinger(0)
		conn.Close()
		c.send(c.oid, label("1"))
		if got := labels(c.await(1, soon)); got != "1" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("closed_in_the_middle_of_a_body", func(t *testing.T) {
		conn := n.connect(t)
		io.WriteString(conn, rawReceive(n.fresh(t), 0)[:250])
		conn.Close()
		quick(t)
	})
	t.Run("100_slow_clients_hold_up_nobody", func(t *testing.T) {
		for range 100 {
			io.WriteString(n.connect(t), "POST /ucrm/client/v0/messaging/send HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\nX-")
		}
		quick(t)
	})
	t.Run("100_slow_bodies_hold_up_nobody", func(t *testing.T) {
		auth := n.api(t, poolAccount).auth
		for range 100 {
			io.WriteString(n.connect(t), "POST /ucrm/client/v0/messaging/send HTTP/1.1\r\nHost: localhost\r\nAuthorization: "+auth+"\r\nContent-Length: 100000\r\n\r\n{")
		}
		quick(t)
	})
	t.Run("slow_client_is_given_up", func(t *testing.T) {
		full(t, "waits up to 90 s")
		conn := n.connect(t)
		io.WriteString(conn, "POST /ucrm/client/v0/messaging/send HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n")
		conn.SetReadDeadline(time.Now().Add(90 * time.Second))
		if _, err := io.ReadAll(conn); err != nil {
			t.Errorf("the connection is still held: %v", err)
		}
	})
	t.Run("no_http_at_all", func(t *testing.T) {
		for _, noise := range []string{"GARBAGE\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "GET / HTTP/9.9\r\n\r\n", strings.Repeat("A", 1<<20) + "\r\n\r\n"} {
			conn := n.connect(t)
			conn.SetDeadline(time.Now().Add(soon))
			io.WriteString(conn, noise)
			conn.CloseWrite()
			answer, _ := io.ReadAll(io.LimitReader(conn, 1<<16))
			if strings.Contains(strings.ToLower(string(answer)), "<html") {
				t.Errorf("a page for %.20q: %.200s", noise, answer)
			}
		}
		quick(t)
	})
	t.Run("2_MiB_of_headers", func(t *testing.T) {
		request, _ := http.NewRequest("GET", clientBase(n)+"/info", nil)
		request.Header.Set("X-Large", strings.Repeat("x", 2<<20))
		if r := (caller{}).do(request); r.err == nil {
			r.wantCivil(t)
			if r.status == 200 {
				t.Error("accepted")
			}
		}
		quick(t)
	})
	t.Run("chunked_body_without_end_is_limited", func(t *testing.T) {
		c := n.fresh(t)
		request, _ := http.NewRequest("POST", clientBase(n)+"/messaging/send", io.LimitReader(endless{}, 64<<20))
		request.Header.Set("Authorization", c.auth)
		if r := (caller{}).do(request); r.err == nil {
			r.wantError(t, 413, 491)
		}
		quick(t)
	})
	t.Run("300_long_polls_wake_at_once", func(t *testing.T) {
		c := n.fresh(t)
		best := time.Hour
		for i := int64(1); i <= 3; i++ { // the machine may be busy with other cases
			got := make(chan int, 300)
			for range 300 {
				go func() { got <- len(c.poll(1, 20)) }()
			}
			time.Sleep(500 * time.Millisecond)
			quick(t)
			begin := time.Now()
			c.send(c.oid)
			for range 300 {
				if k := <-got; k != 1 {
					t.Fatalf("a poll gave %d messages", k)
				}
			}
			if best = min(best, time.Since(begin)); best < time.Second {
				return
			}
			c.commit(i)
		}
		t.Errorf("the last poll answered after %v at best", best)
	})
}

// endless is a body of blanks.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}
