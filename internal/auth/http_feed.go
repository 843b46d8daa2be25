package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"turkey/internal/fault"
	"turkey/internal/wire"
)

// aliveEvery is how often a stream says that it knows everything. It says nothing while this server does not know itself, so
// that its reader can tell silence from peace.
const aliveEvery = time.Second

func (s *Service) mountFeed(api huma.API) {
	keyed := func(op huma.Operation) huma.Operation {
		op.Security = []map[string][]string{{"serviceKey": {}}}
		return op
	}
	feed := keyed(operation(http.MethodGet, "/v1/revocations", "listLiveRevocations", "Revocations", "What is revoked now",
		"For backend services that verify tokens themselves: everything that ends an access token before it expires. Ask again with If-None-Match, or follow the stream."))
	feed.Responses = map[string]*huma.Response{"304": {Description: "The caller's copy (If-None-Match) is current."}}
	huma.Register(api, feed, s.handleFeed)
	stream := keyed(operation(http.MethodGet, "/v1/revocations/stream", "followRevocations", "Revocations", "Follow the revocations",
		"Server-sent events. `snapshot` first, with all that is revoked (after a `Last-Event-ID` only what came since); `revocation` for each new one, within a second; `keys` when the key "+
			"set has changed; `alive` every second while the server knows everything. What was told before may come again. Trust what you know for as long as `alive` keeps coming, and refuse after that."))
	stream.Responses = map[string]*huma.Response{"200": {Description: "Events until either side ends them", Content: map[string]*huma.MediaType{
		"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}}}}
	huma.Register(api, stream, s.handleFollow)
}

type feedInput struct {
	ServiceKey string `header:"X-Turkey-Service-Key"`
	App        string `query:"appId" doc:"Only what concerns tokens of this app"`
	Match      string `header:"If-None-Match"`
}

type feedBody struct {
	Data []Revocation `json:"data" doc:"In the order in which they were made"`
}

type feedOutput struct {
	Status int
	ETag   string `header:"ETag"`
	Body   feedBody
}

func (s *Service) handleFeed(ctx context.Context, in *feedInput) (*feedOutput, error) {
	if err := s.mayIntrospect(in.ServiceKey); err != nil {
		return nil, err
	}
	all, err := s.LiveRevocations(ctx, in.App, 0)
	if err != nil {
		return nil, err
	}
	out := &feedOutput{Status: http.StatusOK, ETag: feedTag(all), Body: feedBody{all}}
	if in.Match == out.ETag {
		out.Status = http.StatusNotModified // goes out without a body
	}
	return out, nil
}

// feedTag names a set of events.
func feedTag(all []Revocation) string {
	sum := sha256.New()
	for _, r := range all {
		_, _ = fmt.Fprintln(sum, r.ID) // a hash does not fail
	}
	return `"` + base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:12]) + `"`
}

type followInput struct {
	ServiceKey string `header:"X-Turkey-Service-Key"`
	App        string `query:"appId" doc:"Only what concerns tokens of this app"`
	Last       string `header:"Last-Event-ID"`
}

func (s *Service) handleFollow(ctx context.Context, in *followInput) (*huma.StreamResponse, error) {
	if err := s.mayIntrospect(in.ServiceKey); err != nil {
		return nil, err
	}
	var since int64
	if in.Last != "" {
		n, err := strconv.ParseInt(in.Last, 10, 64)
		if err != nil || n < 0 {
			return nil, fault.New(fault.Invalid, "bad_request", "Last-Event-ID is not the id of an event of this stream")
		}
		since = n
	}
	one, err := s.followers.add(in.App)
	if err != nil {
		return nil, err
	}
	known, err := s.LiveRevocations(ctx, in.App, since) // after joining: what happens in between comes twice rather than never
	if err != nil {
		s.followers.remove(one)
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer s.followers.remove(one)
		hc.SetHeader("Content-Type", "text/event-stream")
		hc.SetHeader("Cache-Control", "no-store")
		hc.SetHeader("X-Accel-Buffering", "no") // nginx would hold the events back
		s.follow(hc.Context(), hc.BodyWriter(), one, known, since)
	}}, nil
}

// follow writes events until the reader leaves, the server drains, or events may have been missed.
func (s *Service) follow(ctx context.Context, w io.Writer, one *follower, known []Revocation, last int64) {
	send := func(name string, id int64, data any) bool {
		body, err := json.Marshal(data)
		if err != nil {
			return false
		}
		if id > 0 {
			_, err = fmt.Fprintf(w, "event: %s\nid: %d\ndata: %s\n\n", name, id, body)
		} else {
			_, err = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, body)
		}
		if f, ok := w.(http.Flusher); ok && err == nil {
			f.Flush()
		}
		return err == nil
	}
	alive := func() bool {
		if s.revoked.age(time.Now()) > feedBound {
			return true
		}
		return send("alive", 0, struct {
			At wire.Time `json:"at"`
		}{wire.Time(time.Now())})
	}
	for _, r := range known {
		last = max(last, r.ID)
	}
	if !send("snapshot", last, feedBody{known}) || !alive() {
		return
	}
	tick := time.NewTicker(aliveEvery)
	defer tick.Stop()
	for {
		ok := true
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			ok = alive()
		case e, open := <-one.events:
			switch {
			case !open:
				return
			case e.Kind == keysChange:
				ok = send(keysChange, 0, struct{}{})
			default:
				last = max(last, e.ID)
				ok = send("revocation", last, shownEvent(e))
			}
		}
		if !ok {
			return
		}
	}
}
