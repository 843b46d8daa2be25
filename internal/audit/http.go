package audit

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"turkey/internal/fault"
)

type verifyOutput struct {
	Body struct {
		Data Report `json:"data"`
	}
}

type verifyInput struct {
	From string `query:"from" example:"2026-01" doc:"First month whose rows are checked; default: the month before this one"`
	To   string `query:"to" example:"2026-03" doc:"Last month; default: this one and later"`
}

// Mount adds the route of administration; operators is the middleware that lets only operators through.
func (k *Keeper) Mount(api huma.API, operators func(huma.Context, func(huma.Context))) {
	huma.Register(api, huma.Operation{Method: http.MethodGet, Path: "/v1/admin/audit/verify", OperationID: "verifyAudit", Tags: []string{"Administration"},
		Summary: "Verify the audit", Description: "Holds the rows of some months against their seals, and the chain of seals as a whole. `gravy audit verify` does the same " +
			"for all months, with archived files and checkpoints. For operators.",
		Security:    []map[string][]string{{"bearerAuth": {}}, {"adminKey": {}}},
		Middlewares: huma.Middlewares{operators}, DefaultStatus: http.StatusOK}, k.handleVerify)
}

func (k *Keeper) handleVerify(ctx context.Context, in *verifyInput) (*verifyOutput, error) {
	var broken []fault.Field
	parse := func(name, text string) time.Time {
		if text == "" {
			return time.Time{}
		}
		t, err := MonthOf(text)
		if err != nil {
			broken = append(broken, fault.Field{Name: name, Code: "invalid_string", Message: "Expected a month, such as 2026-01"})
		}
		return t
	}
	from, to := parse("from", in.From), parse("to", in.To)
	if len(broken) > 0 {
		return nil, fault.New(fault.Invalid, "validation_error", "Validation failed").WithFields(broken...)
	}
	scope := Scope{From: from}
	if from.IsZero() {
		now := k.cfg.Now().UTC()
		scope.From = time.Date(now.Year(), now.Month()-1, 1, 0, 0, 0, 0, time.UTC)
	}
	if !to.IsZero() {
		scope.Until = to.AddDate(0, 1, 0)
	}
	out := &verifyOutput{}
	var err error
	out.Body.Data, err = k.Verify(ctx, scope)
	return out, err
}
