package connector

import (
	"encoding/json"
	"strconv"
	"time"
)

// The action types of each column by rank: they overlap, so the first one present counts and nothing is added up (§7.1).
var (
	metaViews     = []string{"landing_page_view", "omni_landing_page_view"}
	metaCarts     = []string{"add_to_cart", "offsite_conversion.fb_pixel_add_to_cart", "omni_add_to_cart"}
	metaCheckouts = []string{"initiate_checkout", "offsite_conversion.fb_pixel_initiate_checkout", "omni_initiated_checkout"}
	metaPurchases = []string{
		"purchase", "offsite_conversion.fb_pixel_purchase", "omni_purchase", "onsite_web_purchase", "onsite_web_app_purchase",
		"web_in_store_purchase",
	}
)

// metaInsight is one row of insights. Figures are decimal strings at Meta; whatever is none counts as absent.
type metaInsight struct {
	DateStart    string      `json:"date_start"`
	DateStop     string      `json:"date_stop"`
	Spend        metaFigure  `json:"spend"`
	Reach        metaFigure  `json:"reach"`
	Impressions  metaFigure  `json:"impressions"`
	Clicks       metaFigure  `json:"clicks"`
	CPM          metaFigure  `json:"cpm"`
	CTR          metaFigure  `json:"ctr"`
	Actions      metaActions `json:"actions"`
	ActionValues metaActions `json:"action_values"`
	PurchaseROAS metaActions `json:"purchase_roas"`
}

// check refuses rows that are not one day, and a second row for a day.
func (i metaInsight) check(seen map[string]bool) error {
	if _, err := time.Parse(time.DateOnly, i.DateStart); err != nil {
		return fail(Unavailable, "The %s gave a row without a date", metaAPI)
	}
	if i.DateStop != i.DateStart {
		return fail(Unavailable, "The %s gave a row of several days, from %s", metaAPI, i.DateStart)
	}
	if seen[i.DateStart] {
		return fail(Unavailable, "The %s gave several rows for %s", metaAPI, i.DateStart)
	}
	seen[i.DateStart] = true
	return nil
}

// row applies the rules of §7.1. Of a metaInsight without figures it is the zero day.
func (i metaInsight) row() Row {
	views, viewsFrom := i.Actions.first(metaViews)
	carts, cartsFrom := i.Actions.first(metaCarts)
	checkouts, checkoutsFrom := i.Actions.first(metaCheckouts)
	purchases, purchasesFrom := i.Actions.first(metaPurchases)
	revenue, revenueFrom := i.ActionValues.firstPositive(metaPurchases)
	return Row{
		Date: i.DateStart,
		Metrics: map[string]json.Number{
			"spend": i.Spend.number(), "reach": i.Reach.number(), "impressions": i.Impressions.number(), "clicks": i.Clicks.number(),
			"landing_page_views": views, "add_to_cart": carts, "initiate_checkout": checkouts, "purchases": purchases,
			"revenue": revenue, "roas": i.PurchaseROAS.of(revenueFrom), "cpm": i.CPM.number(), "ctr": i.CTR.number(),
		},
		Sources: map[string]string{
			"landing_page_views_source": viewsFrom, "add_to_cart_source": cartsFrom, "initiate_checkout_source": checkoutsFrom,
			"purchases_source": purchasesFrom, "revenue_source": revenueFrom,
		},
	}
}

// metaFigure is a figure as text, "" when it is absent or of another form.
type metaFigure string

// UnmarshalJSON never fails: an odd figure is 0 and does not cost the others of its day.
func (f *metaFigure) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		*f = metaFigure(text)
		return nil
	}
	var n json.Number
	if json.Unmarshal(b, &n) == nil {
		*f = metaFigure(n)
	}
	return nil
}

func (f metaFigure) number() json.Number { return number(string(f)) }

type metaAction struct {
	Type  string
	Value metaFigure
}

// metaActions is a list of figures by action type. A plain value, which purchase_roas has been too, is one without a type.
type metaActions []metaAction

// UnmarshalJSON leaves out what is no entry of such a list.
func (l *metaActions) UnmarshalJSON(b []byte) error {
	*l = nil
	var entries []json.RawMessage
	if json.Unmarshal(b, &entries) != nil {
		var plain metaFigure
		if err := plain.UnmarshalJSON(b); err == nil && plain != "" {
			*l = metaActions{{Value: plain}}
		}
		return nil
	}
	for _, raw := range entries {
		var entry struct {
			Type  metaFigure `json:"action_type"`
			Value metaFigure `json:"value"`
		}
		if json.Unmarshal(raw, &entry) == nil {
			*l = append(*l, metaAction{Type: string(entry.Type), Value: entry.Value})
		}
	}
	return nil
}

func (l metaActions) find(kind string) (metaAction, bool) {
	for _, a := range l {
		if a.Type == kind {
			return a, true
		}
	}
	return metaAction{}, false
}

// first is the first of the kinds that the list has, whatever its value.
func (l metaActions) first(kinds []string) (value json.Number, from string) {
	for _, kind := range kinds {
		if a, ok := l.find(kind); ok {
			return a.Value.number(), kind
		}
	}
	return "0", "NOT_FOUND"
}

// firstPositive is the first of the kinds with a value above zero.
func (l metaActions) firstPositive(kinds []string) (value json.Number, from string) {
	if len(l) == 0 {
		return "0", "NO_DATA"
	}
	for _, kind := range kinds {
		a, ok := l.find(kind)
		if !ok {
			continue
		}
		n := a.Value.number()
		if f, err := strconv.ParseFloat(n.String(), 64); err == nil && f > 0 {
			return n, kind
		}
	}
	return "0", "NO_PURCHASE_FOUND"
}

// of is the figure of that kind, else the first one.
func (l metaActions) of(kind string) json.Number {
	if a, ok := l.find(kind); ok {
		return a.Value.number()
	}
	if len(l) > 0 {
		return l[0].Value.number()
	}
	return "0"
}
