package agreement

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"path/filepath"
	"strings"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/web"
)

// filling is a form on the screen.
type filling struct {
	Form     FormList
	Values   map[string]string
	Original *Original
	URL      string // of the page, and of what it sends
	Back     string
	Incident bool // filled from one
	Error    string
}

func (p *Pages) formList(w http.ResponseWriter, r *http.Request) error {
	files, err := p.Originals(r.Context())
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.formsPage(files))
}

func (p *Pages) blank(w http.ResponseWriter, r *http.Request) error {
	return p.FormPage(w, r, own(r, Facts{}), formsPath, formsPath, false)
}

func (p *Pages) blankFile(w http.ResponseWriter, r *http.Request) error {
	return p.FormFile(w, r, "", "")
}

// own adds what the person at work gives to a form.
func own(r *http.Request, f Facts) Facts {
	p := web.Who(r.Context())
	f["sender"], f["contact"], f["time"] = p.Place, p.Name, web.DateTime(r.Context(), web.Now(r.Context()))
	return f
}

// form is the one of a request.
func (p *Pages) form(r *http.Request) (FormList, error) {
	f, ok := p.Form(r.PathValue("form"))
	if !ok {
		return f, errNotFound
	}
	return f, nil
}

// IncidentForm shows the form of the path filled with an incident's facts; base is
// the address of the incident's forms, without the form's id.
func (p *Pages) IncidentForm(w http.ResponseWriter, r *http.Request, facts Facts, base, back string) error {
	return p.FormPage(w, r, own(r, facts), base, back, true)
}

// FormPage shows the form of the path; where an original is attached, that one and
// what is to be written into it.
func (p *Pages) FormPage(w http.ResponseWriter, r *http.Request, facts Facts, base, back string, incident bool) error {
	f, err := p.form(r)
	if err != nil {
		return err
	}
	files, err := p.Originals(r.Context())
	if err != nil {
		return err
	}
	v := filling{Form: f, Values: f.Prefilled(facts), URL: base + "/" + f.ID, Back: back, Incident: incident}
	if o, ok := files[f.ID]; ok {
		v.Original = &o
	}
	return web.Render(w, r, http.StatusOK, p.formPage(v))
}

// FormFile answers with the form of the path as PDF, filled with what was sent. It
// is not kept; the audit log holds that it was made, for which incident, and no more.
func (p *Pages) FormFile(w http.ResponseWriter, r *http.Request, incident, band string) error {
	if err := posted(w, r, maxForm); err != nil {
		return err
	}
	f, err := p.form(r)
	if err != nil {
		return err
	}
	ctx, values := r.Context(), map[string]string{}
	for _, field := range f.Fields {
		v := strings.TrimSpace(strings.ReplaceAll(r.PostFormValue(field.ID), "\r\n", "\n"))
		if len(v) > maxText {
			return problem.New("agreement.FormFile", problem.Invalid, "agreement.fault.long", nil)
		}
		values[field.ID] = v
	}
	if err := p.made(ctx, who(r).ID, f.ID, incident); err != nil {
		return err
	}
	raw, err := f.paper(values, sheet{texts: p.texts, lang: web.Lang(ctx), place: who(r).Place, who: who(r).Name, now: web.Now(ctx), band: band}).Bytes()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/pdf")
	w.Header().Set("Content-Disposition", `inline; filename="`+f.ID+`.pdf"`)
	_, err = w.Write(raw)
	return err
}

// maxOriginal bounds an attached form, in bytes.
const maxOriginal = 10 << 20

// originalKinds are the files that may be attached, with what they begin with.
var originalKinds = map[string]struct{ kind, magic string }{
	".pdf":  {"application/pdf", "%PDF-"},
	".docx": {"application/vnd.openxmlformats-officedocument.wordprocessingml.document", "PK\x03\x04"},
	".odt":  {"application/vnd.oasis.opendocument.text", "PK\x03\x04"},
}

var errOriginal = problem.New("agreement.attach", problem.Invalid, "agreement.fault.original", nil)

// attachFile keeps the original of a form.
func (p *Pages) attachFile(w http.ResponseWriter, r *http.Request) error {
	const op = "agreement.attachFile"
	f, err := p.form(r)
	if err != nil {
		return err
	}
	if p.files == nil {
		return problem.New(op, problem.Conflict, "agreement.fault.no_files", nil)
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxOriginal+maxForm)
	name, body, err := uploaded(r)
	if err != nil {
		return err
	}
	known, ok := originalKinds[strings.ToLower(filepath.Ext(name))]
	if !ok || !bytes.HasPrefix(body, []byte(known.magic)) {
		return errOriginal
	}
	ctx := r.Context()
	ref, err := p.files.Put(ctx, bytes.NewReader(body))
	if err != nil {
		return problem.Wrap(op, err)
	}
	freed, err := p.attach(ctx, who(r).ID, Original{Form: f.ID, Name: name, Kind: known.kind, Blob: ref, Bytes: int64(len(body))})
	if err != nil {
		return err
	}
	if err := p.free(freed); err != nil {
		return problem.Wrap(op, err)
	}
	return see(w, r, formsPath+"/"+f.ID)
}

// uploaded is the file of a form.
func uploaded(r *http.Request) (name string, body []byte, err error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return "", nil, &problem.Error{Op: "agreement.uploaded", Kind: problem.Invalid, Err: err}
	}
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			return "", nil, errOriginal
		}
		if err == nil && part.FormName() == "file" && part.FileName() != "" {
			name = filepath.Base(strings.ReplaceAll(part.FileName(), `\`, "/"))
			body, err = io.ReadAll(part)
			if err == nil {
				return name, body, nil
			}
		}
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return "", nil, err
		}
		if err != nil {
			return "", nil, &problem.Error{Op: "agreement.uploaded", Kind: problem.Invalid, Err: err}
		}
	}
}

// free deletes the bytes that no form needs any more.
func (p *Pages) free(o *Original) error {
	if o == nil || p.files == nil {
		return nil
	}
	_, err := p.files.Delete(o.Blob, 0)
	return err
}

func (p *Pages) detachFile(w http.ResponseWriter, r *http.Request) error {
	f, err := p.form(r)
	if err != nil {
		return err
	}
	freed, err := p.detach(r.Context(), who(r).ID, f.ID)
	if err != nil {
		return err
	}
	if err := p.free(freed); err != nil {
		return problem.Wrap("agreement.detachFile", err)
	}
	return see(w, r, formsPath+"/"+f.ID)
}

// original sends the attached file.
func (p *Pages) original(w http.ResponseWriter, r *http.Request) error {
	const op = "agreement.original"
	files, err := p.Originals(r.Context())
	if err != nil {
		return err
	}
	o, ok := files[r.PathValue("form")]
	if !ok || p.files == nil {
		return errNotFound
	}
	in, err := p.files.Open(o.Blob)
	if err != nil {
		return problem.Wrap(op, err)
	}
	defer in.Close()
	body, err := io.ReadAll(in) // to the end: that checks the bytes
	if err != nil {
		return problem.Wrap(op, err)
	}
	w.Header().Set("Content-Type", o.Kind)
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": o.Name}))
	_, err = w.Write(body)
	return err
}

// title is what a form is called for a reader.
func (f FormList) title(ctx context.Context) string {
	return f.Titles[web.Lang(ctx)] + " · " + strings.ToUpper(strings.Join(langs(f.Langs), "/"))
}

func langs(all []i18n.Lang) (out []string) {
	for _, l := range all {
		out = append(out, string(l))
	}
	return out
}
