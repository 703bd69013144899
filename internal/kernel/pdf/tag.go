package pdf

import (
	"bufio"
	"bytes"
	"fmt"

	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/model"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/types"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/validate"
)

// The library would otherwise keep a folder of its own in the home of whoever
// runs the node. Its package api is not used: with it come forms, and with them 40 ms of
// preparations at each start of the program.
func init() { model.ConfigPath = "disable" }

// tagger adds the structure tree to a finished document.
// spec: ISO 32000-1, §14.7 and §14.8.
type tagger struct {
	ctx     *model.Context
	pages   []*types.IndirectRef
	parents []types.Array // per page: which element its marked content n belongs to
}

func tag(raw []byte, root *element, o Options) ([]byte, error) {
	conf := model.NewDefaultConfiguration()
	conf.WriteObjectStream, conf.WriteXRefStream = true, true
	ctx, err := pdfcpu.Read(bytes.NewReader(raw), conf)
	if err == nil {
		err = validate.XRefTable(ctx)
	}
	if err == nil {
		err = pdfcpu.OptimizeXRefTable(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("pdf: tags: %w", err)
	}
	t := &tagger{ctx: ctx}
	if err := t.add(root, o); err != nil {
		return nil, fmt.Errorf("pdf: tags: %w", err)
	}
	var out bytes.Buffer
	ctx.Write.Writer = bufio.NewWriter(&out)
	if err := pdfcpu.WriteContext(ctx); err != nil {
		return nil, fmt.Errorf("pdf: tags: %w", err)
	}
	if err := ctx.Write.Flush(); err != nil {
		return nil, fmt.Errorf("pdf: tags: %w", err)
	}
	return out.Bytes(), nil
}

func (t *tagger) add(root *element, o Options) error {
	catalog, err := t.ctx.Catalog()
	if err != nil {
		return err
	}
	for n := range t.ctx.PageCount {
		page, ref, _, err := t.ctx.PageDict(n+1, false)
		if err != nil {
			return err
		}
		page["StructParents"] = types.Integer(n)
		page["Tabs"] = types.Name("S") // keyboards follow the structure
		t.pages = append(t.pages, ref)
		t.parents = append(t.parents, types.Array{})
	}
	tree := types.Dict{"Type": types.Name("StructTreeRoot")}
	treeRef, err := t.ctx.IndRefForNewObject(tree)
	if err != nil {
		return err
	}
	top, err := t.element(root, *treeRef)
	if err != nil {
		return err
	}
	tree["K"] = types.Array{*top}
	nums := types.Array{}
	for n, p := range t.parents {
		ref, err := t.ctx.IndRefForNewObject(p)
		if err != nil {
			return err
		}
		nums = append(nums, types.Integer(n), *ref)
	}
	parentTree, err := t.ctx.IndRefForNewObject(types.Dict{"Nums": nums})
	if err != nil {
		return err
	}
	tree["ParentTree"], tree["ParentTreeNextKey"] = *parentTree, types.Integer(len(t.parents))
	catalog["StructTreeRoot"] = *treeRef
	catalog["MarkInfo"] = types.Dict{"Marked": types.Boolean(true)}
	catalog["Lang"] = types.StringLiteral(o.Lang)
	catalog["ViewerPreferences"] = types.Dict{"DisplayDocTitle": types.Boolean(true)}
	return nil
}

// element adds e with all below it and returns where it is.
func (t *tagger) element(e *element, parent types.IndirectRef) (*types.IndirectRef, error) {
	d := types.Dict{"Type": types.Name("StructElem"), "S": types.Name(e.tag), "P": parent}
	ref, err := t.ctx.IndRefForNewObject(d)
	if err != nil {
		return nil, err
	}
	if e.lang != "" {
		d["Lang"] = types.StringLiteral(e.lang)
	}
	if e.alt != "" {
		d["Alt"] = types.NewHexLiteral([]byte(types.EncodeUTF16String(e.alt)))
	}
	if e.scope != "" {
		d["A"] = types.Dict{"O": types.Name("Table"), "Scope": types.Name(e.scope)}
	}
	kids := types.Array{}
	for _, k := range e.kids {
		if k.element != nil {
			child, err := t.element(k.element, *ref)
			if err != nil {
				return nil, err
			}
			kids = append(kids, *child)
			continue
		}
		kids = append(kids, types.Dict{"Type": types.Name("MCR"), "Pg": *t.pages[k.page-1], "MCID": types.Integer(k.n)})
		t.parents[k.page-1] = append(t.parents[k.page-1], *ref) // marks count up on each page
	}
	d["K"] = kids
	return ref, nil
}
