package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"strconv"
	"time"

	"turkey/internal/outbound"
)

// Bounds of one attempt.
const (
	attemptTimeout = 10 * time.Second
	maxResponse    = 64 << 10
)

// failure is why an attempt did not deliver, in words for the user and the queue: nothing of the address and of the answer.
type failure struct {
	words       string
	final       bool          // no further attempt can help
	interrupted bool          // by this server
	after       time.Duration // the receiver asks to be left alone so long; 0: it does not
}

func (f *failure) Error() string { return f.words }

// verdict tells what a status means; nil: delivered.
type verdict func(status int) *failure

// post makes one call. status is of the answer; 0: there was none.
func post(ctx context.Context, client *http.Client, address string, body []byte, header http.Header, judge verdict) (status int, failed *failure) {
	call, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(call, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, &failure{words: "the address is not valid", final: true}
	}
	maps.Copy(req.Header, header)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "TurKey-Webhooks/1")
	resp, err := client.Do(req)
	if err != nil {
		return 0, unreached(ctx, err)
	}
	defer resp.Body.Close()
	// Read to its end, so that the connection may be used again; of what it says only a wish to wait is for us.
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, maxResponse))
	failed = judge(resp.StatusCode)
	if failed != nil && resp.StatusCode == http.StatusTooManyRequests {
		failed.after = patience(resp.Header, answer, time.Now())
	}
	return resp.StatusCode, failed
}

// judge is the verdict on a receiver of our own format.
func judge(status int) *failure {
	f := &failure{words: "the receiver answered " + strconv.Itoa(status)}
	switch {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusGone:
		f.final, f.words = true, f.words+" (gone): no further attempt is made"
	case status >= 300 && status < 400:
		f.words += ": redirects are not followed"
	}
	return f
}

// judgeChat is the verdict on a chat. What it refuses it refuses again, and whoever goes on asking is shut out.
// Source: discord.com/developers/docs/topics/rate-limits#invalid-request-limit-aka-cloudflare-bans
func judgeChat(status int) *failure {
	f := judge(status)
	switch status {
	case http.StatusBadRequest:
		f.final, f.words = true, f.words+": it does not take the message, or does not know the chat"
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone:
		f.final, f.words = true, "the receiver answered "+strconv.Itoa(status)+": it does not take messages at this address (any more)"
	}
	return f
}

const longestPatience = 24 * time.Hour

// patience is how long an answer of 429 asks to be left alone, 0 if it does not say: the longest of Retry-After (RFC 9110
// §10.2.3), Discord's retry_after (seconds, with a fraction) and Telegram's parameters.retry_after.
func patience(header http.Header, answer []byte, now time.Time) time.Duration {
	text := header.Get("Retry-After")
	seconds, err := strconv.ParseFloat(text, 64)
	if at, dateErr := http.ParseTime(text); err != nil && dateErr == nil {
		seconds = at.Sub(now).Seconds()
	}
	var body struct {
		RetryAfter float64 `json:"retry_after"`
		Parameters struct {
			RetryAfter float64 `json:"retry_after"`
		} `json:"parameters"`
	}
	if json.Unmarshal(answer, &body) == nil {
		seconds = max(seconds, body.RetryAfter, body.Parameters.RetryAfter)
	}
	if !(seconds > 0) { // not a number, too
		return 0
	}
	return time.Duration(math.Ceil(min(seconds, longestPatience.Seconds()))) * time.Second
}

// unreached words why there was no answer. The errors of the HTTP client quote the address.
func unreached(ctx context.Context, err error) *failure {
	var timeout net.Error
	var name *net.DNSError
	switch {
	case ctx.Err() != nil:
		return &failure{words: "interrupted", interrupted: true}
	case errors.Is(err, outbound.ErrPrivate):
		return &failure{words: "the address is not public"}
	case errors.As(err, &name):
		return &failure{words: "the host name could not be resolved"}
	case errors.As(err, &timeout) && timeout.Timeout():
		return &failure{words: "no answer within 10 seconds"}
	}
	return &failure{words: "the connection failed"}
}
