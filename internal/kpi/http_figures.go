package kpi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"turkey/internal/caller"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/kpi/kpidb"
	"turkey/internal/wire"
)

func (s *Service) mountFigures(api huma.API, op describe) {
	huma.Register(api, orCSV[Figures](api, op(http.MethodGet, "/api/kpis", "listFigures", "KPIs", "Figures of a source",
		"By day as the source gave them, or summed by week (from Monday) or month. Ratios are worked out from the sums, never averaged. "+
			"Sources are not added up: two of them describe the same sales. As CSV with Accept: text/csv.")), s.handleFigures)
}

const (
	figureDays    = 30   // without from
	mostFigureDay = 3700 // ten years
)

type figuresInput struct {
	Accept      string `header:"Accept" hidden:"true"`
	Service     string `query:"service" doc:"Required" example:"meta"`
	From        string `query:"from" format:"date" doc:"First day, of the source; default: 30 days up to to"`
	To          string `query:"to" format:"date" doc:"Last day, included; default: today, UTC"`
	Granularity string `query:"granularity" doc:"day (default), week or month"`
}

func badFigures(text string) error { return fault.New(fault.Invalid, "VALIDATION_ERROR", text) }

// figures reads what is asked for.
func (s *Service) figures(in *figuresInput) (f Figures, err error) {
	if in.Service == "" {
		return f, fault.New(fault.Invalid, "MISSING_FIELDS", "service is required")
	}
	if _, ok := s.connectors.Source(in.Service); !ok {
		return f, invalidService(in.Service)
	}
	if in.Granularity == "" {
		in.Granularity = "day"
	}
	if !slices.Contains([]string{"day", "week", "month"}, in.Granularity) {
		return f, badFigures("granularity must be day, week or month")
	}
	f = Figures{Service: in.Service, Granularity: in.Granularity, To: wire.Day{Time: s.now().UTC()}}
	if in.To != "" {
		if f.To, err = wire.ParseDay(in.To); err != nil {
			return f, badFigures("to must be a date in the form YYYY-MM-DD")
		}
	}
	f.From = wire.Day{Time: f.To.AddDate(0, 0, 1-figureDays)}
	if in.From != "" {
		if f.From, err = wire.ParseDay(in.From); err != nil {
			return f, badFigures("from must be a date in the form YYYY-MM-DD")
		}
	}
	switch {
	case f.From.After(f.To.Time):
		return f, badFigures("from must not be after to")
	case f.To.After(f.From.AddDate(0, 0, mostFigureDay)):
		return f, badFigures(fmt.Sprintf("from and to are at most %d days apart", mostFigureDay))
	}
	return f, nil
}

func (s *Service) handleFigures(ctx context.Context, in *figuresInput) (*eitherOutput, error) {
	user, _ := caller.UserFrom(ctx)
	f, err := s.figures(in)
	if err != nil {
		return nil, err
	}
	source, _ := s.connectors.Source(f.Service)
	conn := s.db.Reading(db.User(user.ID))
	units, err := s.q.FigureUnits(ctx, conn, f.Service)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) { // figures outlive the service
		return nil, err
	}
	f.Currency, f.Timezone = units.Currency, units.Zone
	rows, err := s.q.ListFigures(ctx, conn, kpidb.ListFiguresParams{Service: f.Service, Since: f.From.Time, Until: f.To.Time})
	if err != nil {
		return nil, err
	}
	outline := source.Outlined()
	if outline.Metrics == nil {
		if outline, err = namedOutline(units.Columns, rows); err != nil {
			return nil, err
		}
	}
	if err := f.fill(rows, outline.Totals()); err != nil {
		return nil, err
	}
	if wantsCSV(in.Accept) {
		body, err := f.table(outline.Columns(), outline.Ratios)
		return asCSV(f.Service+".csv", body, err)
	}
	return asJSON(f), nil
}
