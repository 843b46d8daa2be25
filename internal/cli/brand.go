package cli

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"turkey/internal/auth"
)

func (p *program) appBrand() *cobra.Command {
	var color, logo string
	c := &cobra.Command{Use: "brand <app-id>", Short: "Show or change how an app's pages look", Args: oneArg,
		Long: "Colour and logo of the pages for signing in and of the console. Without flags they are shown. '' gives back the house's own.",
		Example: "  gravy app brand shop --color '#0b62d6' --logo logo.png\n" +
			"  gravy app brand shop --logo ''"}
	f := c.Flags()
	f.StringVar(&color, "color", "", "#rrggbb")
	f.StringVar(&logo, "logo", "", "file with a PNG, JPEG, WebP or SVG image, at most 64 KiB")
	c.RunE = p.operate(func(ctx context.Context, a *auth.Service, args []string) error {
		app, err := a.Entrance(ctx, args[0])
		if err != nil {
			return err
		}
		if f.Changed("color") {
			app.Brand.Color = given(color)
		}
		if f.Changed("logo") {
			image, err := imageURL(logo)
			if err != nil {
				return err
			}
			app.Brand.Logo = given(image)
		}
		if f.Changed("color") || f.Changed("logo") {
			if err := a.SetBrand(ctx, app.ID, app.Brand); err != nil {
				return err
			}
		}
		show := func(v *string) string {
			if v == nil {
				return "the house's own"
			}
			return fmt.Sprintf("%.40s", *v)
		}
		rows := [][2]string{{"id", app.ID}, {"name", app.Name}, {"color", show(app.Brand.Color)}, {"logo", show(app.Brand.Logo)}}
		return p.table(app, "", len(rows), func(i int) string { return rows[i][0] + "\t" + rows[i][1] })
	})
	return c
}

func given(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// imageURL reads a picture as a data: URL. What it is, its first bytes say; SVG is text.
func imageURL(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	image, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	kind := http.DetectContentType(image)
	if strings.HasSuffix(strings.ToLower(file), ".svg") && strings.HasPrefix(kind, "text/") {
		kind = "image/svg+xml"
	}
	return "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(image), nil
}
