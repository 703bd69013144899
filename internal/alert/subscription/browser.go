package subscription

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"net"
	"net/url"
	"slices"
	"strings"

	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// browser reads what PushSubscription.toJSON of a browser gives (spec: Push API, §5) and
// writes it as it is kept, so that the same browser is known again; "" when it is none.
// Whether its push service is permitted is for the channel to say.
func browser(target string) string {
	var x struct {
		Endpoint string `json:"endpoint"`
		Keys     struct {
			Key  string `json:"p256dh"`
			Auth string `json:"auth"`
		} `json:"keys"`
	}
	if len(target) > maxBrowser || json.Unmarshal([]byte(target), &x) != nil || x.Keys.Key == "" || x.Keys.Auth == "" {
		return ""
	}
	u, err := url.Parse(x.Endpoint)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !net.ParseIP(u.Hostname()).IsLoopback()) {
		return ""
	}
	text, err := json.Marshal(x)
	if err != nil || len(text) > maxBrowser {
		return ""
	}
	return string(text)
}

// endpointOf is where the messages of a browser go, "" of another target. It is what a
// browser is known by: keys can be made up, an address at a push service that answers
// cannot.
func endpointOf(target string) string {
	var x struct {
		Endpoint string `json:"endpoint"`
	}
	if !strings.HasPrefix(target, "{") || json.Unmarshal([]byte(target), &x) != nil {
		return ""
	}
	return x.Endpoint
}

// maxBrowser is what channels take as an address.
const maxBrowser = 2000

// enterBrowser enters what a browser wants, instead of what it wanted for the same place
// before: it is not told twice. One whose push service has taken a message already need not
// wait for another.
func (s *Service) enterBrowser(tx *store.Tx, x *Subscription, target string) error {
	all, err := s.ofTarget(tx, target)
	if err != nil {
		return err
	}
	n := len(all)
	for _, old := range all {
		known, err := s.Target(old)
		if err != nil {
			return err
		}
		if known != target {
			continue // who makes up keys ends nothing of whose address it is
		}
		if !old.Confirmed.IsZero() {
			x.Confirmed, x.Until = x.At, x.At.Add(lasts)
		}
		if old.Polygon == x.Polygon && slices.Equal(old.Municipalities, x.Municipalities) && pointText(old.Point) == pointText(x.Point) {
			if err := s.erase(tx, old, "subscription.end"); err != nil {
				return err
			}
			n--
		}
	}
	if n >= mostEach {
		return problem.New("subscription.Ask", problem.Conflict, "subscription.fault.most", nil)
	}
	if err := x.insert(tx, s.hash(target)); err != nil {
		return err
	}
	if !x.Confirmed.IsZero() {
		s.enter(tx, x.Number, &x.Want)
	}
	return s.note(tx, "subscription.ask", x.ID)
}

// ofTarget are the subscriptions of an address. Those of browsers that were entered before
// addresses alone were hashed are found by the whole text.
func (s *Service) ofTarget(tx *store.Tx, target string) ([]*Subscription, error) {
	return selected(tx, `WHERE target_hash IN ($1, $2) ORDER BY number`, s.hash(target), s.hashText(strings.ToLower(target)))
}

// Reached takes that the push service of a browser has taken the first message: there is
// such a browser, and from now on it is told.
func (s *Service) Reached(tx *store.Tx, ref string) error {
	x, err := byID(tx, strings.TrimPrefix(ref, "subscription/"))
	if problem.KindOf(err) == problem.NotFound {
		return nil // ended meanwhile
	}
	if err != nil || x.Channel != WebPush || !x.Confirmed.IsZero() {
		return err
	}
	now := s.o.Clock.Now()
	if _, err := confirm(tx, x.ID, now, now.Add(lasts)); err != nil {
		return err
	}
	s.enter(tx, x.Number, &x.Want)
	return s.note(tx, "subscription.confirm", x.ID)
}

// Own is a subscription with what opens its page.
type Own struct {
	*Subscription
	Token string
}

// OfBrowser are the subscriptions of a browser, which proves by its keys that it is the
// one.
func (s *Service) OfBrowser(ctx context.Context, target string) (own []Own, err error) {
	if target = browser(target); target == "" {
		return nil, &Refused{[]Fault{{Field: "target", Key: "subscription.fault.push"}}}
	}
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		all, err := s.ofTarget(tx, target)
		for _, x := range all {
			if known, err := s.Target(x); err == nil && subtle.ConstantTimeCompare([]byte(known), []byte(target)) == 1 {
				own = append(own, Own{x, s.token(x.ID)})
			}
		}
		return err
	})
	return own, problem.Wrap("subscription.OfBrowser", err)
}
