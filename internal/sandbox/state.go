package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// projectNumber and projectID are the one Google Cloud project of the sandbox.
const (
	projectID     = "turkey-sandbox"
	projectNumber = "424242424242"
)

// state is what survives a restart.
type state struct {
	ServiceAccounts map[string]*serviceAccount `json:"serviceAccounts"` // by e-mail
	OAuthClients    map[string]*oauthClient    `json:"oauthClients"`    // by client id
	Spreadsheets    map[string]*spreadsheet    `json:"spreadsheets"`    // by id
	Properties      map[string]*property       `json:"properties"`      // by id
	Shops           map[string]*shop           `json:"shops"`           // by host
	AdAccounts      map[string]*adAccount      `json:"adAccounts"`      // by id without act_
	JSONAPIs        map[string]*jsonAPI        `json:"jsonAPIs"`        // by host
}

// serviceAccount has the public half of each key that was handed out.
type serviceAccount struct {
	Email    string            `json:"email"`
	UniqueID string            `json:"uniqueId"`
	Keys     map[string][]byte `json:"keys"` // PKIX DER by key id; empty = revoked
}

// oauthClient is a client with the one person who agreed to it.
type oauthClient struct {
	Email       string    `json:"email"`
	SecretHash  string    `json:"secretHash"`
	RefreshHash string    `json:"refreshHash"` // "" = revoked
	Scopes      []string  `json:"scopes"`
	GrantEnds   time.Time `json:"grantEnds,omitzero"`
}

// role is what an account may do with a file or property.
type role string

const (
	reader role = "reader"
	writer role = "writer"
	nobody role = "none"
)

func loadState(file string) (*state, error) {
	st := &state{
		ServiceAccounts: map[string]*serviceAccount{},
		OAuthClients:    map[string]*oauthClient{},
		Spreadsheets:    map[string]*spreadsheet{},
		Properties:      map[string]*property{},
		Shops:           map[string]*shop{},
		AdAccounts:      map[string]*adAccount{},
		JSONAPIs:        map[string]*jsonAPI{},
	}
	if file == "" {
		return st, nil
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return st, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	if err := json.Unmarshal(text, st); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return st, nil
}

// save puts the state on disk. A crash leaves the old file or the new one, never half of one.
func (s *Sandbox) save() error {
	if s.cfg.File == "" {
		return nil
	}
	text, err := json.Marshal(s.state)
	if err != nil {
		return fmt.Errorf("encode state: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(s.cfg.File), ".sandbox-*")
	if err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	defer os.Remove(f.Name()) // gone after the rename
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), s.cfg.File)
	}
	if err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	return nil
}
