package server

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"turkey/internal/fault"
	"turkey/internal/fault/codes"
)

const responsePrefix = "#/components/responses/"

// documentErrors says with which status and code an operation fails: what its own code comes to (package codes) and what
// the server refuses before and after it.
func (a *routes) documentErrors(op *huma.Operation) {
	delete(op.Responses, "default")
	delete(op.Responses, "422") // rule violations are 400
	delete(op.Responses, "500")
	api := under("/api", op.Path)
	told := map[int]map[string]bool{}
	for _, f := range slices.Concat(codes.Of(op.OperationID), own(op)) {
		if status, code, ok := f.Tell(api); ok {
			if told[status] == nil {
				told[status] = map[string]bool{}
			}
			told[status][code] = true
		}
	}
	for status, found := range told {
		if documented := op.Responses[strconv.Itoa(status)]; documented != nil && documented.Content != nil {
			continue // a health page, which has a shape of its own
		}
		op.Responses[strconv.Itoa(status)] = a.failure(api, status, slices.Sorted(maps.Keys(found)))
	}
}

// own lists what the server answers in place of a handler.
func own(op *huma.Operation) []codes.Fault {
	api := under("/api", op.Path)
	if !api && !under("/v1", op.Path) || strings.HasSuffix(op.Path, "/health") && len(op.Security) == 0 {
		return nil
	}
	faults := []codes.Fault{{Kind: fault.Internal}, {Kind: fault.Unavailable}}
	if api && !isStream(op) {
		faults = append(faults, codes.Fault{Kind: fault.Timeout}) // under /v1 it is 503
	}
	if len(op.Parameters) > 0 {
		faults = append(faults, codes.Fault{Kind: fault.Invalid})
	}
	if op.RequestBody != nil {
		faults = append(faults, codes.Fault{Kind: fault.Invalid}, codes.Fault{Kind: fault.Invalid, Code: errMalformed.Code}, codes.Fault{Kind: fault.Timeout})
	}
	if op.Method != http.MethodGet { // whatever body comes is looked at
		faults = append(faults, codes.Fault{Kind: fault.TooLarge})
		if !api {
			faults = append(faults, codes.Fault{Kind: fault.UnsupportedMedia})
		}
	}
	return faults
}

// maxNamed bounds how many codes name an answer among the components.
const maxNamed = 4

// accessToken is what every route with an access token can answer.
var accessToken = []string{"invalid_audience", "invalid_issuer", "invalid_signature", "invalid_token", "missing_token", "token_expired", "token_revoked"}

// failure is the answer of one status; it stands among the components under its codes, since many operations have it.
func (a *routes) failure(api bool, status int, found []string) *huma.Response {
	name, property := "AuthError", "error"
	if api {
		name, property = "APIError", "code"
	}
	schema := &huma.Schema{Ref: schemaPrefix + name}
	if !slices.Contains(found, "") {
		enum := make([]any, len(found))
		for i, code := range found {
			enum[i] = code
		}
		schema = &huma.Schema{AllOf: []*huma.Schema{schema, {Type: huma.TypeObject,
			Properties: map[string]*huma.Schema{property: {Type: huma.TypeString, Enum: enum}}, Required: []string{property}}}}
	}
	var says []string
	for _, code := range found {
		if code == "" {
			says = append(says, "The answer did not come in time; there is no code.")
			continue
		}
		says = append(says, fmt.Sprintf("`%s`: %s.", code, codes.Meaning(code)))
	}
	r := &huma.Response{Description: strings.Join(says, "\n\n"), Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		r.Headers = map[string]*huma.Param{"Retry-After": {Description: "Whole seconds to wait.", Schema: &huma.Schema{Type: huma.TypeInteger, Minimum: new(1.0)}}}
	}
	component := strconv.Itoa(status) + "." + strings.Join(found, ".")
	switch {
	case found[0] == "":
		component = strconv.Itoa(status)
	case slices.Equal(found, accessToken):
		component = strconv.Itoa(status) + ".access_token"
	case len(found) > maxNamed:
		return r
	}
	if api {
		component = "api." + component
	}
	a.shared[component] = r
	return &huma.Response{Ref: responsePrefix + component}
}
