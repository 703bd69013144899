package disclosure

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"trojmezi/internal/exchange"
	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

// Pages are the screens of a service.
type Pages struct {
	*Service
	// Operator is the resource of who operates the node, whose one table holds for all
	// organisations on it; nil: each organisation is its own operator.
	Operator web.Operator
}

// NewPages returns them.
func NewPages(s *Service) *Pages { return &Pages{Service: s} }

// Register adds the pages.
func (p *Pages) Register(rt *web.Router) {
	read, change, review, answer := web.May(mayRead), web.MayOn(mayChange, p.Operator.On), web.May(mayReview), web.May(mayAnswer)
	for _, r := range []struct {
		pattern string
		guard   web.Guard
		handler web.Handler
	}{
		{"GET " + root, read, p.list},
		{"GET " + root + ".csv", read, p.file},
		{"GET " + root + "/rule", change, p.ruleForm},
		{"POST " + root + "/rule", change, p.saveRule},
		{"GET " + root + "/import", change, p.importForm},
		{"POST " + root + "/import", change, p.importRules},
		{"GET " + root + "/history", read, p.history},
		{"GET " + root + "/history/{version}", read, p.earlier},
		{"POST " + root + "/history/{version}", change, p.restore},
		{"GET " + root + "/test", read, p.testForm},
		{"POST " + root + "/test", read, p.test},
		{"GET " + root + "/log", review, p.log},
		{"GET " + root + "/reviews", review, p.reviews},
		{"POST " + root + "/reviews/{id}", review, p.review},
		{"GET " + root + "/papers", review, p.papers},
		{"GET " + root + "/papers.pdf", review, p.papersFile},
		{"GET " + root + "/request", answer, p.requestForm},
		{"POST " + root + "/request", answer, p.seek},
		{"POST " + root + "/request/answer", answer, p.answer},
		{"POST " + root + "/request/answer.pdf", answer, p.answerFile},
	} {
		rt.Page(r.pattern, r.guard, r.handler)
	}
}

// maxForm bounds a form: a message as large as may be read, encoded.
var maxForm = int64(3*tree.DefaultLimits.Bytes + 4096)

func who(r *http.Request) *web.Person { return web.Who(r.Context()) }

func t(ctx context.Context, key string) string { return web.T(ctx, key, nil) }

// mayChange reports whether the reader may change the rules.
func (p *Pages) mayChange(r *http.Request) bool {
	return p.Operator.Can(r.Context(), mayChange)
}

func may(ctx context.Context, action string) bool {
	return web.Can(ctx, action, web.Organisation(web.Who(ctx).Organisation))
}

func see(w http.ResponseWriter, r *http.Request, to string) error {
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

func bounded(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	return r.ParseForm()
}

// fault is what of an error a person can act on; false for any other.
func fault(ctx context.Context, err error) (string, bool) {
	e, ok := errors.AsType[*problem.Error](err)
	if !ok || e.Key == "" || e.Kind == problem.NotFound {
		return "", false
	}
	return web.T(ctx, e.Key, e.Args), true
}

// found are the rules that have a text in them.
func find(rules []Rule, text string) []Rule {
	if text = normal(text); text == "" {
		return rules
	}
	return slices.DeleteFunc(slices.Clone(rules), func(r Rule) bool {
		return !strings.Contains(normal(strings.Join([]string{r.ID, r.Peer, r.App, r.Path, r.Class, string(r.Action), r.Reason}, " ")), text)
	})
}

func (p *Pages) list(w http.ResponseWriter, r *http.Request) error {
	v, err := p.Current(r.Context())
	if err != nil {
		return err
	}
	q := r.URL.Query().Get("q")
	slices.SortStableFunc(v.Rules, before)
	rules := find(v.Rules, q)
	return web.Render(w, r, http.StatusOK, listPage(v, rules, q, p.mayChange(r), p.unjudged()))
}

// unjudged are the dispatch systems that the table does not hold for.
func (p *Pages) unjudged() []exchange.Unjudged {
	if p.o.Node == nil {
		return nil
	}
	return p.o.Node.Unjudged()
}

func (p *Pages) file(w http.ResponseWriter, r *http.Request) error {
	v, err := p.Current(r.Context())
	if err != nil {
		return err
	}
	var out bytes.Buffer
	out.WriteString(byteOrderMark)
	if err := WriteCSV(&out, v.Rules); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="disclosure.csv"`)
	_, err = w.Write(out.Bytes())
	return err
}

// ruleView is the form of one rule. Base is the version that is changed, Was the name
// of the rule before, "" for a new one.
type ruleView struct {
	Base   int64
	Was    string
	Rule   Rule
	Note   string
	Theirs []ui.Change // what differs from what somebody else saved in the meantime
	Errors ui.Errors
}

func (p *Pages) ruleForm(w http.ResponseWriter, r *http.Request) error {
	v, err := p.Current(r.Context())
	if err != nil {
		return err
	}
	out := ruleView{Base: v.Number, Rule: Rule{Peer: Any, App: Any, Path: "", Class: Any, Action: Drop}}
	if id := r.URL.Query().Get("id"); id != "" {
		n := slices.IndexFunc(v.Rules, func(x Rule) bool { return x.ID == id })
		if n < 0 {
			return problem.New("disclosure.rule", problem.NotFound, "", nil)
		}
		out.Was, out.Rule = id, v.Rules[n]
	}
	return web.Render(w, r, http.StatusOK, rulePage(out))
}

func (p *Pages) saveRule(w http.ResponseWriter, r *http.Request) error {
	if err := bounded(w, r); err != nil {
		return err
	}
	ctx := r.Context()
	get := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	v := ruleView{Was: get("was"), Note: get("note"), Rule: Rule{
		ID: get("id"), Peer: get("peer"), App: get("app"), Path: get("path"), Class: get("class"), Action: Action(get("action")), Reason: get("reason"),
	}}
	v.Base, _ = strconv.ParseInt(get("base"), 10, 64)
	now, err := p.Current(ctx)
	if err != nil {
		return err
	}
	rules := slices.Clone(now.Rules)
	n := slices.IndexFunc(rules, func(x Rule) bool { return x.ID == v.Was })
	if n >= 0 && v.Rule.Reason == reasonText(ctx, rules[n].Reason) {
		v.Rule.Reason = rules[n].Reason // unchanged, it stays in every reader's language
	}
	switch {
	case get("do") == "delete" && n >= 0:
		rules = slices.Delete(rules, n, n+1)
	case v.Was != "" && n >= 0:
		rules[n] = v.Rule
	default:
		rules = append(rules, v.Rule)
	}
	_, faults, err := p.Save(ctx, who(r).ID, v.Base, rules, v.Note)
	for _, f := range faults {
		v.Errors.Add(f.field(v.Rule), web.T(ctx, f.Key, f.Args))
	}
	if text, ok := fault(ctx, err); ok {
		v.Errors.Add("", text)
		v.Base = now.Number // who looks at what stands now may save over it
		if n >= 0 {
			v.Theirs = differences(ctx, now.Rules[n:n+1], []Rule{v.Rule})
		}
	} else if err != nil {
		return err
	}
	if len(v.Errors) == 0 {
		return see(w, r, root)
	}
	status := http.StatusUnprocessableEntity
	if err != nil {
		status = http.StatusConflict
	}
	return web.Render(w, r, status, rulePage(v))
}

// field is the one of a rule's form that a fault is about; "" for one of another rule.
func (f Fault) field(r Rule) string {
	if f.Rule != r.ID {
		return ""
	}
	switch name := strings.TrimPrefix(f.Key, "disclosure.fault."); name {
	case "twice":
		return "id"
	case "life":
		return "action"
	default:
		return name
	}
}

// importView is the form of all rules as text.
type importView struct {
	Base       int64
	Text, Note string
	Errors     ui.Errors
}

func (p *Pages) importForm(w http.ResponseWriter, r *http.Request) error {
	v, err := p.Current(r.Context())
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := WriteCSV(&text, v.Rules); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, importPage(importView{Base: v.Number, Text: text.String()}))
}

func (p *Pages) importRules(w http.ResponseWriter, r *http.Request) error {
	if err := bounded(w, r); err != nil {
		return err
	}
	ctx := r.Context()
	v := importView{Text: r.PostFormValue("text"), Note: r.PostFormValue("note")}
	v.Base, _ = strconv.ParseInt(r.PostFormValue("base"), 10, 64)
	rules, err := ReadCSV(strings.NewReader(v.Text))
	if err == nil {
		var faults []Fault
		_, faults, err = p.Save(ctx, who(r).ID, v.Base, rules, v.Note)
		for _, f := range faults {
			v.Errors.Add("text", web.T(ctx, f.Key, f.Args))
		}
	}
	if text, ok := fault(ctx, err); ok {
		v.Errors.Add("text", text)
	} else if err != nil {
		return err
	}
	if len(v.Errors) == 0 {
		return see(w, r, root)
	}
	return web.Render(w, r, http.StatusUnprocessableEntity, importPage(v))
}

func (p *Pages) history(w http.ResponseWriter, r *http.Request) error {
	all, err := p.History(r.Context())
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, historyPage(all))
}

// differences are the rules that one list has and the other has not.
func differences(ctx context.Context, before, after []Rule) (out []ui.Change) {
	line := func(r Rule) string {
		return strings.Join([]string{r.ID, anyText(ctx, r.Path), anyText(ctx, r.Peer), anyText(ctx, r.Class), anyText(ctx, r.App), t(ctx, "disclosure.action."+string(r.Action)), reasonText(ctx, r.Reason)}, " · ")
	}
	for _, r := range before {
		if !slices.Contains(after, r) {
			out = append(out, ui.Change{Kind: "removed", Text: line(r)})
		}
	}
	for _, r := range after {
		if !slices.Contains(before, r) {
			out = append(out, ui.Change{Kind: "added", Text: line(r)})
		}
	}
	return out
}

// numbered is the version of a request.
func (p *Pages) numbered(r *http.Request) (Version, error) {
	n, err := strconv.ParseInt(r.PathValue("version"), 10, 64)
	if err != nil || n < 0 {
		return Version{}, problem.New("disclosure.history", problem.NotFound, "", nil)
	}
	return p.Version(r.Context(), n)
}

func (p *Pages) earlier(w http.ResponseWriter, r *http.Request) error {
	return p.renderEarlier(w, r, http.StatusOK, nil)
}

func (p *Pages) renderEarlier(w http.ResponseWriter, r *http.Request, status int, faults ui.Errors) error {
	v, err := p.numbered(r)
	if err != nil {
		return err
	}
	now, err := p.Current(r.Context())
	if err != nil {
		return err
	}
	return web.Render(w, r, status, earlierPage(v, now.Number, differences(r.Context(), now.Rules, v.Rules), faults, p.mayChange(r)))
}

func (p *Pages) restore(w http.ResponseWriter, r *http.Request) error {
	if err := bounded(w, r); err != nil {
		return err
	}
	v, err := p.numbered(r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	base, _ := strconv.ParseInt(r.PostFormValue("base"), 10, 64)
	_, faults, err := p.Save(ctx, who(r).ID, base, v.Rules, web.T(ctx, "disclosure.history.restored", i18n.Args{"n": v.Number}))
	var e ui.Errors
	for _, f := range faults {
		e.Add("", web.T(ctx, f.Key, f.Args))
	}
	if text, ok := fault(ctx, err); ok {
		e.Add("", text)
	} else if err != nil {
		return err
	}
	if len(e) > 0 {
		return p.renderEarlier(w, r, http.StatusConflict, e)
	}
	return see(w, r, root)
}

//go:embed sample.json
var sampleText string

// testView is the test bench.
type testView struct {
	Text, Peer, Class string
	Peers             []exchange.Neighbour
	Errors            ui.Errors
	Result            *Tested
}

// Tested is what a neighbour sees of a message.
type Tested struct {
	Peer      string
	Life      bool
	Source    []line `json:"-"` // of the message
	Seen      string
	Marks     []Mark
	Decisions []Decision
	Reasons   map[string]string // by rule
}

// line is one of the message.
type line struct {
	Text string
	Held bool // something in it does not go on
}

// peers are all participants, those of other nodes before those that this node serves.
func (p *Pages) peers(ctx context.Context) (all []exchange.Neighbour, err error) {
	err = p.o.DB.Read(ctx, func(tx *store.Tx) (err error) { all, err = p.o.Node.Neighbours(tx); return err })
	slices.SortStableFunc(all, func(a, b exchange.Neighbour) int { return min(len(b.Peer), 1) - min(len(a.Peer), 1) })
	return all, err
}

func (p *Pages) bench(r *http.Request, v testView) (_ testView, err error) {
	v.Peers, err = p.peers(r.Context())
	return v, err
}

func (p *Pages) testForm(w http.ResponseWriter, r *http.Request) error {
	v, err := p.bench(r, testView{Text: sampleText})
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, testPage(v))
}

func (p *Pages) test(w http.ResponseWriter, r *http.Request) error {
	if err := bounded(w, r); err != nil {
		return err
	}
	ctx := r.Context()
	v, err := p.bench(r, testView{
		Text: strings.ReplaceAll(r.PostFormValue("text"), "\r\n", "\n"), Peer: r.PostFormValue("peer"), Class: r.PostFormValue("class"),
	})
	if err != nil {
		return err
	}
	status := http.StatusOK
	switch res, f, err := p.Try(ctx, []byte(v.Text), v.Peer, v.Class); {
	case err != nil:
		return err
	case f != nil:
		v.Errors.Add("text", web.T(ctx, f.Key, f.Args))
		status = http.StatusUnprocessableEntity
	default:
		res.Peer = peerName(v.Peers, v.Peer)
		v.Result = res
	}
	return web.Render(w, r, status, testPage(v))
}

// Try tells what a neighbour would see of a message; nothing is sent or kept.
func (s *Service) Try(ctx context.Context, text []byte, peer, class string) (*Tested, *convert.Fault, error) {
	m, f := convert.Read(text, convert.Auto)
	if f != nil {
		return nil, f, nil
	}
	res := &Tested{Reasons: map[string]string{}}
	var o Outcome
	err := s.o.DB.Read(ctx, func(tx *store.Tx) error {
		out, c, _, err := s.apply(tx, Transfer{Peer: peer, Class: class}, m)
		if err != nil {
			return err
		}
		o, res.Life = out, c.Life
		table, _, err := s.Table(tx)
		for _, r := range table.rules {
			res.Reasons[r.ID] = r.Reason
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	res.Marks, res.Decisions, res.Source = o.Marks, o.Decisions, heldLines(text, o.Sources)
	m.Withhold(o.Incident, o.Sources)
	r, f := m.Write(convert.UCRI2, convert.Options{Payload: true})
	if f != nil {
		return nil, f, nil
	}
	res.Seen = string(r.Bytes)
	return res, nil, nil
}

// heldLines are the lines of a message, marked where something is withheld.
func heldLines(text []byte, held map[string]string) (all []line) {
	for l := range strings.SplitSeq(strings.TrimSuffix(string(text), "\n"), "\n") {
		all = append(all, line{Text: l})
	}
	d, f := tree.Parse(text, tree.DefaultLimits)
	if f != nil {
		return all
	}
	for path, n := range d.Walk() {
		_, gone := held[path]
		for p := range held { // the message within the string has its line
			gone = gone || path == "/payload/data" && strings.HasPrefix(p, path+"/")
		}
		if i := n.Line - 1; gone && i < len(all) {
			all[i].Held = true
		}
	}
	return all
}

// shownDecisions bounds the log on the page.
const shownDecisions = 500

func (p *Pages) log(w http.ResponseWriter, r *http.Request) error {
	message := strings.TrimSpace(r.URL.Query().Get("message"))
	list, err := p.Decisions(r.Context(), message, shownDecisions)
	if err != nil {
		return err
	}
	peers, err := p.peers(r.Context())
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, logPage(list, peers, message))
}

func (p *Pages) reviews(w http.ResponseWriter, r *http.Request) error {
	return p.renderReviews(w, r, http.StatusOK, nil)
}

func (p *Pages) renderReviews(w http.ResponseWriter, r *http.Request, status int, e ui.Errors) error {
	list, err := p.Emergencies(r.Context(), who(r).Organisation)
	if err != nil {
		return err
	}
	peers, err := p.peers(r.Context())
	if err != nil {
		return err
	}
	at := map[string]string{}
	if p.o.Addresses != nil {
		var incidents []string
		for _, e := range list {
			incidents = append(incidents, e.Incident)
		}
		if at, err = p.o.Addresses(r.Context(), who(r).Organisation, incidents); err != nil {
			return err
		}
	}
	return web.Render(w, r, status, reviewsPage(list, peers, at, e))
}

func (p *Pages) review(w http.ResponseWriter, r *http.Request) error {
	if err := bounded(w, r); err != nil {
		return err
	}
	err := p.Review(r.Context(), who(r).ID, who(r).Organisation, r.PathValue("id"), r.PostFormValue("verdict"), r.PostFormValue("note"))
	if text, ok := fault(r.Context(), err); ok {
		var e ui.Errors
		e.Add("", text)
		return p.renderReviews(w, r, http.StatusUnprocessableEntity, e)
	}
	if err != nil {
		return err
	}
	return see(w, r, root+"/reviews")
}

func appOptions(ctx context.Context, chosen string) []ui.Option {
	out := []ui.Option{{Value: Any, Text: t(ctx, "disclosure.any"), Selected: chosen == Any}}
	for _, a := range ucri.Apps() {
		out = append(out, ui.Option{Value: a.AppID, Text: a.AppID, Selected: chosen == a.AppID})
	}
	return out
}

func actionOptions(ctx context.Context, chosen Action) (out []ui.Option) {
	for _, a := range Actions {
		out = append(out, ui.Option{Value: string(a), Text: t(ctx, "disclosure.action."+string(a)), Selected: a == chosen})
	}
	return out
}

func peerOptions(all []exchange.Neighbour, chosen string) (out []ui.Option) {
	for _, n := range all {
		out = append(out, ui.Option{Value: n.OID, Text: n.Name + " (" + n.OID + ")", Selected: n.OID == chosen})
	}
	return out
}

func classOptions(ctx context.Context, chosen string) []ui.Option {
	out := []ui.Option{{Value: "", Text: t(ctx, "disclosure.test.class.said"), Selected: chosen == ""}}
	for _, c := range Classes() {
		out = append(out, ui.Option{Value: c, Text: classText(ctx, c), Selected: c == chosen})
	}
	return out
}
