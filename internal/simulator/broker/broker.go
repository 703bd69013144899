// Package broker carries a simulated desk's messages over AMQP 0-9-1: by two queues, as
// the Polish profile has it, or as a hub like the French national one, which reads what
// clients publish and deals it out to the queues of whom it is for. It is for tests with
// a real broker; it keeps nothing.
package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"trojmezi/internal/simulator"
)

// pace is how often a desk is asked for something new.
const pace = 50 * time.Millisecond

// line is a connection with a channel that confirms what it takes.
type line struct {
	conn *amqp.Connection
	ch   *amqp.Channel
}

func dial(url string) (*line, error) {
	conn, err := amqp.Dial(url)
	if err != nil {
		return nil, err
	}
	ch, err := conn.Channel()
	if err == nil {
		err = ch.Confirm(false)
	}
	if err == nil {
		err = ch.Qos(1, 0, false)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &line{conn, ch}, nil
}

// queue declares a durable queue.
func (l *line) queue(name string) error {
	_, err := l.ch.QueueDeclare(name, true, false, false, false, nil)
	return err
}

// publish returns when the broker has the message.
func (l *line) publish(ctx context.Context, exchange, key, media, id string, body []byte) error {
	c, err := l.ch.PublishWithDeferredConfirmWithContext(ctx, exchange, key, true, false, amqp.Publishing{MessageId: id, ContentType: media, DeliveryMode: amqp.Persistent, Body: body})
	if err != nil {
		return err
	}
	if ok, err := c.WaitContext(ctx); err != nil {
		return fmt.Errorf("simulator: the broker does not confirm %s: %w", id, err)
	} else if !ok {
		return fmt.Errorf("simulator: the broker does not take %s", id)
	}
	return nil
}

// run carries until ctx ends: what comes on a queue to take, what the desk says to give.
func (l *line) run(ctx context.Context, d *simulator.Desk, queue string, take func(amqp.Delivery) error, give func(simulator.Letter) error) error {
	defer l.conn.Close()
	in, err := l.ch.ConsumeWithContext(ctx, queue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	place := 0
	for {
		if letter, ok := d.Letter(place); ok {
			if err := give(letter); err != nil {
				return err
			}
			place = letter.Place
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pace):
		case message, open := <-in:
			if !open {
				return amqp.ErrClosed
			}
			err := take(message)
			if errors.Is(err, simulator.ErrDown) {
				time.Sleep(pace)
				err = message.Nack(false, true)
			} else if err == nil {
				err = message.Ack(false)
			}
			if err != nil {
				return err
			}
		}
	}
}

// Queues carries a desk's messages by two queues, which it declares: the node reads
// toNode and publishes to the broker's own exchange with the key toDesk.
func Queues(ctx context.Context, d *simulator.Desk, url, toNode, toDesk string) error {
	l, err := dial(url)
	if err != nil {
		return err
	}
	if err := errors.Join(l.queue(toNode), l.queue(toDesk)); err != nil {
		return errors.Join(err, l.conn.Close())
	}
	return l.run(ctx, d, toDesk, func(m amqp.Delivery) error { return d.Take(m.Body) },
		func(letter simulator.Letter) error {
			return l.publish(ctx, "", toNode, d.Media(), letter.ID, letter.Bytes)
		})
}

// Hub plays the hub and the centre behind it. The node publishes to the exchange with
// its own name as the key, and reads the queues NODE.message, NODE.ack and NODE.info,
// which are declared here. wrong hears what a node must not do at the hub.
func Hub(ctx context.Context, d *simulator.Desk, url, exchange, node string, wrong func(string)) error {
	l, err := dial(url)
	if err != nil {
		return err
	}
	in := exchange + ".in"
	if err := errors.Join(l.queue(node+".message"), l.queue(node+".ack"), l.queue(node+".info"), l.queue(in),
		l.ch.ExchangeDeclare(exchange, amqp.ExchangeTopic, true, false, false, false, nil), l.ch.QueueBind(in, "#", exchange, false, nil)); err != nil {
		return errors.Join(err, l.conn.Close())
	}
	return l.run(ctx, d, in, func(m amqp.Delivery) error {
		if m.DeliveryMode != amqp.Persistent {
			wrong("101: not persistent")
		}
		if m.ContentType != "application/json" && m.ContentType != "application/xml" {
			wrong("100: content type " + m.ContentType)
		}
		if m.RoutingKey != node {
			wrong("200: the key " + m.RoutingKey + " is not the sender")
		}
		return d.Take(m.Body)
	}, func(letter simulator.Letter) error {
		queue := map[simulator.Kind]string{simulator.Receipt: ".ack", simulator.Failure: ".info"}[d.KindOf(letter.ID)]
		if queue == "" {
			queue = ".message"
		}
		return l.publish(ctx, "", node+queue, d.Media(), letter.ID, letter.Bytes)
	})
}
