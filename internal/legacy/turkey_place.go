package legacy

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/legacy/legacydb"
)

// place puts some users here with what they have: one unit of the work, one statement a table.
func (i *turkeyImport) place(ctx context.Context, tx pgx.Tx, t *tally, users []turkeyUser, of belongings) error {
	here, err := i.settle(ctx, tx, t, users)
	if err != nil {
		return err
	}
	var sessions []turkeySession
	var revoked []turkeyRevoked
	for n, u := range users {
		why, whyVoid := "its user was skipped", "its user was skipped"
		if u.renamed {
			why, whyVoid = "its app has another name here", "its app has another name here, so its token is void anyway"
		}
		if here[n] && !u.renamed {
			for _, s := range of.sessions[u.ID] {
				s.App, s.TokenVersion = u.App, u.TokenVersion
				sessions = append(sessions, s)
			}
			for _, r := range of.revoked[u.ID] {
				r.App = u.App
				revoked = append(revoked, r)
			}
			continue
		}
		for _, s := range of.sessions[u.ID] {
			t.skipped("refresh_tokens", s.ID.String(), why)
		}
		for _, r := range of.revoked[u.ID] {
			t.skipped("revoked_jti", r.JTI, whyVoid)
		}
	}
	if err := i.sessions(ctx, tx, t, sessions); err != nil {
		return err
	}
	return i.revoked(ctx, tx, t, revoked)
}

// settle makes those users that are not here yet and may be, and says which of all are here then.
func (i *turkeyImport) settle(ctx context.Context, tx pgx.Tx, t *tally, users []turkeyUser) (here []bool, err error) {
	here = make([]bool, len(users))
	ask := legacydb.StandingSystemParams{Kind: userKind}
	for _, u := range users {
		ask.Ids, ask.Apps = append(ask.Ids, u.ID), append(ask.Apps, u.App)
	}
	rows, err := i.q.StandingSystem(ctx, tx, ask)
	if err != nil {
		return nil, err
	}
	standing := map[uuid.UUID]legacydb.StandingSystemRow{}
	for _, r := range rows {
		standing[r.ID] = r
	}
	var fresh []turkeyRow
	var apps []string
	for n, u := range users {
		switch s := standing[u.ID]; {
		case u.blocked != "":
			t.skipped("users", u.ID.String(), u.blocked)
		case s.Known:
			t.known("users")
			here[n] = true
		case s.Imported:
			t.skipped("users", u.ID.String(), wasErased)
		default:
			fresh, apps = append(fresh, u.turkeyRow), append(apps, u.App)
		}
	}
	if len(fresh) == 0 {
		return here, nil
	}
	made, err := i.make(ctx, tx, fresh, apps)
	if err != nil {
		return nil, err
	}
	for _, u := range fresh {
		if made[u.ID] {
			t.imported("users")
		} else {
			t.skipped("users", u.ID.String(), "another user has this address, or this id, here")
		}
	}
	for n, u := range users {
		here[n] = here[n] || u.blocked == "" && made[u.ID]
	}
	return here, nil
}

// make writes new users with their apps.
func (i *turkeyImport) make(ctx context.Context, tx pgx.Tx, users []turkeyRow, apps []string) (made map[uuid.UUID]bool, err error) {
	if err := i.q.AppsSystem(ctx, tx, apps); err != nil {
		return nil, err
	}
	body, err := json.Marshal(users)
	if err != nil {
		return nil, err
	}
	done, err := i.q.ImportUsersSystem(ctx, tx, body)
	if err != nil {
		return nil, err
	}
	made = map[uuid.UUID]bool{}
	ids := make([]string, len(done))
	for n, id := range done {
		made[id], ids[n] = true, id.String()
	}
	return made, i.q.MapSameSystem(ctx, tx, legacydb.MapSameSystemParams{Source: i.src.name, Kind: userKind, Ids: ids})
}

func (i *turkeyImport) sessions(ctx context.Context, tx pgx.Tx, t *tally, all []turkeySession) error {
	if len(all) == 0 {
		return nil
	}
	body, err := json.Marshal(all)
	if err != nil {
		return err
	}
	done, err := i.q.ImportSessionsSystem(ctx, tx, body)
	if err != nil {
		return err
	}
	if !i.whole { // what was not made was here already
		t.count("refresh_tokens", len(all), len(done))
		return nil
	}
	made := map[uuid.UUID]bool{}
	for _, id := range done {
		made[id] = true
	}
	for _, s := range all {
		if made[s.ID] {
			t.imported("refresh_tokens")
		} else {
			t.skipped("refresh_tokens", s.ID.String(), "another one has the same token")
		}
	}
	return nil
}

func (i *turkeyImport) revoked(ctx context.Context, tx pgx.Tx, t *tally, all []turkeyRevoked) error {
	if len(all) == 0 {
		return nil
	}
	body, err := json.Marshal(all)
	if err != nil {
		return err
	}
	done, err := i.q.ImportRevokedSystem(ctx, tx, body)
	t.count("revoked_jti", len(all), len(done))
	return err
}
