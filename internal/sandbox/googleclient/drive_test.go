package googleclient_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/api/analyticsdata/v1beta"
	drive "google.golang.org/api/drive/v3"

	"turkey/internal/sandbox"
)

func TestFiles(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Config{})
	var want []string
	for i := range 7 {
		b.spreadsheet(fmt.Sprintf("File %d", i), "reader", "First")
		want = append(want, fmt.Sprintf("File %d", i))
	}
	b.spreadsheet("Foreign", "none", "First")
	var got []string
	pages := 0
	err := b.drive.Files.List().Q("mimeType='application/vnd.google-apps.spreadsheet' and trashed=false").OrderBy("name").PageSize(3).
		Fields("nextPageToken,files(id,name)").Pages(t.Context(), func(page *drive.FileList) error {
		pages++
		for _, f := range page.Files {
			if f.Id == "" || f.MimeType != "" {
				t.Errorf("%+v", f)
			}
			got = append(got, f.Name)
		}
		return nil
	})
	if err != nil || pages != 3 || !slices.Equal(got, want) {
		t.Errorf("%d pages, %v, %v", pages, got, err)
	}
	all, err := b.drive.Files.List().Do()
	must(t, err)
	if all.Kind != "drive#fileList" || len(all.Files) != 7 || all.NextPageToken != "" || all.Files[0].Kind != "drive#file" ||
		all.Files[0].MimeType != "application/vnd.google-apps.spreadsheet" {
		t.Errorf("%+v", all)
	}
}

func TestDriveRefusals(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Config{})
	_, err := b.drive.Files.List().Q("name contains").Do()
	if e := wantError(t, err, 400, "", "invalid"); e.Message != "Invalid Value" {
		t.Errorf("%+v", e)
	}
	_, err = b.drive.Files.List().PageToken("nonsense").Do()
	wantError(t, err, 400, "", "invalid")
	_, err = b.drive.Files.List().Fields("files(").Do()
	wantError(t, err, 400, "", "")
	b.as(analyticsdata.AnalyticsReadonlyScope)
	_, err = b.drive.Files.List().Do()
	wantError(t, err, 403, "PERMISSION_DENIED", "insufficientPermissions")
	wantError(t, err, 403, "PERMISSION_DENIED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT")
	b.as(drive.DriveReadonlyScope)
	for reason, code := range map[string]int{"userRateLimitExceeded": 403, "rateLimitExceeded": 429} {
		b.control("POST", "/faults", map[string]any{"path": "/drive", "status": code, "reason": reason})
		_, err = b.drive.Files.List().Do()
		if e := wantError(t, err, code, "", reason); !strings.Contains(e.Error(), reason) {
			t.Errorf("%v", e)
		}
	}
}
