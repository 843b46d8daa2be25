package auth

import (
	"net/http"
	"strings"
)

// publicCaching lets everybody keep the documents for a while (contract auth-api.md §4).
const publicCaching = "public, max-age=900, stale-while-revalidate=300"

// jwks and discovery come from memory, so an outage of the database stops nobody from verifying.
func (s *Service) jwks() document      { return s.keyring().jwks }
func (s *Service) discovery() document { return s.keys.discovery }

// answer is the document, or nothing for who has it.
func (d document) answer(ifNoneMatch string) (status int, body []byte) {
	if d.matches(ifNoneMatch) {
		return http.StatusNotModified, nil
	}
	return http.StatusOK, d.body
}

// matches compares as If-None-Match asks for (RFC 9110 §13.1.2): weakly, with any of a list.
func (d document) matches(ifNoneMatch string) bool {
	for tag := range strings.SplitSeq(ifNoneMatch, ",") { // our tags hold no comma
		tag = strings.TrimSpace(tag)
		if tag == "*" || strings.TrimPrefix(tag, "W/") == d.etag {
			return true
		}
	}
	return false
}

// metadata is OpenID Connect Discovery 1.0 and RFC 8414 as far as they apply: apps sign their users in with /v1/auth, so
// there are no OAuth endpoints, response types and ID tokens to tell of.
type metadata struct {
	Issuer        string   `json:"issuer"`
	KeysURL       string   `json:"jwks_uri"`
	SubjectTypes  []string `json:"subject_types_supported"`
	Documentation string   `json:"service_documentation"`
}

// describe makes the metadata document.
func (s *Service) describe() (err error) {
	base := strings.TrimRight(s.cfg.Issuer, "/")
	s.keys.discovery, err = newDocument(metadata{
		Issuer: s.cfg.Issuer, KeysURL: base + "/.well-known/jwks.json", SubjectTypes: []string{"public"}, Documentation: base + "/docs",
	})
	return err
}
