package config

import (
	"slices"

	"github.com/jackc/pgx/v5"
)

// What the guides and templates show as examples, and what everybody tries first.
var (
	knownSecrets   = []string{"your-secure-secret-key-min-32-chars"}
	knownPasswords = []string{"postgres", "password", "pass", "secure-password-here", "ComplexP@ssw0rd!2025", "turkey", "changeme"}
)

// SecretIsKnown reports whether JWT_SECRET is a value that the whole world knows.
func (c *Config) SecretIsKnown() bool {
	return slices.Contains(knownSecrets, string(c.JWTSecret)) || slices.Contains(knownSalts, string(c.JWTSecret))
}

// KnownPasswords are the variables whose database password the whole world knows.
func (c *Config) KnownPasswords() (names []string) {
	for _, v := range []struct {
		name string
		url  Secret
	}{{"DATABASE_URL", c.DatabaseURL}, {"DATABASE_ADMIN_URL", c.DatabaseAdminURL}, {"DATABASE_DIRECT_URL", c.DirectURL}} {
		if v.url == "" {
			continue
		}
		if cc, err := pgx.ParseConfig(string(v.url)); err == nil && slices.Contains(knownPasswords, cc.Password) {
			names = append(names, v.name)
		}
	}
	return names
}
