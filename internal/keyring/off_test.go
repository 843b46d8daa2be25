//go:build !awskms && !gcpkms

package keyring_test

import (
	"testing"

	"turkey/internal/keyring"
)

func TestADefaultBuildNamesTheMissingTag(t *testing.T) {
	t.Parallel()
	refused(t, keyring.Config{Sources: []string{"awskms:arn:aws:kms:eu-central-1:1:key/2"}}, "VAULT_KEYRING", "-tags awskms")
	refused(t, keyring.Config{Sources: []string{"gcpkms:projects/p/locations/l/keyRings/r/cryptoKeys/k"}}, "VAULT_KEYRING", "-tags gcpkms")
}
