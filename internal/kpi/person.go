package kpi

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"turkey/internal/caller"
	"turkey/internal/db"
	"turkey/internal/kpi/kpidb"
)

// person is the caller as the routes below /api know people.
type person struct {
	ID                 int64  `json:"id" doc:"Number of the user"`
	Email              string `json:"email"`
	OnboardingComplete bool   `json:"onboardingComplete"`
}

type onboarding struct {
	OnboardingComplete bool `json:"onboardingComplete"`
}

// orNobody words a user without a row that may act as a scope of theirs would: the scope of an app does not ask.
func orNobody(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return db.ErrNoTenant
	}
	return err
}

func (s *Service) handlePerson(ctx context.Context, _ *struct{}) (*dataOutput[person], error) {
	user, _ := caller.UserFrom(ctx)
	row, err := s.q.GetPerson(ctx, s.db.In(db.App(user.AppID)), user.AppID, user.ID)
	if err != nil {
		return nil, orNobody(err)
	}
	return answer(person{row.UserNo, row.Email, row.OnboardingComplete}), nil
}

func (s *Service) handleOnboarding(complete bool) func(context.Context, *struct{}) (*dataOutput[onboarding], error) {
	return func(ctx context.Context, _ *struct{}) (*dataOutput[onboarding], error) {
		user, _ := caller.UserFrom(ctx)
		now, err := s.q.SetOnboarding(ctx, s.db.In(db.App(user.AppID)), kpidb.SetOnboardingParams{App: user.AppID, ID: user.ID, Complete: complete})
		if err != nil {
			return nil, orNobody(err)
		}
		return answer(onboarding{now}), nil
	}
}
