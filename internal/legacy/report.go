package legacy

// Outcomes of a row.
const (
	imported = "imported"
	skipped  = "skipped"
	failed   = "failed"
)

// Counts is what became of the rows of one table.
type Counts struct {
	Read     int `json:"read"`
	Imported int `json:"imported"`
	Skipped  int `json:"skipped"`
	Failed   int `json:"failed"`
}

// Row is one that was not imported, by table and id alone.
type Row struct {
	Table   string `json:"table"`
	ID      string `json:"id"`
	Outcome string `json:"outcome"` // skipped or failed
	Reason  string `json:"reason"`
}

// SaltUse says how many credentials one salt opened.
type SaltUse struct {
	Index  int  `json:"index"` // as given, from 1; the public ones follow
	Opened int  `json:"opened"`
	Public bool `json:"public"` // everybody knows it: rotate what it protected at the provider
}

// Report is the outcome of an import.
type Report struct {
	Source     string             `json:"source"` // which predecessor
	SourceZone string             `json:"sourceTimezone"`
	InPlace    bool               `json:"inPlace,omitempty"` // an upgrade, not an import
	DryRun     bool               `json:"dryRun"`
	Tables     map[string]*Counts `json:"tables"`
	Rows       []Row              `json:"rows"`
	Salts      []SaltUse          `json:"salts,omitempty"`
	Notes      []string           `json:"notes,omitempty"`
}

func newReport(s *source, dryRun bool) *Report {
	return &Report{Source: string(s.gen), SourceZone: s.zone, DryRun: dryRun, Tables: map[string]*Counts{}, Rows: []Row{}}
}

// Failed reports whether a row failed: the import is then not complete.
func (r *Report) Failed() bool {
	for _, c := range r.Tables {
		if c.Failed > 0 {
			return true
		}
	}
	return false
}

func (r *Report) table(name string) *Counts {
	if r.Tables[name] == nil {
		r.Tables[name] = &Counts{}
	}
	return r.Tables[name]
}

// tally is the part of a report that one user's transaction adds, if it commits.
type tally struct {
	counts map[string]*Counts
	rows   []Row
	notes  []string
	opened map[int]int // by index of the salt
}

func newTally() *tally { return &tally{counts: map[string]*Counts{}, opened: map[int]int{}} }

func (t *tally) of(table string) *Counts {
	if t.counts[table] == nil {
		t.counts[table] = &Counts{}
	}
	return t.counts[table]
}

func (t *tally) imported(table string) { t.of(table).Read++; t.of(table).Imported++ }

// count adds rows of which so many were new.
func (t *tally) count(table string, read, done int) {
	c := t.of(table)
	c.Read += read
	c.Imported += done
	c.Skipped += read - done
}

// known counts a row that an earlier run took over.
func (t *tally) known(table string) { t.of(table).Read++; t.of(table).Skipped++ }

func (t *tally) skipped(table, id, reason string) {
	t.known(table)
	t.rows = append(t.rows, Row{Table: table, ID: id, Outcome: skipped, Reason: reason})
}

func (t *tally) failed(table, id, reason string) {
	t.of(table).Read++
	t.of(table).Failed++
	t.rows = append(t.rows, Row{Table: table, ID: id, Outcome: failed, Reason: reason})
}

// add puts the part into the whole.
func (r *Report) add(t *tally) {
	for name, c := range t.counts {
		sum := r.table(name)
		sum.Read += c.Read
		sum.Imported += c.Imported
		sum.Skipped += c.Skipped
		sum.Failed += c.Failed
	}
	r.Rows = append(r.Rows, t.rows...)
	r.Notes = append(r.Notes, t.notes...)
	for i, n := range t.opened {
		r.Salts[i].Opened += n
	}
}
