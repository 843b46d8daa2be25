package audit

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/internal/audit/auditdb"
	"turkey/internal/wire"
)

// Finding is something that is not as it was sealed.
type Finding struct {
	Kind    string `json:"kind" enum:"changed,removed,inserted,backdated,erased,seal,truncated,archive" doc:"What was done"`
	Log     string `json:"log,omitempty" enum:"audit,audit_logs" doc:"The table"`
	ID      string `json:"id,omitempty" doc:"The row"`
	Month   string `json:"month,omitempty" example:"2026-01" doc:"Of the row's created_at, UTC"`
	Seal    int64  `json:"seal,omitempty" doc:"Number of the seal"`
	Message string `json:"message"`
}

// Report is the answer of a verification.
type Report struct {
	Intact   bool        `json:"intact"`
	Seals    int64       `json:"seals" doc:"Length of the chain, all of which was checked"`
	Rows     int64       `json:"rows" doc:"Rows held against their seals"`
	Erased   int64       `json:"erased" doc:"Of these, rows whose person was taken out"`
	Archived int64       `json:"archived" doc:"Sealed rows that are in files"`
	Newest   *Checkpoint `json:"newest" doc:"The newest seal; null: there is none yet"`
	Findings []Finding   `json:"findings" doc:"The first thousand"`
	More     bool        `json:"more" doc:"There are more findings than these"`
}

// Scope narrows a verification to rows of some months. The chain is checked whole.
type Scope struct {
	From, Until time.Time    // first moments of months, the second is not included; zero: no bound
	Checkpoints []Checkpoint // that the chain has to hold still
	Dir         string       // where archived files are; "": they are not read
}

// The bounds of time that PostgreSQL and Go both know.
var (
	beginning = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	end       = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
)

func (s Scope) bounds() (from, until time.Time) {
	if from, until = s.From, s.Until; from.IsZero() {
		from = beginning
	}
	if until.IsZero() {
		until = end
	}
	return from, until
}

const (
	mostFindings = 1000
	chainAtOnce  = 500
	// lateness is how much older than the seal before it a row may say it is: a transaction's time is that of its start.
	lateness = time.Hour
)

// verification is one run.
type verification struct {
	*Keeper
	scope       Scope
	from, until time.Time
	report      Report
	erasures    map[int64][][hashSize]byte
	imports     []time.Time
	missing     map[place][]missing
	complete    map[string]time.Time // when the newest complete seal of a log was made
	eras        map[string]int16
}

// place is a month of a log.
type place struct{ log, month string }

type missing struct {
	id           string
	seal         int64
	form         int16 // the newest that the seal's server knew
	leaf, person [hashSize]byte
}

// Verify holds the rows against their seals, the seals against each other, and the chain against checkpoints. Rows that come
// meanwhile are no matter.
func (k *Keeper) Verify(ctx context.Context, scope Scope) (Report, error) {
	v := &verification{Keeper: k, scope: scope, report: Report{Findings: []Finding{}}, erasures: map[int64][][hashSize]byte{},
		missing: map[place][]missing{}, complete: map[string]time.Time{}, eras: map[string]int16{}}
	v.from, v.until = scope.bounds()
	for _, step := range []func(context.Context) error{v.read, v.chain, v.checkpoints, v.uncovered, v.doubtful, v.files} {
		if err := step(ctx); err != nil {
			return Report{}, err
		}
	}
	v.merge()
	v.report.Intact = len(v.report.Findings) == 0
	return v.report, nil
}

// merge tells a row that is gone at its time and there at another as what it is.
func (v *verification) merge() {
	removed := map[[2]string]bool{}
	for _, f := range v.report.Findings {
		removed[[2]string{f.Log, f.ID}] = removed[[2]string{f.Log, f.ID}] || f.Kind == "removed"
	}
	moved := map[[2]string]bool{}
	for i, f := range v.report.Findings {
		if at := ([2]string{f.Log, f.ID}); f.Kind == "inserted" && removed[at] {
			moved[at] = true
			v.report.Findings[i].Kind, v.report.Findings[i].Message = "changed", fmt.Sprintf("Row %s of %s was changed: it says another time than it was sealed with", f.ID, f.Log)
		}
	}
	v.report.Findings = slices.DeleteFunc(v.report.Findings, func(f Finding) bool { return f.Kind == "removed" && moved[[2]string{f.Log, f.ID}] })
}

func (v *verification) found(f Finding, format string, args ...any) {
	f.Message = fmt.Sprintf(format, args...)
	if len(v.report.Findings) == mostFindings {
		v.report.More = true
		return
	}
	v.report.Findings = append(v.report.Findings, f)
}

// read gets what rows are judged by.
func (v *verification) read(ctx context.Context) error {
	if err := v.readErasures(ctx); err != nil {
		return err
	}
	var err error
	v.imports, err = v.q.ImportsSystem(ctx, v.system())
	return err
}

func (v *verification) readErasures(ctx context.Context) error {
	erasures, err := v.q.ErasuresSystem(ctx, v.system())
	for _, e := range erasures {
		all := [][hashSize]byte{}
		for _, p := range e.Pseudonyms {
			if len(p) == hashSize {
				all = append(all, [hashSize]byte(p))
			}
		}
		v.erasures[e.ID] = all
	}
	return err
}

// chain walks over all seals, oldest first.
func (v *verification) chain(ctx context.Context) error {
	var last int64
	prev := []byte{}
	for {
		seals, err := v.q.ChainSystem(ctx, v.system(), last, chainAtOnce)
		if err != nil {
			return err
		}
		for _, r := range seals {
			s := seal{no: r.No, log: r.Log, era: r.Era, cluster: r.Cluster, snapshot: r.Snapshot, count: r.Count, firstAt: r.FirstAt, lastAt: r.LastAt,
				root: r.Root, prev: r.Prev, sealedAt: r.SealedAt}
			switch f := (Finding{Kind: "seal", Seal: r.No}); {
			case r.No != last+1:
				v.found(f, "The seals %d to %d are gone", last+1, r.No-1)
			case !bytes.Equal(r.Prev, prev):
				v.found(f, "Seal %d does not follow on the seal before it: one of the two was replaced", r.No)
			}
			if !bytes.Equal(s.hash(), r.Hash) {
				v.found(Finding{Kind: "seal", Seal: r.No}, "Seal %d was changed: its hash is not that of its content", r.No)
			} else if !ed25519.Verify(v.PublicKey(), signed(sealPurpose, r.Hash), r.Signature) {
				v.found(Finding{Kind: "seal", Seal: r.No}, "Seal %d was not made by this server: its signature does not fit", r.No)
			}
			if err := v.covered(ctx, s); err != nil {
				return err
			}
			last, prev = r.No, r.Hash
			v.report.Seals++
			at := r.SealedAt
			v.report.Newest = &Checkpoint{No: r.No, Hash: hex.EncodeToString(r.Hash), SealedAt: wire.Time(at), Signature: hex.EncodeToString(r.Signature),
				PublicKey: hex.EncodeToString(v.PublicKey())}
		}
		if len(seals) < chainAtOnce {
			return nil
		}
	}
}

// covered holds the rows of one seal against it.
func (v *verification) covered(ctx context.Context, s seal) error {
	before, known := v.complete[s.log], v.eras[s.log] == s.era // at the beginning of an era rows are as old as they like
	if s.snapshot != "" {
		defer func() { v.complete[s.log], v.eras[s.log] = s.sealedAt, s.era }()
	}
	if s.count == 0 || s.lastAt != nil && s.lastAt.Before(v.from) || s.firstAt != nil && !s.firstAt.Before(v.until) {
		return nil
	}
	c, err := v.q.CoveredSystem(ctx, v.system(), s.no)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // it went while we looked, and the chain says so
	}
	if err != nil {
		return err
	}
	leaves, ok1 := parted(c.Leaves, len(c.Ids))
	persons, ok2 := parted(c.Persons, len(c.Ids))
	if !ok1 || !ok2 || len(c.Ats) != len(c.Ids) || int(s.count) != len(c.Ids) {
		v.found(Finding{Kind: "seal", Log: s.log, Seal: s.no}, "Seal %d was changed: its list of rows is not whole", s.no)
		return nil
	}
	if root := rootHash(leaves); !bytes.Equal(root[:], s.root) {
		v.found(Finding{Kind: "seal", Log: s.log, Seal: s.no}, "Seal %d was changed: the hashes of its rows are not those that were sealed", s.no)
	}
	wanted := make([]int, 0, len(c.Ids))
	for i, at := range c.Ats {
		if !at.Before(v.from) && at.Before(v.until) {
			wanted = append(wanted, i)
		}
	}
	// What does not fit is looked at once more: its person may have left between two statements.
	for _, again := range []bool{false, true} {
		there, keys, err := v.rows(ctx, s.log, c, wanted)
		if err != nil {
			return err
		}
		var doubt []int
		for _, i := range wanted {
			e, ok := there[i]
			if !ok {
				p := place{s.log, month(c.Ats[i])}
				v.missing[p] = append(v.missing[p], missing{c.Ids[i], s.no, c.NewestForm, leaves[i], persons[i]})
				continue
			}
			switch f, ok := v.judge(e.under(c.NewestForm), keys[e.who], leaves[i], persons[i], s.no); {
			case ok:
				v.report.Rows++
			case again:
				v.report.Rows++
				v.found(f, "%s", f.Message)
			default:
				doubt = append(doubt, i)
			}
			if known && !again && e.at.Before(before.Add(-lateness)) && !v.imported(before, s.sealedAt) {
				v.found(Finding{Kind: "backdated", Log: s.log, ID: e.id, Month: month(e.at), Seal: s.no},
					"Row %s of %s says %s and was written after %s", e.id, s.log, e.at.UTC().Format(time.RFC3339), before.UTC().Format(time.RFC3339))
			}
		}
		if wanted = doubt; len(wanted) == 0 {
			break
		}
	}
	return nil
}

// rows reads some of the rows that a seal covers, by their places in it, and the keys of their persons.
func (v *verification) rows(ctx context.Context, log string, c auditdb.CoveredSystemRow, places []int) (map[int]entry, map[string][]byte, error) {
	p := auditdb.RowsSystemParams{Log: log}
	for _, i := range places {
		p.Ids, p.Ats = append(p.Ids, c.Ids[i]), append(p.Ats, c.Ats[i])
	}
	rows, err := v.q.RowsSystem(ctx, v.system(), p)
	if err != nil {
		return nil, nil, err
	}
	there := make(map[int]entry, len(rows))
	var who []string
	for _, r := range rows {
		e := newEntry(log, r)
		there[places[r.Place-1]] = e
		if e.who != "" {
			who = append(who, e.who)
		}
		if e.erasure != nil && v.erasures[*e.erasure] == nil {
			if err := v.readErasures(ctx); err != nil {
				return nil, nil, err
			}
		}
	}
	keys, err := v.keysOf(ctx, log, who)
	return there, keys, err
}

// judge compares a row with its leaf: as it is, or as one whose person was taken out by an erasure.
func (v *verification) judge(e entry, key []byte, leaf, person [hashSize]byte, no int64) (f Finding, ok bool) {
	if e.leaf(e.present(key), false) == leaf {
		return f, true
	}
	if e.erasure != nil && e.blank() && v.erased(e, leaf, person) {
		v.report.Erased++
		return f, true
	}
	f = Finding{Kind: "changed", Log: e.log, ID: e.id, Month: month(e.at), Seal: no, Message: fmt.Sprintf("Row %s of %s was changed", e.id, e.log)}
	if e.blank() {
		f.Message += ", or its person was taken out by other means than the deletion of the account"
	}
	return f, false
}

// erased tells whether the row is what is left of the one that was sealed for a person of its erasure.
func (v *verification) erased(e entry, leaf, person [hashSize]byte) bool {
	return slices.ContainsFunc(v.erasures[*e.erasure], func(p [hashSize]byte) bool { return e.leaf(sealedAs{p, person}, true) == leaf })
}

// imported tells whether an import wrote between two moments.
func (v *verification) imported(from, until time.Time) bool {
	return slices.ContainsFunc(v.imports, func(at time.Time) bool {
		return at.After(from.Add(-2*time.Minute)) && at.Before(until.Add(time.Minute))
	})
}

func (v *verification) keysOf(ctx context.Context, log string, persons []string) (map[string][]byte, error) {
	keys := map[string][]byte{}
	if len(persons) == 0 {
		return keys, nil
	}
	slices.Sort(persons)
	rows, err := v.q.PersonKeysSystem(ctx, v.system(), log, slices.Compact(persons))
	for _, r := range rows {
		keys[r.Person] = r.Key
	}
	return keys, err
}

// checkpoints proves that the chain still holds what it held.
func (v *verification) checkpoints(ctx context.Context) error {
	for _, c := range v.scope.Checkpoints {
		f := Finding{Kind: "truncated", Seal: c.No}
		if err := c.verify(v.PublicKey()); err != nil {
			v.found(f, "The checkpoint of seal %d cannot be relied on: %v", c.No, err)
			continue
		}
		hash, err := v.q.SealHashSystem(ctx, v.system(), c.No)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			v.found(f, "Seal %d of %s is gone: the log was cut off", c.No, c.SealedAt)
		case err != nil:
			return err
		case hex.EncodeToString(hash) != c.Hash:
			v.found(f, "Seal %d is another than at %s: the log was written anew from there or before", c.No, c.SealedAt)
		}
	}
	return nil
}

// uncovered finds rows that were put in after their time was sealed.
func (v *verification) uncovered(ctx context.Context) error {
	for _, log := range logs {
		rows, err := v.q.UncoveredSystem(ctx, v.system(), auditdb.UncoveredSystemParams{Log: log, Since: v.from, Until: v.until, Most: mostFindings})
		if err != nil {
			return err
		}
		for _, r := range rows {
			v.found(Finding{Kind: "inserted", Log: log, ID: r.ID, Month: month(r.CreatedAt)},
				"Row %s of %s is in no seal, though what was written with it is sealed: it was put in later", r.ID, log)
		}
	}
	return nil
}

// doubtful finds erasures that nobody asked for.
func (v *verification) doubtful(ctx context.Context) error {
	rows, err := v.q.DoubtfulErasuresSystem(ctx, v.system())
	for _, r := range rows {
		v.found(Finding{Kind: "erased", ID: fmt.Sprint(r.ID), Month: month(r.ErasedAt)},
			"Erasure %d of %s belongs to no deletion of an account, or to a person whose key is still there", r.ID, r.ErasedAt.UTC().Format(time.RFC3339))
	}
	return err
}

func month(at time.Time) string { return at.UTC().Format("2006-01") }

// parted cuts hashes that stand one after the other.
func parted(b []byte, n int) (hashes [][hashSize]byte, ok bool) {
	if len(b) != n*hashSize {
		return nil, false
	}
	for chunk := range slices.Chunk(b, hashSize) {
		hashes = append(hashes, [hashSize]byte(chunk))
	}
	return hashes, true
}
