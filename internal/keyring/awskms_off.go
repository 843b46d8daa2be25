//go:build !awskms

package keyring

import "errors"

func newAWS(Config, string) (KMS, error) {
	return nil, errors.New("this build does not speak to AWS KMS: build it with -tags awskms")
}
