package kpi

import (
	"context"
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"turkey/internal/caller"
	"turkey/internal/db"
	"turkey/internal/kpi/kpidb"
)

func (s *Service) mountActivity(api huma.API, op describe) {
	huma.Register(api, orCSV[activityBody](api, enveloped(op(http.MethodGet, "/api/activity-log", "listActivity", "Activity", "What happened",
		"In the caller's vault and pipeline, newest first. As CSV with Accept: text/csv; without limit that is up to 10,000 entries."))), s.handleActivity)
	huma.Register(api, enveloped(op(http.MethodGet, "/api/v1/queue/stats", "queueStats", "Sync", "How many runs there are",
		"By state: the caller's; of all users for operators.")), s.handleQueueStats)
	huma.Register(api, enveloped(op(http.MethodGet, "/api/user/status", "userStatus", "Users", "The caller", "By the number that the routes below /api use.")), s.handlePerson)
	huma.Register(api, enveloped(op(http.MethodPost, "/api/user/onboarding/complete", "completeOnboarding", "Users", "Onboarding is done", "It may be done again.")), s.handleOnboarding(true))
	huma.Register(api, enveloped(op(http.MethodPost, "/api/user/onboarding/reset", "resetOnboarding", "Users", "Onboarding begins anew", "It may be done again.")), s.handleOnboarding(false))
}

// orCSV documents an operation that answers with T, or with CSV where the client asks for it.
func orCSV[T any](api huma.API, op huma.Operation) huma.Operation {
	schema := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[T](), true, "")
	op.Responses = map[string]*huma.Response{strconv.Itoa(http.StatusOK): {Description: http.StatusText(http.StatusOK), Content: map[string]*huma.MediaType{
		"application/json": {Schema: schema}, "text/csv": {Schema: &huma.Schema{Type: huma.TypeString}}}}}
	return op
}

// eitherOutput is a JSON body or the bytes of a CSV file.
type eitherOutput struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Vary        string `header:"Vary"`
	Body        any
}

func asJSON(body any) *eitherOutput {
	return &eitherOutput{ContentType: "application/json", Vary: "Accept", Body: body}
}

func asCSV(file string, body []byte, err error) (*eitherOutput, error) {
	if err != nil {
		return nil, err
	}
	return &eitherOutput{ContentType: "text/csv; charset=utf-8", Disposition: `attachment; filename="` + file + `"`, Vary: "Accept", Body: body}, nil
}

const (
	activityPage  = 50
	activityTotal = 10_000 // of one CSV file
)

type activityInput struct {
	Accept    string `header:"Accept" hidden:"true"`
	Service   string `query:"service" doc:"unknown: entries about none" example:"ga4"`
	Status    string `query:"status" doc:"success, failure or partial"`
	StartDate string `query:"start_date" doc:"Day or ISO 8601 time, included"`
	EndDate   string `query:"end_date" doc:"Day or ISO 8601 time, included"`
	Limit     int    `query:"limit" minimum:"1" maximum:"100" doc:"Default: 50"`
	Offset    int    `query:"offset" minimum:"0" maximum:"2147483647"`
}

// activityBody is a page of the log.
type activityBody struct {
	Success bool `json:"success"`
	Data    struct {
		Entries []Entry `json:"entries"`
		Total   int64   `json:"total" doc:"Of all pages"`
		Limit   int     `json:"limit"`
		Offset  int     `json:"offset"`
	} `json:"data"`
}

func (s *Service) handleActivity(ctx context.Context, in *activityInput) (*eitherOutput, error) {
	user, _ := caller.UserFrom(ctx)
	f, err := s.activityFilter(in.Service, in.Status)
	if err != nil {
		return nil, err
	}
	if f.Since, f.Until, err = activityRange(in.StartDate, in.EndDate); err != nil {
		return nil, err
	}
	file := wantsCSV(in.Accept)
	switch {
	case in.Limit == 0 && file:
		in.Limit = activityTotal
	case in.Limit == 0:
		in.Limit = activityPage
	}
	f.Most, f.Skipped = int32(in.Limit), int32(in.Offset)
	conn := s.db.Reading(db.User(user.ID))
	rows, err := s.q.ListActivity(ctx, conn, f)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, len(rows))
	for i, r := range rows {
		entries[i] = entryOf(r)
	}
	if file {
		body, err := activityTable(entries)
		return asCSV("activity-log.csv", body, err)
	}
	var out activityBody
	if out.Data.Total, err = s.q.CountActivity(ctx, conn, kpidb.CountActivityParams{Service: f.Service, Status: f.Status, Since: f.Since, Until: f.Until}); err != nil {
		return nil, err
	}
	out.Success, out.Data.Entries, out.Data.Limit, out.Data.Offset = true, entries, in.Limit, in.Offset
	return asJSON(out), nil
}

type queueStats struct {
	Waiting   int64 `json:"waiting"`
	Active    int64 `json:"active"`
	Completed int64 `json:"completed"`
	Failed    int64 `json:"failed"`
	Delayed   int64 `json:"delayed"`
}

func (q *queueStats) add(status string, n int64) {
	switch status {
	case "waiting":
		q.Waiting = n
	case "active":
		q.Active = n
	case "completed":
		q.Completed = n
	case "failed":
		q.Failed = n
	case "delayed":
		q.Delayed = n
	}
}

func (s *Service) handleQueueStats(ctx context.Context, _ *struct{}) (*dataOutput[queueStats], error) {
	user, _ := caller.UserFrom(ctx)
	var stats queueStats
	if user.Role == "admin" && user.AppID == s.operatorApp {
		rows, err := s.q.QueueStatsSystem(ctx, s.db.In(db.System()), user.ID, user.AppID)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			stats.add(r.Status, r.Runs)
		}
		if len(rows) > 0 {
			return answer(stats), nil
		}
	}
	rows, err := s.q.QueueStats(ctx, s.db.In(db.User(user.ID)))
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		stats.add(r.Status, r.Runs)
	}
	return answer(stats), nil
}
