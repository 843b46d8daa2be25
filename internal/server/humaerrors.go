package server

import (
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"turkey/internal/fault"
	"turkey/internal/fault/codes"
)

// huma's two error constructors are variables of its package. Its own would echo the values a client sent, so they are
// replaced before anybody can call them, in a package variable too.
func init() {
	huma.DefaultArrayNullable = false // bind.go takes no null for a list, and answers hold [] for none
	// Without a request there is no half to choose; rerender does it when huma writes the answer. The type tells huma the
	// schema of errors in the OpenAPI document.
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		f := humaFault(status, msg, errs)
		return &AuthError{Code: f.Code, Message: f.Message, status: status, fault: f}
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
		return renderHuma(ctx, humaFault(status, msg, errs))
	}
}

// rerender completes errors that were made with huma.NewError, before they are written.
func rerender(ctx huma.Context, _ string, v any) (any, error) {
	if e, ok := v.(*AuthError); ok && e.fault != nil {
		return renderHuma(ctx, e.fault), nil
	}
	return v, nil
}

func renderHuma(ctx huma.Context, f *fault.Error) huma.StatusError {
	enveloped := false
	if op := ctx.Operation(); op != nil {
		enveloped, _ = op.Metadata["envelope"].(bool)
	}
	requested := ctx.URL()
	return render(ctx.Context(), requested.Path, enveloped, f, ctx.SetHeader)
}

// humaFault is the fault in errs, or the one that huma's words mean. The words are those of huma 2.37 (huma.go).
func humaFault(status int, msg string, errs []error) *fault.Error {
	err := errors.Join(errs...)
	if f, ok := fault.From(err); ok {
		return f
	}
	var tooLarge *http.MaxBytesError
	var timeout net.Error
	switch {
	case errors.As(err, &tooLarge):
		return fault.New(fault.TooLarge, "", "")
	case msg == "unexpected error occurred": // a handler's error
		return fault.New(fault.Internal, "", "").Because(err)
	case msg == "cannot read request body" && errors.As(err, &timeout) && timeout.Timeout():
		return fault.New(fault.Timeout, "", "")
	case msg == "cannot read request body": // the client stopped in the middle
		return fault.New(fault.Invalid, "bad_request", "Request body could not be read")
	case msg == "request body is required":
		return invalid(fault.Field{Message: "Required", Code: "invalid_type", Received: "undefined"})
	case msg == "validation failed":
		return invalidRequest(errs)
	}
	for kind, as := range codes.Kinds {
		if as.Status == status {
			return fault.New(kind, "", "").Because(err)
		}
	}
	if status >= 400 && status < 500 {
		return fault.New(fault.Invalid, "", "")
	}
	return fault.New(fault.Internal, "", "").Because(errors.Join(errors.New(msg), err))
}

// invalidRequest collects what huma found in parameters and what bind.go found in the body.
func invalidRequest(errs []error) *fault.Error {
	var fields []fault.Field
	for _, err := range errs {
		var detailer huma.ErrorDetailer
		if !errors.As(err, &detailer) {
			return fault.New(fault.Internal, "", "").Because(err) // a resolver's error that is no fault
		}
		detail := detailer.ErrorDetail()
		if f, ok := decodeFault(detail.Message); ok {
			if len(f.Fields) == 0 {
				return f // the body is not JSON; nothing else matters
			}
			fields = append(fields, f.Fields...)
			continue
		}
		if strings.HasPrefix(detail.Message, huma.ErrUnknownContentType.Error()) {
			return fault.New(fault.Invalid, "bad_request", "Content-Type must be application/json")
		}
		fields = append(fields, paramField(detail))
	}
	return invalid(fields...)
}

func invalid(fields ...fault.Field) *fault.Error {
	return fault.New(fault.Invalid, "validation_error", "Invalid request data").WithFields(fields...)
}

// paramField says which rule a parameter broke. Only messages that are known to hold no value of the request pass; huma
// builds some from the errors of parsers, which quote their input.
func paramField(detail *huma.ErrorDetail) fault.Field {
	_, name, _ := strings.Cut(detail.Location, ".")
	field := fault.Field{Name: name, Message: "Invalid value", Code: "invalid_string"}
	msg := detail.Message
	switch {
	case strings.HasPrefix(msg, "required ") && strings.HasSuffix(msg, " parameter is missing"):
		field.Message, field.Code, field.Received = "Required", "invalid_type", "undefined"
	case msg == "invalid integer" || msg == "invalid float":
		field.Message, field.Code, field.Received = "Expected number, received string", "invalid_type", "string"
	case msg == "invalid boolean":
		field.Message, field.Code, field.Received = "Expected boolean, received string", "invalid_type", "string"
	case strings.HasPrefix(msg, "expected number >"), strings.HasPrefix(msg, "expected length >"), strings.HasPrefix(msg, "expected array length >"):
		field.Message, field.Code = capital(msg), "too_small"
	case strings.HasPrefix(msg, "expected number <"), strings.HasPrefix(msg, "expected length <"), strings.HasPrefix(msg, "expected array length <"):
		field.Message, field.Code = capital(msg), "too_big"
	case strings.HasPrefix(msg, "expected value to be one of "):
		field.Message, field.Code = capital(msg), "invalid_enum_value"
	case strings.HasPrefix(msg, "expected string to match pattern "):
		field.Message = capital(msg)
	case strings.HasPrefix(msg, "expected string to be "):
		rule, _, _ := strings.Cut(msg, ": ") // behind the colon stands a parser's error
		field.Message = capital(rule)
	}
	return field
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
