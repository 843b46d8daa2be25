package connector

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"turkey/internal/outbound"
)

const (
	httpJSONColumns  = 20 // metrics of a credential
	httpJSONMaxPages = 200
	httpJSONMaxURL   = 2048
	httpJSONMaxText  = 8 << 10 // a token, in bytes
)

// Ways to sign in.
const (
	authBearer = "bearer"
	authHeader = "header"
	authBasic  = "basic"
)

// httpJSONSecret is the content of an http_json credential, in the order in which it is sealed.
type httpJSONSecret struct {
	URL        string           `json:"url"`
	Auth       *httpJSONAuth    `json:"auth,omitempty"`
	FromParam  string           `json:"fromParam,omitempty"`
	ToParam    string           `json:"toParam,omitempty"`
	DateFormat string           `json:"dateFormat"`
	Rows       string           `json:"rows"`
	DateField  string           `json:"dateField"`
	Metrics    []httpJSONMetric `json:"metrics"`
	NextField  string           `json:"nextField,omitempty"`
	NextParam  string           `json:"nextParam,omitempty"`
	MaxPages   int              `json:"maxPages"`
	TimeZone   string           `json:"timezone"`
	Currency   string           `json:"currency,omitempty"`
}

type httpJSONAuth struct {
	Type     string `json:"type"`
	Token    string `json:"token,omitempty"`    // bearer
	Name     string `json:"name,omitempty"`     // header
	Value    string `json:"value,omitempty"`    // header
	Username string `json:"username,omitempty"` // basic
	Password string `json:"password,omitempty"` // basic
}

type httpJSONMetric struct {
	Column string `json:"column"`
	Field  string `json:"field"`
	Kind   Kind   `json:"kind"`
}

// Parse accepts a description of an API.
func (h *httpJSON) Parse(raw []byte) (Content, []string) {
	f, ok := readFields(raw)
	if !ok {
		return Content{}, []string{invalidJSON}
	}
	f.only("url", "auth", "fromParam", "toParam", "dateFormat", "rows", "dateField", "metrics", "nextField", "nextParam", "maxPages", "timezone", "currency")
	s := httpJSONSecret{
		URL:        f.required("url"),
		FromParam:  f.optional("fromParam"),
		ToParam:    f.optional("toParam"),
		DateFormat: orElse(f.optional("dateFormat"), "YYYY-MM-DD"),
		Rows:       f.optional("rows"),
		DateField:  f.required("dateField"),
		NextField:  f.optional("nextField"),
		NextParam:  f.optional("nextParam"),
		MaxPages:   httpJSONPages,
		TimeZone:   orElse(f.optional("timezone"), "UTC"),
		Currency:   f.optional("currency"),
	}
	if auth := f.members["auth"]; auth != nil {
		f.below("auth", auth, func(f *fields) { s.Auth = readAuth(f) })
	}
	if pages := f.members["maxPages"]; pages != nil {
		n, _ := pages.(json.Number)
		s.MaxPages, _ = strconv.Atoi(n.String()) // 0 is refused below
	}
	list, _ := f.members["metrics"].([]any)
	if len(list) == 0 {
		f.missing("metrics")
	}
	for i, m := range list[:min(len(list), httpJSONColumns+1)] {
		f.below(fmt.Sprintf("metrics[%d]", i), m, func(f *fields) {
			f.only("column", "field", "kind")
			s.Metrics = append(s.Metrics, httpJSONMetric{Column: f.required("column"), Field: f.required("field"), Kind: Kind(orElse(f.optional("kind"), string(Sum)))})
		})
	}
	if len(f.problems) > 0 {
		return Content{}, f.problems
	}
	u, problems := s.check()
	if len(problems) > 0 {
		return Content{}, problems
	}
	sealed, err := canonical(s)
	if err != nil {
		return Content{}, []string{invalidJSON}
	}
	return Content{JSON: sealed, Type: TypeAccessToken, Preview: mask(u.Hostname()), Host: u.Hostname()}, nil
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func readAuth(f *fields) *httpJSONAuth {
	a := &httpJSONAuth{Type: f.required("type")}
	switch a.Type {
	case authBearer:
		f.only("type", "token")
		a.Token = f.required("token")
	case authHeader:
		f.only("type", "name", "value")
		a.Name, a.Value = f.required("name"), f.required("value")
	case authBasic:
		f.only("type", "username", "password")
		a.Username, a.Password = f.required("username"), f.optional("password")
	case "":
	default:
		f.problem("Invalid auth.type: it is bearer, header or basic")
	}
	return a
}

var (
	columnName   = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	parameter    = regexp.MustCompile(`^[!-~]{1,100}$`)
	headerName   = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
	headerText   = regexp.MustCompile(`^[!-~]([ -~]*[!-~])?$`)
	currencyCode = regexp.MustCompile(`^[A-Z]{3}$`)
)

// Columns of the tab and of the CSV that are not the source's, and headers that belong to the connection.
var (
	takenColumns = []string{"id", "date", "days", "provisional", "currency"}
	takenHeaders = []string{"Accept-Encoding", "Connection", "Content-Length", "Host", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}
)

// check says what is wrong with a content, and returns its address.
func (s *httpJSONSecret) check() (u *url.URL, problems []string) {
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	u, why := checkURL(s.URL)
	if why != "" {
		wrong("Invalid url: it %s", why)
	}
	for name, path := range map[string]string{"rows": s.Rows, "dateField": s.DateField, "nextField": s.NextField} {
		if _, ok := newJSONPath(path); !ok {
			wrong("Invalid %s: a path is like data.rows or /data/rows", name)
		}
	}
	if (s.FromParam == "") != (s.ToParam == "") {
		wrong("Invalid fromParam or toParam: both are named, or none")
	}
	if s.FromParam != "" && s.FromParam == s.ToParam {
		wrong("Invalid toParam: it is the same as fromParam")
	}
	for name, text := range map[string]string{"fromParam": s.FromParam, "toParam": s.ToParam, "nextParam": s.NextParam} {
		if text != "" && !parameter.MatchString(text) {
			wrong("Invalid %s: the name of a parameter is 1 to 100 visible ASCII characters", name)
		}
	}
	if s.NextParam != "" && s.NextField == "" {
		wrong("Missing nextField: it tells what nextParam is set to")
	}
	if s.MaxPages < 1 || s.MaxPages > httpJSONMaxPages {
		wrong("Invalid maxPages: it is 1 to %d", httpJSONMaxPages)
	}
	if _, ok := dayLayout(s.DateFormat); !ok {
		wrong("Invalid dateFormat: it has YYYY, MM and DD once each, such as YYYY-MM-DD")
	}
	if _, err := time.LoadLocation(s.TimeZone); err != nil || s.TimeZone == "" || s.TimeZone == "Local" || len(s.TimeZone) > 100 {
		wrong("Invalid timezone: it is an IANA name, such as Europe/Berlin")
	}
	if s.Currency != "" && !currencyCode.MatchString(s.Currency) {
		wrong("Invalid currency: it is an ISO 4217 code, such as EUR")
	}
	if s.Auth != nil && !s.Auth.fits() {
		wrong("Invalid auth: what it holds cannot be sent in a header")
	}
	slices.Sort(problems) // maps have no order
	return u, append(problems, s.checkMetrics()...)
}

func (s *httpJSONSecret) checkMetrics() (problems []string) {
	if len(s.Metrics) == 0 || len(s.Metrics) > httpJSONColumns {
		problems = append(problems, fmt.Sprintf("Invalid metrics: there are 1 to %d", httpJSONColumns))
	}
	seen := map[string]bool{}
	for i, m := range s.Metrics {
		if !columnName.MatchString(m.Column) || seen[m.Column] || slices.Contains(takenColumns, m.Column) {
			problems = append(problems, fmt.Sprintf("Invalid metrics[%d].column: it has a-z, 0-9 and _, begins with a letter, is not repeated, and is none of %s",
				i, strings.Join(takenColumns, ", ")))
		}
		seen[m.Column] = true
		if _, ok := newJSONPath(m.Field); !ok || m.Field == "" {
			problems = append(problems, fmt.Sprintf("Invalid metrics[%d].field: a path is like totals.orders or /totals/orders", i))
		}
		if m.Kind != Sum && m.Kind != PerDay {
			problems = append(problems, fmt.Sprintf("Invalid metrics[%d].kind: it is %s or %s", i, Sum, PerDay))
		}
	}
	return problems
}

// fits reports whether it can be sent at all.
func (a *httpJSONAuth) fits() bool {
	if len(a.Token)+len(a.Value)+len(a.Username)+len(a.Password) > httpJSONMaxText {
		return false
	}
	switch a.Type {
	case authBearer:
		return headerValue.MatchString(a.Token)
	case authHeader:
		taken := slices.ContainsFunc(takenHeaders, func(name string) bool { return strings.EqualFold(name, a.Name) })
		return headerName.MatchString(a.Name) && headerText.MatchString(a.Value) && !taken
	case authBasic:
		return a.Username != "" && !strings.Contains(a.Username, ":") && !strings.ContainsFunc(a.Username+a.Password, unicode.IsControl)
	}
	return false
}

// checkURL reads the address of an API. Where a name leads is checked at each call, after its resolution; what can be said at
// once is said here.
func checkURL(text string) (u *url.URL, why string) {
	u, err := url.Parse(text)
	switch {
	case err != nil, len(text) > httpJSONMaxURL, strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return nil, "must be an address of at most 2048 characters, such as https://api.example.com/v1/daily"
	case u.Scheme != "https":
		return nil, "must begin with https://"
	case u.User != nil:
		return nil, "must not hold a user or password: name them in auth"
	case u.Fragment != "":
		return nil, "must not hold a fragment (#…), which never reaches a server"
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	addr, literal := netip.ParseAddr(host)
	if host == "" || literal == nil && !outbound.Public(addr) || host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return nil, "must lead to a public host"
	}
	if port := u.Port(); port != "" || strings.HasSuffix(u.Host, ":") {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, "must have a port from 1 to 65535, or none"
		}
	}
	return u, ""
}

// dayLayout turns a form of days, such as DD.MM.YYYY, into a layout of package time.
func dayLayout(format string) (string, bool) {
	if len(format) > 20 || strings.Trim(format, "YMD-./_ ") != "" {
		return "", false
	}
	for _, part := range []string{"YYYY", "MM", "DD"} {
		if strings.Count(format, part) != 1 || strings.Count(format, part[:1]) != len(part) {
			return "", false
		}
	}
	return strings.NewReplacer("YYYY", "2006", "MM", "01", "DD", "02").Replace(format), true
}
