package cli

import (
	"fmt"
	"os"
	"strings"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/manual/content"
	"trojmezi/internal/training/play"
	"trojmezi/internal/training/scenario"
)

type trainingCmd struct {
	List    trainingListCmd    `cmd:"" help:"cli.training.list"`
	Run     trainingRunCmd     `cmd:"" help:"cli.training.run"`
	Rescore trainingRescoreCmd `cmd:"" help:"cli.training.rescore"`
	Check   trainingCheckCmd   `cmd:"" help:"cli.training.check"`
}

type trainingListCmd struct{}

// exercise is a scenario for programs.
type exercise struct {
	ID        string   `json:"id"`
	Version   int      `json:"version,omitempty"`
	Title     string   `json:"title"`
	Outline   bool     `json:"outline"`
	Classes   []string `json:"classes"`
	Injects   int      `json:"injects"`
	Decisions int      `json:"decisions"`
	Actions   int      `json:"actions"`
}

// Run lists what can be played, and what is only an outline.
func (c *trainingListCmd) Run(e *env) error {
	var all []exercise
	for _, s := range scenario.Shipped() {
		x := exercise{ID: s.ID, Version: s.Version, Title: s.Title[e.lang], Injects: len(s.Injects), Decisions: len(s.Decisions), Actions: len(s.Actions)}
		for i := range s.Classes {
			x.Classes = append(x.Classes, s.Classes[i].ID)
		}
		all = append(all, x)
	}
	for _, o := range scenario.Outlines() {
		all = append(all, exercise{ID: o.ID, Title: o.Title[e.lang], Outline: true, Classes: []string{}})
	}
	return e.show(all, func() {
		for _, x := range all {
			if x.Outline {
				e.say("cli.training.listed_outline", i18n.Args{"id": x.ID, "title": x.Title})
				continue
			}
			e.say("cli.training.listed", i18n.Args{"id": x.ID, "title": x.Title, "classes": strings.Join(x.Classes, ", "), "injects": x.Injects, "decisions": x.Decisions, "actions": x.Actions})
		}
	})
}

type trainingRunCmd struct {
	Scenario string `arg:"" help:"cli.training.scenario"`
	Class    string `required:"" help:"cli.training.class"`
	Bot      string `required:"" enum:"perfect,idle" help:"cli.training.bot"`
}

// Run lets a bot play and prints the record, for programs and people alike.
func (c *trainingRunCmd) Run(e *env) error {
	s := scenario.Find(c.Scenario)
	if s == nil {
		return problem.New("cli.training", problem.NotFound, "cli.training.no_scenario", i18n.Args{"id": c.Scenario})
	}
	v := s.For(c.Class)
	if v == nil {
		var classes []string
		for i := range s.Classes {
			classes = append(classes, s.Classes[i].ID)
		}
		return problem.New("cli.training", problem.NotFound, "cli.training.no_class", i18n.Args{"id": c.Class, "classes": strings.Join(classes, ", ")})
	}
	r := play.Score(v, play.Run(v, play.Bot(c.Bot, v)))
	r.Bot = c.Bot
	text, err := r.JSON()
	if err == nil {
		_, err = e.out.Write(text)
	}
	return err
}

type trainingRescoreCmd struct {
	Files []string `arg:"" name:"file" help:"cli.training.file"`
}

// rescored is what became of one record, one object a line for programs.
type rescored struct {
	File  string   `json:"file"`
	Same  bool     `json:"same"`
	Wrong string   `json:"wrong,omitempty"`
	Score *float64 `json:"score"` // null: it can't be scored
}

// Run scores kept records again. It exits with 1 when one differs.
func (c *trainingRescoreCmd) Run(e *env) error {
	differs := false
	for _, file := range c.Files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		again, wrong, _ := play.Rescore(text, scenario.Find) // wrong says what the error is about
		x := rescored{File: file, Same: wrong == "", Wrong: wrong}
		if again != nil {
			x.Score = &again.Score
		}
		differs = differs || wrong != ""
		err = e.show(x, func() {
			score := ""
			if again != nil {
				score = fmt.Sprintf("%.4f", again.Score)
			}
			key := map[string]string{"": "cli.training.same", play.WrongForm: "cli.training.wrong.form", play.WrongScenario: "cli.training.wrong.scenario", play.WrongLog: "cli.training.wrong.log", play.WrongScore: "cli.training.wrong.score"}[wrong]
			e.say(key, i18n.Args{"file": file, "score": score})
		})
		if err != nil {
			return err
		}
	}
	if differs {
		return exit(exitFailed)
	}
	return nil
}

func isDuty(id string) bool { return content.Shipped().Duty(id) != nil }

type trainingCheckCmd struct {
	Files []string `arg:"" optional:"" name:"file" help:"cli.training.check.file"`
}

// Run tells authors what does not fit in their scenarios; without files it checks the shipped
// ones against the table of duties.
func (c *trainingCheckCmd) Run(e *env) error {
	if len(c.Files) == 0 {
		for _, s := range scenario.Shipped() {
			for i := range s.Actions {
				for _, d := range s.Actions[i].Duty {
					if !isDuty(d) {
						e.say("scenario.rule.duty", i18n.Args{"id": s.Actions[i].ID, "value": d})
						return exit(exitFailed)
					}
				}
			}
			e.say("cli.training.fits", i18n.Args{"file": s.ID})
		}
		return nil
	}
	bad := false
	for _, file := range c.Files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		_, found := scenario.Read(text, isDuty)
		if len(found) == 0 {
			e.say("cli.training.fits", i18n.Args{"file": file})
			continue
		}
		bad = true
		for _, f := range found {
			fmt.Fprintln(e.out, harmless(fmt.Sprintf("%s:%d:%d: %s", file, f.Line, f.Column, f.Text(e.texts, e.lang))))
		}
	}
	if bad {
		return exit(exitFailed)
	}
	return nil
}
