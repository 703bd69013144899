package transport

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// wire is a line to the broker that the test can cut.
type wire struct {
	l     net.Listener
	to    string
	mu    sync.Mutex
	open  []net.Conn
	downs bool
}

func newWire(t testing.TB, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{l: l, to: to}
	t.Cleanup(func() { l.Close(); w.cut() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("tcp", to)
			w.mu.Lock()
			if err != nil || w.downs {
				c.Close()
				w.mu.Unlock()
				continue
			}
			w.open = append(w.open, c, s)
			w.mu.Unlock()
			go func() { io.Copy(c, s); c.Close() }()
			go func() { io.Copy(s, c); s.Close() }()
		}
	}()
	return w
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.open {
		c.Close()
	}
	w.open = nil
}

func (w *wire) down(down bool) {
	w.mu.Lock()
	w.downs = down
	w.mu.Unlock()
	if down {
		w.cut()
	}
}

// rabbit is a real broker with a queue whose dead letters go to another one.
type rabbit struct {
	t    testing.TB
	ch   *amqp.Channel
	name string
	wire *wire
	cfg  AMQP
}

func newRabbit(t *testing.T) *rabbit {
	t.Helper()
	address := os.Getenv("TROJMEZI_TEST_AMQP")
	if address == "" {
		t.Skip("TROJMEZI_TEST_AMQP is not set: .ci/rabbit start DIR prints it")
	}
	conn, err := amqp.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	r := &rabbit{t: t, ch: ch, name: "t" + strconv.FormatInt(time.Now().UnixNano(), 36)}
	for name, args := range map[string]amqp.Table{r.name + ".dead": nil, r.name: {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": r.name + ".dead"}} {
		if _, err := ch.QueueDeclare(name, true, false, false, false, args); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ch.QueueDelete(name, false, false, false) })
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	r.wire = newWire(t, u.Host)
	password, _ := u.User.Password()
	r.cfg = AMQP{URL: "amqp://" + r.wire.l.Addr().String(), Username: u.User.Username(), PasswordFile: file(t, "password", password+"\n"), InsecureLoopback: true}
	return r
}

func (r *rabbit) transport(change func(*AMQP)) Transport {
	c := r.cfg
	change(&c)
	return made(r.t, Config{AMQP: &c})
}

func (r *rabbit) publish(id string, body []byte, mode uint8) {
	r.t.Helper()
	if err := r.ch.PublishWithContext(r.t.Context(), "", r.name, true, false, amqp.Publishing{MessageId: id, ContentType: "application/xml", DeliveryMode: mode, Body: body}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rabbit) length(queue string) int {
	r.t.Helper()
	q, err := r.ch.QueueDeclarePassive(queue, true, false, false, false, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return q.Messages
}

// Messages are acknowledged when they are stored: one that is not stays with the
// broker, in its place; one that is too large goes to the dead letters whole.
func TestAMQPReceives(t *testing.T) {
	r := newRabbit(t)
	w := r.transport(func(c *AMQP) { c.Queues, c.Prefetch = []string{r.name}, 2 })
	if err := w.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	box := &shelf{full: true}
	for i := range 5 {
		r.publish(strconv.Itoa(i), []byte("m"+strconv.Itoa(i)), amqp.Persistent)
	}
	stop := receiving(t, w, box)
	until(t, "attempts", func() bool { _, n := box.all(); return n > 2 })
	box.setFull(false)
	until(t, "five messages", func() bool { got, _ := box.all(); return len(got) == 5 })
	r.publish("large", bytes.Repeat([]byte("x"), MaxBytes+7), amqp.Persistent)
	r.publish("volatile", []byte("v"), amqp.Transient)
	until(t, "the others", func() bool { got, _ := box.all(); return len(got) == 7 })
	until(t, "a dead letter", func() bool { return r.length(r.name+".dead") == 1 })
	stop()
	until(t, "an empty queue", func() bool { return r.length(r.name) == 0 })
	got, _ := box.all()
	for i, d := range got[:5] {
		if d.ID != strconv.Itoa(i) || string(d.Body) != "m"+d.ID || d.Volatile || d.Type != "application/xml" {
			t.Errorf("%d: %+v", i, d)
		}
	}
	if got[5].Fault != "transport.fault.size" || len(got[5].Body) != MaxBytes || !got[6].Volatile {
		t.Errorf("%q of %d bytes, %v", got[5].Fault, len(got[5].Body), got[6].Volatile)
	}
	dead, ok, err := r.ch.Get(r.name+".dead", true)
	if err != nil || !ok || len(dead.Body) != MaxBytes+7 {
		t.Errorf("dead letter of %d bytes, %v", len(dead.Body), err)
	}
}

// A cut line loses nothing: what was not acknowledged comes again on the next one.
func TestAMQPReconnects(t *testing.T) {
	r := newRabbit(t)
	w := r.transport(func(c *AMQP) { c.Queues, c.RoutingKey = []string{r.name}, r.name })
	box := &shelf{}
	receiving(t, w, box)
	for i := range 3 {
		if err := w.Send(t.Context(), Parcel{ID: strconv.Itoa(i), Body: []byte("x"), Type: "application/json"}); err != nil {
			t.Fatal(err)
		}
		r.wire.cut()
		until(t, "message "+strconv.Itoa(i), func() bool {
			w.Send(t.Context(), Parcel{ID: strconv.Itoa(i), Body: []byte("x")}) // whose fate nobody knows is sent again
			got, _ := box.all()
			return len(got) > 0 && got[len(got)-1].ID == strconv.Itoa(i)
		})
	}
	r.wire.down(true)
	if err := w.Send(t.Context(), Parcel{ID: "4"}); err == nil {
		t.Error("handed over on a line that is cut")
	}
	until(t, "the reason", func() bool {
		return FailureKey(w.Send(t.Context(), Parcel{ID: "4"})) == "transport.failure.unreachable"
	})
	r.wire.down(false)
	until(t, "the line", func() bool { return w.Send(t.Context(), Parcel{ID: "4"}) == nil })
}

// What is sent is persistent and expires with the message; what no queue takes is not
// taken for handed over.
func TestAMQPSends(t *testing.T) {
	r := newRabbit(t)
	w := r.transport(func(c *AMQP) { c.RoutingKey = r.name })
	if err := w.Send(t.Context(), Parcel{ID: "id-1", Type: "application/xml", Body: []byte("<a/>"), Expires: testClock.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	d, ok, err := r.ch.Get(r.name, true)
	if err != nil || !ok || d.MessageId != "id-1" || d.DeliveryMode != amqp.Persistent || d.ContentType != "application/xml" || string(d.Body) != "<a/>" {
		t.Fatalf("%+v %v", d, err)
	}
	if ms, err := strconv.Atoi(d.Expiration); err != nil || ms < 3_590_000 || ms > 3_600_000 {
		t.Errorf("expires after %s ms", d.Expiration)
	}
	lost := r.transport(func(c *AMQP) { c.RoutingKey = r.name + ".nobody" })
	if err := lost.Send(t.Context(), Parcel{ID: "id-2"}); FailureKey(err) != "transport.failure.unroutable" {
		t.Errorf("nobody's: %v", err)
	}
	if err := lost.Send(t.Context(), Parcel{ID: "id-3"}); FailureKey(err) != "transport.failure.unroutable" {
		t.Errorf("nobody's again: %v", err)
	}
	none := r.transport(func(c *AMQP) { c.Queues = []string{r.name + ".none"} })
	if err := none.Check(t.Context()); FailureKey(err) != "transport.failure.no_queue" {
		t.Errorf("no queue: %v", err)
	}
	stranger := r.transport(func(c *AMQP) { c.Queues, c.PasswordFile = []string{r.name}, file(t, "p", "wrong") })
	if err := stranger.Check(t.Context()); FailureKey(err) != "transport.failure.credentials" {
		t.Errorf("wrong password: %v", err)
	}
}
