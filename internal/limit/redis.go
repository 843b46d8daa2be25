package limit

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"

	"turkey/internal/db"
)

// redisPatience bounds every step with Redis: it stands before requests, and PostgreSQL stands ready.
const redisPatience = 500 * time.Millisecond

// redisStore is the store in Redis (6.2 or newer) or Valkey. Every operation is one script, which nothing else interrupts.
// What is over expires by itself.
type redisStore struct {
	pool *redis.Pool
	now  func() time.Time // nil: Redis's
}

var errRedisURL = errors.New("REDIS_URL cannot be parsed; expected redis://user:password@host:6379/0, rediss://… or unix:///path?db=0") // it may hold a password

func newRedis(address string, now func() time.Time) (*redisStore, error) {
	dial, err := redisDialer(address)
	if err != nil {
		return nil, err
	}
	return &redisStore{now: now, pool: &redis.Pool{
		DialContext: dial,
		MaxActive:   10 * runtime.GOMAXPROCS(0),
		MaxIdle:     2 * runtime.GOMAXPROCS(0),
		IdleTimeout: 5 * time.Minute,
		Wait:        true,
		TestOnBorrowContext: func(ctx context.Context, c redis.Conn, used time.Time) error {
			if time.Since(used) < 30*time.Second {
				return nil
			}
			_, err := redis.DoContext(c, ctx, "PING") // a firewall may have forgotten it
			return err
		},
	}}, nil
}

// redisDialer reads an address as the IANA registers them, and as redis-cli does: one name before the @ is the password.
func redisDialer(address string) (func(context.Context) (redis.Conn, error), error) {
	u, err := url.Parse(address)
	if err != nil || u.Opaque != "" || u.Fragment != "" {
		return nil, errRedisURL
	}
	network, target, number := "tcp", net.JoinHostPort(cmp.Or(u.Hostname(), "localhost"), cmp.Or(u.Port(), "6379")), strings.TrimPrefix(u.Path, "/")
	query := u.Query()
	switch u.Scheme {
	case "redis", "rediss":
	case "unix":
		network, target, number = "unix", u.Path, query.Get("db")
		query.Del("db")
	default:
		return nil, errRedisURL
	}
	database, err := strconv.Atoi(cmp.Or(number, "0"))
	if err != nil || database < 0 || target == "" || len(query) > 0 {
		return nil, errRedisURL
	}
	user := u.User.Username()
	password, both := u.User.Password()
	if !both {
		user, password = "", user
	}
	return func(ctx context.Context) (redis.Conn, error) {
		return redis.DialContext(ctx, network, target, redis.DialConnectTimeout(redisPatience), redis.DialReadTimeout(redisPatience),
			redis.DialWriteTimeout(redisPatience), redis.DialTLSHandshakeTimeout(redisPatience), redis.DialDatabase(database), redis.DialUsername(user), redis.DialPassword(password),
			redis.DialUseTLS(u.Scheme == "rediss"), redis.DialTLSConfig(&tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Hostname()}))
	}, nil
}

func (s *redisStore) close() error { return s.pool.Close() }

// probe writes, because a replica or a full Redis answers pings and cannot count.
func (s *redisStore) probe(ctx context.Context) error {
	_, err := s.take(ctx, "probe", Rule{Window: time.Second, Max: 1})
	return err
}

// stamp is the time given to a script in ms; empty makes it look at Redis's own clock.
func (s *redisStore) stamp() string {
	if s.now == nil {
		return ""
	}
	return strconv.FormatInt(s.now().UnixMilli(), 10)
}

// run runs a script whose answer is a list of integers. It is sent once: one that ran and whose answer was lost must not run again.
func (s *redisStore) run(ctx context.Context, script *redis.Script, keys []string, args ...any) ([]int64, error) {
	all := make([]any, 0, 2+len(keys)+len(args))
	all = append(all, len(keys))
	for _, k := range keys {
		all = append(all, k)
	}
	all = append(append(all, s.stamp()), args...)
	waiting, cancel := context.WithTimeout(ctx, redisPatience)
	defer cancel()
	c, err := s.pool.GetContext(waiting)
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	defer c.Close() // it goes back to the pool
	n, err := redis.Int64s(script.DoContext(ctx, c, all...))
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	return n, nil
}

// newScript puts the clock before a script: now in ms.
func newScript(lua string) *redis.Script {
	return redis.NewScript(-1, `
local now = tonumber(ARGV[1])
if not now then
	local t = redis.call('TIME')
	now = t[1] * 1000 + math.floor(t[2] / 1000)
end
`+lua)
}

const windowPrefix = "turkey:limit:"

// A window is a hash: h hits, r when it is over, in ms. As in PostgreSQL one more than the limit says "refused".
var takeScript = newScript(`
local limit, length = tonumber(ARGV[2]), tonumber(ARGV[3])
local w = redis.call('HMGET', KEYS[1], 'h', 'r')
local hits, resets = tonumber(w[1] or 0), tonumber(w[2] or 0)
if resets <= now then hits, resets = 0, now + length end
hits = math.min(hits, limit) + 1
redis.call('HSET', KEYS[1], 'h', hits, 'r', resets)
redis.call('PEXPIRE', KEYS[1], resets - now)
return {hits, resets, resets - now}`)

func (s *redisStore) take(ctx context.Context, key string, r Rule) (window, error) {
	n, err := s.run(ctx, takeScript, []string{windowPrefix + key}, r.Max, millis(r.Window))
	if err != nil {
		return window{}, err
	}
	return window{hits: int(n[0]), id: n[1] * 1000, left: milliseconds(n[2])}, nil
}

var giveBackScript = newScript(`
for i, key in ipairs(KEYS) do
	local w = redis.call('HMGET', key, 'h', 'r')
	if w[2] and w[2] == ARGV[3 * i - 1] then
		local hits = math.min(tonumber(w[1]), tonumber(ARGV[3 * i + 1])) - tonumber(ARGV[3 * i])
		redis.call('HSET', key, 'h', math.max(hits, 0))
	end
end
return {}`)

func (s *redisStore) giveBack(ctx context.Context, units []unit) error {
	keys, args := make([]string, len(units)), make([]any, 0, 3*len(units))
	for i, u := range units {
		keys[i] = windowPrefix + u.key
		args = append(args, u.window/1000, u.n, u.limit)
	}
	_, err := s.run(ctx, giveBackScript, keys, args...)
	return err
}

var mergeScript = newScript(`
local answer = {}
for i, key in ipairs(KEYS) do
	local w = redis.call('HMGET', key, 'h', 'r')
	local hits, resets = tonumber(w[1] or 0), tonumber(w[2] or 0)
	if resets <= now then hits, resets = 0, now + tonumber(ARGV[2 * i + 1]) end
	hits = math.max(hits + tonumber(ARGV[2 * i]), 0)
	redis.call('HSET', key, 'h', hits, 'r', resets)
	redis.call('PEXPIRE', key, resets - now)
	answer[2 * i - 1], answer[2 * i] = hits, resets - now
end
return answer`)

func (s *redisStore) merge(ctx context.Context, counts []count) ([]window, error) {
	keys, args := make([]string, len(counts)), make([]any, 0, 2*len(counts))
	for i, c := range counts {
		keys[i] = windowPrefix + c.key
		args = append(args, c.hits, millis(c.left))
	}
	n, err := s.run(ctx, mergeScript, keys, args...)
	if err != nil {
		return nil, err
	}
	windows := make([]window, len(counts))
	for i := range windows {
		windows[i] = window{hits: int(n[2*i]), left: milliseconds(n[2*i+1])}
	}
	return windows, nil
}

// The keys of a login: the account (hash: f failures from everywhere, fu end of their window, nx when the next attempt may
// be made, g generation), the leases (sorted by their ends) and the client (hash: n failures, at the last one, lu locked
// until, g generation). Forgetting an account gives it a new generation, which makes its clients' counts void.
func loginKeys(who login) []string {
	account := "turkey:login:{" + hex.EncodeToString(who.account) + "}"
	return []string{account, account + ":leases", account + ":" + hex.EncodeToString(who.client)}
}

// The answer is {outcome, ms to wait}.
var beginScript = newScript(`
local lease, length, most, known = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5] == '1'
local a = redis.call('HMGET', KEYS[1], 'f', 'fu', 'nx', 'g')
local c = redis.call('HMGET', KEYS[3], 'lu', 'g')
local lock, pause = tonumber(c[1] or 0) - now, tonumber(a[3] or 0) - now
if lock > 0 and c[2] == (a[4] or '') then return {1, lock} end
local slow = not known and tonumber(a[1] or 0) >= tonumber(ARGV[6]) and tonumber(a[2] or 0) > now
if slow and pause > 0 then return {2, pause} end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
if redis.call('ZCARD', KEYS[2]) >= most then return {3, 1000} end
redis.call('ZADD', KEYS[2], now + length, lease)
redis.call('PEXPIRE', KEYS[2], length)
if slow then redis.call('HSET', KEYS[1], 'nx', now + tonumber(ARGV[7])) end
return {0, 0}`)

func (s *redisStore) begin(ctx context.Context, who login, known bool, along db.Along) (verdict, error) {
	lease := randomID()
	n, err := s.run(ctx, beginScript, loginKeys(who), lease, millis(leaseFor), maxParallel, known, slowAfter, millis(slowPause))
	if err != nil {
		return verdict{}, err
	}
	v := verdict{outcome: outcome(n[0]), retry: milliseconds(n[1]), lease: lease}
	if v.outcome == granted && along != nil {
		_ = along(nil)
	}
	return v, nil
}

// The answer is {ms of the lock}.
var failScript = newScript(`
local quiet, window = tonumber(ARGV[3]), tonumber(ARGV[4])
local a = redis.call('HMGET', KEYS[1], 'fu', 'g')
local c = redis.call('HMGET', KEYS[3], 'n', 'at', 'g')
local failures, lock, generation = 1, 0, a[2] or ''
if c[3] == generation and tonumber(c[2]) > now - quiet then failures = tonumber(c[1]) + 1 end
for i = 5, #ARGV, 2 do
	if failures >= tonumber(ARGV[i]) then lock = math.max(lock, tonumber(ARGV[i + 1])) end
end
redis.call('HSET', KEYS[3], 'n', failures, 'at', now, 'lu', now + lock, 'g', generation)
redis.call('PEXPIRE', KEYS[3], quiet)
if tonumber(a[1] or 0) > now then
	redis.call('HINCRBY', KEYS[1], 'f', 1)
else
	redis.call('HSET', KEYS[1], 'f', 1, 'fu', now + window)
end
redis.call('PEXPIRE', KEYS[1], quiet)
redis.call('ZREM', KEYS[2], ARGV[2])
return {lock}`)

func (s *redisStore) fail(ctx context.Context, who login, lease int64) (time.Duration, error) {
	args := []any{lease, millis(forgetAfter), millis(slowWindow)}
	for _, l := range locks {
		args = append(args, l.from, millis(l.lasts))
	}
	n, err := s.run(ctx, failScript, loginKeys(who), args...)
	if err != nil {
		return 0, err
	}
	return milliseconds(n[0]), nil
}

var succeedScript = newScript(`
redis.call('DEL', KEYS[3])
redis.call('ZREM', KEYS[2], ARGV[2])
return {}`)

func (s *redisStore) succeed(ctx context.Context, who login, lease int64, along db.Along) error {
	_, err := s.run(ctx, succeedScript, loginKeys(who), lease)
	if err == nil && along != nil {
		_ = along(nil)
	}
	return err
}

var releaseScript = newScript(`redis.call('ZREM', KEYS[2], ARGV[2]) return {}`)

func (s *redisStore) release(ctx context.Context, who login, lease int64) error {
	_, err := s.run(ctx, releaseScript, loginKeys(who), lease)
	return err
}

var clearScript = newScript(`
redis.call('HDEL', KEYS[1], 'f', 'fu', 'nx')
redis.call('HSET', KEYS[1], 'g', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {}`)

func (s *redisStore) clear(ctx context.Context, who login) error {
	_, err := s.run(ctx, clearScript, loginKeys(who), randomID(), millis(forgetAfter))
	return err
}

// randomID has 53 bits: as a lease it must also be a moment to PostgreSQL, which may be the one to end it.
func randomID() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return int64(binary.BigEndian.Uint64(b[:]) >> 11)
}

// millis rounds up: what has a length does not end before it began.
func millis(d time.Duration) int64 { return int64((d + time.Millisecond - 1) / time.Millisecond) }

func milliseconds(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
