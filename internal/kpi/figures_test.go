package kpi

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"turkey/internal/connector"
	"turkey/internal/kpi/kpidb"
)

func source(t testing.TB, name string) connector.Source {
	t.Helper()
	s, ok := connector.New(connector.Config{}).Source(name)
	if !ok {
		t.Fatalf("no source %s", name)
	}
	return s
}

func day(t testing.TB, text, metrics string, provisional bool) kpidb.ListFiguresRow {
	t.Helper()
	d, err := time.Parse(time.DateOnly, text)
	if err != nil {
		t.Fatal(err)
	}
	return kpidb.ListFiguresRow{Day: d, Metrics: []byte(metrics), Provisional: provisional, FetchedAt: d.Add(50 * time.Hour)}
}

func TestFiguresAreNeverAveraged(t *testing.T) {
	t.Parallel()
	rows := []kpidb.ListFiguresRow{
		day(t, "2026-02-28", `{"spend": 10.10, "impressions": 1000, "clicks": 10, "purchases": 1, "revenue": 0.30, "reach": 900, "ctr": 1.0, "cpm": 10.1, "roas": 0.03}`, false), // a Saturday
		day(t, "2026-03-01", `{"spend": 0.20, "impressions": 9000, "clicks": 10, "purchases": 2, "revenue": 30.00, "reach": 100, "ctr": 0.11, "cpm": 0.022, "roas": 150}`, false),
		day(t, "2026-03-02", `{"spend": 0, "impressions": 0, "clicks": 0, "purchases": 0, "revenue": 0, "reach": 0, "ctr": 0, "cpm": 0, "roas": 0}`, true),
	}
	totals := source(t, connector.Meta).Totals()
	f := Figures{Granularity: "day"}
	if err := f.fill(rows, totals); err != nil {
		t.Fatal(err)
	}
	want := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	want("day as it is stored", f.Rows[0].Metrics["spend"]+" "+f.Rows[0].Metrics["reach"]+" "+f.Rows[0].Metrics["ctr"], "10.10 900 1.0")
	want("totals", fmt.Sprint(f.Totals), "map[clicks:20 impressions:10000 purchases:3 revenue:30.30 spend:10.30]")
	want("derived", fmt.Sprint(f.Derived), "map[aov:10.1 cac:3.433333 cpc:0.515 cpm:1.03 ctr:0.2 roas:2.941748]")
	want("of nothing", fmt.Sprint(f.Rows[2].Derived), "map[aov:0 cac:0 cpc:0 cpm:0 ctr:0 roas:0]")

	f = Figures{Granularity: "week"}
	if err := f.fill(rows, totals); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range f.Rows {
		got = append(got, fmt.Sprint(r.Day, " ", r.To, " ", r.Days, " ", r.Provisional, " ", r.Metrics["spend"], " ", r.Metrics["reach"], "|", r.Derived["ctr"]))
	}
	want("weeks", strings.Join(got, "; "), "2026-02-23 2026-03-01 2 false 10.30 |0.2; 2026-03-02 2026-03-02 1 true 0 |0")

	f = Figures{Granularity: "month", Currency: "=EUR"}
	if err := f.fill(rows, totals); err != nil {
		t.Fatal(err)
	}
	file, err := f.table(source(t, connector.Meta).Columns(), totals.Ratios)
	if err != nil {
		t.Fatal(err)
	}
	want("months", string(file), "date,days,provisional,currency,spend,reach,impressions,clicks,landing_page_views,add_to_cart,initiate_checkout,purchases,revenue,roas,cpm,ctr,cpc,cac,aov\r\n"+
		"2026-02-01,1,false,'=EUR,10.10,,1000,10,,,,1,0.30,0.029703,10.1,1,1.01,10.1,0.3\r\n"+
		"2026-03-01,2,true,'=EUR,0.20,,9000,10,,,,2,30.00,150,0.022222,0.111111,0.02,0.1,15\r\n")
}

// An account in another currency may take the service over; what it brings is not added to what was there.
func TestCurrenciesAreNotAddedUp(t *testing.T) {
	t.Parallel()
	in := func(currency, date, spend string) kpidb.ListFiguresRow {
		r := day(t, date, `{"spend": `+spend+`}`, false)
		r.Currency = currency
		return r
	}
	rows := []kpidb.ListFiguresRow{in("EUR", "2026-01-05", "1"), in("EUR", "2026-01-06", "2"), in("USD", "2026-01-07", "10"), in("", "2026-01-08", "20"), in("EUR", "2026-01-12", "4")}
	f := Figures{Granularity: "week", Currency: "USD"}
	if err := f.fill(rows, source(t, connector.Meta).Totals()); err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, r := range f.Rows {
		got += fmt.Sprint(r.Day, " to ", r.To, " ", r.Metrics["spend"], " ", r.Currency, "; ")
	}
	if want := "2026-01-05 to 2026-01-06 3 EUR; 2026-01-05 to 2026-01-08 30 USD; 2026-01-12 to 2026-01-12 4 EUR; "; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if f.Totals["spend"] != "30" {
		t.Errorf("totals %v", f.Totals)
	}
}

func TestFiguresOfTheOtherSources(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ metrics, derived string }{
		connector.GA4: {`{"sessions": 80, "users": 60, "add_to_cart": 9, "purchases": 4, "revenue": 100.00, "bounce_rate": 0.4, "ad_spend": 0}`,
			"map[aov:25 conversion_rate:5]"},
		connector.Shopify: {`{"total_orders": 8, "total_revenue": 200.00, "net_revenue": 180, "total_returns": 10, "new_customers": 3, "repeat_customers": 5, "total_sessions": 100, "aov": 25}`,
			"map[aov:25 new_customer_rate:37.5 return_rate:5]"},
	} {
		f := Figures{Granularity: "month"}
		if err := f.fill([]kpidb.ListFiguresRow{day(t, "2026-01-05", c.metrics, false)}, source(t, name).Totals()); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(f.Derived); got != c.derived {
			t.Errorf("%s: %s, want %s", name, got, c.derived)
		}
		for _, people := range []string{"users", "repeat_customers", "bounce_rate"} {
			if v, ok := f.Totals[people]; ok {
				t.Errorf("%s: %s has a total, %s", name, people, v)
			}
		}
	}
}

func TestStoredFiguresThatAreNone(t *testing.T) {
	t.Parallel()
	for _, metrics := range []string{`{"spend": "1/3"}`, `{"spend": "1e400000000"}`, `[]`, `{"spend": "x"}`} {
		f := Figures{Granularity: "day"}
		if err := f.fill([]kpidb.ListFiguresRow{day(t, "2026-01-05", metrics, false)}, source(t, connector.Meta).Totals()); err == nil {
			t.Errorf("%s is taken", metrics)
		}
	}
}

// Sums are exact however many days there are, and however they are grouped.
func TestSumsAreExact(t *testing.T) {
	t.Parallel()
	totals := source(t, connector.Meta).Totals()
	rapid.Check(t, func(r *rapid.T) {
		cents := rapid.SliceOfN(rapid.Int64Range(-1e15, 1e15), 1, 80).Draw(r, "cents")
		var rows []kpidb.ListFiguresRow
		whole := new(big.Int)
		for i, c := range cents {
			at := time.Date(2026, 1, 1+i, 0, 0, 0, 0, time.UTC)
			rows = append(rows, kpidb.ListFiguresRow{Day: at, Metrics: fmt.Appendf(nil, `{"spend": %s}`, new(big.Rat).SetFrac64(c, 100).FloatString(2)), FetchedAt: at})
			whole.Add(whole, big.NewInt(c))
		}
		want := new(big.Rat).SetFrac(whole, big.NewInt(100)).FloatString(2)
		for _, granularity := range []string{"day", "week", "month"} {
			f := Figures{Granularity: granularity}
			if err := f.fill(rows, totals); err != nil {
				r.Fatal(err)
			}
			again, days := &sum{}, 0
			for _, row := range f.Rows {
				if err := again.add(row.Metrics["spend"]); err != nil {
					r.Fatal(err)
				}
				days += row.Days
			}
			if f.Totals["spend"] != want || again.String() != want || days != len(rows) {
				r.Fatalf("%s: total %s, of rows %s, want %s", granularity, f.Totals["spend"], again, want)
			}
		}
	})
}
