package kpi

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"turkey/internal/audit"
	"turkey/internal/connector"
	"turkey/internal/kpi/kpidb"
)

const (
	// pieceDays is how much of a range is fetched and loaded at a time.
	pieceDays = 90
	// workTime is how long an attempt begins further pieces; queue.JobTimeout leaves time for one more.
	workTime = 60 * time.Second
)

// days is a range of them, both ends included. Zero: the provider's own yesterday.
type days struct{ from, to time.Time }

func (d days) count() int { return int(d.to.Sub(d.from).Hours()/24) + 1 }

// text is the range as connectors take it.
func (d days) text() (from, to string) {
	if d.from.IsZero() {
		return "", ""
	}
	return d.from.Format(time.DateOnly), d.to.Format(time.DateOnly)
}

// piece is the beginning of what is left after a day, nil: nothing was done yet.
func (d days) piece(done *time.Time) days {
	if d.from.IsZero() {
		return d
	}
	from := d.from
	if done != nil && !done.Before(from) {
		from = done.AddDate(0, 0, 1)
	}
	to := from.AddDate(0, 0, pieceDays-1)
	if to.After(d.to) {
		to = d.to
	}
	return days{from, to}
}

// span of a run: the day or range it is for, else the trailing window up to the source's yesterday, since sources correct
// recent days.
func (a *attempt) span(source connector.Source) days {
	r := a.run
	switch {
	case r.FromDay != nil:
		return days{*r.FromDay, *r.ToDay}
	case r.TargetDay != nil:
		return days{*r.TargetDay, *r.TargetDay}
	case a.run.SourceTimezone == "":
		return days{}
	}
	last := yesterday(a.now(), a.run.SourceTimezone)
	return days{last.AddDate(0, 0, 1-a.window(source)), last}
}

// window is how many days each run of a source restates.
func (s *Service) window(source connector.Source) int {
	if n := s.windows[source.Name()]; n > 0 {
		return n
	}
	return source.Window()
}

// sync fetches and loads, piece by piece: the body of a run.
func (a *attempt) sync(ctx context.Context) error {
	source, ok := a.connectors.Source(a.run.Service)
	if !ok {
		return &failure{reason: "invalid", message: "No such source: " + a.run.Service}
	}
	t, err := a.target(source)
	if err != nil {
		return err
	}
	if a.run.Pause > 0 {
		return &failure{reason: string(connector.Limited), message: "The provider asked to be left alone for a while", retry: true, busy: true, paused: true, after: a.run.Pause}
	}
	all, done := a.span(source), a.resume()
	for {
		d := all.piece(done)
		if err := a.early(all, a.run.SourceTimezone); err != nil {
			return err
		}
		report, err := a.extract(ctx, source, d)
		if err != nil {
			return err
		}
		if err := a.early(all, report.TimeZone); err != nil {
			return err
		}
		if len(report.Rows) == 0 {
			return &failure{reason: "unavailable", message: "The source answered without a single day", retry: true}
		}
		a.seen(report)
		if err := a.named(ctx, &t, report.Metrics); err != nil {
			return err
		}
		rows, err := a.keep(ctx, source, report, all.progress(d, 1))
		if err != nil {
			return err
		}
		last := piece{to: d.to, report: report, rows: rows, progress: all.progress(d, 2), further: d.to.Before(all.to)}
		if err := a.load(ctx, &t, last); err != nil {
			return err
		}
		if !last.further {
			return nil
		}
		done = &last.to
		if a.now().Sub(a.started) > workTime {
			return errMore
		}
	}
}

// early refuses days that have not begun at the source: it answers with zeros, which are no figures.
func (a *attempt) early(d days, zone string) error {
	if zone == "" || d.from.IsZero() || !d.to.After(yesterday(a.now(), zone).AddDate(0, 0, 1)) {
		return nil
	}
	return &failure{reason: "future", message: d.to.Format(time.DateOnly) + " has not begun yet in the time zone of the source: ask for an earlier day"}
}

// named takes over the columns of a source that has no fixed ones: for the tab, and for whoever reads the figures.
func (a *attempt) named(ctx context.Context, t *target, metrics []connector.Metric) error {
	o := connector.Outline{Metrics: metrics}
	columns := o.Columns()
	if metrics == nil || slices.Equal(columns, t.columns) {
		return nil
	}
	t.columns = columns
	if a.run.DryRun {
		return nil
	}
	body, err := json.Marshal(metrics)
	if err != nil {
		return err
	}
	return a.q.NoteColumns(ctx, a.conn, body, a.run.SourceCredential)
}

// resume goes on where an earlier attempt stopped, with its counts.
func (a *attempt) resume() *time.Time {
	if a.run.DoneDay == nil {
		return nil
	}
	var before Result
	if json.Unmarshal(a.run.Result, &before) == nil { // without it the counts alone are missing
		before.SpreadsheetID, before.SheetName, before.Error = a.result.SpreadsheetID, a.result.SheetName, ""
		a.result = before
	}
	return a.run.DoneDay
}

// progress in percent when so many halves of a piece, the fetch and the load, are done. 100 is the end of the run itself.
func (d days) progress(piece days, halves int) int16 {
	if d.from.IsZero() {
		return int16(halves * 49)
	}
	before := int(piece.from.Sub(d.from).Hours() / 24)
	return int16(min((2*before+halves*piece.count())*100/(2*d.count()), 99))
}

// seen takes over what a report says of the run's days.
func (a *attempt) seen(report connector.Report) {
	r, last := &a.result, report.Rows[len(report.Rows)-1]
	if r.From == "" {
		r.From = report.Rows[0].Date
	}
	r.To, r.Date, r.Metrics, r.MetricSources = last.Date, last.Date, last.Metrics, last.Sources
}

// extract asks the source.
func (a *attempt) extract(ctx context.Context, source connector.Source, d days) (connector.Report, error) {
	_, secret, err := a.credentials.Use(ctx, a.user, a.run.SourceCredential, audit.Use{Purpose: "sync", Job: a.id.String()})
	if err != nil {
		return connector.Report{}, provider(err, 0) // an access token that could not be renewed is the provider's failure
	}
	defer clear(secret)
	from, to := d.text()
	report, err := source.Extract(ctx, secret, from, to)
	return report, provider(err, a.run.SourceCredential)
}

// stored is a row on its way into kpi_rows.
type stored struct {
	Day     string                 `json:"day"`
	ID      uuid.UUID              `json:"id"`
	Metrics map[string]json.Number `json:"metrics"`
	Sources map[string]string      `json:"sources,omitempty"`
}

// kept is what is known of a stored day.
type kept struct {
	id        uuid.UUID
	last      map[string]json.Number // what was last written of it into a tab
	writtenTo string                 // which one
}

// keep stores the rows and returns them with the ids their days have had since they were first seen. A dry run stores
// nothing.
func (a *attempt) keep(ctx context.Context, source connector.Source, report connector.Report, progress int16) ([]keptRow, error) {
	batch := make([]stored, len(report.Rows))
	for i, r := range report.Rows {
		id, err := uuid.NewRandom()
		if err != nil {
			return nil, err
		}
		batch[i] = stored{Day: r.Date, ID: id, Metrics: r.Metrics, Sources: r.Sources}
	}
	known, err := a.store(ctx, source, report, batch, progress)
	if err != nil {
		return nil, err
	}
	out := make([]keptRow, len(batch))
	for i, r := range batch {
		k, ok := known[r.Day]
		if !ok {
			k.id = r.ID
		}
		values := map[string]any{"id": k.id.String(), "date": r.Day}
		for name, n := range r.Metrics {
			values[name] = n
		}
		out[i] = keptRow{kept: k, metrics: r.Metrics, dayRow: dayRow{day: r.Day, values: values}}
	}
	return out, nil
}

// keptRow is a day that is stored, and on its way into a tab.
type keptRow struct {
	kept
	dayRow
	metrics map[string]json.Number
}

func (a *attempt) store(ctx context.Context, source connector.Source, report connector.Report, batch []stored, progress int16) (map[string]kept, error) {
	known := map[string]kept{}
	if a.run.DryRun {
		first, err := time.Parse(time.DateOnly, batch[0].Day)
		if err != nil {
			return nil, err
		}
		rows, err := a.q.RowIDs(ctx, a.conn, kpidb.RowIDsParams{Service: a.run.Service, First: first, Last: first.AddDate(0, 0, len(batch)-1)})
		if err != nil {
			return nil, fmt.Errorf("read figures: %w", err)
		}
		for _, r := range rows {
			known[r.Day.Format(time.DateOnly)] = keptOf(r.ID, r.Written, r.WrittenTo)
		}
		return known, nil
	}
	body, err := json.Marshal(batch)
	if err != nil {
		return nil, err
	}
	zone := report.TimeZone
	if zone == "" {
		zone = a.zoneOf(a.run.SourceTimezone)
	}
	rows, err := a.q.KeepRows(ctx, a.conn, kpidb.KeepRowsParams{RunID: a.id, Claim: a.run.Claim, Rows: body, Progress: progress,
		ApiVersion: a.connectors.Version(a.run.Service), Currency: report.Currency, Settled: yesterday(a.now(), zone).AddDate(0, 0, -source.Outlined().Settling())})
	if err != nil {
		return nil, fmt.Errorf("store figures: %w", err)
	}
	if len(rows) == 0 {
		return nil, errLost
	}
	for _, r := range rows {
		known[r.Day.Format(time.DateOnly)] = keptOf(r.ID, r.Written, r.WrittenTo)
	}
	return known, nil
}

func keptOf(id uuid.UUID, written json.RawMessage, to string) kept {
	k := kept{id: id, writtenTo: to}
	if len(written) > 0 && json.Unmarshal(written, &k.last) != nil {
		k.last = nil // not ours: then nothing is known
	}
	return k
}

// zoneOf is a source's zone, or the one that stands in for it while it is not known.
func (s *Service) zoneOf(zone string) string {
	if zone == "" {
		return s.zone
	}
	return zone
}

// yesterday is the last whole day in a zone, as a date at UTC midnight; an unknown zone counts as UTC.
func yesterday(now time.Time, zone string) time.Time {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		loc = time.UTC
	}
	y, m, d := now.In(loc).Date()
	return time.Date(y, m, d-1, 0, 0, 0, 0, time.UTC)
}
