package auth

import (
	"context"
	"encoding/base64"
	"regexp"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/auth/authdb"
	"turkey/internal/db"
	"turkey/internal/fault"
)

// Entrance is what a page has to know of an app before anybody has signed in. It is public.
type Entrance struct {
	ID               string `json:"id"`
	Name             string `json:"name"`
	RegistrationOpen bool   `json:"registrationOpen" doc:"Anybody may register"`
	PasswordMin      int32  `json:"passwordMin" doc:"Characters"`
	PasswordClasses  bool   `json:"passwordClasses" doc:"Upper case, lower case, digit and special character are needed"`
	Brand            Brand  `json:"brand"`
}

// Brand is how an app's pages look.
type Brand struct {
	Color *string `json:"color" doc:"#rrggbb" example:"#a83f17"`
	Logo  *string `json:"logo" doc:"A data: URL of a PNG, JPEG, WebP or SVG image of at most 64 KiB"`
}

const maxLogo = 64 << 10

var (
	brandColor = regexp.MustCompile(`^#[0-9a-f]{6}$`)
	logoTypes  = []string{"image/png", "image/jpeg", "image/webp", "image/svg+xml"}
)

// Validate brings the colour into normal form and lists every broken rule.
func (b *Brand) Validate() (broken []fault.Field) {
	if b.Color != nil {
		*b.Color = strings.ToLower(strings.TrimSpace(*b.Color))
		if !brandColor.MatchString(*b.Color) {
			broken = append(broken, fault.Field{Name: "color", Code: "invalid_string", Message: "Expected #rrggbb"})
		}
	}
	if b.Logo != nil && !goodLogo(*b.Logo) {
		broken = append(broken, fault.Field{Name: "logo", Code: "invalid_string", Message: "Expected data:image/png;base64,… (or jpeg, webp, svg+xml) of at most 64 KiB"})
	}
	return broken
}

func goodLogo(text string) bool {
	for _, t := range logoTypes {
		if body, ok := strings.CutPrefix(text, "data:"+t+";base64,"); ok {
			image, err := base64.StdEncoding.Strict().DecodeString(body)
			return err == nil && len(image) > 0 && len(image) <= maxLogo
		}
	}
	return false
}

// Entrance is what everybody may know of an app.
func (s *Service) Entrance(ctx context.Context, app string) (Entrance, error) {
	r, err := s.q.BrandSystem(ctx, s.cfg.DB.In(db.System()), app)
	return Entrance{ID: r.ID, Name: r.Name, RegistrationOpen: r.RegistrationOpen, PasswordMin: r.PasswordMin, PasswordClasses: r.PasswordClasses,
		Brand: Brand{Color: r.Color, Logo: r.Logo}}, orNoApp(err)
}

// SetBrand replaces how an app's pages look; nil is the house's own.
func (s *Service) SetBrand(ctx context.Context, app string, b Brand) error {
	if broken := b.Validate(); len(broken) > 0 {
		return invalidRequest.WithFields(broken...)
	}
	return s.cfg.DB.Tx(ctx, db.System(), func(tx pgx.Tx) error {
		n, err := s.q.SetBrandSystem(ctx, tx, authdb.SetBrandSystemParams{AppID: app, Color: b.Color, Logo: b.Logo})
		if err != nil {
			return err
		}
		if n == 0 {
			return errNoApp
		}
		return s.recordAct(ctx, tx, app, uuid.Nil, "app_brand_changed", map[string]any{"color": b.Color, "logo": b.Logo != nil})
	})
}
