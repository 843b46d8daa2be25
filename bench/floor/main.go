// Command floor is the least that a Go program can do per operation: bare net/http and pgx, the same crypto and the same
// single statement by hand, without validation, limits, audit, scopes or logs. It is not a product; it marks what this
// machine allows, and `make bench` prints how far the server is from it. DATABASE_URL and FLOOR_ADDR configure it.
package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log"
	"math/big"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/crypto/argon2"
)

const schema = `
create table if not exists users(id bigint generated always as identity primary key, email text unique not null, role text not null default 'user', created_at timestamptz not null default now());
create table if not exists refresh(hash bytea primary key, user_id bigint not null references users, family bigint not null, expires_at timestamptz not null, used_at timestamptz);
create table if not exists secrets(path text primary key, nonce bytea not null, ct bytea not null, fingerprint bytea unique, created_at timestamptz not null default now());`

type floor struct {
	key  *ecdsa.PrivateKey
	pool *pgxpool.Pool
	aead cipher.AEAD
	// index makes the fingerprints that find duplicates.
	index []byte
}

var (
	b64    = base64.RawURLEncoding
	header = b64.EncodeToString([]byte(`{"alg":"ES256","typ":"JWT","kid":"k1"}`))
)

func main() {
	ctx := context.Background()
	f := &floor{}
	var err error
	if f.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		log.Fatal(err)
	}
	key := make([]byte, 32)
	rand.Read(key)
	f.index = key
	block, err := aes.NewCipher(key)
	if err != nil {
		log.Fatal(err)
	}
	if f.aead, err = cipher.NewGCM(block); err != nil {
		log.Fatal(err)
	}
	cfg, err := pgxpool.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	cfg.MaxConns = 10
	if f.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		log.Fatal(err)
	}
	if _, err = f.pool.Exec(ctx, schema); err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("GET /static", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"keys":[{"kty":"EC","use":"sig","alg":"ES256","kid":"key_0123456789abcdef0123456789abcdef","x":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","y":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","crv":"P-256"}]}`))
	})
	http.HandleFunc("POST /seed", f.seed)
	http.HandleFunc("POST /hash", f.hash)
	http.HandleFunc("POST /refresh", f.refresh)
	http.HandleFunc("GET /me", f.me)
	http.HandleFunc("POST /secret/{p}", f.save)
	http.HandleFunc("GET /secret/{p}", f.read)
	srv := &http.Server{Addr: os.Getenv("FLOOR_ADDR"), ReadHeaderTimeout: time.Second}
	log.Fatal(srv.ListenAndServe())
}

func (f *floor) sign(sub string) string {
	now := time.Now().Unix()
	claims := `{"iss":"http://127.0.0.1:7020","aud":"bench","sub":"` + sub + `","iat":` + strconv.FormatInt(now, 10) + `,"exp":` + strconv.FormatInt(now+900, 10) + `,"jti":"` + random(16) + `"}`
	in := header + "." + b64.EncodeToString([]byte(claims))
	h := sha256.Sum256([]byte(in))
	r, s, err := ecdsa.Sign(rand.Reader, f.key, h[:])
	if err != nil {
		panic(err)
	}
	var sig [64]byte
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return in + "." + b64.EncodeToString(sig[:])
}

func random(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return b64.EncodeToString(b)
}

var errBad = errors.New("bad token")

func (f *floor) verify(r *http.Request) (string, error) {
	t := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	i, j := strings.LastIndexByte(t, '.'), strings.IndexByte(t, '.')
	if i <= j {
		return "", errBad
	}
	sig, err := b64.DecodeString(t[i+1:])
	if err != nil || len(sig) != 64 {
		return "", errBad
	}
	h := sha256.Sum256([]byte(t[:i]))
	if !ecdsa.Verify(&f.key.PublicKey, h[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		return "", errBad
	}
	p, err := b64.DecodeString(t[j+1 : i])
	if err != nil {
		return "", err
	}
	var c struct {
		Sub string `json:"sub"`
		Exp int64  `json:"exp"`
	}
	if err := json.Unmarshal(p, &c); err != nil || c.Exp < time.Now().Unix() {
		return "", errBad
	}
	return c.Sub, nil
}

func out(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client went
}

func digest(t string) []byte { h := sha256.Sum256([]byte(t)); return h[:] }

func (f *floor) seed(w http.ResponseWriter, r *http.Request) {
	var in struct{ Email string }
	_ = json.NewDecoder(r.Body).Decode(&in) // the bench sends what it should
	rt := random(32)
	var id int64
	err := f.pool.QueryRow(r.Context(), `with u as (insert into users(email) values($1) returning id), t as (insert into refresh(hash,user_id,family,expires_at) select $2,id,id,now()+interval '90 days' from u) select id from u`, in.Email, digest(rt)).Scan(&id)
	if err != nil {
		http.Error(w, "no", http.StatusInternalServerError)
		return
	}
	out(w, map[string]string{"rt": rt, "at": f.sign(strconv.FormatInt(id, 10))})
}

// hash is one argon2id at the server's parameters: what a login cannot do without.
func (f *floor) hash(w http.ResponseWriter, _ *http.Request) {
	argon2.IDKey([]byte("Bench-Turkey-1"), make([]byte, 16), 2, 19*1024, 1, 32)
	out(w, map[string]string{"at": f.sign("1")})
}

func (f *floor) refresh(w http.ResponseWriter, r *http.Request) {
	var in struct {
		RT string `json:"rt"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, "bad", http.StatusBadRequest)
		return
	}
	rt := random(32)
	var id int64
	var email, role string
	err := f.pool.QueryRow(r.Context(), `with o as (update refresh set used_at=now() where hash=$1 and used_at is null and expires_at>now() returning user_id,family), n as (insert into refresh(hash,user_id,family,expires_at) select $2,user_id,family,now()+interval '90 days' from o) select u.id,u.email,u.role from o join users u on u.id=o.user_id`, digest(in.RT), digest(rt)).Scan(&id, &email, &role)
	if err != nil {
		http.Error(w, "invalid", http.StatusUnauthorized)
		return
	}
	out(w, map[string]any{"rt": rt, "at": f.sign(strconv.FormatInt(id, 10)), "expires_in": 900})
}

func (f *floor) me(w http.ResponseWriter, r *http.Request) {
	sub, err := f.verify(r)
	if err != nil {
		http.Error(w, "bad", http.StatusUnauthorized)
		return
	}
	id, _ := strconv.ParseInt(sub, 10, 64)
	var u struct {
		ID          int64
		Email, Role string
		CreatedAt   time.Time
	}
	if err := f.pool.QueryRow(r.Context(), `select id,email,role,created_at from users where id=$1`, id).Scan(&u.ID, &u.Email, &u.Role, &u.CreatedAt); err != nil {
		http.Error(w, "gone", http.StatusNotFound)
		return
	}
	out(w, u)
}

func (f *floor) save(w http.ResponseWriter, r *http.Request) {
	v, _ := io.ReadAll(io.LimitReader(r.Body, 1<<16)) // the bench sends what it should
	var parsed map[string]any
	_ = json.Unmarshal(v, &parsed)
	canonical, _ := json.Marshal(parsed)
	mac := hmac.New(sha256.New, f.index)
	mac.Write(canonical)
	n := make([]byte, 12)
	rand.Read(n)
	p := r.PathValue("p")
	if _, err := f.pool.Exec(r.Context(), `insert into secrets(path,nonce,ct,fingerprint) values($1,$2,$3,$4)`, p, n, f.aead.Seal(nil, n, v, []byte(p)), mac.Sum(nil)); err != nil {
		http.Error(w, "no", http.StatusInternalServerError)
		return
	}
	out(w, map[string]string{"path": p})
}

func (f *floor) read(w http.ResponseWriter, r *http.Request) {
	p := r.PathValue("p")
	var n, ct []byte
	var at time.Time
	if err := f.pool.QueryRow(r.Context(), `select nonce,ct,created_at from secrets where path=$1`, p).Scan(&n, &ct, &at); err != nil {
		http.Error(w, "gone", http.StatusNotFound)
		return
	}
	out(w, map[string]any{"path": p, "createdAt": at})
}
