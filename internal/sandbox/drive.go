package sandbox

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const spreadsheetType = "application/vnd.google-apps.spreadsheet"

func (s *Sandbox) driveFiles(r *http.Request) (any, error) {
	email, err := s.authorize(r, "drive", "drive.readonly", "drive.metadata", "drive.metadata.readonly", "drive.file")
	if err != nil {
		return nil, legacyReason(err)
	}
	q := r.URL.Query()
	none, ok := parseQuery(q.Get("q"))
	if !ok {
		return nil, invalidValue("q")
	}
	files := []*spreadsheet{}
	for _, f := range s.state.Spreadsheets {
		if has := f.Shared[email]; !none && (has == reader || has == writer) {
			files = append(files, f)
		}
	}
	switch q.Get("orderBy") {
	case "", "modifiedTime desc":
		slices.SortFunc(files, func(a, b *spreadsheet) int {
			return firstOf(b.Modified.Compare(a.Modified), strings.Compare(a.ID, b.ID))
		})
	case "name":
		slices.SortFunc(files, func(a, b *spreadsheet) int {
			return firstOf(strings.Compare(a.Title, b.Title), strings.Compare(a.ID, b.ID))
		})
	default:
		return nil, invalidValue("orderBy")
	}
	size, offset, err := pageOf(q.Get("pageSize"), q.Get("pageToken"))
	if err != nil {
		return nil, err
	}
	return filePage(files, size, offset), nil
}

// firstOf is the first comparison that decides.
func firstOf(a, b int) int {
	if a != 0 {
		return a
	}
	return b
}

func filePage(files []*spreadsheet, size, offset int) any {
	start := min(offset, len(files))
	end := min(start+size, len(files))
	listed := []any{}
	for _, f := range files[start:end] {
		listed = append(listed, map[string]string{
			"kind": "drive#file", "id": f.ID, "name": f.Title, "mimeType": spreadsheetType,
		})
	}
	answer := map[string]any{"kind": "drive#fileList", "incompleteSearch": false, "files": listed}
	if end < len(files) {
		answer["nextPageToken"] = base64.URLEncoding.EncodeToString([]byte(strconv.Itoa(end)))
	}
	return answer
}

// parseQuery knows the terms mimeType and trashed. none says that no spreadsheet can match.
func parseQuery(q string) (none, ok bool) {
	if q == "" {
		return false, true
	}
	for term := range strings.SplitSeq(q, " and ") {
		switch strings.ReplaceAll(strings.TrimSpace(term), " ", "") {
		case "mimeType='" + spreadsheetType + "'", "trashed=false":
		case "trashed=true":
			none = true
		default:
			if !strings.HasPrefix(strings.TrimSpace(term), "mimeType") {
				return false, false
			}
			none = true
		}
	}
	return none, true
}

func pageOf(pageSize, pageToken string) (size, offset int, err error) {
	size = 100
	if pageSize != "" {
		if size, err = strconv.Atoi(pageSize); err != nil || size < 1 || size > 1000 {
			return 0, 0, invalidValue("pageSize")
		}
	}
	if pageToken != "" {
		text, decodeErr := base64.URLEncoding.DecodeString(pageToken)
		if offset, err = strconv.Atoi(string(text)); err != nil || decodeErr != nil || offset < 0 {
			return 0, 0, invalidValue("pageToken")
		}
	}
	return size, offset, nil
}

func invalidValue(parameter string) *refusal {
	return &refusal{status: http.StatusBadRequest, body: map[string]any{"error": map[string]any{
		"code":    http.StatusBadRequest,
		"message": "Invalid Value",
		"errors": []any{map[string]string{
			"message": "Invalid Value", "domain": "global", "reason": "invalid", "location": parameter, "locationType": "parameter",
		}},
	}}}
}

// legacyReason adds the older list of errors that Drive v3 still sends.
func legacyReason(err error) error {
	e, ok := err.(*refusal) //nolint:errorlint // authorize returns it unwrapped
	if !ok {
		return err
	}
	if inner, ok := e.body.(map[string]any)["error"].(map[string]any); ok {
		reason := map[int]string{http.StatusUnauthorized: "authError", http.StatusForbidden: "insufficientPermissions"}[e.status]
		inner["errors"] = []any{map[string]any{"message": inner["message"], "domain": "global", "reason": reason}}
	}
	return e
}
