package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"turkey/internal/keyring"
	"turkey/internal/vault"
)

func (p *program) recoveryCreate() *cobra.Command {
	var recipients []string
	var out string
	c := &cobra.Command{Use: "create", Short: "Encrypt the root keys to a key that is kept elsewhere", Args: noArgs,
		Long: "Writes a recovery bundle: all root keys in use, encrypted to an age public key (age-keygen makes one). Whoever holds its\n" +
			"identity and the bundle can open the vault, so keep the two apart, and both away from the server. Make a new bundle after\n" +
			"each rotation.",
		Example: "  gravy vault recovery create --recipient age1… --out recovery.age",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(recipients) == 0 {
				return usageError{errors.New("--recipient is needed: an age public key (age1…), as age-keygen prints it")}
			}
			if _, err := os.Lstat(out); out != "" && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%s exists: choose another name", out)
			}
			return p.withKeeper(cmd, func(ctx context.Context, k *vault.Keeper) error {
				bundle, ids, err := k.CreateBundle(ctx, recipients)
				if err != nil {
					return err
				}
				if out == "" {
					return p.print(map[string]any{"roots": ids, "bundle": string(bundle)}, "%s", bytes.TrimSpace(bundle))
				}
				if err := keyring.WritePrivate(out, bundle); err != nil {
					return fmt.Errorf("the bundle was not written: %w", err)
				}
				return p.print(map[string]any{"roots": ids, "file": out}, "%s holds %d root keys. Test it: gravy vault recovery test --identity <file> %s", out, len(ids), out)
			})
		}}
	c.Flags().StringArrayVar(&recipients, "recipient", nil, "age public key; repeat it for several, each of which opens the bundle")
	c.Flags().StringVar(&out, "out", "", "file to write; default: the standard output")
	return c
}

// openBundle reads a bundle and the identity that opens it; - is the standard input.
func (p *program) openBundle(identity, bundle string) (vault.Bundle, error) {
	open := func(name string) (io.ReadCloser, error) {
		if name == "-" {
			return io.NopCloser(p.in), nil
		}
		return os.Open(name)
	}
	who, err := open(identity)
	if err != nil {
		return vault.Bundle{}, fmt.Errorf("identity file: %w", err)
	}
	defer who.Close()
	sealed, err := open(bundle)
	if err != nil {
		return vault.Bundle{}, fmt.Errorf("recovery bundle: %w", err)
	}
	defer sealed.Close()
	return vault.OpenBundle(who, sealed)
}

func (p *program) recoveryTest() *cobra.Command {
	var identity string
	var all bool
	c := &cobra.Command{Use: "test <bundle>", Short: "Prove that a bundle would bring the credentials back", Args: oneArg,
		Long: "Opens the bundle, and with nothing but the keys in it the keys of some users per root key and a credential each. What\n" +
			"would be lost fails the command.",
		Example: "  gravy vault recovery test --identity key.txt --all recovery.age",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needFlags(cmd, "identity"); err != nil {
				return err
			}
			b, err := p.openBundle(identity, args[0])
			if err != nil {
				return err
			}
			return p.withTester(cmd, func(ctx context.Context, k *vault.Keeper) error {
				t, err := k.TestBundle(ctx, b, all)
				if p.json {
					return errors.Join(p.print(t, ""), err)
				}
				for _, r := range t.Roots {
					state := "opens"
					if !r.Opens {
						state = "is NOT in the bundle"
					}
					fmt.Fprintf(p.out, "Root key %s, which wraps the keys of %d users, %s\n", r.ID, r.Users, state)
				}
				fmt.Fprintf(p.out, "Made at %s. Opened the keys of %d users and %d credentials; %d users would lose theirs.\n",
					t.MadeAt.Local().Format(time.DateTime), t.UsersChecked, t.CredentialsRead, t.LostUsers)
				return err
			})
		}}
	c.Flags().StringVar(&identity, "identity", "", "file with the age identity (AGE-SECRET-KEY-1…); -: the standard input")
	c.Flags().BoolVar(&all, "all", false, "every user instead of a sample")
	return c
}

// withTester is withKeeper without the server's own root keys: they may be what was lost.
func (p *program) withTester(cmd *cobra.Command, fn func(context.Context, *vault.Keeper) error) error {
	return p.withDatabase(cmd, func(ctx context.Context, d *database) error {
		cfg, err := loadConfig()
		if err != nil {
			return err
		}
		database, err := d.open(ctx, cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		defer database.Close()
		return fn(ctx, vault.NewKeeper(vault.KeeperConfig{DB: database, App: cfg.JWTAudience, Progress: p.progress()}))
	})
}

func (p *program) recoveryKeyring() *cobra.Command {
	var identity, out string
	c := &cobra.Command{Use: "keyring <bundle>", Short: "Write a keyring file from a bundle", Args: oneArg,
		Long: "Writes the root keys of a bundle into a new keyring file. A server that is started with VAULT_KEYRING=file:<that file> opens\n" +
			"every credential, wherever its root keys once came from.",
		Example: "  gravy vault recovery keyring --identity key.txt --out /etc/turkey/keyring.json recovery.age",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needFlags(cmd, "identity", "out"); err != nil {
				return err
			}
			b, err := p.openBundle(identity, args[0])
			if err != nil {
				return err
			}
			keys, err := b.Keys()
			if err != nil {
				return err
			}
			if err := keyring.CreateFile(out, keys); err != nil {
				return err
			}
			return p.print(map[string]any{"file": out, "roots": len(keys)}, "%s holds %d root keys: start the server with VAULT_KEYRING=file:%s", out, len(keys), out)
		}}
	c.Flags().StringVar(&identity, "identity", "", "file with the age identity (AGE-SECRET-KEY-1…); -: the standard input")
	c.Flags().StringVar(&out, "out", "", "keyring file to write; it must not exist")
	return c
}
