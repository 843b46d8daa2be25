//go:build !gcpkms

package keyring

import "errors"

func newGoogle(Config, string) (KMS, error) {
	return nil, errors.New("this build does not speak to Google Cloud KMS: build it with -tags gcpkms")
}
