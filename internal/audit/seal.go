package audit

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"turkey/internal/audit/auditdb"
	"turkey/internal/db"
	"turkey/internal/queue"
	"turkey/internal/wire"
)

const (
	sealBatch   = 2000    // rows of one seal; while it is written, accounts wait to be deleted
	sealAtOnce  = 200_000 // ids that are held in memory
	monthsAhead = 3       // partitions that there always are
	sealEvery   = time.Minute
	tellEvery   = time.Hour // how often the checkpoint goes to the log
)

// Config is what the keeper of the audit needs.
type Config struct {
	DB             *db.DB
	Log            *slog.Logger
	Now            func() time.Time
	Seed           []byte // 32 bytes, of the key that signs seals
	CheckpointFile string // gets a line each time a checkpoint is told; "": none
}

// Keeper seals the audit, verifies it and moves old months into files.
type Keeper struct {
	cfg  Config
	q    *auditdb.Queries
	key  ed25519.PrivateKey
	told atomic.Int64 // when a checkpoint was last told, Unix seconds
}

// NewKeeper makes one.
func NewKeeper(cfg Config) (*Keeper, error) {
	if len(cfg.Seed) != ed25519.SeedSize {
		return nil, errors.New("audit: the key that signs seals is not 32 bytes long")
	}
	return &Keeper{cfg: cfg, q: auditdb.New(), key: ed25519.NewKeyFromSeed(cfg.Seed)}, nil
}

// PublicKey verifies the signatures of seals.
func (k *Keeper) PublicKey() ed25519.PublicKey { return k.key.Public().(ed25519.PublicKey) }

// Work lets the queue seal once a minute, by one server.
func (k *Keeper) Work(q *queue.Queue) {
	queue.Register(q, &sealWorker{keeper: k})
	queue.Every(q, sealEvery, sealArgs{})
}

type sealArgs struct{}

// Kind names the job in the queue's table.
func (sealArgs) Kind() string { return "audit_seal" }

type sealWorker struct {
	river.WorkerDefaults[sealArgs]
	keeper *Keeper
}

// Timeout: the first run on an old database seals all there is.
func (w *sealWorker) Timeout(*river.Job[sealArgs]) time.Duration { return time.Hour }

// Work seals what is new.
func (w *sealWorker) Work(ctx context.Context, _ *river.Job[sealArgs]) error {
	if _, err := w.keeper.Seal(ctx); err != nil {
		return err
	}
	return w.keeper.tell(ctx)
}

// Seal covers all rows that are committed and not sealed yet, and makes sure of the partitions to come. It returns how many
// rows it covered. While another server seals, it does nothing.
func (k *Keeper) Seal(ctx context.Context) (rows int, err error) {
	if _, err := k.q.MakeMonthsSystem(ctx, k.system(), monthsAhead); err != nil {
		k.cfg.Log.WarnContext(ctx, "partitions of the audit to come could not be made; it is tried again in a minute", "error", err)
	}
	newest, err := k.q.NewestSealSystem(ctx, k.system())
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return 0, err
	}
	r := &sealing{Keeper: k, at: newest.No}
	if err = r.era(ctx); err == nil {
		for _, log := range logs {
			if err = r.sealLog(ctx, log); err != nil {
				err = fmt.Errorf("seal %s: %w", log, err)
				break
			}
		}
	}
	if errors.Is(err, errAnother) || db.IsUnique(err, "audit_seals_pkey") {
		return r.rows, nil
	}
	return r.rows, err
}

// sealing is one run: it goes on for as long as the chain grows by its own seals only.
type sealing struct {
	*Keeper
	at   int64 // the newest seal
	now  auditdb.ClusterSystemRow
	rows int
}

// errAnother: another server seals.
var errAnother = errors.New("another server seals")

func (k *Keeper) system() db.Conn { return k.cfg.DB.In(db.System()) }

// era is how rows are counted here. A database that came from a dump, or an upgraded cluster, counts its transactions anew.
func (r *sealing) era(ctx context.Context) (err error) {
	if r.now, err = r.q.ClusterSystem(ctx, r.system()); err != nil || r.now.Era > 0 {
		return err
	}
	return r.cfg.DB.Tx(ctx, db.System(), func(tx pgx.Tx) error {
		if r.now.Era, err = r.q.BeginEraSystem(ctx, tx); err != nil {
			return err
		}
		return r.append(ctx, tx, seal{log: eraLog}, nil)
	})
}

// sealLog covers what the last complete seal of the era did not see and the snapshot of now does.
func (r *sealing) sealLog(ctx context.Context, log string) error {
	last, err := r.q.SealedUpToSystem(ctx, r.system(), log, r.now.Era)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	snapshot, err := r.q.SnapshotSystem(ctx, r.system())
	if err != nil {
		return err
	}
	for whole := false; !whole; {
		found, err := r.q.UnsealedSystem(ctx, r.system(), auditdb.UnsealedSystemParams{Log: log, Seen: last.Snapshot, Upto: snapshot, Era: r.now.Era,
			After: last.No, Most: sealAtOnce})
		if err != nil {
			return err
		}
		if len(found) == 0 && last.Snapshot != "" {
			return nil
		}
		whole = len(found) < sealAtOnce
		for first := true; first || len(found) > 0; first = false {
			batch := found[:min(sealBatch, len(found))]
			found = found[len(batch):]
			s := seal{log: log}
			if whole && len(found) == 0 {
				s.snapshot = snapshot
			}
			if err := r.sealBatch(ctx, s, batch); err != nil {
				return err
			}
			r.rows += len(batch)
		}
	}
	return nil
}

// sealBatch reads the rows with nobody leaving meanwhile, and appends a seal over them.
func (r *sealing) sealBatch(ctx context.Context, s seal, batch []auditdb.UnsealedSystemRow) error {
	return r.cfg.DB.Tx(ctx, db.System(), func(tx pgx.Tx) error {
		if err := r.q.LockErasuresSystem(ctx, tx); err != nil {
			return err
		}
		p := auditdb.RowsSystemParams{Log: s.log}
		for _, b := range batch {
			p.Ids, p.Ats = append(p.Ids, b.ID), append(p.Ats, b.CreatedAt)
		}
		rows, err := r.q.RowsSystem(ctx, tx, p)
		if err != nil {
			return err
		}
		var entries []entry
		persons := map[string]bool{}
		for _, row := range rows {
			e := newEntry(s.log, row).under(newestForm)
			entries = append(entries, e)
			if e.who != "" {
				persons[e.who] = true
			}
		}
		keys, err := r.makeKeys(ctx, tx, s.log, persons)
		if err != nil {
			return err
		}
		return r.append(ctx, tx, s, cover(entries, keys))
	})
}

func (r *sealing) makeKeys(ctx context.Context, tx pgx.Tx, log string, persons map[string]bool) (map[string][]byte, error) {
	keys := make(map[string][]byte, len(persons))
	if len(persons) == 0 {
		return keys, nil
	}
	names := make([]string, 0, len(persons))
	for p := range persons {
		names = append(names, p)
	}
	rows, err := r.q.KeysSystem(ctx, tx, log, names)
	for _, row := range rows {
		keys[row.Person] = row.Key
	}
	return keys, err
}

// covered is what a seal covers, row by row.
type covered struct {
	ids     []string
	ats     []time.Time
	leaves  [][hashSize]byte
	persons [][hashSize]byte
}

func cover(entries []entry, keys map[string][]byte) *covered {
	c := &covered{}
	for _, e := range entries {
		as := e.present(keys[e.who])
		c.ids, c.ats = append(c.ids, e.id), append(c.ats, e.at)
		c.leaves, c.persons = append(c.leaves, e.leaf(as, false)), append(c.persons, as.person)
	}
	return c
}

// append adds a seal to the chain. Two that would take the same number cannot both.
func (r *sealing) append(ctx context.Context, tx pgx.Tx, s seal, c *covered) error {
	if c == nil {
		c = &covered{}
	}
	newest, err := r.q.NewestSealSystem(ctx, tx)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	if newest.No != r.at {
		return errAnother
	}
	root := rootHash(c.leaves)
	s.era, s.cluster = r.now.Era, r.now.Cluster
	s.no, s.prev, s.root, s.count, s.sealedAt = newest.No+1, newest.Hash, root[:], int32(len(c.ids)), r.cfg.Now().Truncate(time.Microsecond)
	if s.prev == nil {
		s.prev = []byte{}
	}
	for _, at := range c.ats {
		if s.firstAt == nil || at.Before(*s.firstAt) {
			s.firstAt = &at
		}
		if s.lastAt == nil || at.After(*s.lastAt) {
			s.lastAt = &at
		}
	}
	hash := s.hash()
	p := auditdb.InsertSealSystemParams{No: s.no, Log: s.log, Era: s.era, Cluster: s.cluster, Count: s.count, FirstAt: s.firstAt, LastAt: s.lastAt,
		Root: s.root, Prev: s.prev, Hash: hash, Signature: ed25519.Sign(r.key, signed(sealPurpose, hash)), SealedAt: s.sealedAt,
		Ids: c.ids, Ats: c.ats, Leaves: joined(c.leaves), Persons: joined(c.persons), NewestForm: newestForm}
	if s.snapshot != "" {
		p.Snapshot = &s.snapshot
	}
	if p.Ids == nil {
		p.Ids, p.Ats = []string{}, []time.Time{}
	}
	r.at = s.no
	return r.q.InsertSealSystem(ctx, tx, p)
}

func joined(hashes [][hashSize]byte) []byte {
	b := make([]byte, 0, len(hashes)*hashSize)
	for _, h := range hashes {
		b = append(b, h[:]...)
	}
	return b
}

// ErrNoSeal says that nothing was sealed yet.
var ErrNoSeal = errors.New("nothing is sealed yet: the server seals the audit once a minute")

// Checkpoint is the newest seal.
func (k *Keeper) Checkpoint(ctx context.Context) (Checkpoint, error) {
	s, err := k.q.NewestSealSystem(ctx, k.system())
	if errors.Is(err, pgx.ErrNoRows) {
		return Checkpoint{}, ErrNoSeal
	}
	return Checkpoint{No: s.No, Hash: hex.EncodeToString(s.Hash), SealedAt: wire.Time(s.SealedAt), Signature: hex.EncodeToString(s.Signature),
		PublicKey: hex.EncodeToString(k.PublicKey())}, err
}

// tell sends the newest checkpoint where logs go, once an hour, and appends it to a file.
func (k *Keeper) tell(ctx context.Context) error {
	now := k.cfg.Now().Unix()
	if told := k.told.Load(); now-told < int64(tellEvery/time.Second) || !k.told.CompareAndSwap(told, now) {
		return nil
	}
	c, err := k.Checkpoint(ctx)
	if err != nil {
		return err
	}
	k.cfg.Log.InfoContext(ctx, "Audit checkpoint", "no", c.No, "hash", c.Hash, "sealedAt", c.SealedAt.String(), "signature", c.Signature, "publicKey", c.PublicKey)
	if k.cfg.CheckpointFile == "" {
		return nil
	}
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(k.cfg.CheckpointFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("AUDIT_CHECKPOINT_FILE: %w", err)
	}
	if _, err := f.Write(append(line, '\n')); err != nil {
		_ = f.Close() // the error of the write says it
		return fmt.Errorf("AUDIT_CHECKPOINT_FILE: %w", err)
	}
	return f.Close()
}
