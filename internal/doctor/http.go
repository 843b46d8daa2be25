package doctor

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

type reportOutput struct {
	Body struct {
		Data Report `json:"data"`
	}
}

// Mount adds the route of administration; operators is the middleware that lets only operators through.
func (d *Doctor) Mount(api huma.API, operators func(huma.Context, func(huma.Context))) {
	huma.Register(api, huma.Operation{Method: http.MethodGet, Path: "/v1/admin/doctor", OperationID: "doctor", Tags: []string{"Administration"},
		Summary: "Look the server over", Description: "What `gravy doctor` says: what is wrong, where, and how to mend it. It only looks. For operators.",
		Security:    []map[string][]string{{"bearerAuth": {}}, {"adminKey": {}}},
		Middlewares: huma.Middlewares{operators}, DefaultStatus: http.StatusOK}, d.handle)
}

func (d *Doctor) handle(ctx context.Context, _ *struct{}) (*reportOutput, error) {
	out := &reportOutput{}
	out.Body.Data = d.Examine(ctx)
	return out, nil
}
