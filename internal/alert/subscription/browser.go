package subscription

import (
	"context"
	"encoding/json"
	"net"
	"net/url"
	"slices"

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

// maxBrowser is what channels take as an address.
const maxBrowser = 2000

// enterBrowser enters what a browser wants, instead of what it wanted for the same place
// before: it is not told twice.
func (s *Service) enterBrowser(tx *store.Tx, x *Subscription, hash string) error {
	all, err := selected(tx, `WHERE target_hash = $1`, hash)
	if err != nil {
		return err
	}
	n := len(all)
	for _, old := range all {
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
	if err := x.insert(tx, hash); err != nil {
		return err
	}
	s.enter(tx, x.Number, &x.Want)
	return s.note(tx, "subscription.ask", x.ID)
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
		all, err := selected(tx, `WHERE target_hash = $1 ORDER BY number`, s.hash(target))
		for _, x := range all {
			own = append(own, Own{x, s.token(x.ID)})
		}
		return err
	})
	return own, problem.Wrap("subscription.OfBrowser", err)
}
