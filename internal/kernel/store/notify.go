package store

import "sync"

// Watch gets a value on C when one of its topics was notified. Wake-ups that nobody
// took yet are merged into one, and one may be lost: poll slowly besides.
type Watch struct {
	hub    *hub
	topics []string
	c      chan struct{}
}

// Watch starts watching topics. The caller must Close the watch.
func (d *DB) Watch(topics ...string) *Watch {
	w := &Watch{hub: &d.hub, topics: topics, c: make(chan struct{}, 1)}
	d.hub.mu.Lock()
	defer d.hub.mu.Unlock()
	for _, topic := range topics {
		set := d.hub.watches[topic]
		if set == nil {
			set = map[*Watch]struct{}{}
			d.hub.watches[topic] = set
		}
		set[w] = struct{}{}
	}
	return w
}

// C returns the channel of wake-ups.
func (w *Watch) C() <-chan struct{} { return w.c }

// Close ends the watch.
func (w *Watch) Close() {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	for _, topic := range w.topics {
		set := w.hub.watches[topic]
		delete(set, w)
		if len(set) == 0 {
			delete(w.hub.watches, topic)
		}
	}
}

// hub passes wake-ups to the watches of this process.
type hub struct {
	mu      sync.Mutex
	watches map[string]map[*Watch]struct{}
}

func (h *hub) wake(topic string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watches[topic] {
		w.signal()
	}
}

// wakeAll is for a listener that may have missed something.
func (h *hub) wakeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, set := range h.watches {
		for w := range set {
			w.signal()
		}
	}
}

func (w *Watch) signal() {
	select {
	case w.c <- struct{}{}:
	default:
	}
}
