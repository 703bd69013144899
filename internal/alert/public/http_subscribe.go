package public

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/a-h/templ"
	"golang.org/x/time/rate"

	"trojmezi/internal/alert/area"
	"trojmezi/internal/alert/subscription"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

// subscribePath is the form.
const subscribePath = "/subscribe"

// A network may ask as often as a family with several places; after that once in a while:
// who asks in the name of others is not helped.
const (
	askBurst   = 10
	askPause   = time.Minute
	maxAskers  = 10_000
	maxForm    = 16 << 10
	maxPattern = 4000
)

// askers counts who asks, by network: who has one address of IPv6 has all of its /64.
type askers struct {
	mu sync.Mutex
	by map[netip.Prefix]*asker
}

type asker struct {
	*rate.Limiter
	last time.Time
}

func (a *askers) may(who string, now time.Time) bool {
	network := networkOf(who)
	a.mu.Lock()
	defer a.mu.Unlock()
	k := a.by[network]
	if k == nil {
		if a.by == nil {
			a.by = map[netip.Prefix]*asker{}
		}
		if len(a.by) >= maxAskers {
			a.forget()
		}
		k = &asker{Limiter: rate.NewLimiter(rate.Every(askPause), askBurst)}
		a.by[network] = k
	}
	k.last = now
	return k.AllowN(now, 1)
}

// forget drops the half that has not asked for the longest time: whoever fills the table
// from many networks is not let off by it himself.
func (a *askers) forget() {
	last := make([]time.Time, 0, len(a.by))
	for _, k := range a.by {
		last = append(last, k.last)
	}
	slices.SortFunc(last, time.Time.Compare)
	middle := last[len(last)/2]
	for n, k := range a.by {
		if k.last.Before(middle) {
			delete(a.by, n)
		}
	}
	if len(a.by) >= maxAskers { // all at one moment
		clear(a.by)
	}
}

// networkOf is the network of an address; all that cannot be read are one.
func networkOf(who string) netip.Prefix {
	ip, err := netip.ParseAddr(who)
	if err != nil {
		return netip.Prefix{}
	}
	ip = ip.Unmap()
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	network, err := ip.Prefix(bits)
	if err != nil { // with a zone: of this machine
		return netip.PrefixFrom(ip.WithZone(""), ip.BitLen())
	}
	return network
}

// wish is the form as it was filled in.
type wish struct {
	Place, Point, Polygon, Level, From, To, Mail string
	Hazards                                      []string
	Wording, Rivers                              bool
	Errors                                       ui.Errors
}

func (p *Pages) subscribeForm(w http.ResponseWriter, r *http.Request) error {
	l, fixed, err := langOf(r)
	if err != nil {
		return err
	}
	v := wish{Place: r.URL.Query().Get("place"), Level: "1", From: "22:00", To: "06:00"}
	return p.send(w, r, l, fixed, func(context.Context) templ.Component { return p.subscribePage(l, v) })
}

// private answers with a page that nobody keeps.
func (p *Pages) private(w http.ResponseWriter, r *http.Request, l i18n.Lang, status int, page templ.Component) error {
	ctx := web.Region(r.Context(), l)
	var b bytes.Buffer
	if err := page.Render(ctx, &b); err != nil {
		return problem.Wrap("public", err)
	}
	h := w.Header()
	h.Del("Set-Cookie")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", string(l))
	w.WriteHeader(status)
	_, err := b.WriteTo(w)
	return err
}

// minutes reads "22:00"; "" is midnight.
func minutes(s string) int {
	if s == "" {
		return 0
	}
	at, err := time.Parse("15:04", s)
	if err != nil {
		return -1
	}
	return at.Hour()*60 + at.Minute()
}

func clockText(m int) string { return fmt.Sprintf("%02d:%02d", m/60, m%60) }

func (p *Pages) subscribe(w http.ResponseWriter, r *http.Request) error {
	l, _, err := langOf(r)
	if err != nil {
		return err
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return err
	}
	if !p.askers.may(p.o.Address(r), p.o.Now()) {
		return problem.New("public.subscribe", problem.Conflict, "public.fault.often", nil)
	}
	f := func(name string) string { return strings.TrimSpace(r.PostForm.Get(name)) }
	v := wish{Place: f("place"), Point: f("point"), Polygon: strings.Join(strings.Fields(f("polygon")), " "), Level: f("level"), From: f("from"), To: f("to"), Mail: f("mail"), Hazards: r.PostForm["hazard"], Wording: f("wording") != "", Rivers: f("rivers") != ""}
	if f("do") == "mine" {
		return p.ofBrowser(w, r, l, f("browser"))
	}
	x, errs := p.wanted(r.Context(), v, l)
	to, token := v.Mail, ""
	if f("do") == "browser" {
		x.Channel, to = subscription.WebPush, f("browser")
	}
	if len(errs) == 0 {
		token, err = p.o.Subscriptions.Ask(r.Context(), x, to)
		if bad, ok := errors.AsType[*subscription.Refused](err); ok {
			ids := map[string]string{"target": "mail", "quiet": "from"}
			for _, fault := range bad.Faults {
				id := fault.Field
				if ids[id] != "" {
					id = ids[id]
				}
				if x.Channel == subscription.WebPush && fault.Field == "target" {
					id = "browser"
				}
				errs.Add(id, p.o.Texts.Text(l, fault.Key, fault.Args))
			}
		} else if err != nil {
			return err
		}
	}
	if v.Errors = errs; len(errs) > 0 {
		return p.private(w, r, l, http.StatusUnprocessableEntity, p.subscribePage(l, v))
	}
	if x.Channel == subscription.WebPush { // the person has said so to the browser
		http.Redirect(w, r, subscription.Path+token, http.StatusSeeOther)
		return nil
	}
	return p.private(w, r, l, http.StatusOK, p.askedPage(l))
}

// ofBrowser shows a browser what it is told of.
func (p *Pages) ofBrowser(w http.ResponseWriter, r *http.Request, l i18n.Lang, browser string) error {
	all, err := p.o.Subscriptions.OfBrowser(r.Context(), browser)
	if bad, ok := errors.AsType[*subscription.Refused](err); ok {
		return problem.New("public.ofBrowser", problem.Invalid, bad.Faults[0].Key, bad.Faults[0].Args)
	}
	if err != nil {
		return err
	}
	return p.private(w, r, l, http.StatusOK, p.browserPage(l, all))
}

// workerPath is that of the script that shows what is pushed. Its scope is /subscribe/: no
// other page is under it.
const workerPath = subscribePath + "/worker.js"

//go:embed worker.js
var workerScript string

// worker answers with the script and its texts.
func (p *Pages) worker(w http.ResponseWriter, r *http.Request) error {
	texts := map[i18n.Lang]map[string]string{}
	for _, l := range i18n.Langs {
		texts[l] = map[string]string{"unknown": p.o.Texts.Text(l, "public.worker.unknown", nil), "over": p.o.Texts.Text(l, "public.worker.over", nil), "mine": p.o.Texts.Text(l, "public.worker.mine", nil)}
	}
	raw, err := json.Marshal(texts)
	if err != nil {
		return problem.Wrap("public.worker", err)
	}
	return answer(w, r, []byte("const TEXTS = "+string(raw)+";\n"+workerScript), "text/javascript; charset=utf-8")
}

// wanted is the subscription a form asks for.
func (p *Pages) wanted(ctx context.Context, v wish, l i18n.Lang) (x subscription.Subscription, errs ui.Errors) {
	x.Channel, x.Lang, x.Wording, x.Rivers = subscription.Email, l, v.Wording, v.Rivers
	bad := func(field, key string) { errs.Add(field, p.o.Texts.Text(l, key, nil)) }
	if v.Place != "" {
		x.Municipalities = []string{v.Place}
	}
	if v.Point != "" {
		found, err := p.o.Places.Find(web.Region(ctx, l), v.Point)
		if err != nil || len(found) == 0 || !found[0].HasPoint {
			bad("point", "public.fault.point")
		} else {
			at := geo.Point{Lat: found[0].Lat, Lon: found[0].Lon}
			x.Point = &at
			if near, ok := p.o.Places.Nearest(at); v.Place == "" && ok {
				x.Municipalities = []string{near.ID}
			}
		}
	}
	if v.Polygon != "" && len(v.Polygon) <= maxPattern {
		x.Polygon, x.Point = v.Polygon, nil
		if own, _ := area.Read([]string{v.Polygon}, nil, nil); !own.Empty() {
			for _, t := range p.towns {
				if own.Contains(t.Point) && !slices.Contains(x.Municipalities, t.ID) {
					x.Municipalities = append(x.Municipalities, t.ID)
				}
			}
			if len(x.Municipalities) == 0 { // a meadow between villages
				own.Sides(func(a, _ geo.Point) {
					if near, ok := p.o.Places.Nearest(a); ok && len(x.Municipalities) == 0 {
						x.Municipalities = []string{near.ID}
					}
				})
			}
		}
	}
	n, err := strconv.Atoi(v.Level)
	if err != nil || n < 0 || n > 4 {
		bad("level", "subscription.fault.level")
	}
	x.Level = uint8(max(0, min(n, 4)))
	for i, h := range subscription.Hazards {
		if slices.Contains(v.Hazards, h.Name) {
			x.Hazards |= 1 << i
		}
	}
	x.QuietFrom, x.QuietTo = minutes(v.From), minutes(v.To)
	return x, errs
}

// mine shows what is kept of a person, with the reason of each and when it is deleted.
func (p *Pages) mine(w http.ResponseWriter, r *http.Request) error {
	x, err := p.o.Subscriptions.Get(r.Context(), r.PathValue("token"))
	if err != nil {
		return err
	}
	target, err := p.o.Subscriptions.Target(x)
	if err != nil {
		return problem.Wrap("public.mine", err)
	}
	return p.private(w, r, x.Lang, http.StatusOK, p.minePage(x, r.PathValue("token"), target))
}

// change confirms, prolongs or ends. A mail program ends with one POST (spec: RFC 8058).
func (p *Pages) change(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return err
	}
	token := r.PathValue("token")
	if r.PostForm.Get("List-Unsubscribe") == "One-Click" || r.PostForm.Get("do") == "end" {
		l := i18n.Match(r.Header.Get("Accept-Language"))
		target := ""
		if x, err := p.o.Subscriptions.Get(r.Context(), token); err == nil {
			if l = x.Lang; x.Channel == subscription.WebPush {
				if target, err = p.o.Subscriptions.Target(x); err != nil {
					return problem.Wrap("public.change", err)
				}
			}
		}
		if err := p.o.Subscriptions.End(r.Context(), token); err != nil {
			return err
		}
		digest, err := p.nothingLeft(r.Context(), target)
		if err != nil {
			return err
		}
		return p.private(w, r, l, http.StatusOK, p.endedPage(l, digest))
	}
	if err := p.o.Subscriptions.Confirm(r.Context(), token); err != nil {
		return err
	}
	http.Redirect(w, r, subscription.Path+token, http.StatusSeeOther)
	return nil
}

// nothingLeft is the digest of a browser's address when it is told of nothing more, else "".
func (p *Pages) nothingLeft(ctx context.Context, target string) (string, error) {
	if target == "" {
		return "", nil
	}
	left, err := p.o.Subscriptions.OfBrowser(ctx, target)
	if err != nil || len(left) > 0 {
		return "", err
	}
	var x struct{ Endpoint string }
	if err := json.Unmarshal([]byte(target), &x); err != nil {
		return "", problem.Wrap("public.nothingLeft", err)
	}
	sum := sha256.Sum256([]byte(x.Endpoint))
	return hex.EncodeToString(sum[:]), nil
}

func (p *Pages) hazardOptions(ctx context.Context, chosen []string) (all []ui.Option) {
	for _, h := range subscription.Hazards {
		all = append(all, ui.Option{Value: h.Name, Text: t(ctx, "public.hazard."+h.Name), Selected: slices.Contains(chosen, h.Name)})
	}
	return all
}

func (p *Pages) placeOptions(l i18n.Lang, chosen string) []ui.Option {
	all := []ui.Option{{Text: "–"}}
	for _, x := range p.towns {
		all = append(all, ui.Option{Value: x.ID, Text: title(x, l) + " (" + string(x.Country) + ")", Selected: x.ID == chosen})
	}
	return all
}

func levelOptions(ctx context.Context, chosen string) (all []ui.Option) {
	for _, n := range []string{"1", "2", "3", "4"} {
		all = append(all, ui.Option{Value: n, Text: t(ctx, "public.from_level."+n), Selected: n == chosen})
	}
	return all
}

// placesOf are the names of the municipalities of a subscription.
func (p *Pages) placesOf(x *subscription.Subscription) string {
	var places []string
	for _, id := range x.Municipalities {
		if m, ok := p.o.Places.Place(id); ok {
			places = append(places, title(m, x.Lang))
		}
	}
	return strings.Join(places, " · ")
}

// fact is a field that is kept of a person.
type fact struct{ Label, Text, Why string }

// facts are all of them.
func (p *Pages) facts(ctx context.Context, x *subscription.Subscription, target string) (all []fact) {
	add := func(key, text string) {
		all = append(all, fact{t(ctx, "public.mine."+key), text, t(ctx, "public.mine."+key+".why")})
	}
	if x.Channel == subscription.WebPush {
		target = t(ctx, "public.mine.browser")
	}
	add("target", target)
	places := []string{p.placesOf(x)}
	if x.Point != nil {
		places = append(places, geo.Write(x.Lang, *x.Point, geo.Decimal))
	}
	if x.Polygon != "" {
		places = append(places, x.Polygon)
	}
	add("place", strings.Join(places, " · "))
	var hazards []string
	for i, h := range subscription.Hazards {
		if x.Hazards&(1<<i) != 0 {
			hazards = append(hazards, t(ctx, "public.hazard."+h.Name))
		}
	}
	if len(hazards) == 0 {
		hazards = []string{t(ctx, "public.hazard.all")}
	}
	level := strconv.Itoa(max(1, int(x.Level)))
	what := strings.Join(hazards, ", ") + " · " + t(ctx, "public.from_level."+level)
	if x.Rivers {
		what += " · " + t(ctx, "public.mine.levels")
	}
	add("what", what)
	quiet := t(ctx, "public.mine.never")
	if x.QuietFrom != x.QuietTo {
		quiet = clockText(x.QuietFrom) + "–" + clockText(x.QuietTo)
	}
	add("quiet", quiet)
	add("lang", web.LanguageName(ctx, string(x.Lang)))
	add("dates", web.T(ctx, "public.mine.dates.text", i18n.Args{"at": x.At, "until": x.Until}))
	return all
}
