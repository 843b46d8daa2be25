package connector

// Totals says what may be told of several days of a source. A column that is in neither list, such as a number of different
// people, has no total.
type Totals struct {
	Sums   []string // columns that add up
	Ratios []Ratio  // worked out from sums, never from the ratios of days
}

// Ratio is Of / By × Times, both sums over the same days; 0 where By is 0.
type Ratio struct {
	Name, Of, By string
	Times        int64
}
