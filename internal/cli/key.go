package cli

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"turkey/internal/auth"
	"turkey/internal/wire"
)

func (p *program) keyCommand() *cobra.Command {
	return group("key", "See and rotate the signing keys", p.keyStatus(), p.keyGenerate(), p.keyRotate(), p.keyRetire(), p.keyRevoke(), p.keyActivate())
}

func (p *program) keyStatus() *cobra.Command {
	var all, verbose bool
	c := &cobra.Command{Use: "status", Short: "List the signing keys", Example: "  gravy key status\n  gravy key status -a --json", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withAuth(cmd, func(ctx context.Context, a *auth.Service) error {
				keys, err := a.Keys(ctx)
				if err != nil {
					return err
				}
				listed := []auth.KeyInfo{}
				for _, k := range keys {
					if all || k.State != auth.KeyGone && k.State != auth.KeyRevoked {
						listed = append(listed, k)
					}
				}
				return p.printKeys(listed, verbose)
			})
		}}
	c.Flags().BoolVarP(&all, "all", "a", false, "also those that have left the key set or were revoked")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "with their public keys")
	return c
}

func (p *program) printKeys(keys []auth.KeyInfo, verbose bool) error {
	if p.json {
		return p.print(keys, "")
	}
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tSTATE\tCREATED\tSIGNS FROM\tRETIRED\tPUBLISHED UNTIL")
	for _, k := range keys {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.State, local(&k.CreatedAt), local(k.SignsFrom), local(k.RetiredAt), local(k.PublishedUntil))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if verbose {
		for _, k := range keys {
			fmt.Fprintf(p.out, "\n%s\n%s", k.ID, k.PublicKey)
		}
	}
	return nil
}

// local shows a moment to a person, in the zone of the machine.
func local(t *wire.Time) string {
	if t == nil {
		return "-"
	}
	return time.Time(*t).Local().Format(time.DateTime)
}

func (p *program) keyGenerate() *cobra.Command {
	var activate bool
	c := &cobra.Command{Use: "generate", Short: "Publish a new key", Example: "  gravy key generate\n  gravy key generate -a", Args: noArgs,
		Long: "Publishes a new key, which verifies and does not sign: activate it once whoever keeps a copy of the key set has\n" +
			"fetched it again. With --activate it signs as soon as every server publishes it.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.changeKey(cmd, func(ctx context.Context, a *auth.Service) (auth.KeyInfo, error) { return a.GenerateKey(ctx, activate) })
		}}
	c.Flags().BoolVarP(&activate, "activate", "a", false, "make it the key that signs")
	return c
}

func (p *program) keyRotate() *cobra.Command {
	var keep, yes bool
	c := &cobra.Command{Use: "rotate", Short: "Replace the key that signs", Example: "  gravy key rotate -y", Args: noArgs,
		Long: "Publishes a new key, which signs as soon as every server publishes it. The others are retired then, and leave the key\n" +
			"set when the last token they signed has expired: nobody is signed out.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !yes && !p.confirm("Rotate the signing keys?") {
				return p.print(map[string]any{"cancelled": true}, "Cancelled")
			}
			return p.changeKey(cmd, func(ctx context.Context, a *auth.Service) (auth.KeyInfo, error) { return a.RotateKeys(ctx, keep) })
		}}
	c.Flags().BoolVarP(&keep, "keep-old", "k", false, "the others stay active: they verify for good")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

func (p *program) keyRetire() *cobra.Command {
	return p.changeOneKey("retire", "Let a key sign no more, and verify until its tokens have expired", (*auth.Service).RetireKey)
}

func (p *program) keyRevoke() *cobra.Command {
	var yes bool
	c := &cobra.Command{Use: "revoke <kid>", Short: "Void a key that others may have, with every token it signed", Example: "  gravy key revoke key_2f37c502687aeafbe98ad99dec902662 -y", Args: oneArg,
		Long: "Takes a key out of the key set at once. Every server refuses the tokens it signed within a second; whoever verifies with a copy of\n" +
			"the key set takes them until the copy is renewed. If it signs, a new key does from now on. Sessions go on: they refresh.",
		RunE: p.operate(func(ctx context.Context, a *auth.Service, args []string) error {
			if !yes && !p.confirm("Revoke key "+args[0]+", with every token it signed?") {
				return p.cancelled()
			}
			k, successor, err := a.RevokeKey(ctx, args[0])
			if err != nil {
				return err
			}
			out := struct {
				auth.KeyInfo
				Successor string `json:"successor,omitempty"`
			}{k, successor}
			if successor == "" {
				return p.print(out, "Key %s is revoked", k.ID)
			}
			return p.print(out, "Key %s is revoked; the new key %s signs", k.ID, successor)
		})}
	yesFlag(c, &yes)
	return c
}

func (p *program) keyActivate() *cobra.Command {
	return p.changeOneKey("activate", "Bring a key back and make it the one that signs", (*auth.Service).ActivateKey)
}

func (p *program) changeOneKey(verb, short string, change func(*auth.Service, context.Context, string) (auth.KeyInfo, error)) *cobra.Command {
	var yes bool
	c := &cobra.Command{Use: verb + " <kid>", Short: short, Example: "  gravy key " + verb + " key_2f37c502687aeafbe98ad99dec902662 -y",
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.ExactArgs(1)(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes && !p.confirm(strings.ToUpper(verb[:1])+verb[1:]+" key "+args[0]+"?") {
				return p.print(map[string]any{"cancelled": true}, "Cancelled")
			}
			return p.changeKey(cmd, func(ctx context.Context, a *auth.Service) (auth.KeyInfo, error) { return change(a, ctx, args[0]) })
		}}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

// changeKey runs a change and says what the key does now.
func (p *program) changeKey(cmd *cobra.Command, change func(context.Context, *auth.Service) (auth.KeyInfo, error)) error {
	return p.withAuth(cmd, func(ctx context.Context, a *auth.Service) error {
		k, err := change(ctx, a)
		if err != nil {
			return err
		}
		return p.print(k, "Key %s %s", k.ID, whatItDoes(k))
	})
}

func whatItDoes(k auth.KeyInfo) string {
	switch {
	case k.State == auth.KeySigning && k.RetiredAt != nil:
		return "signs until " + local(k.RetiredAt) + ", when its successor takes over, and verifies until " + local(k.PublishedUntil)
	case k.State == auth.KeySigning:
		return "signs"
	case k.State == auth.KeyNext:
		return "is published; it signs from " + local(k.SignsFrom) + " on, when every server publishes it"
	case k.State == auth.KeyRetired:
		return "is retired; it verifies until " + local(k.PublishedUntil)
	case k.State == auth.KeyGone:
		return "has left the key set"
	case k.State == auth.KeyRevoked:
		return "is revoked"
	}
	return "is published and verifies; it does not sign"
}
