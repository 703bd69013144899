package channel

import (
	"crypto/ecdh"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
)

// Hook is the address of a webhook with the secret that both sides know.
type Hook struct {
	URL    string `json:"url"`
	Secret string `json:"secret"`
}

// Target is the hook as the target of a dispatch.
func (h Hook) Target() string {
	text, err := json.Marshal(h)
	if err != nil {
		return ""
	}
	return string(text)
}

// readHook reads a target; an address alone is that of a receiver of the configuration.
func readHook(target string) (h Hook) {
	if strings.HasPrefix(target, "{") {
		if json.Unmarshal([]byte(target), &h) != nil {
			return Hook{}
		}
	} else {
		h.URL = target
	}
	if u, err := url.Parse(h.URL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return Hook{}
	}
	return h
}

// subscription is where a browser gets its messages, and its keys (spec: RFC 8291, §3.2).
type subscription struct{ Endpoint, Key, Auth string }

// readSubscription reads what PushSubscription.toJSON of a browser gives.
func readSubscription(target string) (sub subscription, ok bool) {
	var raw struct {
		Endpoint string `json:"endpoint"`
		Keys     struct {
			P256dh string `json:"p256dh"`
			Auth   string `json:"auth"`
		} `json:"keys"`
	}
	if json.Unmarshal([]byte(target), &raw) != nil {
		return sub, false
	}
	u, err := url.Parse(raw.Endpoint)
	if err != nil || u.Host == "" {
		return sub, false
	}
	key, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(raw.Keys.P256dh, "="))
	if err != nil {
		return sub, false
	}
	if _, err := ecdh.P256().NewPublicKey(key); err != nil {
		return sub, false
	}
	auth, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(raw.Keys.Auth, "="))
	if err != nil || len(auth) != 16 {
		return sub, false
	}
	return subscription{raw.Endpoint, raw.Keys.P256dh, raw.Keys.Auth}, true
}

// vapid are the keys by which push services know the channel (spec: RFC 8292). They
// follow from the node key, so that subscriptions outlive a restored database; each
// channel has its own.
func (s *Service) vapid(name string) (private, public string, err error) {
	for n := range 8 {
		key, err := ecdh.P256().NewPrivateKey(s.Key.Derive(fmt.Sprintf("channel vapid %s %d", name, n), 32))
		if err != nil {
			continue // beyond the order of the curve: one of 2^32
		}
		return base64.RawURLEncoding.EncodeToString(key.Bytes()), base64.RawURLEncoding.EncodeToString(key.PublicKey().Bytes()), nil
	}
	return "", "", fmt.Errorf("channel: no key for %s", name)
}

// PushKey is what a page needs to subscribe a browser to a push channel
// (applicationServerKey); problem NotFound.
func (s *Service) PushKey(name string) (string, error) {
	c := s.channel(name)
	if c == nil || c.sort != Push {
		return "", problem.New("channel.PushKey", problem.NotFound, "channel.refuse.unknown", i18n.Args{"channel": name})
	}
	_, public, err := s.vapid(name)
	return public, err
}
