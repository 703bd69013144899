package crash

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// web is shared by all clients of the tests. Half a minute of long polling plus
// what a busy machine needs.
var web = &http.Client{
	Timeout:   60 * time.Second,
	Transport: &http.Transport{MaxIdleConnsPerHost: 256, IdleConnTimeout: 10 * time.Second},
}

// reply is one HTTP answer, read to its end; err means that none came, and that
// nobody knows what the node did.
type reply struct {
	status int
	body   []byte
	err    error
}

func (r reply) String() string {
	if r.err != nil {
		return r.err.Error()
	}
	return fmt.Sprintf("%d %.300s", r.status, r.body)
}

func request(ctx context.Context, method, url, auth string, body any) reply {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return reply{err: err}
		}
		content = bytes.NewReader(text)
	}
	q, err := http.NewRequestWithContext(ctx, method, url, content)
	if err != nil {
		return reply{err: err}
	}
	q.Header.Set("Content-Type", "application/json")
	if user, ok := strings.CutPrefix(auth, "basic:"); ok {
		q.SetBasicAuth(user, password)
	} else {
		q.Header.Set("Authorization", "Bearer "+auth)
	}
	a, err := web.Do(q)
	if err != nil {
		return reply{err: err}
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	return reply{a.StatusCode, text, err}
}

// call speaks the client API for the account of all clients. A token that is not
// valid any more is replaced once.
func (n *node) call(method, path string, body any) reply {
	return n.callContext(context.Background(), method, path, body)
}

func (n *node) callContext(ctx context.Context, method, path string, body any) reply {
	base := n.base + "/ucrm/client/v0"
	for attempt := 0; ; attempt++ {
		n.mu.Lock()
		bearer := n.bearer
		n.mu.Unlock()
		if bearer == "" || attempt > 0 {
			r := request(ctx, "GET", base+"/token", "basic:clients", nil)
			var answer struct{ Token string }
			if r.err != nil || r.status != 200 || json.Unmarshal(r.body, &answer) != nil {
				return r
			}
			bearer = answer.Token
			n.mu.Lock()
			n.bearer = bearer
			n.mu.Unlock()
		}
		r := request(ctx, method, base+path, bearer, body)
		if r.err == nil && r.status == 401 && attempt == 0 {
			continue
		}
		return r
	}
}

// item is a received message.
type item struct {
	MessageID   string `json:"messageId"`
	Source      string `json:"source"`
	Destination string `json:"destination"`
	SequenceID  int64  `json:"sequenceId"`
	Payload     struct {
		AppID string `json:"appId"`
		Data  string `json:"data"`
	} `json:"payload"`
}

// receipt is a delivery status.
type receipt struct {
	RefMessageID string `json:"refMessageId"`
	Destination  string `json:"destination"`
	StatusCode   int    `json:"statusCode"`
}

// receipt reads an item as a delivery status, if it is one.
func (m item) receipt() (receipt, bool) {
	var s receipt
	if m.Payload.AppID != "transport_layer_messages" {
		return s, false
	}
	return s, json.Unmarshal([]byte(m.Payload.Data), &s) == nil
}

// receive polls; ok is false when there was no answer or a refusal.
func (n *node) receive(ctx context.Context, oid string, max, seconds int) (items []item, r reply, ok bool) {
	body := record{"destinations": []string{oid}, "maxDelay": seconds}
	if max > 0 {
		body["maxMessages"] = max
	}
	r = n.callContext(ctx, "POST", "/messaging/receive", body)
	if r.err != nil || r.status != 200 {
		return nil, r, r.err == nil && r.status == 204
	}
	var answer struct{ Messages []item }
	r.err = json.Unmarshal(r.body, &answer)
	return answer.Messages, r, r.err == nil
}

func (n *node) commit(oid string, seq int64) reply {
	return n.call("POST", "/messaging/commit", record{"destination": oid, "sequenceId": seq})
}

// message is a notification from one client to another.
func message(id, from, to, text, ack string, timeout int) record {
	data, err := json.Marshal(record{
		"sharedIncidentId": "7d0c5f0e-2b3c-4c55-9a5e-0a4b8f1f6a" + id[:2], // 256 incidents, each with its own key
		"notifications":    []any{record{"timestamp": "2026-03-14T07:31:05Z", "message": text}},
	})
	if err != nil {
		panic(err) // strings always encode
	}
	return record{
		"messageId": id, "source": from, "destinations": []string{to}, "ack": ack, "timeout": timeout,
		"payload": record{"appId": "notification_text", "appVersion": "1.0", "schemaId": "notification", "contentType": "application/json", "data": string(data)},
	}
}

func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
