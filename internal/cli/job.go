package cli

import (
	"context"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"trojmezi/internal/app"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

type jobCmd struct {
	List  jobListCmd  `cmd:"" help:"cli.job.list"`
	Retry jobRetryCmd `cmd:"" help:"cli.job.retry"`
	Drop  jobDropCmd  `cmd:"" help:"cli.job.drop"`
}

// deadListed bounds the list; thousands have one cause.
const deadListed = 1000

// deadJob is background work that failed for good.
type deadJob struct {
	ID       int64      `json:"id"`
	Queue    string     `json:"queue"`
	Kind     store.Kind `json:"kind"`
	FailedAt time.Time  `json:"failedAt"`
	Attempts int        `json:"attempts"`
	Reason   string     `json:"reason"`
}

type jobListCmd struct{ configFlag }

func (c *jobListCmd) Run(e *env) error {
	return e.withDB(c.Config, func(ctx context.Context, cfg *app.Config, o *app.Opened) error {
		list := []deadJob{}
		if err := o.DB.Read(ctx, func(tx *store.Tx) error {
			dead, err := job.New(o.DB, o.Clock, e.log).Dead(tx, deadListed)
			list = list[:0]
			for _, j := range dead {
				list = append(list, deadJob{j.ID, j.Queue, j.Kind, j.RunAt, j.Attempt, j.Error})
			}
			return err
		}); err != nil {
			return err
		}
		return e.show(list, func() {
			if len(list) == 0 {
				e.say("cli.job.none", nil)
				return
			}
			w := tabwriter.NewWriter(e.out, 0, 8, 2, ' ', 0)
			fmt.Fprintln(w, e.t("cli.job.head", nil))
			for _, j := range list {
				fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%d\t%s\n", j.ID, j.Queue, j.Kind, e.texts.DateTime(e.lang, j.FailedAt), j.Attempts, j.Reason)
			}
			w.Flush()
		})
	})
}

type jobRetryCmd struct {
	configFlag
	ID int64 `arg:"" help:"cli.job.id"`
}

func (c *jobRetryCmd) Run(e *env) error {
	return e.settleJob(c.Config, c.ID, "job.retry", "cli.job.retried", (*job.Queue).Retry)
}

type jobDropCmd struct {
	configFlag
	ID int64 `arg:"" help:"cli.job.id"`
}

func (c *jobDropCmd) Run(e *env) error {
	return e.settleJob(c.Config, c.ID, "job.drop", "cli.job.dropped", (*job.Queue).Drop)
}

// settleJob does what a person decided about a job that failed for good.
func (e *env) settleJob(config string, id int64, action, said string, f func(*job.Queue, *store.Tx, int64) (bool, error)) error {
	return e.withDB(config, func(ctx context.Context, cfg *app.Config, o *app.Opened) error {
		jobs := job.New(o.DB, o.Clock, e.log)
		if err := o.DB.Write(ctx, func(tx *store.Tx) error {
			ok, err := f(jobs, tx, id)
			if err != nil {
				return err
			}
			if !ok {
				return problem.New("cli.job", problem.NotFound, "cli.job.missing", i18n.Args{"id": strconv.FormatInt(id, 10)})
			}
			return o.Audit.Append(tx, audit.Event{Action: action, Actor: "operator", Object: strconv.FormatInt(id, 10)})
		}); err != nil {
			return err
		}
		// The node may not be running: nobody else would put the leaf into the tree.
		if err := o.Audit.Sequence(ctx); err != nil {
			return err
		}
		return e.show(map[string]any{"id": id, "action": action}, func() { e.say(said, i18n.Args{"id": strconv.FormatInt(id, 10)}) })
	})
}
