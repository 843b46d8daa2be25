package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"turkey/internal/config"
	"turkey/internal/db"
	"turkey/internal/keyring"
	"turkey/internal/vault"
)

func (p *program) vaultCommand() *cobra.Command {
	return group("vault", "See, rotate and recover the keys of the vault", p.vaultStatus(), p.vaultRotate(), p.vaultReseal(),
		group("recovery", "Keep a copy of the root keys for a bad day", p.recoveryCreate(), p.recoveryTest(), p.recoveryKeyring()))
}

// openKeyring is where root keys come from, by the configuration.
func openKeyring(cfg *config.Config) (*keyring.Keyring, error) {
	return keyring.Open(keyring.Config{Salt: []byte(cfg.EncryptionSalt), PreviousSalt: []byte(cfg.PreviousSalt), Sources: cfg.Keyring,
		Token: []byte(cfg.KMSToken), Namespace: cfg.KMSNamespace})
}

// withKeeper runs a command on the vault's keys of the configured database.
func (p *program) withKeeper(cmd *cobra.Command, fn func(context.Context, *vault.Keeper) error) error {
	return p.withOpen(cmd, func(ctx context.Context, cfg *config.Config, database *db.DB) error {
		ring, err := openKeyring(cfg)
		if err != nil {
			return err
		}
		return fn(ctx, vault.NewKeeper(vault.KeeperConfig{DB: database, Keyring: ring, App: cfg.JWTAudience, Progress: p.progress()}))
	})
}

// progress shows how far a long command is, where a person looks.
func (p *program) progress() func(what string, done, total int64) {
	f, ok := p.err.(*os.File)
	if !ok || p.json {
		return nil
	}
	if info, err := f.Stat(); err != nil || info.Mode()&fs.ModeCharDevice == 0 {
		return nil
	}
	return func(what string, done, total int64) {
		if total == 0 {
			return
		}
		end := ""
		if done >= total {
			end = "\n"
		}
		fmt.Fprintf(f, "\r%s: %d of %d%s", what, done, total, end)
	}
}

func (p *program) vaultStatus() *cobra.Command {
	return &cobra.Command{Use: "status", Short: "Show root keys, and what is sealed under which keys", Example: "  gravy vault status --json", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withKeeper(cmd, func(ctx context.Context, k *vault.Keeper) error {
				st, err := k.Status(ctx)
				if err != nil || p.json {
					return errors.Join(err, p.printIf(err == nil, st))
				}
				return p.showVault(st)
			})
		}}
}

// printIf prints JSON where there is something to print.
func (p *program) printIf(there bool, v any) error {
	if !there {
		return nil
	}
	return p.print(v, "")
}

func (p *program) showVault(st vault.Status) error {
	fmt.Fprintf(p.out, "New root keys come from %s\n\n", st.Source)
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ROOT KEY\tSOURCE\tSTATE\tUSERS\tCREATED\tIN A RECOVERY BUNDLE")
	for _, r := range st.Roots {
		state := "in use"
		switch {
		case r.RetiredAt != nil:
			state = "retired"
		case r.Active:
			state = "active"
		case r.ActiveFrom == nil:
			state = "not in use yet"
		}
		if r.Problem != "" {
			state += ", MISSING"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", r.ID, r.Source, state, r.Users, day(&r.CreatedAt), day(r.BundledAt))
	}
	fmt.Fprintln(w, "\nSEALED IN\tUNDER CURRENT KEYS\tUNDER OLDER KEYS\tLOST")
	for _, t := range st.Texts {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\n", t.Table, t.Current, t.Older, t.Lost)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(p.out, "\n%d users have keys, %d of them in an unfinished reseal. The oldest root key in use is %.0f days old.\n", st.Users, st.Resealing, st.OldestRootAge)
	if !st.Recoverable && st.ActiveRoot != "" {
		fmt.Fprintln(p.out, "Not every root key in use is in a recovery bundle: gravy vault recovery create --recipient age1…")
	}
	for _, r := range st.Roots {
		if r.Problem != "" {
			fmt.Fprintln(p.out, "MISSING:", r.Problem)
		}
	}
	return nil
}

func day(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}

func (p *program) vaultRotate() *cobra.Command {
	var yes, prepare bool
	c := &cobra.Command{Use: "rotate", Aliases: []string{"rotate-key"}, Short: "Replace the root key", Args: noArgs,
		Long: "Makes another root key the active one (of the first source in VAULT_KEYRING, else of ENCRYPTION_KEY_SALT), wraps every\n" +
			"user's keys with it and retires the old one. Servers go on reading and writing. A rotation that was cut off goes on where\n" +
			"it was. Every server must be able to have the new key first: give all of them the new settings and restart them; a new\n" +
			"key in a keyring file is made with --prepare, and used by the next rotation.",
		Example: "  gravy vault rotate\n  gravy vault rotate --prepare\n  VAULT_KEYRING=file:/etc/turkey/keyring.json gravy vault rotate -y",
		RunE: func(cmd *cobra.Command, _ []string) error {
			question := "Rotate the root key of the vault?"
			if prepare {
				question = "Put a new key into the keyring file?"
			}
			if !yes && !p.confirm(question) {
				return p.cancelled()
			}
			return p.withKeeper(cmd, func(ctx context.Context, k *vault.Keeper) error {
				if prepare {
					id, err := k.Prepare(ctx)
					if err != nil {
						return err
					}
					return p.print(map[string]any{"root": id, "prepared": true}, "Root key %s is in the keyring file and not in use: bring the file to every server, then run gravy vault rotate", id)
				}
				done, err := k.Rotate(ctx)
				if done.Users == nil { // it did not get that far
					return err
				}
				return errors.Join(p.showRotation(done), err)
			})
		}}
	yesFlag(c, &yes)
	c.Flags().BoolVar(&prepare, "prepare", false, "make the next key of a keyring file without using it")
	return c
}

func (p *program) showRotation(done vault.Rotation) error {
	if p.json {
		return p.print(done, "")
	}
	verb := "is active now"
	if done.Resumed {
		verb = "was active already; an earlier rotation is finished. Run it again for a new root key"
	}
	fmt.Fprintf(p.out, "Root key %s (%s) %s. %d users' keys were wrapped with it.\n", done.Root, done.Source, verb, done.Rewrapped)
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ROOT KEY\tUSERS")
	for id, n := range done.Users {
		fmt.Fprintf(w, "%s\t%d\n", id, n)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, id := range done.Retired {
		fmt.Fprintf(p.out, "Root key %s wraps nothing any more and is retired: its source is no longer needed, except for backups made until now.\n", id)
	}
	return nil
}

func (p *program) vaultReseal() *cobra.Command {
	var yes bool
	c := &cobra.Command{Use: "reseal", Short: "Give every user new data keys and seal everything anew", Example: "  gravy vault reseal -y", Args: noArgs,
		Long: "Makes a new key for every user, seals their credentials, old versions, tokens and webhook secrets with it, and drops the\n" +
			"old keys. Servers go on reading and writing. A reseal that was cut off goes on where it was. What leaked before stays\n" +
			"leaked: revoke it at its provider.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !yes && !p.confirm("Seal everything in the vault with new keys?") {
				return p.cancelled()
			}
			return p.withKeeper(cmd, func(ctx context.Context, k *vault.Keeper) error {
				done, err := k.Reseal(ctx)
				if done.Texts == nil { // it did not get that far
					return err
				}
				return errors.Join(p.showReseal(done), err)
			})
		}}
	yesFlag(c, &yes)
	return c
}

func (p *program) showReseal(done vault.Resealing) error {
	if p.json {
		return p.print(done, "")
	}
	fmt.Fprintf(p.out, "%d users have new keys; of %d the old ones are dropped.\n", done.Renewed, done.Ended)
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SEALED IN\tSEALED ANEW\tUNDER CURRENT KEYS\tUNDER OLDER KEYS")
	for _, t := range done.Texts {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\n", t.Table, done.Resealed[t.Table], t.Current, t.Older)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, t := range done.Unreadable {
		fmt.Fprintf(p.out, "Does not open: %s %s of user %s\n", t.Table, t.ID, t.User)
	}
	return nil
}
