package bridge

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

// formLimit is the largest message with its encoding as a form.
var formLimit = int64(3*tree.DefaultLimits.Bytes + 4096)

// Register adds the page.
func Register(rt *web.Router) {
	rt.Page("GET "+root, web.May(mayConvert), form)
	rt.Page("POST "+root, web.May(mayConvert), look)
}

// view is the page.
type view struct {
	Message string
	From    convert.Format
	To      convert.Format
	Alone   bool
	Errors  ui.Errors
	Result  *convert.Result
	Verdict *convert.Verdict
	Source  []line
	Target  []line
}

// shown bounds the lines of a message and the rows of a report on the page; the whole
// is for the command line.
const shown = 1000

// first are the first of a list, as many as are shown, and how many are not.
func first[T any](list []T) ([]T, int) {
	n := min(len(list), shown)
	return list[:n], len(list) - n
}

// empty is the page as it opens. The app message alone is what people can read: in its
// envelope it is one long text.
var empty = view{From: convert.Auto, To: convert.UCRI2, Alone: true}

// line is one of a shown message.
type line struct {
	Number int
	Text   string
	Mark   mark
}

// mark says what a line holds.
type mark string

const (
	plain mark = ""
	moved mark = "moved" // something that stands elsewhere, or came from elsewhere
	lost  mark = "lost"  // something that is nowhere
)

func form(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, r, http.StatusOK, page(empty))
}

func look(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	r.Body = http.MaxBytesReader(w, r.Body, formLimit)
	if err := r.ParseForm(); err != nil {
		v := empty
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			v.Errors.Add("message", web.T(ctx, "tree.fault.size", i18n.Args{"max": tree.DefaultLimits.Bytes}))
		} else {
			v.Errors.Add("message", web.T(ctx, "bridge.unreadable", nil))
		}
		return web.Render(w, r, http.StatusUnprocessableEntity, page(v))
	}
	v := view{
		// Browsers send a form's lines with CR LF; the message had what it had.
		Message: strings.ReplaceAll(r.PostForm.Get("message"), "\r\n", "\n"),
		From:    convert.Format(r.PostForm.Get("from")), To: convert.Format(r.PostForm.Get("to")), Alone: r.PostForm.Get("payload") != "",
	}
	if !slices.Contains(convert.Formats, v.To) {
		v.To = empty.To
	}
	if !slices.Contains(convert.Formats, v.From) {
		v.From = convert.Auto
	}
	status := http.StatusOK
	if r.PostForm.Get("do") == "validate" {
		verdict := convert.Validate(tree.FromText(v.Message))
		v.Verdict = &verdict
		v.Source = judged(v.Message, verdict)
	} else if v.convert(ctx); len(v.Errors) > 0 {
		status = http.StatusUnprocessableEntity
	}
	return web.Render(w, r, status, page(v))
}

// convert turns the message, or says why it cannot.
func (v *view) convert(ctx context.Context) {
	res, f := convert.Convert(tree.FromText(v.Message), v.From, v.To, convert.Options{Payload: v.Alone && v.To == convert.UCRI2})
	if f != nil {
		v.Errors.Add("message", web.T(ctx, f.Key, f.Args))
		return
	}
	v.Result = res
	from, to := map[string]mark{}, map[string]mark{}
	for _, l := range res.Loss {
		switch {
		case l.MovedTo != nil:
			from[l.Path], to[*l.MovedTo] = moved, moved
		case missed(l):
			from[l.Path] = lost
		}
	}
	v.Source, v.Target = marked(tree.FromText(v.Message), from), marked(res.Bytes, to)
}

// marked are the lines of a message, marked by the values that begin in them.
func marked(message []byte, marks map[string]mark) []line {
	all := lines(string(message))
	d, f := tree.Parse(message, tree.DefaultLimits)
	if f != nil {
		return all
	}
	for path, n := range d.Walk() {
		m := marks[path]
		if path == "/payload/data" && m == plain {
			for p, k := range marks { // the message within the string has its line
				if strings.HasPrefix(p, path+"/") {
					m = worse(m, k)
				}
			}
		}
		if i := n.Line - 1; i < len(all) {
			all[i].Mark = worse(all[i].Mark, m)
		}
	}
	return all
}

// worse is the mark a line has that holds both.
func worse(a, b mark) mark {
	if a == lost || b == plain {
		return a
	}
	return b
}

// missed reports whether a value is gone that says something to somebody: not how
// its message was written, nor which way it went.
func missed(l convert.Loss) bool {
	return l.MovedTo == nil && l.Reason != convert.Syntax && l.Reason != convert.Transport
}

// judged are the lines of a message, marked by what is wrong in them.
func judged(message string, v convert.Verdict) []line {
	all := lines(message)
	for _, d := range v.Deviations {
		m := moved
		if d.Severity == shape.Error {
			m = lost
		}
		if i := d.Line - 1; i >= 0 && i < len(all) {
			all[i].Mark = worse(all[i].Mark, m)
		}
	}
	return all
}

func lines(text string) (all []line) {
	for i, t := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		all = append(all, line{Number: i + 1, Text: t})
	}
	return all
}
