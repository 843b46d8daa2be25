package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"turkey/internal/auth"
	"turkey/internal/queue"
)

func (p *program) jobCommand() *cobra.Command {
	return group("job", "See, repeat and cancel work in the background", p.jobList(),
		p.jobAct("retry", "Let a job run now, a dead letter once more", (*auth.Service).RetryJob),
		p.jobAct("cancel", "Keep a job from running again, or tell it to stop", (*auth.Service).CancelJob))
}

func (p *program) jobList() *cobra.Command {
	var f auth.JobFilter
	var limit int
	c := &cobra.Command{Use: "list", Short: "List jobs, newest first", Args: noArgs,
		Long:    "Lists jobs. Ended ones stay for a day; dead letters, whose attempts are used up, are `--state discarded` and stay for a week.",
		Example: "  gravy job list --state discarded\n  gravy job list --kind mail -l 10 --json",
		RunE: p.operate(func(ctx context.Context, a *auth.Service, _ []string) error {
			if err := checkLimit(limit); err != nil {
				return err
			}
			if f.State != "" && !slices.Contains(queue.States(), f.State) {
				return usageError{fmt.Errorf("a job's state is one of %s", strings.Join(queue.States(), ", "))}
			}
			jobs, _, err := a.Jobs(ctx, f, auth.Page{Limit: limit})
			if err != nil {
				return err
			}
			return p.table(jobs, "ID\tKIND\tSTATE\tATTEMPT\tCREATED\tRUNS FROM\tARGUMENTS\tLAST ERROR", len(jobs), func(i int) string {
				j := jobs[i]
				return fmt.Sprintf("%d\t%s\t%s\t%d of %d\t%s\t%s\t%s\t%s", j.ID, j.Kind, j.State, j.Attempt, j.MaxAttempts, local(&j.CreatedAt),
					local(&j.ScheduledAt), j.Args, oneLine(j.Error))
			})
		})}
	c.Flags().StringVarP(&f.State, "state", "s", "", "only jobs in this state")
	c.Flags().StringVarP(&f.Kind, "kind", "k", "", "only jobs of this kind")
	limitFlag(c, &limit)
	return c
}

// oneLine is a text in a column of a table.
func oneLine(text string) string {
	line := []rune(strings.Join(strings.Fields(text), " "))
	if len(line) > 100 {
		return string(line[:100]) + "…"
	}
	return string(line)
}

func (p *program) jobAct(verb, short string, act func(*auth.Service, context.Context, int64) (auth.Job, error)) *cobra.Command {
	var yes bool
	c := &cobra.Command{Use: verb + " <id>", Short: short, Args: oneArg, Example: "  gravy job " + verb + " 4711 -y",
		RunE: p.operate(func(ctx context.Context, a *auth.Service, args []string) error {
			id, err := auth.JobNumber(args[0])
			if err != nil {
				return err
			}
			if !yes && !p.confirm(fmt.Sprintf("%s job %d?", strings.ToUpper(verb[:1])+verb[1:], id)) {
				return p.cancelled()
			}
			j, err := act(a, ctx, id)
			if err != nil {
				return err
			}
			state := j.State
			if j.CancelRequested {
				state += ", and told to stop"
			}
			return p.print(j, "Job %d (%s) is %s", j.ID, j.Kind, state)
		})}
	yesFlag(c, &yes)
	return c
}
