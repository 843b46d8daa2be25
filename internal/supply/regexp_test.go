package supply

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"
)

// TestNoRegularExpressionRunsAway: Go's expressions take time that is linear in the text; there is no other engine in the
// binary, PostgreSQL is given no pattern of anybody's, and those of the console and the SDK, which backtrack, repeat nothing
// that is repeated inside.
func TestNoRegularExpressionRunsAway(t *testing.T) {
	t.Parallel()
	listing.Lock()
	packages := goList(t, "{{.ImportPath}}")
	listing.Unlock()
	for _, p := range packages {
		if p != "regexp" && p != "regexp/syntax" && regexp.MustCompile(`(?i)regex|pcre|onig|\bre2\b|hyperscan`).MatchString(p) && !strings.HasPrefix(p, "turkey/") {
			t.Errorf("%s is in the binary: is it linear?", p)
		}
	}
	literals := 0
	for _, name := range sources(t) {
		switch {
		case strings.HasSuffix(name, ".sql"):
			for line := range strings.Lines(read(t, name)) {
				if patternOfAParameter.MatchString(line) {
					t.Errorf("%s: a pattern that somebody sends: %s", name, line)
				}
			}
		case (strings.HasPrefix(name, "console/web/src/") || strings.HasPrefix(name, "sdk/typescript/src/")) && (strings.HasSuffix(name, ".ts") || strings.HasSuffix(name, ".tsx")):
			text := read(t, name)
			if strings.Contains(text, "new RegExp(") {
				t.Errorf("%s makes an expression of a text", name)
			}
			for _, m := range literal.FindAllStringSubmatch(text, -1) {
				literals++
				if why := runsAway(m[1]); why != "" && !slices.Contains(lookedAt, m[1]) {
					t.Errorf("%s: /%s/: %s", name, m[1], why)
				}
			}
		}
	}
	if literals < 5 {
		t.Errorf("only %d expressions were found", literals)
	}
	for pattern, bad := range map[string]bool{`(a+)+$`: true, `(a|a)*b`: false, `^(\w+\s?)*$`: true, `(.*)*`: true, `^[a-z]+(-[a-z]+)*$`: true, `\d{1,3}x+`: false, `^\s+|\s+$`: false, `(?=a+)b`: true} {
		if got := runsAway(pattern) != ""; got != bad {
			t.Errorf("/%s/: %q", pattern, runsAway(pattern))
		}
	}
}

// lookedAt are expressions that are refused for their form, and run in a time that is linear in the text or nearly so.
var lookedAt = []string{
	`[\w.+-]+@[\w-]+(?:\.[\w-]+)+`, // a full stop keeps the repetitions apart; it finds an address in a message of the server's
	`^\/(?![/\\])`,                 // one letter ahead
	`(.)\1\1`,                      // one letter three times
}

var (
	patternOfAParameter = regexp.MustCompile(`(?i)(~\*?|similar to|regexp_\w+\([^)]*)\s*(\$\d|@\w|sqlc\.n?arg)`)
	literal             = regexp.MustCompile(`(?:[=(,:!&|?]|return|=>)\s*/((?:[^/\\\n\[*]|\\.|\[(?:[^\]\\\n]|\\.)*\])(?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])*)/[dgimsuvy]*`)
	named               = strings.NewReplacer(`\/`, `/`, `(?<`, `(?P<`, `\$`, `[$]`, `\uFEFF`, `\x{FEFF}`)
)

// runsAway says why a backtracking engine may take a time that is exponential in the text, "" if it does not. It is careful: a
// repetition in a repetition is refused even where what lies between keeps it apart.
func runsAway(pattern string) string {
	tree, err := syntax.Parse(named.Replace(pattern), syntax.Perl)
	if err != nil {
		return "it looks around or refers back: " + err.Error()
	}
	if height(tree) > 1 {
		return "a repetition in a repetition"
	}
	return ""
}

// height is how deep repetitions without a bound lie in each other.
func height(tree *syntax.Regexp) (h int) {
	for _, sub := range tree.Sub {
		h = max(h, height(sub))
	}
	if tree.Op == syntax.OpStar || tree.Op == syntax.OpPlus || tree.Op == syntax.OpRepeat && (tree.Max < 0 || tree.Max > 20) {
		h++
	}
	return h
}
