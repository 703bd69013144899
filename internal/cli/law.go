package cli

import (
	"fmt"
	"strings"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register/fact"
	"trojmezi/internal/manual/content"
	"trojmezi/internal/training/scenario"
)

type lawCmd struct {
	Coverage lawCoverageCmd `cmd:"" help:"cli.law.coverage"`
	Facts    lawFactsCmd    `cmd:"" help:"cli.law.facts"`
}

type lawFactsCmd struct{}

// factLine is a fact of a municipality, for programs.
type factLine struct {
	Key      string    `json:"key"`
	Kind     fact.Kind `json:"kind"`
	Name     string    `json:"name"`
	Question string    `json:"question,omitempty"` // left out where registers tell it
	Values   []string  `json:"values,omitempty"`
	Cuts     []int     `json:"cuts,omitempty"` // numbers that guards may compare with
	Derived  bool      `json:"derived"`        // geography tells it, to be confirmed
}

// Run lists the facts that guards of duties, instructions and exercises may name.
func (c *lawFactsCmd) Run(e *env) error {
	var all []factLine
	for _, f := range fact.Shipped().Facts() {
		all = append(all, factLine{f.Key, f.Kind, f.Name(e.texts, e.lang), f.Question(e.texts, e.lang), f.Values, f.Cuts, f.Derived})
	}
	return e.show(all, func() {
		for i, f := range fact.Shipped().Facts() {
			var values []string
			for _, v := range f.Cases() {
				values = append(values, f.Say(e.texts, e.lang, v))
			}
			if f.Kind == fact.Number {
				values = nil
				for _, n := range f.Cuts {
					values = append(values, "< "+e.texts.Number(e.lang, int64(n)))
				}
			}
			line := "f." + f.Key + "  " + all[i].Name + ": " + strings.Join(append(values, f.Say(e.texts, e.lang, nil)), " | ")
			if f.Derived {
				line += " (" + e.t("fact.derived", nil) + ")"
			}
			fmt.Fprintln(e.out, line)
		}
	})
}

type lawCoverageCmd struct{}

// covered is a duty and how it is covered, for programs.
type covered struct {
	ID       string           `json:"id"`
	Duty     string           `json:"duty"`
	Source   string           `json:"source"`
	Status   string           `json:"status"`
	Coverage content.Coverage `json:"coverage"`
	Document string           `json:"document,omitempty"` // of a review
	Actions  []string         `json:"actions,omitempty"`  // scenario and action
	// Missing is true where an exercise should show it and none does yet.
	Missing bool `json:"missing"`
}

// Run lists every duty with the one way in which it is covered.
func (c *lawCoverageCmd) Run(e *env) error {
	shown := map[string][]string{}
	for _, s := range scenario.Shipped() {
		for i := range s.Actions {
			for _, d := range s.Actions[i].Duty {
				shown[d] = append(shown[d], s.ID+" "+s.Actions[i].ID)
			}
		}
	}
	var all []covered
	count, duties := map[content.Coverage]int{}, content.Shipped().Duties
	missing := 0
	for i := range duties {
		d := &duties[i]
		x := covered{ID: d.ID, Duty: d.Text[e.lang], Source: d.Source, Status: d.Status, Coverage: d.Coverage}
		count[d.Coverage]++
		switch d.Coverage {
		case content.Review:
			x.Document = d.Document[e.lang]
		case content.Action:
			if x.Actions = shown[d.ID]; len(x.Actions) == 0 {
				x.Missing = true
				missing++
			}
		}
		all = append(all, x)
	}
	return e.show(all, func() {
		for _, x := range all {
			args := i18n.Args{"id": x.ID, "duty": x.Duty, "source": x.Source, "document": x.Document, "actions": strings.Join(x.Actions, ", ")}
			key := map[content.Coverage]string{content.Action: "cli.law.by.action", content.Review: "cli.law.by.review", content.NotMunicipal: "cli.law.by.other"}[x.Coverage]
			if x.Missing {
				key = "cli.law.by.missing"
			}
			e.say(key, args)
		}
		e.say("cli.law.sum", i18n.Args{"n": len(all), "action": count[content.Action] - missing, "missing": missing, "review": count[content.Review], "other": count[content.NotMunicipal]})
		e.say("cli.law.draft", nil)
	})
}
