package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"trojmezi/internal/kernel/clock"
)

// heartbeat finds a dead connection in twice the time.
const heartbeat = 10 * time.Second

// broker publishes persistent messages with confirms and reads queues with manual
// acknowledgement. It declares nothing: queues, bindings and where dead letters go
// belong to who runs the broker.
type broker struct {
	cfg   AMQP
	clock *clock.Clock

	mu       sync.Mutex // one publication at a time: order, and whose return it is
	conn     *amqp.Connection
	channel  *amqp.Channel
	returned chan amqp.Return
}

// Shared: the broker would share a queue out and lose the order.
func (b *broker) Shared() bool { return false }

// connect opens a connection with the files as they are now.
func (b *broker) connect(ctx context.Context) (*amqp.Connection, *amqp.Channel, error) {
	u, err := url.Parse(b.cfg.URL)
	if err != nil {
		return nil, nil, fail("transport.failure.unreachable", errors.New("the address is wrong"))
	}
	conf := amqp.Config{Vhost: "/", Heartbeat: heartbeat, Locale: "en_US", Properties: amqp.Table{"product": "trojmezi"}}
	if v := strings.TrimPrefix(u.Path, "/"); v != "" {
		conf.Vhost = v
	}
	if b.cfg.Username != "" {
		password, err := os.ReadFile(b.cfg.PasswordFile)
		if err != nil {
			return nil, nil, fail("transport.failure.secret", err)
		}
		conf.SASL = []amqp.Authentication{&amqp.PlainAuth{Username: b.cfg.Username, Password: strings.TrimRight(string(password), "\r\n")}}
	} else if b.cfg.TLS.Cert != "" {
		conf.SASL = []amqp.Authentication{&amqp.ExternalAuth{}}
	}
	if u.Scheme == "amqps" {
		if conf.TLSClientConfig, err = b.cfg.TLS.dial(); err != nil {
			return nil, nil, err
		}
		conf.TLSClientConfig.ServerName = u.Hostname()
	}
	conf.Dial = func(network, address string) (net.Conn, error) {
		d := net.Dialer{Timeout: requestTimeout}
		c, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		// The library takes the deadline away once the connection is open.
		return c, c.SetDeadline(time.Now().Add(requestTimeout))
	}
	conn, err := amqp.DialConfig(u.String(), conf)
	if err != nil {
		return nil, nil, brokerFailure(err)
	}
	ch, err := conn.Channel()
	if err != nil {
		conn.Close()
		return nil, nil, brokerFailure(err)
	}
	return conn, ch, nil
}

func brokerFailure(err error) error {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fail("transport.failure.certificate", err)
	}
	if bad, ok := errors.AsType[*amqp.Error](err); ok {
		switch bad.Code {
		case amqp.AccessRefused, amqp.NotAllowed:
			return fail("transport.failure.credentials", err)
		case amqp.NotFound:
			return fail("transport.failure.no_queue", err)
		}
	}
	if errors.Is(err, amqp.ErrCredentials) || errors.Is(err, amqp.ErrSASL) {
		return fail("transport.failure.credentials", err)
	}
	return fail("transport.failure.unreachable", err)
}

// Check connects and asks for the queues and the exchange without making them.
func (b *broker) Check(ctx context.Context) error {
	conn, ch, err := b.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, q := range b.cfg.Queues {
		if _, err := ch.QueueDeclarePassive(q, true, false, false, false, nil); err != nil {
			return brokerFailure(err)
		}
	}
	if b.cfg.Exchange != "" {
		// The kind of an exchange that is only asked for is not looked at.
		if err := ch.ExchangeDeclarePassive(b.cfg.Exchange, amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
			return brokerFailure(err)
		}
	}
	return nil
}

// Send publishes p and waits until the broker has it on its disk.
func (b *broker) Send(ctx context.Context, p Parcel) error {
	key := b.cfg.RoutingKey
	if key == "" {
		key = p.To
	}
	if key == "" && b.cfg.Exchange == "" {
		return fail("transport.failure.one_way", nil)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.open(ctx); err != nil {
		return err
	}
	now := b.clock.Now()
	msg := amqp.Publishing{DeliveryMode: amqp.Persistent, MessageId: p.ID, ContentType: p.Type, Timestamp: now, Body: p.Body}
	if !p.Expires.IsZero() {
		msg.Expiration = strconv.FormatInt(max(p.Expires.Sub(now).Milliseconds(), 1), 10)
	}
	confirm, err := b.channel.PublishWithDeferredConfirmWithContext(ctx, b.cfg.Exchange, key, true, false, msg)
	if err != nil {
		b.shut()
		return brokerFailure(err)
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	taken, err := confirm.WaitContext(ctx)
	if err != nil || !taken {
		b.shut() // a confirm that comes later must not be taken for the next one's
		return fail("transport.failure.not_confirmed", err)
	}
	select {
	case r := <-b.returned: // it comes before the confirm
		return fail("transport.failure.unroutable", errors.New(r.ReplyText))
	default:
		return nil
	}
}

// open needs b.mu.
func (b *broker) open(ctx context.Context) error {
	if b.conn != nil && !b.conn.IsClosed() && !b.channel.IsClosed() {
		return nil
	}
	b.shut()
	conn, ch, err := b.connect(ctx)
	if err != nil {
		return err
	}
	if err := ch.Confirm(false); err != nil {
		conn.Close()
		return brokerFailure(err)
	}
	b.conn, b.channel, b.returned = conn, ch, ch.NotifyReturn(make(chan amqp.Return, 1))
	return nil
}

// shut needs b.mu.
func (b *broker) shut() {
	if b.conn != nil {
		b.conn.Close()
	}
	b.conn, b.channel, b.returned = nil, nil, nil
}

// Receive reads the queues until ctx ends or the connection does.
func (b *broker) Receive(ctx context.Context, box Box, up func()) error {
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.shut()
	}()
	if len(b.cfg.Queues) == 0 {
		<-ctx.Done()
		return ctx.Err()
	}
	conn, ch, err := b.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := ch.Qos(b.cfg.Prefetch, 0, true); err != nil {
		return brokerFailure(err)
	}
	all := make(chan amqp.Delivery)
	var readers sync.WaitGroup
	defer readers.Wait()
	defer conn.Close() // ends the readers
	done := make(chan struct{})
	defer close(done)
	for _, q := range b.cfg.Queues {
		in, err := ch.Consume(q, "", false, false, false, false, nil)
		if err != nil {
			return brokerFailure(err)
		}
		readers.Go(func() {
			for d := range in {
				select {
				case all <- d:
				case <-done:
					return
				}
			}
		})
	}
	up()
	closed := conn.NotifyClose(make(chan *amqp.Error, 1))
	cancelled := ch.NotifyCancel(make(chan string, len(b.cfg.Queues)))
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-closed:
			if err != nil {
				return brokerFailure(err)
			}
			return fail("transport.failure.unreachable", nil)
		case q := <-cancelled:
			return fail("transport.failure.no_queue", errors.New(q))
		case <-beat.C:
			up()
		case d := <-all:
			if err := take(ctx, box, d); err != nil {
				return err
			}
		}
	}
}

// take acknowledges what is stored; what is too large goes to the dead letters
// whole; what could not be stored goes back to its queue.
func take(ctx context.Context, box Box, d amqp.Delivery) error {
	del := cut(Delivery{ID: d.MessageId, Type: d.ContentType, Body: d.Body, Volatile: d.DeliveryMode != amqp.Persistent})
	if err := box.Take(ctx, del); err != nil {
		return errors.Join(err, d.Nack(false, true))
	}
	if del.Fault != "" {
		return d.Nack(false, false)
	}
	return d.Ack(false)
}
