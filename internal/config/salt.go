package config

import "slices"

// knownSalts are values of ENCRYPTION_KEY_SALT that the whole world knows (contract legacy-import.md §3.2).
var knownSalts = []string{
	"default-salt-change-in-production", "your-random-salt-change-in-production", "your-random-salt-CHANGE-THIS",
	"$(openssl rand -base64 32)",
}

// SaltIsKnown reports whether ENCRYPTION_KEY_SALT is a value that the whole world knows.
func (c *Config) SaltIsKnown() bool { return slices.Contains(knownSalts, string(c.EncryptionSalt)) }
