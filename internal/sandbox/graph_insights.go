package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// insightFields are the fields of insights that the sandbox knows.
var insightFields = []string{
	"account_currency", "account_id", "account_name", "action_values", "actions", "clicks", "cpm", "ctr", "date_start", "date_stop",
	"impressions", "purchase_roas", "reach", "spend",
}

// oldestInsight is how far back figures are kept, in months.
const oldestInsight = 37

// invalidInsight is Meta's answer to a parameter that it does not take.
func invalidInsight(format string, args ...any) *refusal {
	return refuseGraph(http.StatusBadRequest, 100, 0, "OAuthException", "(#100) "+fmt.Sprintf(format, args...))
}

// report makes the rows of an insights call, without its paging.
func (a *adAccount) report(q url.Values, now time.Time) ([]map[string]any, error) {
	zone, err := time.LoadLocation(a.TimeZone)
	if err != nil {
		return nil, refuseGraph(http.StatusInternalServerError, 1, 0, "OAuthException", "An unknown error occurred")
	}
	fields := strings.Split(q.Get("fields"), ",")
	for _, f := range fields {
		if !slices.Contains(insightFields, f) {
			return nil, invalidInsight("%s is not valid for fields param. please check "+
				"https://developers.facebook.com/docs/marketing-api/reference/ads-insights/ for all valid values", f)
		}
	}
	if level := q.Get("level"); level != "" && level != "account" {
		return nil, invalidInsight("The sandbox has figures of accounts alone.")
	}
	if b := q.Get("action_breakdowns"); b != "" && b != "action_type" {
		return nil, invalidInsight("action_breakdowns[0] must be one of the following values: action_type")
	}
	first, last, err := insightSpan(q, now.In(zone))
	if err != nil {
		return nil, err
	}
	if days := int(last.Sub(first).Hours()/24) + 1; a.MaxDays > 0 && days > a.MaxDays {
		return nil, refuseGraph(http.StatusBadRequest, 100, 1504018, "OAuthException", "Your request timed out. Please try a smaller date range, "+
			"fetch less data, or use async jobs")
	}
	var rows []map[string]any
	for day := first; !day.After(last); day = day.AddDate(0, 0, 1) {
		if row := a.insight(day.Format(time.DateOnly)); row != nil {
			rows = append(rows, row)
		}
	}
	switch q.Get("time_increment") {
	case "1":
	case "", "all_days":
		rows = a.sum(rows, first, last)
	default:
		return nil, invalidInsight("The sandbox counts by days or not at all: time_increment is 1 or all_days.")
	}
	return selectFields(rows, fields), nil
}

// insightSpan reads the days of a call. now is in the account's zone; without any it is the last 30 days, and days to come
// are left out.
func insightSpan(q url.Values, now time.Time) (first, last time.Time, err error) {
	today, _ := dayOf("today", now)
	yesterday := today.AddDate(0, 0, -1)
	if text := q.Get("time_range"); text != "" {
		var span struct{ Since, Until string }
		if err := json.Unmarshal([]byte(text), &span); err != nil {
			return first, last, invalidInsight("param time_range must be a valid JSON object")
		}
		first, err = time.Parse(time.DateOnly, span.Since)
		if err == nil {
			last, err = time.Parse(time.DateOnly, span.Until)
		}
		if err != nil || last.Before(first) {
			return first, last, invalidInsight("time_range since and until are dates in the form YYYY-MM-DD, in order")
		}
		if first.Before(today.AddDate(0, -oldestInsight, 0)) {
			return first, last, refuseGraph(http.StatusBadRequest, 3018, 0, "OAuthException",
				"(#3018) The start date of the time range cannot be beyond 37 months from the current date")
		}
		if last.After(today) {
			last = today
		}
		return first, last, nil
	}
	switch preset := q.Get("date_preset"); preset {
	case "yesterday":
		return yesterday, yesterday, nil
	case "today":
		return today, today, nil
	case "", "last_30d":
		return today.AddDate(0, 0, -30), yesterday, nil
	default:
		return first, last, invalidInsight("The sandbox does not know the date_preset %s.", preset)
	}
}

// insight is a day as Meta has it: made up, or as corrected. nil is a day without delivery.
func (a *adAccount) insight(date string) map[string]any {
	row := inventedInsight(a.ID, date)
	if corrected, ok := a.Days[date]; ok {
		var changes map[string]any
		if err := json.Unmarshal(corrected, &changes); err != nil || changes == nil {
			return nil
		}
		if row == nil {
			row = map[string]any{}
		}
		maps.Copy(row, changes)
		maps.DeleteFunc(row, func(_ string, value any) bool { return value == nil })
	}
	if row != nil {
		a.label(row, date, date)
	}
	return row
}

func (a *adAccount) label(row map[string]any, first, last string) {
	for name, value := range map[string]string{
		"account_id": a.ID, "account_name": a.Name, "account_currency": a.Currency, "date_start": first, "date_stop": last,
	} {
		if _, set := row[name]; !set {
			row[name] = value
		}
	}
}

// sum is the one row of a range; actions are left out of it.
func (a *adAccount) sum(rows []map[string]any, first, last time.Time) []map[string]any {
	if len(rows) == 0 {
		return nil
	}
	total := map[string]any{}
	for _, name := range []string{"spend", "reach", "impressions", "clicks"} {
		n := 0.0
		for _, row := range rows {
			text, _ := row[name].(string)
			if f, err := strconv.ParseFloat(text, 64); err == nil {
				n += f
			}
		}
		total[name] = decimals(n, 2)
	}
	a.label(total, first.Format(time.DateOnly), last.Format(time.DateOnly))
	return []map[string]any{total}
}

// selectFields keeps what was asked for, and the days, which Meta always gives.
func selectFields(rows []map[string]any, fields []string) []map[string]any {
	selected := make([]map[string]any, len(rows)) // never null in JSON
	for i, row := range rows {
		selected[i] = map[string]any{}
		for _, name := range append([]string{"date_start", "date_stop"}, fields...) {
			if value, ok := row[name]; ok {
				selected[i][name] = value
			}
		}
	}
	return selected
}

// inventedInsight makes up a day, always the same for an account and date; nil is a day without delivery.
func inventedInsight(id, date string) map[string]any {
	r := seeded("act_" + id + "/" + date)
	if r.IntN(12) == 0 {
		return nil
	}
	size := 5_000 + seeded("act_"+id).Float64()*45_000 // impressions on an average day of this account
	share := func(of, low, high float64) float64 { return math.Round(of * (low + r.Float64()*(high-low))) }
	impressions := share(size, 0.7, 1.3)
	reach := share(impressions, 0.55, 0.9)
	clicks := share(impressions, 0.008, 0.03)
	spend := math.Round(impressions*(4+r.Float64()*8)/10) / 100 // 4 to 12 for a thousand
	views := share(clicks, 0.6, 0.85)
	carts := share(views, 0.05, 0.15)
	checkouts := share(carts, 0.4, 0.7)
	purchases := share(checkouts, 0.4, 0.8)
	revenue := math.Round(purchases*(20+r.Float64()*100)*100) / 100
	row := map[string]any{
		"spend": decimals(spend, 2), "reach": decimals(reach, 0), "impressions": decimals(impressions, 0), "clicks": decimals(clicks, 0),
		"cpm": decimals(spend/impressions*1000, 6), "ctr": decimals(clicks/impressions*100, 6),
		"actions": actionList("link_click", clicks, "landing_page_view", views, "omni_landing_page_view", views,
			"add_to_cart", carts, "omni_add_to_cart", carts, "offsite_conversion.fb_pixel_add_to_cart", carts,
			"initiate_checkout", checkouts, "omni_initiated_checkout", checkouts,
			"purchase", purchases, "omni_purchase", purchases, "offsite_conversion.fb_pixel_purchase", purchases),
	}
	if purchases > 0 {
		row["action_values"] = actionList("omni_purchase", revenue, "purchase", revenue, "offsite_conversion.fb_pixel_purchase", revenue)
		row["purchase_roas"] = actionList("omni_purchase", revenue/spend)
	}
	return row
}

// actionList has an entry for each pair of type and value; Meta leaves out what did not happen.
func actionList(pairs ...any) []map[string]string {
	var list []map[string]string
	for i := 0; i+1 < len(pairs); i += 2 {
		kind, _ := pairs[i].(string)
		if value, _ := pairs[i+1].(float64); value > 0 {
			list = append(list, map[string]string{"action_type": kind, "value": decimals(value, 6)})
		}
	}
	return list
}

// decimals is a figure as Meta writes it: a decimal string without zeros at its end.
func decimals(f float64, places int) string {
	text := strconv.FormatFloat(f, 'f', places, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}
