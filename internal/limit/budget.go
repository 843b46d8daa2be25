package limit

import "time"

// Budgets counts calls of this server to others, who allow an account so many of them in a window. Each replica counts for
// itself and merges, so that all of them together stay near the limit; what passes it in between, the other side refuses.
type Budgets map[string]*counter

// Budgets makes one counter for each name whose rule has a limit. Call it before Start.
func (l *Limits) Budgets(rules map[string]Rule) Budgets {
	all := Budgets{}
	for name, rule := range rules {
		if rule.Max > 0 {
			c := newCounter("budget."+name, rule, l.keys, l.now)
			all[name], l.budgets = c, append(l.budgets, c)
		}
	}
	return all
}

// Take counts one call of the account. A wait of more than 0 says that the budget is used up until then; the call was not
// counted. An account is stored as a keyed hash.
func (b Budgets) Take(name, account string) (wait time.Duration) {
	c := b[name]
	if c == nil {
		return 0
	}
	if t := c.take(client{user: account}); !t.allowed {
		return max(t.left, time.Millisecond)
	}
	return 0
}
