package caller_test

import (
	"testing"

	"github.com/google/uuid"

	"turkey/internal/caller"
)

func TestContextCarriesRequestAndUserApart(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	if r := caller.RequestFrom(ctx); r != (caller.Request{}) {
		t.Errorf("a bare context has the request %+v", r)
	}
	if u, ok := caller.UserFrom(ctx); ok || u != (caller.User{}) {
		t.Errorf("a bare context has the user %+v", u)
	}
	request := caller.WithRequest(ctx, caller.Request{ID: "req", IP: "192.0.2.1"})
	if _, ok := caller.UserFrom(request); ok {
		t.Error("a request alone makes a user")
	}
	want := caller.User{ID: uuid.New(), AppID: "app"}
	both := caller.WithUser(request, want)
	if u, ok := caller.UserFrom(both); !ok || u != want {
		t.Errorf("UserFrom = %+v, %t", u, ok)
	}
	if r := caller.RequestFrom(both); r.ID != "req" || r.IP != "192.0.2.1" {
		t.Errorf("RequestFrom = %+v", r)
	}
}

func TestAZeroUserIsStillAnAuthenticatedOne(t *testing.T) {
	t.Parallel()
	if _, ok := caller.UserFrom(caller.WithUser(t.Context(), caller.User{})); !ok {
		t.Error("presence depends on the value")
	}
}
