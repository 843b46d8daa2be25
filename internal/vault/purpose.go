package vault

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

// webhookPurpose is for the secrets that sign a user's webhooks; the id is the webhook's, as text.
const webhookPurpose = "webhook"

// sealedElsewhere are the purposes of other domains. A reseal must know where what was sealed is stored, or it would not
// open after the old keys are dropped (resealed.go).
var sealedElsewhere = map[string]bool{webhookPurpose: true}

// purposePlace is what a text of another domain is bound to.
type purposePlace struct {
	user        uuid.UUID
	purpose, id string
}

func (p purposePlace) place() []byte {
	return place("text of a user", p.user[:], []byte(p.purpose), []byte(p.id))
}

// SealFor seals a text of another domain under the user's keys, bound to a purpose and an id within it. Store it at once: a
// reseal that comes between leaves it under a key that goes away.
func (s *Service) SealFor(ctx context.Context, user uuid.UUID, purpose, id string, plain []byte) (string, error) {
	if !sealedElsewhere[purpose] {
		return "", fmt.Errorf("vault: nobody seals texts again that were sealed for %q", purpose)
	}
	s.keys.forget(user) // this is rare, and the keys in memory may have been replaced within the last minutes
	keys, err := s.keys.of(ctx, user)
	if err != nil {
		return "", err
	}
	return keys.sealRecord(purposePlace{user, purpose, id}, plain)
}

// OpenFor opens what SealFor sealed for the same user, purpose and id. SERVICE_ERROR (500): it does not open. The content is
// the caller's to clear.
func (s *Service) OpenFor(ctx context.Context, user uuid.UUID, purpose, id, sealed string) ([]byte, error) {
	return s.open(ctx, user, purposePlace{user, purpose, id}, sealed)
}
