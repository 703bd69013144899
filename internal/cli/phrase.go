package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"trojmezi/internal/app"
	"trojmezi/internal/exchange/phrase"
	"trojmezi/internal/kernel/i18n"
)

type phraseCmd struct {
	List phraseListCmd `cmd:"" help:"cli.phrase.list"`
	Say  phraseSayCmd  `cmd:"" help:"cli.phrase.say"`
	Read phraseReadCmd `cmd:"" help:"cli.phrase.read"`
}

// bookFlag names the node whose book is meant; without one it is the book as shipped.
type bookFlag struct {
	Config string `type:"path" placeholder:"node.yaml" help:"cli.phrase.config"`
}

func (f bookFlag) with(e *env, use func(*phrase.Book) error) error {
	if f.Config == "" {
		b, err := phrase.Shipped(e.texts)
		if err != nil {
			return err
		}
		return use(b)
	}
	return e.withDB(f.Config, func(ctx context.Context, _ *app.Config, o *app.Opened) error {
		b, err := app.Phrasebook(ctx, o, e.texts)
		if err != nil {
			return err
		}
		return use(b)
	})
}

// sentence is a phrase for programs.
type sentence struct {
	ID      string            `json:"id"`
	Version string            `json:"version"`
	Group   string            `json:"group"`
	Slots   map[string]string `json:"slots"`
	Text    string            `json:"text"`
	Checked []i18n.Lang       `json:"checked"`
}

type phraseListCmd struct {
	bookFlag
	Group string `placeholder:"GROUP" help:"cli.phrase.group"`
}

func (c *phraseListCmd) Run(e *env) error {
	return c.with(e, func(b *phrase.Book) error {
		all := []sentence{}
		for _, p := range b.InForce(time.Now()) {
			if c.Group != "" && c.Group != p.Group {
				continue
			}
			s := sentence{ID: p.ID, Version: p.Version, Group: p.Group, Slots: map[string]string{}, Text: b.Label(p, e.lang), Checked: []i18n.Lang{}}
			for _, slot := range p.Slots {
				s.Slots[slot.Name] = string(slot.Kind)
			}
			for _, l := range i18n.Langs {
				if _, ok := p.Checked[l]; ok {
					s.Checked = append(s.Checked, l)
				}
			}
			all = append(all, s)
		}
		return e.show(all, func() {
			for _, s := range all {
				fmt.Fprintf(e.out, "%-5s %-10s %s\n", s.ID, s.Group, s.Text)
			}
		})
	})
}

type phraseSayCmd struct {
	bookFlag
	To     string   `enum:",cs,de,pl,en" default:"" placeholder:"LANG" help:"cli.phrase.to"`
	ID     string   `arg:"" help:"cli.phrase.id"`
	Values []string `arg:"" optional:"" name:"name=value" help:"cli.phrase.values"`
}

// Run prints the sentence in --lang, or with --to the message to a neighbour. It exits
// with 1 for a sentence that is not there and for a value that cannot be.
func (c *phraseSayCmd) Run(e *env) error {
	return c.with(e, func(b *phrase.Book) error {
		p := b.Find(c.ID, time.Now())
		if p == nil {
			return e.wrong([]phrase.Fault{{Field: c.ID, Key: "phrase.not_found"}})
		}
		typed := map[string]string{}
		for _, v := range c.Values {
			name, value, _ := strings.Cut(v, "=")
			typed[name] = value
		}
		said, faults := b.Say(p, typed, time.Now())
		if said == nil {
			return e.wrong(faults)
		}
		text := said.In(e.lang)
		if c.To != "" {
			text = said.Text(i18n.Lang(c.To), e.lang)
		}
		return e.show(map[string]string{"id": p.ID, "version": p.Version, "text": text}, func() { fmt.Fprintln(e.out, text) })
	})
}

// wrong tells faults and ends the command.
func (e *env) wrong(faults []phrase.Fault) error {
	for _, f := range faults {
		fmt.Fprintln(e.errw, harmless(f.Field+": "+e.t(f.Key, f.Args)))
	}
	return exit(exitFailed)
}

type phraseReadCmd struct {
	bookFlag
	File string `arg:"" optional:"" help:"cli.convert.file"`
}

// Run prints what a console shows for a message in --lang. It exits with 1 for text
// that is no phrase of the book, whatever it looks like.
func (c *phraseReadCmd) Run(e *env) error {
	message, err := e.message(c.File)
	if err != nil {
		return err
	}
	return c.with(e, func(b *phrase.Book) error {
		said, ok := b.Read(string(message))
		if !ok {
			fmt.Fprintln(e.errw, e.t("cli.phrase.plain", nil))
			return exit(exitFailed)
		}
		text, original := said.In(e.lang), said.In(said.Lang)
		return e.show(map[string]string{"id": said.Phrase.ID, "version": said.Phrase.Version, "text": text, "original": original, "lang": string(said.Lang)}, func() {
			fmt.Fprintln(e.out, text)
			fmt.Fprintln(e.out, e.t("ui.message.phrasebook", i18n.Args{"lang": string(said.Lang)})+": "+original)
		})
	})
}
