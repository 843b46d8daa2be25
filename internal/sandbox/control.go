package sandbox

import (
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

var notInName = regexp.MustCompile(`[^a-z0-9]+`)

// createServiceAccount hands out a key file. A name that exists gets another key for the same account, as in the console.
// The RSA key is made before the lock is taken: it takes a while.
func (s *Sandbox) createServiceAccount(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Name string `json:"name"`
	}
	if err := readBody(r, &body); err != nil {
		writeRefusal(w, err)
		return
	}
	key, err := newKey()
	if err != nil {
		writeRefusal(w, err)
		return
	}
	s.answer(func(*http.Request) (any, error) { return s.addServiceAccount(body.Name, key) })(w, r)
}

// rsaKey is a fresh key: the private half for its owner, the public half for the state.
type rsaKey struct {
	id            string
	privatePEM    string
	publicPKIXDER []byte
}

func newKey() (rsaKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return rsaKey{}, fmt.Errorf("generate key: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return rsaKey{}, fmt.Errorf("encode private key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return rsaKey{}, fmt.Errorf("encode public key: %w", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	return rsaKey{id: randomHex(20), privatePEM: string(text), publicPKIXDER: public}, nil
}

func (s *Sandbox) addServiceAccount(name string, key rsaKey) (any, error) {
	name = strings.Trim(notInName.ReplaceAllString(strings.ToLower(name), "-"), "-")
	if name == "" {
		name = "service-" + randomHex(3)
	}
	email := name + "@" + projectID + ".iam.gserviceaccount.com"
	account, ok := s.state.ServiceAccounts[email]
	if !ok {
		account = &serviceAccount{Email: email, UniqueID: "1" + randomDigits(20), Keys: map[string][]byte{}}
		s.state.ServiceAccounts[email] = account
	}
	account.Keys[key.id] = key.publicPKIXDER
	if err := s.save(); err != nil {
		return nil, err
	}
	return created{map[string]string{ //nolint:gosec // the addresses of a key file, and a key nobody trusts
		"type":                        "service_account",
		"project_id":                  projectID,
		"private_key_id":              key.id,
		"private_key":                 key.privatePEM,
		"client_email":                email,
		"client_id":                   account.UniqueID,
		"auth_uri":                    "https://accounts.google.com/o/oauth2/auth",
		"token_uri":                   "https://oauth2.googleapis.com/token",
		"auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
		"client_x509_cert_url":        "https://www.googleapis.com/robot/v1/metadata/x509/" + url.PathEscape(email),
		"universe_domain":             "googleapis.com",
	}}, nil
}

// revokeServiceAccount takes back all keys and tokens of the account.
func (s *Sandbox) revokeServiceAccount(r *http.Request) (any, error) {
	account, ok := s.state.ServiceAccounts[r.PathValue("email")]
	if !ok {
		return nil, refuseControl(http.StatusNotFound, "no such service account")
	}
	clear(account.Keys)
	s.endSessions(account.Email)
	return map[string]bool{"success": true}, s.save()
}

// createClient stands for an app, its consent screen and a person who agreed.
func (s *Sandbox) createClient(r *http.Request) (any, error) {
	var body struct {
		Email     string   `json:"email"`
		Scopes    []string `json:"scopes"`    // without their prefix; default analytics.readonly
		ExpiresIn int64    `json:"expiresIn"` // seconds until the refresh token dies; 0 = never
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	client := &oauthClient{Email: cmp.Or(body.Email, "person-"+randomHex(3)+"@example.com")}
	for _, scope := range body.Scopes {
		client.Scopes = append(client.Scopes, scopePrefix+strings.TrimPrefix(scope, scopePrefix))
	}
	if len(client.Scopes) == 0 {
		client.Scopes = []string{scopePrefix + "analytics.readonly"}
	}
	if body.ExpiresIn > 0 {
		client.GrantEnds = s.cfg.Now().Add(time.Duration(body.ExpiresIn) * time.Second).UTC()
	}
	id := randomDigits(12) + "-" + strings.ToLower(rand.Text()) + ".apps.googleusercontent.com"
	secret, refresh := "GOCSPX-"+rand.Text(), "1//0"+rand.Text()+rand.Text()
	client.SecretHash, client.RefreshHash = hashOf(secret), hashOf(refresh)
	s.state.OAuthClients[id] = client
	if err := s.save(); err != nil {
		return nil, err
	}
	return created{map[string]string{
		"client_id": id, "client_secret": secret, "refresh_token": refresh, "email": client.Email,
	}}, nil
}

// revokeClient takes back the refresh token and the access tokens.
func (s *Sandbox) revokeClient(r *http.Request) (any, error) {
	client, ok := s.state.OAuthClients[r.PathValue("id")]
	if !ok {
		return nil, refuseControl(http.StatusNotFound, "no such client")
	}
	client.RefreshHash = ""
	s.endSessions(client.Email)
	return map[string]bool{"success": true}, s.save()
}

func (s *Sandbox) createSpreadsheet(r *http.Request) (any, error) {
	var body struct {
		Title     string   `json:"title"`
		Tabs      []string `json:"tabs"`
		TimeZone  string   `json:"timeZone"`
		ShareWith string   `json:"shareWith"`
		Role      role     `json:"role"`
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	file := &spreadsheet{
		ID:       newFileID(),
		Title:    cmp.Or(body.Title, "Untitled spreadsheet"),
		TimeZone: cmp.Or(body.TimeZone, "Europe/Berlin"),
		Modified: s.cfg.Now().UTC(),
		Shared:   map[string]role{},
	}
	if len(body.Tabs) == 0 {
		body.Tabs = []string{"Sheet1"}
	}
	for i, title := range body.Tabs {
		if title == "" || file.tab(title) != nil {
			return nil, refuseControl(http.StatusBadRequest, "tab names are not empty and not repeated")
		}
		// Google's first tab has the id 0, further ones random ids.
		file.Tabs = append(file.Tabs, &tab{ID: int64(i) * 104_729, Title: title, Rows: defaultRows, Columns: defaultColumns})
	}
	if err := s.share(file.Shared, body.ShareWith, cmp.Or(body.Role, writer)); err != nil {
		return nil, err
	}
	s.state.Spreadsheets[file.ID] = file
	return created{map[string]string{"spreadsheetId": file.ID}}, s.save()
}

func (s *Sandbox) showSpreadsheet(r *http.Request) (any, error) {
	file, err := s.spreadsheet(r)
	if err != nil {
		return nil, err
	}
	tabs := []any{}
	for _, t := range file.Tabs {
		tabs = append(tabs, map[string]any{
			"sheetId": t.ID, "title": t.Title, "rows": t.Rows, "columns": t.Columns,
			"cells": t.read(t.all(), rendering{"FORMULA", "SERIAL_NUMBER"}),
			"shown": t.read(t.all(), rendering{"FORMATTED_VALUE", "SERIAL_NUMBER"}),
		})
	}
	return map[string]any{"spreadsheetId": file.ID, "title": file.Title, "timeZone": file.TimeZone, "sharedWith": file.Shared, "tabs": tabs}, nil
}

// editCell is a person at the sheet: what is typed is interpreted; null empties the cell.
func (s *Sandbox) editCell(r *http.Request) (any, error) {
	file, err := s.spreadsheet(r)
	if err != nil {
		return nil, err
	}
	var body struct {
		Tab   string `json:"tab"`
		A1    string `json:"a1"`
		Value any    `json:"value"`
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	t := file.tab(body.Tab)
	if t == nil {
		return nil, refuseControl(http.StatusNotFound, "no such tab")
	}
	p, ok := t.parseCells(body.A1)
	if !ok || !p.anchor || p.area.bottom > t.Rows || p.area.right > t.Columns {
		return nil, refuseControl(http.StatusBadRequest, "a1 is one cell of the grid")
	}
	c, ok := enteredCell(body.Value)
	if !ok && body.Value != nil {
		return nil, refuseControl(http.StatusBadRequest, "value is a string, number, boolean or null")
	}
	t.set(p.area.top, p.area.left, c)
	file.Modified = s.cfg.Now().UTC()
	return map[string]bool{"success": true}, s.save()
}

// renameTab is a person who gives a tab another name; its id stays.
func (s *Sandbox) renameTab(r *http.Request) (any, error) {
	file, err := s.spreadsheet(r)
	if err != nil {
		return nil, err
	}
	var body struct {
		Tab   string `json:"tab"`
		Title string `json:"title"`
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	t := file.tab(body.Tab)
	if t == nil {
		return nil, refuseControl(http.StatusNotFound, "no such tab")
	}
	if other := file.tab(body.Title); body.Title == "" || other != nil && other != t {
		return nil, refuseControl(http.StatusBadRequest, "tab names are not empty and not repeated")
	}
	t.Title = body.Title
	file.Modified = s.cfg.Now().UTC()
	return map[string]bool{"success": true}, s.save()
}

func (s *Sandbox) shareSpreadsheet(r *http.Request) (any, error) {
	file, err := s.spreadsheet(r)
	if err != nil {
		return nil, err
	}
	return s.changeSharing(r, file.Shared)
}

func (s *Sandbox) spreadsheet(r *http.Request) (*spreadsheet, error) {
	file, ok := s.state.Spreadsheets[r.PathValue("id")]
	if !ok {
		return nil, refuseControl(http.StatusNotFound, "no such spreadsheet")
	}
	return file, nil
}

var digits = regexp.MustCompile(`^[0-9]{1,20}$`)

// createProperty makes a property, or changes and shares the one that exists.
func (s *Sandbox) createProperty(r *http.Request) (any, error) {
	var body struct {
		PropertyID string `json:"propertyId"`
		TimeZone   string `json:"timeZone"`
		Currency   string `json:"currency"`
		ShareWith  string `json:"shareWith"`
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	id := cmp.Or(strings.TrimPrefix(body.PropertyID, "properties/"), "4"+randomDigits(8))
	if !digits.MatchString(id) {
		return nil, refuseControl(http.StatusBadRequest, "propertyId is a number")
	}
	if _, err := time.LoadLocation(body.TimeZone); err != nil {
		return nil, refuseControl(http.StatusBadRequest, "timeZone is an IANA name")
	}
	p, ok := s.state.Properties[id]
	if !ok {
		p = &property{ID: id, TimeZone: "Europe/Berlin", Currency: "EUR", Shared: map[string]role{}}
		s.state.Properties[id] = p
	}
	p.TimeZone, p.Currency = cmp.Or(body.TimeZone, p.TimeZone), cmp.Or(body.Currency, p.Currency)
	if err := s.share(p.Shared, body.ShareWith, reader); err != nil {
		return nil, err
	}
	return created{map[string]string{"propertyId": id}}, s.save()
}

func (s *Sandbox) shareProperty(r *http.Request) (any, error) {
	p, err := s.property(r)
	if err != nil {
		return nil, err
	}
	return s.changeSharing(r, p.Shared)
}

// correctDay sets figures of a day, as GA4 does when late events come in.
func (s *Sandbox) correctDay(r *http.Request) (any, error) {
	p, err := s.property(r)
	if err != nil {
		return nil, err
	}
	var body struct {
		Date    string             `json:"date"`
		Metrics map[string]float64 `json:"metrics"`
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	if _, err := time.Parse(time.DateOnly, body.Date); err != nil {
		return nil, refuseControl(http.StatusBadRequest, "date is YYYY-MM-DD")
	}
	for name := range body.Metrics {
		if metricTypes[name] == "" {
			return nil, refuseControl(http.StatusBadRequest, "unknown metric %q", name)
		}
	}
	if p.Days == nil {
		p.Days = map[string]map[string]float64{}
	}
	p.Days[body.Date] = body.Metrics
	return map[string]bool{"success": true}, s.save()
}

func (s *Sandbox) property(r *http.Request) (*property, error) {
	p, ok := s.state.Properties[r.PathValue("id")]
	if !ok {
		return nil, refuseControl(http.StatusNotFound, "no such property")
	}
	return p, nil
}

func (s *Sandbox) changeSharing(r *http.Request, shared map[string]role) (any, error) {
	var body struct {
		Email string `json:"email"`
		Role  role   `json:"role"`
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	if err := s.share(shared, body.Email, cmp.Or(body.Role, writer)); err != nil {
		return nil, err
	}
	return map[string]bool{"success": true}, s.save()
}

// share gives a role to an e-mail address, or to the person behind an OAuth client id. "" shares with nobody.
func (s *Sandbox) share(shared map[string]role, with string, as role) error {
	if as != reader && as != writer && as != nobody {
		return refuseControl(http.StatusBadRequest, "role is reader, writer or none")
	}
	if client, ok := s.state.OAuthClients[with]; ok {
		with = client.Email
	}
	switch {
	case with == "":
	case as == nobody:
		delete(shared, with)
	default:
		shared[with] = as
	}
	return nil
}

// page lists what exists, for a person with a browser.
func (s *Sandbox) page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, s.overview()) // the client went away
}

func (s *Sandbox) overview() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	b.WriteString("Sandbox: stands for Google's sign-in, Drive, Sheets and GA4, Meta's Graph API and Shopify. Nothing here is real.\n")
	section := func(title string, n int) { fmt.Fprintf(&b, "\n%s (%d)\n", title, n) }
	section("Service accounts", len(s.state.ServiceAccounts))
	for _, email := range slices.Sorted(maps.Keys(s.state.ServiceAccounts)) {
		fmt.Fprintf(&b, "  %s  keys: %d\n", email, len(s.state.ServiceAccounts[email].Keys))
	}
	section("OAuth clients", len(s.state.OAuthClients))
	for _, id := range slices.Sorted(maps.Keys(s.state.OAuthClients)) {
		fmt.Fprintf(&b, "  %s  person: %s\n", id, s.state.OAuthClients[id].Email)
	}
	section("Spreadsheets", len(s.state.Spreadsheets))
	for _, id := range slices.Sorted(maps.Keys(s.state.Spreadsheets)) {
		f := s.state.Spreadsheets[id]
		fmt.Fprintf(&b, "  %s  %s  shared with: %s\n", id, f.Title, people(f.Shared))
		for _, t := range f.Tabs {
			fmt.Fprintf(&b, "    %s: %d rows in use\n", t.Title, len(t.Cells))
		}
	}
	section("GA4 properties", len(s.state.Properties))
	for _, id := range slices.Sorted(maps.Keys(s.state.Properties)) {
		p := s.state.Properties[id]
		fmt.Fprintf(&b, "  %s  %s, %s  shared with: %s\n", id, p.TimeZone, p.Currency, people(p.Shared))
	}
	section("Ad accounts", len(s.state.AdAccounts))
	s.adAccountLines(&b)
	section("Shopify shops", len(s.state.Shops))
	for _, host := range slices.Sorted(maps.Keys(s.state.Shops)) {
		fmt.Fprintf(&b, "  %s\n", s.state.Shops[host].summary())
	}
	section("APIs of http_json", len(s.state.JSONAPIs))
	s.jsonAPILines(&b)
	section("Failures to come", len(s.faults))
	for _, f := range s.faults {
		fmt.Fprintf(&b, "  %d x %s: status %d\n", f.Times, cmp.Or(f.Path, "/"), f.Status)
	}
	return b.String()
}

func people(shared map[string]role) string {
	return cmp.Or(strings.Join(slices.Sorted(maps.Keys(shared)), ", "), "nobody")
}

// newFileID has the form of Google's: 44 characters of the URL alphabet.
func newFileID() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return "1" + base64.RawURLEncoding.EncodeToString(b)
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return hex.EncodeToString(b)
}

func randomDigits(n int) string {
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
	v, err := rand.Int(rand.Reader, limit)
	if err != nil {
		v = new(big.Int)
	}
	return fmt.Sprintf("%0*d", n, v)
}
