// Code generated from openapi.json by go test ./client/api -update; DO NOT EDIT.

package api

import (
	"context"
	"encoding/json"
	"net/url"
)

// Jwks: Public signing keys.
// With these anybody verifies access tokens: ES256, by kid, `iss` this server, `aud` your appId.
// GET /.well-known/jwks.json
func (a *API) Jwks(ctx context.Context) (*json.RawMessage, error) {
	out := new(json.RawMessage)
	if err := a.send(ctx, "GET", "/.well-known/jwks.json", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// OpenidConfiguration: Where the keys are.
// Issuer and address of the key set, for libraries that configure themselves. There is no authorization endpoint: apps sign their users in with /v1/auth.
// GET /.well-known/openid-configuration
func (a *API) OpenidConfiguration(ctx context.Context) (*json.RawMessage, error) {
	out := new(json.RawMessage)
	if err := a.send(ctx, "GET", "/.well-known/openid-configuration", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ListActivityQuery are the parameters of ListActivity; zero ones are left out.
type ListActivityQuery struct {
	// unknown: entries about none
	Service string
	// success, failure or partial
	Status string
	// Day or ISO 8601 time, included
	StartDate string
	// Day or ISO 8601 time, included
	EndDate string
	// Default: 50
	Limit  int64
	Offset int64
}

// ListActivity: What happened.
// In the caller's vault and pipeline, newest first. As CSV with Accept: text/csv; without limit that is up to 10,000 entries.
// GET /api/activity-log
func (a *API) ListActivity(ctx context.Context, q ListActivityQuery) (*ListActivityResult, error) {
	parameters := query{}
	parameters.add("service", q.Service)
	parameters.add("status", q.Status)
	parameters.add("start_date", q.StartDate)
	parameters.add("end_date", q.EndDate)
	parameters.add("limit", q.Limit)
	parameters.add("offset", q.Offset)
	out := new(ListActivityResult)
	if err := a.send(ctx, "GET", parameters.to("/api/activity-log"), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ListCredentialsQuery are the parameters of ListCredentials; zero ones are left out.
type ListCredentialsQuery struct {
	// Without it: all, or 50 of the deleted ones
	Limit int64
	// nextCursor of the page before
	Cursor string
	// List what can be restored instead
	Deleted bool
}

// ListCredentials: List credentials.
// Newest first, all of them unless a limit is given. With deleted=true those that can still be restored, 50 at a time. Nothing secret is in it.
// GET /api/credentials/list
func (a *API) ListCredentials(ctx context.Context, q ListCredentialsQuery) (*ListCredentialsResult, error) {
	parameters := query{}
	parameters.add("limit", q.Limit)
	parameters.add("cursor", q.Cursor)
	parameters.add("deleted", q.Deleted)
	out := new(ListCredentialsResult)
	if err := a.send(ctx, "GET", parameters.to("/api/credentials/list"), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// SaveCredential: Save a credential.
// Seals a third-party credential under the caller's own keys and points the service to it. It can be used and replaced, and never read again.
// POST /api/credentials/save
func (a *API) SaveCredential(ctx context.Context, body SaveCredentialRequest) (*SaveCredentialResult, error) {
	out := new(SaveCredentialResult)
	if err := a.send(ctx, "POST", "/api/credentials/save", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// DeleteCredential: Delete a credential.
// Also removes the service configuration that uses it. It can be restored for 90 days.
// DELETE /api/credentials/{id}
func (a *API) DeleteCredential(ctx context.Context, id string) (*DoneResult, error) {
	out := new(DoneResult)
	if err := a.send(ctx, "DELETE", "/api/credentials/"+url.PathEscape(id), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// GetCredential: One credential.
// Nothing secret is in it.
// GET /api/credentials/{id}
func (a *API) GetCredential(ctx context.Context, id string) (*Credential, error) {
	out := new(Credential)
	if err := a.send(ctx, "GET", "/api/credentials/"+url.PathEscape(id), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// UpdateCredential: Rename or replace a credential.
// New content starts unverified, and the old one goes into the history. The content that is stored already changes nothing.
// PUT /api/credentials/{id}
func (a *API) UpdateCredential(ctx context.Context, id string, body UpdateCredentialRequest) (*UpdateResult, error) {
	out := new(UpdateResult)
	if err := a.send(ctx, "PUT", "/api/credentials/"+url.PathEscape(id), body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// RestoreCredential: Restore a deleted credential.
// Within 90 days of its deletion. It comes back unverified, and no service uses it until one is enabled with it.
// POST /api/credentials/{id}/restore
func (a *API) RestoreCredential(ctx context.Context, id string) (*Credential, error) {
	out := new(Credential)
	if err := a.send(ctx, "POST", "/api/credentials/"+url.PathEscape(id)+"/restore", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ListCredentialUsesQuery are the parameters of ListCredentialUses; zero ones are left out.
type ListCredentialUsesQuery struct {
	Limit int64
	// nextCursor of the page before
	Cursor string
}

// ListCredentialUses: Uses of a credential.
// Each time the server opened it: when, for what, towards which host, in which run. Also of a deleted one, until it is purged.
// GET /api/credentials/{id}/uses
func (a *API) ListCredentialUses(ctx context.Context, id string, q ListCredentialUsesQuery) (*ListCredentialUsesResult, error) {
	parameters := query{}
	parameters.add("limit", q.Limit)
	parameters.add("cursor", q.Cursor)
	out := new(ListCredentialUsesResult)
	if err := a.send(ctx, "GET", parameters.to("/api/credentials/"+url.PathEscape(id)+"/uses"), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// VerifyCredential: Verify a credential.
// Asks the provider, with the least calls that prove the right. A provider that is down leaves the stored state as it was.
// POST /api/credentials/{id}/verify
func (a *API) VerifyCredential(ctx context.Context, id string) (*VerifyCredentialResult, error) {
	out := new(VerifyCredentialResult)
	if err := a.send(ctx, "POST", "/api/credentials/"+url.PathEscape(id)+"/verify", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// CredentialVerifyStatus: Last verification.
// No call to the provider.
// GET /api/credentials/{id}/verify-status
func (a *API) CredentialVerifyStatus(ctx context.Context, id string) (*CredentialVerifyStatusResult, error) {
	out := new(CredentialVerifyStatusResult)
	if err := a.send(ctx, "GET", "/api/credentials/"+url.PathEscape(id)+"/verify-status", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ListCredentialVersions: History of a credential.
// The present content and up to 20 that it replaced within the last 90 days, newest first. Nothing secret is in it.
// GET /api/credentials/{id}/versions
func (a *API) ListCredentialVersions(ctx context.Context, id string) (*ListCredentialVersionsResult, error) {
	out := new(ListCredentialVersionsResult)
	if err := a.send(ctx, "GET", "/api/credentials/"+url.PathEscape(id)+"/versions", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// RestoreCredentialVersion: Go back to an old content.
// Makes the content of a version the present one, under a new number. It is unverified until it is verified again.
// POST /api/credentials/{id}/versions/{n}/restore
func (a *API) RestoreCredentialVersion(ctx context.Context, id string, n string) (*UpdateResult, error) {
	out := new(UpdateResult)
	if err := a.send(ctx, "POST", "/api/credentials/"+url.PathEscape(id)+"/versions/"+url.PathEscape(n)+"/restore", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// SyncGA4Now: Sync GA4 and wait.
// With the credential that is named, whether or not the service is enabled. After 28 seconds the answer is 408, and the run goes on.
// POST /api/ga4/sync
func (a *API) SyncGA4Now(ctx context.Context, body AwaitedRequest) (*AwaitedResult, error) {
	out := new(AwaitedResult)
	if err := a.send(ctx, "POST", "/api/ga4/sync", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// SyncGA4Yesterday: Sync GA4 and wait.
// With the credential that is named, whether or not the service is enabled. After 28 seconds the answer is 408, and the run goes on. options.targetDate is ignored.
// POST /api/ga4/sync/yesterday
func (a *API) SyncGA4Yesterday(ctx context.Context, body AwaitedRequest) (*AwaitedResult, error) {
	out := new(AwaitedResult)
	if err := a.send(ctx, "POST", "/api/ga4/sync/yesterday", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// APIHealth: Health of the vault and the pipeline.
// Runs one round trip to the database.
// GET /api/health
func (a *API) APIHealth(ctx context.Context) (*ApiHealthResult, error) {
	out := new(ApiHealthResult)
	if err := a.send(ctx, "GET", "/api/health", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ListFiguresQuery are the parameters of ListFigures; zero ones are left out.
type ListFiguresQuery struct {
	// Required
	Service string
	// First day, of the source; default: 30 days up to to
	From string
	// Last day, included; default: today, UTC
	To string
	// day (default), week or month
	Granularity string
}

// ListFigures: Figures of a source.
// By day as the source gave them, or summed by week (from Monday) or month. Ratios are worked out from the sums, never averaged. Sources are not added up: two of them describe the same sales. As CSV with Accept: text/csv.
// GET /api/kpis
func (a *API) ListFigures(ctx context.Context, q ListFiguresQuery) (*Figures, error) {
	parameters := query{}
	parameters.add("service", q.Service)
	parameters.add("from", q.From)
	parameters.add("to", q.To)
	parameters.add("granularity", q.Granularity)
	out := new(Figures)
	if err := a.send(ctx, "GET", parameters.to("/api/kpis"), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// SyncMetaNow: Sync Meta and wait.
// With the credential that is named, whether or not the service is enabled. After 28 seconds the answer is 408, and the run goes on.
// POST /api/meta/sync
func (a *API) SyncMetaNow(ctx context.Context, body AwaitedRequest) (*AwaitedResult, error) {
	out := new(AwaitedResult)
	if err := a.send(ctx, "POST", "/api/meta/sync", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// GetNotifications: What is told by mail.
// Whoever never chose hears of everything.
// GET /api/notifications
func (a *API) GetNotifications(ctx context.Context) (*Settings, error) {
	out := new(Settings)
	if err := a.send(ctx, "GET", "/api/notifications", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// SetNotifications: Choose what is told by mail.
// Replaces the settings. Webhooks have their own list of events.
// PUT /api/notifications
func (a *API) SetNotifications(ctx context.Context, body SetNotificationsRequest) (*Settings, error) {
	out := new(Settings)
	if err := a.send(ctx, "PUT", "/api/notifications", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// TestNotifications: Send a test.
// By mail, unless mails are switched off, and to every webhook, whatever it listens to. At most ten an hour.
// POST /api/notifications/test
func (a *API) TestNotifications(ctx context.Context) (*TestNotificationsResult, error) {
	out := new(TestNotificationsResult)
	if err := a.send(ctx, "POST", "/api/notifications/test", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ListRunsQuery are the parameters of ListRuns; zero ones are left out.
type ListRunsQuery struct {
	// Only runs of this source
	Service string
	// Only runs in this state
	Status string
	Limit  int64
	// nextCursor of the page before
	Cursor string
}

// ListRuns: List runs.
// Newest first. Completed runs are kept for a day, others for a week.
// GET /api/runs
func (a *API) ListRuns(ctx context.Context, q ListRunsQuery) (*ListRunsResult, error) {
	parameters := query{}
	parameters.add("service", q.Service)
	parameters.add("status", q.Status)
	parameters.add("limit", q.Limit)
	parameters.add("cursor", q.Cursor)
	out := new(ListRunsResult)
	if err := a.send(ctx, "GET", parameters.to("/api/runs"), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// CreateRun: Collect a range of days.
// Fetches every day from..to and brings the mapped tab up to date, in pieces of 90 days, each of which is finished before the next begins. Without from and to: the trailing window. A dry run writes nothing and says what it would change.
// POST /api/runs
func (a *API) CreateRun(ctx context.Context, body CreateRunRequest) (*Run, error) {
	out := new(Run)
	if err := a.send(ctx, "POST", "/api/runs", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// GetRun: One run.
// Own runs only.
// GET /api/runs/{id}
func (a *API) GetRun(ctx context.Context, id string) (*Run, error) {
	out := new(Run)
	if err := a.send(ctx, "GET", "/api/runs/"+url.PathEscape(id), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// CancelRun: Cancel a run.
// What it has written so far stays; a write that is on its way may still arrive.
// POST /api/runs/{id}/cancel
func (a *API) CancelRun(ctx context.Context, id string) (*Run, error) {
	out := new(Run)
	if err := a.send(ctx, "POST", "/api/runs/"+url.PathEscape(id)+"/cancel", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// RetryRun: Try a run again.
// Of a run that failed or was cancelled. It goes on after the last day that it loaded.
// POST /api/runs/{id}/retry
func (a *API) RetryRun(ctx context.Context, id string) (*Run, error) {
	out := new(Run)
	if err := a.send(ctx, "POST", "/api/runs/"+url.PathEscape(id)+"/retry", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// UndoRun: Take a load back.
// Puts back what the run replaced, where the cells still hold what it wrote, and empties the rows that it added. Once, and only the last load of a tab. The stored figures stay, so the next run of the service writes them again.
// POST /api/runs/{id}/undo
func (a *API) UndoRun(ctx context.Context, id string) (*Undone, error) {
	out := new(Undone)
	if err := a.send(ctx, "POST", "/api/runs/"+url.PathEscape(id)+"/undo", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ListSchedules: List schedules.
// One per source. Those that were never set are there too, switched off.
// GET /api/schedules
func (a *API) ListSchedules(ctx context.Context) (*ListSchedulesResult, error) {
	out := new(ListSchedulesResult)
	if err := a.send(ctx, "GET", "/api/schedules", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// SetSchedule: Set a schedule.
// A cron expression of five fields (minute, hour, day of month, month, weekday) with lists, ranges, steps and names, in an IANA time zone. A local time that a clock change skips runs at the next valid minute, one that it repeats runs once. Where day of month and weekday are both restricted, either is enough.
// PUT /api/schedules/{service}
func (a *API) SetSchedule(ctx context.Context, service string, body SetScheduleRequest) (*SetScheduleResult, error) {
	out := new(SetScheduleResult)
	if err := a.send(ctx, "PUT", "/api/schedules/"+url.PathEscape(service), body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// PreviewScheduleQuery are the parameters of PreviewSchedule; zero ones are left out.
type PreviewScheduleQuery struct {
	Cron     string
	Timezone string
}

// PreviewSchedule: When a schedule would run.
// The next five times. What is left out is taken from the schedule as it is.
// GET /api/schedules/{service}/preview
func (a *API) PreviewSchedule(ctx context.Context, service string, q PreviewScheduleQuery) (*PreviewScheduleResult, error) {
	parameters := query{}
	parameters.add("cron", q.Cron)
	parameters.add("timezone", q.Timezone)
	out := new(PreviewScheduleResult)
	if err := a.send(ctx, "GET", parameters.to("/api/schedules/"+url.PathEscape(service)+"/preview"), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// RunSchedule: Run a schedule now.
// Creates a run as the schedule would, whether or not it is switched on. Its times stay as they are.
// POST /api/schedules/{service}/run
func (a *API) RunSchedule(ctx context.Context, service string) (*RunScheduleResult, error) {
	out := new(RunScheduleResult)
	if err := a.send(ctx, "POST", "/api/schedules/"+url.PathEscape(service)+"/run", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ListServices: List services.
// Every service, enabled or not, with the credential it uses.
// GET /api/services
func (a *API) ListServices(ctx context.Context) (*ListServicesResult, error) {
	out := new(ListServicesResult)
	if err := a.send(ctx, "GET", "/api/services", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// DisableService: Disable a service.
// The credential stays.
// POST /api/services/{service}/disable
func (a *API) DisableService(ctx context.Context, service string) (*DisableServiceResult, error) {
	out := new(DisableServiceResult)
	if err := a.send(ctx, "POST", "/api/services/"+url.PathEscape(service)+"/disable", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// EnableService: Enable a service.
// Binds one of the caller's credentials to the service.
// POST /api/services/{service}/enable
func (a *API) EnableService(ctx context.Context, service string, body EnableServiceRequest) (*EnableServiceResult, error) {
	out := new(EnableServiceResult)
	if err := a.send(ctx, "POST", "/api/services/"+url.PathEscape(service)+"/enable", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ListSheetMappings: List mappings.
// Ordered by service.
// GET /api/sheet-mappings
func (a *API) ListSheetMappings(ctx context.Context) (*ListSheetMappingsResult, error) {
	out := new(ListSheetMappingsResult)
	if err := a.send(ctx, "GET", "/api/sheet-mappings", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// SetSheetMapping: Map a service to a tab.
// One mapping per service; setting it again replaces it.
// POST /api/sheet-mappings/set
func (a *API) SetSheetMapping(ctx context.Context, body SetSheetMappingRequest) (*Mapping, error) {
	out := new(Mapping)
	if err := a.send(ctx, "POST", "/api/sheet-mappings/set", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// DeleteSheetMapping: Remove a mapping.
// The spreadsheet and what is in it stay; runs of the service end with an error until a tab is mapped again.
// DELETE /api/sheet-mappings/{service}
func (a *API) DeleteSheetMapping(ctx context.Context, service string) (*DoneResult, error) {
	out := new(DoneResult)
	if err := a.send(ctx, "DELETE", "/api/sheet-mappings/"+url.PathEscape(service), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ListSpreadsheetsQuery are the parameters of ListSpreadsheets; zero ones are left out.
type ListSpreadsheetsQuery struct {
	// One of the caller's google_sheets credentials
	CredentialID string
}

// ListSpreadsheets: Spreadsheets the credential sees.
// At most 1000.
// GET /api/sheets/spreadsheets
func (a *API) ListSpreadsheets(ctx context.Context, q ListSpreadsheetsQuery) (*FilesResult, error) {
	parameters := query{}
	parameters.add("credential_id", q.CredentialID)
	out := new(FilesResult)
	if err := a.send(ctx, "GET", parameters.to("/api/sheets/spreadsheets"), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ListTabsQuery are the parameters of ListTabs; zero ones are left out.
type ListTabsQuery struct {
	// One of the caller's google_sheets credentials
	CredentialID string
}

// ListTabs: Tabs of a spreadsheet.
// In the order of the spreadsheet.
// GET /api/sheets/{spreadsheetId}/sheets
func (a *API) ListTabs(ctx context.Context, spreadsheetId string, q ListTabsQuery) (*FilesResult, error) {
	parameters := query{}
	parameters.add("credential_id", q.CredentialID)
	out := new(FilesResult)
	if err := a.send(ctx, "GET", parameters.to("/api/sheets/"+url.PathEscape(spreadsheetId)+"/sheets"), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ReadTabQuery are the parameters of ReadTab; zero ones are left out.
type ReadTabQuery struct {
	// One of the caller's google_sheets credentials
	CredentialID string
	// Name of the tab
	SheetName string
	// Rows at a time, 1 to 10000; without it the whole tab, if it is not too large
	Limit string
	// Rows to pass over, with limit
	Offset string
}

// ReadTab: Values of a tab.
// As formatted text: the whole tab, or with limit so many rows of it.
// GET /api/sheets/{spreadsheetId}/values
func (a *API) ReadTab(ctx context.Context, spreadsheetId string, q ReadTabQuery) (*ReadTabResult, error) {
	parameters := query{}
	parameters.add("credential_id", q.CredentialID)
	parameters.add("sheetName", q.SheetName)
	parameters.add("limit", q.Limit)
	parameters.add("offset", q.Offset)
	out := new(ReadTabResult)
	if err := a.send(ctx, "GET", parameters.to("/api/sheets/"+url.PathEscape(spreadsheetId)+"/values"), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// SyncShopifyNow: Sync Shopify and wait.
// With the credential that is named, whether or not the service is enabled. After 28 seconds the answer is 408, and the run goes on.
// POST /api/shopify/sync
func (a *API) SyncShopifyNow(ctx context.Context, body AwaitedRequest) (*AwaitedResult, error) {
	out := new(AwaitedResult)
	if err := a.send(ctx, "POST", "/api/shopify/sync", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// SyncShopifyYesterday: Sync Shopify and wait.
// With the credential that is named, whether or not the service is enabled. After 28 seconds the answer is 408, and the run goes on. options.targetDate is ignored.
// POST /api/shopify/sync/yesterday
func (a *API) SyncShopifyYesterday(ctx context.Context, body AwaitedRequest) (*AwaitedResult, error) {
	out := new(AwaitedResult)
	if err := a.send(ctx, "POST", "/api/shopify/sync/yesterday", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// CompleteOnboarding: Onboarding is done.
// It may be done again.
// POST /api/user/onboarding/complete
func (a *API) CompleteOnboarding(ctx context.Context) (*OnboardingResult, error) {
	out := new(OnboardingResult)
	if err := a.send(ctx, "POST", "/api/user/onboarding/complete", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ResetOnboarding: Onboarding begins anew.
// It may be done again.
// POST /api/user/onboarding/reset
func (a *API) ResetOnboarding(ctx context.Context) (*OnboardingResult, error) {
	out := new(OnboardingResult)
	if err := a.send(ctx, "POST", "/api/user/onboarding/reset", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// UserStatus: The caller.
// By the number that the routes below /api use.
// GET /api/user/status
func (a *API) UserStatus(ctx context.Context) (*UserStatusResult, error) {
	out := new(UserStatusResult)
	if err := a.send(ctx, "GET", "/api/user/status", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// GetJob: One run.
// Own runs only.
// GET /api/v1/jobs/{jobId}
func (a *API) GetJob(ctx context.Context, jobId string) (*GetJobResult, error) {
	out := new(GetJobResult)
	if err := a.send(ctx, "GET", "/api/v1/jobs/"+url.PathEscape(jobId), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// QueueStats: How many runs there are.
// By state: the caller's; of all users for operators.
// GET /api/v1/queue/stats
func (a *API) QueueStats(ctx context.Context) (*QueueStatsResult, error) {
	out := new(QueueStatsResult)
	if err := a.send(ctx, "GET", "/api/v1/queue/stats", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// SyncAll: Sync all sources now.
// Creates a run for each source that is enabled and that the operator has not switched off. They start half a minute apart.
// POST /api/v1/sync/all
func (a *API) SyncAll(ctx context.Context, body SyncRequest) (*SyncAllResult, error) {
	out := new(SyncAllResult)
	if err := a.send(ctx, "POST", "/api/v1/sync/all", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// SyncService: Sync now.
// Creates a run that fetches the source's figures and writes them to the mapped tab. Without targetDate: the trailing window up to the source's own yesterday.
// POST /api/v1/sync/{service}
func (a *API) SyncService(ctx context.Context, service string, body SyncRequest) (*SyncServiceResult, error) {
	out := new(SyncServiceResult)
	if err := a.send(ctx, "POST", "/api/v1/sync/"+url.PathEscape(service), body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ListWebhooks: List webhooks.
// Newest first. No secret is in it.
// GET /api/webhooks
func (a *API) ListWebhooks(ctx context.Context) (*ListWebhooksResult, error) {
	out := new(ListWebhooksResult)
	if err := a.send(ctx, "GET", "/api/webhooks", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// CreateWebhook: Add a webhook.
// The secret in the answer signs every delivery (Standard Webhooks); it is shown once. In the format of a chat the address is the
// secret: host and last four characters are all that is ever shown of it. At most ten per user.
// POST /api/webhooks
func (a *API) CreateWebhook(ctx context.Context, body CreateWebhookRequest) (*CreateWebhookResult, error) {
	out := new(CreateWebhookResult)
	if err := a.send(ctx, "POST", "/api/webhooks", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// DeleteWebhook: Delete a webhook.
// Its deliveries go with it.
// DELETE /api/webhooks/{id}
func (a *API) DeleteWebhook(ctx context.Context, id string) (*DoneResult, error) {
	out := new(DoneResult)
	if err := a.send(ctx, "DELETE", "/api/webhooks/"+url.PathEscape(id), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ListDeliveriesQuery are the parameters of ListDeliveries; zero ones are left out.
type ListDeliveriesQuery struct {
	Limit int64
	// nextCursor of the page before
	Cursor string
}

// ListDeliveries: Deliveries of a webhook.
// Newest first; kept for 30 days.
// GET /api/webhooks/{id}/deliveries
func (a *API) ListDeliveries(ctx context.Context, id string, q ListDeliveriesQuery) (*ListDeliveriesResult, error) {
	parameters := query{}
	parameters.add("limit", q.Limit)
	parameters.add("cursor", q.Cursor)
	out := new(ListDeliveriesResult)
	if err := a.send(ctx, "GET", parameters.to("/api/webhooks/"+url.PathEscape(id)+"/deliveries"), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ReplayDelivery: Deliver again.
// One attempt, at once, with the same id and body. What it comes to is seen in the list. At most thirty an hour.
// POST /api/webhooks/{id}/deliveries/{delivery}/replay
func (a *API) ReplayDelivery(ctx context.Context, id string, delivery string) (*DoneResult, error) {
	out := new(DoneResult)
	if err := a.send(ctx, "POST", "/api/webhooks/"+url.PathEscape(id)+"/deliveries/"+url.PathEscape(delivery)+"/replay", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// Health: Health.
// Runs one round trip to the database.
// GET /health
func (a *API) Health(ctx context.Context) (*HealthResult, error) {
	out := new(HealthResult)
	if err := a.send(ctx, "GET", "/health", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// Livez: Is the process alive.
// Answers as long as the process answers at all.
// GET /livez
func (a *API) Livez(ctx context.Context) (*ProbeResult, error) {
	out := new(ProbeResult)
	if err := a.send(ctx, "GET", "/livez", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// Readyz: May traffic be sent here.
// False while starting, while shutting down and without a database.
// GET /readyz
func (a *API) Readyz(ctx context.Context) (*ProbeResult, error) {
	out := new(ProbeResult)
	if err := a.send(ctx, "GET", "/readyz", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ListAppsQuery are the parameters of ListApps; zero ones are left out.
type ListAppsQuery struct {
	Limit int64
	// nextCursor of the page before
	Cursor string
}

// ListApps: List apps.
// By id. For operators.
// GET /v1/admin/apps
func (a *API) ListApps(ctx context.Context, q ListAppsQuery) (*ListAppsResult, error) {
	parameters := query{}
	parameters.add("limit", q.Limit)
	parameters.add("cursor", q.Cursor)
	out := new(ListAppsResult)
	if err := a.send(ctx, "GET", parameters.to("/v1/admin/apps"), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// CreateApp: Register an app.
// For operators.
// POST /v1/admin/apps
func (a *API) CreateApp(ctx context.Context, body CreateAppRequest) (*AppResult, error) {
	out := new(AppResult)
	if err := a.send(ctx, "POST", "/v1/admin/apps", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// DeleteApp: Delete an app.
// Only one without users, and never the default app. For operators.
// DELETE /v1/admin/apps/{id}
func (a *API) DeleteApp(ctx context.Context, id string) (*MessageResult, error) {
	out := new(MessageResult)
	if err := a.send(ctx, "DELETE", "/v1/admin/apps/"+url.PathEscape(id), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// GetApp: One app.
// With all settings; null is the server's default.
// GET /v1/admin/apps/{id}
func (a *API) GetApp(ctx context.Context, id string) (*AppResult, error) {
	out := new(AppResult)
	if err := a.send(ctx, "GET", "/v1/admin/apps/"+url.PathEscape(id), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// UpdateApp: Change settings of an app.
// What is absent stays, null is the server's default again. Tokens that were issued before live on as they are: a shorter accessTtl holds for new ones; to end the old ones, revoke the app. For operators.
// PATCH /v1/admin/apps/{id}
func (a *API) UpdateApp(ctx context.Context, id string, body AppChange) (*AppResult, error) {
	out := new(AppResult)
	if err := a.send(ctx, "PATCH", "/v1/admin/apps/"+url.PathEscape(id), body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ListAppAuditQuery are the parameters of ListAppAudit; zero ones are left out.
type ListAppAuditQuery struct {
	Limit int64
	// nextCursor of the page before
	Cursor string
	// Whom it happened to
	User string
	// Who did it: a user's id, admin-key:<name>, or gravy
	Actor  string
	Action string
	// ISO 8601 time or day, included
	From string
	// ISO 8601 time or day, not included
	To string
}

// ListAppAudit: Read an app's audit log.
// Newest first.
// GET /v1/admin/apps/{id}/audit
func (a *API) ListAppAudit(ctx context.Context, id string, q ListAppAuditQuery) (*AuditEntryPage, error) {
	parameters := query{}
	parameters.add("limit", q.Limit)
	parameters.add("cursor", q.Cursor)
	parameters.add("user", q.User)
	parameters.add("actor", q.Actor)
	parameters.add("action", q.Action)
	parameters.add("from", q.From)
	parameters.add("to", q.To)
	out := new(AuditEntryPage)
	if err := a.send(ctx, "GET", parameters.to("/v1/admin/apps/"+url.PathEscape(id)+"/audit"), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// SetBrand: Change how an app's pages look.
// Colour and logo of the pages for signing in and of the console; null is the house's own.
// PUT /v1/admin/apps/{id}/brand
func (a *API) SetBrand(ctx context.Context, id string, body SetBrandRequest) (*EntranceResult, error) {
	out := new(EntranceResult)
	if err := a.send(ctx, "PUT", "/v1/admin/apps/"+url.PathEscape(id)+"/brand", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ListMailTemplates: List the mails of an app.
// Every kind of mail, and whether the app has words of its own for it.
// GET /v1/admin/apps/{id}/mail-templates
func (a *API) ListMailTemplates(ctx context.Context, id string) (*ListMailTemplatesResult, error) {
	out := new(ListMailTemplatesResult)
	if err := a.send(ctx, "GET", "/v1/admin/apps/"+url.PathEscape(id)+"/mail-templates", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ResetMailTemplate: Give a mail its default words again.
// For operators.
// DELETE /v1/admin/apps/{id}/mail-templates/{kind}
func (a *API) ResetMailTemplate(ctx context.Context, id string, kind string) (*MailTemplateResult, error) {
	out := new(MailTemplateResult)
	if err := a.send(ctx, "DELETE", "/v1/admin/apps/"+url.PathEscape(id)+"/mail-templates/"+url.PathEscape(kind), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// GetMailTemplate: One mail of an app.
// Words are Go templates; which fields they may use is in the documentation of mails.
// GET /v1/admin/apps/{id}/mail-templates/{kind}
func (a *API) GetMailTemplate(ctx context.Context, id string, kind string) (*MailTemplateResult, error) {
	out := new(MailTemplateResult)
	if err := a.send(ctx, "GET", "/v1/admin/apps/"+url.PathEscape(id)+"/mail-templates/"+url.PathEscape(kind), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// SetMailTemplate: Change the words of a mail.
// Words are Go templates; which fields they may use is in the documentation of mails. They are tried out first, and hold for the next mail. For operators.
// PUT /v1/admin/apps/{id}/mail-templates/{kind}
func (a *API) SetMailTemplate(ctx context.Context, id string, kind string, body MailChange) (*MailTemplateResult, error) {
	out := new(MailTemplateResult)
	if err := a.send(ctx, "PUT", "/v1/admin/apps/"+url.PathEscape(id)+"/mail-templates/"+url.PathEscape(kind), body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// PreviewMailTemplate: Show what words would send.
// Words are Go templates; which fields they may use is in the documentation of mails. The answer holds sample data; nothing is kept or sent.
// POST /v1/admin/apps/{id}/mail-templates/{kind}/preview
func (a *API) PreviewMailTemplate(ctx context.Context, id string, kind string, body MailChange) (*PreviewMailTemplateResult, error) {
	out := new(PreviewMailTemplateResult)
	if err := a.send(ctx, "POST", "/v1/admin/apps/"+url.PathEscape(id)+"/mail-templates/"+url.PathEscape(kind)+"/preview", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// RevokeApp: Sign everybody of an app out.
// Ends all access tokens and sessions of the app, the caller's own too if it is theirs.
// POST /v1/admin/apps/{id}/revoke
func (a *API) RevokeApp(ctx context.Context, id string, body RevokeAppRequest) (*RevokeAppResult, error) {
	out := new(RevokeAppResult)
	if err := a.send(ctx, "POST", "/v1/admin/apps/"+url.PathEscape(id)+"/revoke", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ListUsersQuery are the parameters of ListUsers; zero ones are left out.
type ListUsersQuery struct {
	Limit int64
	// nextCursor of the page before
	Cursor string
	// Part of the address, without regard to case
	Q        string
	Role     string
	Status   string
	Verified string
}

// ListUsers: Search an app's users.
// Newest first.
// GET /v1/admin/apps/{id}/users
func (a *API) ListUsers(ctx context.Context, id string, q ListUsersQuery) (*ListUsersResult, error) {
	parameters := query{}
	parameters.add("limit", q.Limit)
	parameters.add("cursor", q.Cursor)
	parameters.add("q", q.Q)
	parameters.add("role", q.Role)
	parameters.add("status", q.Status)
	parameters.add("verified", q.Verified)
	out := new(ListUsersResult)
	if err := a.send(ctx, "GET", parameters.to("/v1/admin/apps/"+url.PathEscape(id)+"/users"), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// CreateUser: Make an account.
// Without a password the user gets a mail to choose one, and nobody signs in before that.
// POST /v1/admin/apps/{id}/users
func (a *API) CreateUser(ctx context.Context, id string, body CreateUserRequest) (*UserResult, error) {
	out := new(UserResult)
	if err := a.send(ctx, "POST", "/v1/admin/apps/"+url.PathEscape(id)+"/users", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// DeleteUser: Delete a user.
// With sessions, tokens, credentials and schedules. An app keeps its last administrator.
// DELETE /v1/admin/apps/{id}/users/{userId}
func (a *API) DeleteUser(ctx context.Context, id string, userId string) (*MessageResult, error) {
	out := new(MessageResult)
	if err := a.send(ctx, "DELETE", "/v1/admin/apps/"+url.PathEscape(id)+"/users/"+url.PathEscape(userId), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// GetUser: One user.
// With the number of live sessions.
// GET /v1/admin/apps/{id}/users/{userId}
func (a *API) GetUser(ctx context.Context, id string, userId string) (*UserResult, error) {
	out := new(UserResult)
	if err := a.send(ctx, "GET", "/v1/admin/apps/"+url.PathEscape(id)+"/users/"+url.PathEscape(userId), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ActivateUser: Let a suspended user act again.
// With a new sign-in.
// POST /v1/admin/apps/{id}/users/{userId}/activate
func (a *API) ActivateUser(ctx context.Context, id string, userId string) (*UserResult, error) {
	out := new(UserResult)
	if err := a.send(ctx, "POST", "/v1/admin/apps/"+url.PathEscape(id)+"/users/"+url.PathEscape(userId)+"/activate", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// EndUserSessions: Sign a user out everywhere.
// Access tokens end too.
// POST /v1/admin/apps/{id}/users/{userId}/end-sessions
func (a *API) EndUserSessions(ctx context.Context, id string, userId string) (*UserResult, error) {
	out := new(UserResult)
	if err := a.send(ctx, "POST", "/v1/admin/apps/"+url.PathEscape(id)+"/users/"+url.PathEscape(userId)+"/end-sessions", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ResetUserPassword: Send a reset mail.
// All sessions and tokens of the user end, and the user gets a mail to choose a new password. Nobody else can choose it; the old one is good until then.
// POST /v1/admin/apps/{id}/users/{userId}/reset-password
func (a *API) ResetUserPassword(ctx context.Context, id string, userId string) (*UserResult, error) {
	out := new(UserResult)
	if err := a.send(ctx, "POST", "/v1/admin/apps/"+url.PathEscape(id)+"/users/"+url.PathEscape(userId)+"/reset-password", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// SetUserRole: Change a user's role.
// All sessions and tokens of the user end, since they name the role. An app keeps its last administrator.
// PUT /v1/admin/apps/{id}/users/{userId}/role
func (a *API) SetUserRole(ctx context.Context, id string, userId string, body SetUserRoleRequest) (*UserResult, error) {
	out := new(UserResult)
	if err := a.send(ctx, "PUT", "/v1/admin/apps/"+url.PathEscape(id)+"/users/"+url.PathEscape(userId)+"/role", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// SuspendUser: Suspend a user.
// The user cannot act or sign in; tokens and sessions end at once. The last administrator of an app cannot be suspended.
// POST /v1/admin/apps/{id}/users/{userId}/suspend
func (a *API) SuspendUser(ctx context.Context, id string, userId string) (*UserResult, error) {
	out := new(UserResult)
	if err := a.send(ctx, "POST", "/v1/admin/apps/"+url.PathEscape(id)+"/users/"+url.PathEscape(userId)+"/suspend", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// VerifyUser: Take the address as verified.
// Open verification links are void.
// POST /v1/admin/apps/{id}/users/{userId}/verify
func (a *API) VerifyUser(ctx context.Context, id string, userId string) (*UserResult, error) {
	out := new(UserResult)
	if err := a.send(ctx, "POST", "/v1/admin/apps/"+url.PathEscape(id)+"/users/"+url.PathEscape(userId)+"/verify", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ListAuditQuery are the parameters of ListAudit; zero ones are left out.
type ListAuditQuery struct {
	Limit int64
	// nextCursor of the page before
	Cursor string
	// App id
	App string
	// Whom it happened to
	User string
	// Who did it: a user's id, admin-key:<name>, or gravy
	Actor  string
	Action string
	// ISO 8601 time or day, included
	From string
	// ISO 8601 time or day, not included
	To string
}

// ListAudit: Read the audit log.
// Newest first. For operators.
// GET /v1/admin/audit
func (a *API) ListAudit(ctx context.Context, q ListAuditQuery) (*AuditEntryPage, error) {
	parameters := query{}
	parameters.add("limit", q.Limit)
	parameters.add("cursor", q.Cursor)
	parameters.add("app", q.App)
	parameters.add("user", q.User)
	parameters.add("actor", q.Actor)
	parameters.add("action", q.Action)
	parameters.add("from", q.From)
	parameters.add("to", q.To)
	out := new(AuditEntryPage)
	if err := a.send(ctx, "GET", parameters.to("/v1/admin/audit"), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// VerifyAuditQuery are the parameters of VerifyAudit; zero ones are left out.
type VerifyAuditQuery struct {
	// First month whose rows are checked; default: the month before this one
	From string
	// Last month; default: this one and later
	To string
}

// VerifyAudit: Verify the audit.
// Holds the rows of some months against their seals, and the chain of seals as a whole. `gravy audit verify` does the same for all months, with archived files and checkpoints. For operators.
// GET /v1/admin/audit/verify
func (a *API) VerifyAudit(ctx context.Context, q VerifyAuditQuery) (*VerifyAuditResult, error) {
	parameters := query{}
	parameters.add("from", q.From)
	parameters.add("to", q.To)
	out := new(VerifyAuditResult)
	if err := a.send(ctx, "GET", parameters.to("/v1/admin/audit/verify"), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// Doctor: Look the server over.
// What `gravy doctor` says: what is wrong, where, and how to mend it. It only looks. For operators.
// GET /v1/admin/doctor
func (a *API) Doctor(ctx context.Context) (*DoctorResult, error) {
	out := new(DoctorResult)
	if err := a.send(ctx, "GET", "/v1/admin/doctor", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// AdminHealth: How this server is.
// For operators.
// GET /v1/admin/health
func (a *API) AdminHealth(ctx context.Context) (*AdminHealthResult, error) {
	out := new(AdminHealthResult)
	if err := a.send(ctx, "GET", "/v1/admin/health", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ListQueuedJobsQuery are the parameters of ListQueuedJobs; zero ones are left out.
type ListQueuedJobsQuery struct {
	Limit int64
	// nextCursor of the page before
	Cursor string
	State  string
	Kind   string
}

// ListQueuedJobs: List jobs.
// Work in the background, newest first. `state=discarded` are the dead letters: their attempts are used up. Ended jobs stay for a day, dead letters for a week. For operators.
// GET /v1/admin/jobs
func (a *API) ListQueuedJobs(ctx context.Context, q ListQueuedJobsQuery) (*ListQueuedJobsResult, error) {
	parameters := query{}
	parameters.add("limit", q.Limit)
	parameters.add("cursor", q.Cursor)
	parameters.add("state", q.State)
	parameters.add("kind", q.Kind)
	out := new(ListQueuedJobsResult)
	if err := a.send(ctx, "GET", parameters.to("/v1/admin/jobs"), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// GetQueuedJob: One job.
// For operators.
// GET /v1/admin/jobs/{job}
func (a *API) GetQueuedJob(ctx context.Context, job string) (*JobResult, error) {
	out := new(JobResult)
	if err := a.send(ctx, "GET", "/v1/admin/jobs/"+url.PathEscape(job), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// CancelQueuedJob: Cancel a job.
// It does not run again; one that runs is told to stop. 409 when it has ended. For operators.
// POST /v1/admin/jobs/{job}/cancel
func (a *API) CancelQueuedJob(ctx context.Context, job string) (*JobResult, error) {
	out := new(JobResult)
	if err := a.send(ctx, "POST", "/v1/admin/jobs/"+url.PathEscape(job)+"/cancel", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// RetryQueuedJob: Let a job run now.
// A dead letter and a cancelled job get one more attempt; one that waits for its next attempt waits no longer. 409 while it runs, and when it is completed. For operators.
// POST /v1/admin/jobs/{job}/retry
func (a *API) RetryQueuedJob(ctx context.Context, job string) (*JobResult, error) {
	out := new(JobResult)
	if err := a.send(ctx, "POST", "/v1/admin/jobs/"+url.PathEscape(job)+"/retry", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ListKeys: List signing keys.
// Newest first, those that are gone included. Public parts only. For operators.
// GET /v1/admin/keys
func (a *API) ListKeys(ctx context.Context) (*ListKeysResult, error) {
	out := new(ListKeysResult)
	if err := a.send(ctx, "GET", "/v1/admin/keys", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// RotateKeys: Rotate the signing keys.
// A new key takes over as soon as every server publishes it; the others verify until the last token they signed has expired. For operators.
// POST /v1/admin/keys/rotate
func (a *API) RotateKeys(ctx context.Context, body RotateKeysRequest) (*KeyInfoResult, error) {
	out := new(KeyInfoResult)
	if err := a.send(ctx, "POST", "/v1/admin/keys/rotate", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ActivateKey: Make a signing key sign.
// Brings it back if it was retired. For operators.
// POST /v1/admin/keys/{kid}/activate
func (a *API) ActivateKey(ctx context.Context, kid string) (*KeyInfoResult, error) {
	out := new(KeyInfoResult)
	if err := a.send(ctx, "POST", "/v1/admin/keys/"+url.PathEscape(kid)+"/activate", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// RetireKey: Retire a signing key.
// The only one that can sign stays. For operators.
// POST /v1/admin/keys/{kid}/retire
func (a *API) RetireKey(ctx context.Context, kid string) (*KeyInfoResult, error) {
	out := new(KeyInfoResult)
	if err := a.send(ctx, "POST", "/v1/admin/keys/"+url.PathEscape(kid)+"/retire", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// RevokeKey: Revoke a signing key.
// For a key that others may have. It leaves the key set, and every token it signed is refused here within a second; whoever verifies with a copy of the key set takes them until that is renewed. If it signs, a new key does from now on. Sessions go on: they refresh. It does not come back. For operators.
// POST /v1/admin/keys/{kid}/revoke
func (a *API) RevokeKey(ctx context.Context, kid string) (*RevokeKeyResult, error) {
	out := new(RevokeKeyResult)
	if err := a.send(ctx, "POST", "/v1/admin/keys/"+url.PathEscape(kid)+"/revoke", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ClearLockoutQuery are the parameters of ClearLockout; zero ones are left out.
type ClearLockoutQuery struct {
	// App id; default: the default app
	App   string
	Email string
}

// ClearLockout: Lift the lockout of an account.
// Forgets failed sign-ins of an address in an app, whether or not it has an account. For operators.
// DELETE /v1/admin/limits
func (a *API) ClearLockout(ctx context.Context, q ClearLockoutQuery) (*MessageResult, error) {
	parameters := query{}
	parameters.add("app", q.App)
	parameters.add("email", q.Email)
	out := new(MessageResult)
	if err := a.send(ctx, "DELETE", parameters.to("/v1/admin/limits"), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ListMailsQuery are the parameters of ListMails; zero ones are left out.
type ListMailsQuery struct {
	Limit int64
	// nextCursor of the page before
	Cursor    string
	Recipient string
}

// ListMails: Read the development mailbox.
// Where mails are kept instead of sent (EMAIL_SERVICE=mailbox), never in production. For operators.
// GET /v1/admin/mailbox
func (a *API) ListMails(ctx context.Context, q ListMailsQuery) (*ListMailsResult, error) {
	parameters := query{}
	parameters.add("limit", q.Limit)
	parameters.add("cursor", q.Cursor)
	parameters.add("recipient", q.Recipient)
	out := new(ListMailsResult)
	if err := a.send(ctx, "GET", parameters.to("/v1/admin/mailbox"), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ListRevocationsQuery are the parameters of ListRevocations; zero ones are left out.
type ListRevocationsQuery struct {
	Limit int64
	// nextCursor of the page before
	Cursor string
	// App id
	App string
}

// ListRevocations: List revocations.
// What ends access tokens before they expire; newest first. For operators.
// GET /v1/admin/revocations
func (a *API) ListRevocations(ctx context.Context, q ListRevocationsQuery) (*ListRevocationsResult, error) {
	parameters := query{}
	parameters.add("limit", q.Limit)
	parameters.add("cursor", q.Cursor)
	parameters.add("app", q.App)
	out := new(ListRevocationsResult)
	if err := a.send(ctx, "GET", parameters.to("/v1/admin/revocations"), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// AddRevocation: Revoke.
// An access token by its jti (then userId is needed), a session, everything of a user, or everything of an app. For operators.
// POST /v1/admin/revocations
func (a *API) AddRevocation(ctx context.Context, body AddRevocationRequest) (*AddRevocationResult, error) {
	out := new(AddRevocationResult)
	if err := a.send(ctx, "POST", "/v1/admin/revocations", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ListLiveSessionsQuery are the parameters of ListLiveSessions; zero ones are left out.
type ListLiveSessionsQuery struct {
	Limit int64
	// nextCursor of the page before
	Cursor string
	// App id
	App string
	// User id
	User string
}

// ListLiveSessions: List live sessions.
// Of all apps, newest first. For operators.
// GET /v1/admin/sessions
func (a *API) ListLiveSessions(ctx context.Context, q ListLiveSessionsQuery) (*ListLiveSessionsResult, error) {
	parameters := query{}
	parameters.add("limit", q.Limit)
	parameters.add("cursor", q.Cursor)
	parameters.add("app", q.App)
	parameters.add("user", q.User)
	out := new(ListLiveSessionsResult)
	if err := a.send(ctx, "GET", parameters.to("/v1/admin/sessions"), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// EndLiveSession: End a session.
// Its access tokens end with it. For operators.
// DELETE /v1/admin/sessions/{sid}
func (a *API) EndLiveSession(ctx context.Context, sid string) (*MessageResult, error) {
	out := new(MessageResult)
	if err := a.send(ctx, "DELETE", "/v1/admin/sessions/"+url.PathEscape(sid), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// Stats: Figures of the server.
// For operators.
// GET /v1/admin/stats
func (a *API) Stats(ctx context.Context) (*StatsResult, error) {
	out := new(StatsResult)
	if err := a.send(ctx, "GET", "/v1/admin/stats", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// GetEntrance: What a sign-in page has to know.
// Name, look and rules of an app. Public.
// GET /v1/apps/{id}
func (a *API) GetEntrance(ctx context.Context, id string) (*EntranceResult, error) {
	out := new(EntranceResult)
	if err := a.send(ctx, "GET", "/v1/apps/"+url.PathEscape(id), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// Introspect: Is this token worth anything.
// For backend services. Tokens of any app; the truth of this moment: authentic, not expired, not revoked or rotated, of an active user. It never counts as a use.
// POST /v1/auth/introspect
func (a *API) Introspect(ctx context.Context, body TokenRequest) (*IntrospectResult, error) {
	out := new(IntrospectResult)
	if err := a.send(ctx, "POST", "/v1/auth/introspect", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// Login: Sign in.
// Checks a password and opens a session. Unknown user and wrong password get the same answer, in the same time. The answer sets a cookie that makes the device known: who sends it along is let in while others guess at the account.
// POST /v1/auth/login
func (a *API) Login(ctx context.Context, body LoginRequest) (*SignedInResult, error) {
	out := new(SignedInResult)
	if err := a.send(ctx, "POST", "/v1/auth/login", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// Logout: Sign out.
// Ends the session of a refresh token, or of an access token, which is revoked as well.
// POST /v1/auth/logout
func (a *API) Logout(ctx context.Context, body RefreshRequest) (*LogoutResult, error) {
	out := new(LogoutResult)
	if err := a.send(ctx, "POST", "/v1/auth/logout", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// LogoutAll: Sign out everywhere.
// Ends all sessions and access tokens of the token's user.
// POST /v1/auth/logout-all
func (a *API) LogoutAll(ctx context.Context, body RefreshRequest) (*LogoutResult, error) {
	out := new(LogoutResult)
	if err := a.send(ctx, "POST", "/v1/auth/logout-all", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// Refresh: Renew the tokens.
// Rotates the refresh token. For a grace of 30 seconds the previous one returns the same successor, so tabs and lost responses never end a session; later it revokes the session. In cookie mode the token is that of the app's cookie.
// POST /v1/auth/refresh
func (a *API) Refresh(ctx context.Context, body RefreshRequest) (*RefreshResult, error) {
	out := new(RefreshResult)
	if err := a.send(ctx, "POST", "/v1/auth/refresh", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// Register: Create an account.
// Creates a user in an app and signs in. The same e-mail may exist in several apps: those are different people. Where the address has to be verified first, there are no tokens in the answer.
// POST /v1/auth/register
func (a *API) Register(ctx context.Context, body RegisterRequest) (*SignedInResult, error) {
	out := new(SignedInResult)
	if err := a.send(ctx, "POST", "/v1/auth/register", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// RequestPasswordReset: Ask for a reset link.
// The same answer in the same time, whether or not anybody has this address.
// POST /v1/auth/request-password-reset
func (a *API) RequestPasswordReset(ctx context.Context, body EmailRequest) (*MessageResult, error) {
	out := new(MessageResult)
	if err := a.send(ctx, "POST", "/v1/auth/request-password-reset", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ResendVerification: Ask for a verification link.
// The same answer in the same time, whether or not anybody has this address.
// POST /v1/auth/resend-verification
func (a *API) ResendVerification(ctx context.Context, body EmailRequest) (*MessageResult, error) {
	out := new(MessageResult)
	if err := a.send(ctx, "POST", "/v1/auth/resend-verification", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ResetPassword: Set a new password.
// Spends a reset link's token. All sessions and tokens of the user end.
// POST /v1/auth/reset-password
func (a *API) ResetPassword(ctx context.Context, body ResetPasswordRequest) (*MessageResult, error) {
	out := new(MessageResult)
	if err := a.send(ctx, "POST", "/v1/auth/reset-password", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// RevocationCheck: Was this jti revoked.
// One indexed look-up, for services that verify tokens themselves.
// POST /v1/auth/revocation-check
func (a *API) RevocationCheck(ctx context.Context, body RevocationCheckRequest) (*RevocationCheckResult, error) {
	out := new(RevocationCheckResult)
	if err := a.send(ctx, "POST", "/v1/auth/revocation-check", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// Revoke: Revoke a token.
// With the service key any token; with a Bearer token the own ones; with neither exactly the token that is presented.
// POST /v1/auth/revoke
func (a *API) Revoke(ctx context.Context, body TokenRequest) (*MessageResult, error) {
	out := new(MessageResult)
	if err := a.send(ctx, "POST", "/v1/auth/revoke", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// VerifyEmail: Verify an address.
// Spends a verification link's token. It proves the address it was sent to.
// POST /v1/auth/verify-email
func (a *API) VerifyEmail(ctx context.Context, body VerifyEmailRequest) (*VerifyEmailResult, error) {
	out := new(VerifyEmailResult)
	if err := a.send(ctx, "POST", "/v1/auth/verify-email", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ListLiveRevocationsQuery are the parameters of ListLiveRevocations; zero ones are left out.
type ListLiveRevocationsQuery struct {
	// Only what concerns tokens of this app
	AppID string
}

// ListLiveRevocations: What is revoked now.
// For backend services that verify tokens themselves: everything that ends an access token before it expires. Ask again with If-None-Match, or follow the stream.
// GET /v1/revocations
func (a *API) ListLiveRevocations(ctx context.Context, q ListLiveRevocationsQuery) (*ListLiveRevocationsResult, error) {
	parameters := query{}
	parameters.add("appId", q.AppID)
	out := new(ListLiveRevocationsResult)
	if err := a.send(ctx, "GET", parameters.to("/v1/revocations"), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// AdminOnly: A route for administrators.
// Needs the role admin.
// GET /v1/users/admin-only
func (a *API) AdminOnly(ctx context.Context) (*AdminOnlyResult, error) {
	out := new(AdminOnlyResult)
	if err := a.send(ctx, "GET", "/v1/users/admin-only", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// AppInfoQuery are the parameters of AppInfo; zero ones are left out.
type AppInfoQuery struct {
	Limit  int64
	Offset int64
}

// AppInfo: The caller's app.
// Needs the role admin; users of the caller's own app only.
// GET /v1/users/app-info
func (a *API) AppInfo(ctx context.Context, q AppInfoQuery) (*AppInfoResult, error) {
	parameters := query{}
	parameters.add("limit", q.Limit)
	parameters.add("offset", q.Offset)
	out := new(AppInfoResult)
	if err := a.send(ctx, "GET", parameters.to("/v1/users/app-info"), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ChangePassword: Change the password.
// Ends all sessions and tokens of the user, the caller's own included.
// POST /v1/users/change-password
func (a *API) ChangePassword(ctx context.Context, body ChangePasswordRequest) (*ChangePasswordResult, error) {
	out := new(ChangePasswordResult)
	if err := a.send(ctx, "POST", "/v1/users/change-password", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// DeleteAccount: Delete the account.
// Removes the user with sessions, tokens, credentials and schedules.
// DELETE /v1/users/me
func (a *API) DeleteAccount(ctx context.Context) (*DeleteAccountResult, error) {
	out := new(DeleteAccountResult)
	if err := a.send(ctx, "DELETE", "/v1/users/me", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// GetCurrentUser: Who am I.
// The user as of now, and what the token says.
// GET /v1/users/me
func (a *API) GetCurrentUser(ctx context.Context) (*GetCurrentUserResult, error) {
	out := new(GetCurrentUserResult)
	if err := a.send(ctx, "GET", "/v1/users/me", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// UpdateProfile: Change the address.
// The new address has to be verified; the old one is told. currentPassword is checked when it is sent.
// PATCH /v1/users/me
func (a *API) UpdateProfile(ctx context.Context, body UpdateProfileRequest) (*UpdateProfileResult, error) {
	out := new(UpdateProfileResult)
	if err := a.send(ctx, "PATCH", "/v1/users/me", body, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ExportData: Export the own data.
// Everything the server keeps about the caller, as JSON: account, sessions, audit log, mails without their texts, credentials without their content, mappings, runs.
// POST /v1/users/me/export
func (a *API) ExportData(ctx context.Context) (*ExportDataResult, error) {
	out := new(ExportDataResult)
	if err := a.send(ctx, "POST", "/v1/users/me/export", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ListIdentities: List the own identities.
// Which other issuers sign the user in (Clerk, OpenID providers), under which subject; the oldest first.
// GET /v1/users/me/identities
func (a *API) ListIdentities(ctx context.Context) (*ListIdentitiesResult, error) {
	out := new(ListIdentitiesResult)
	if err := a.send(ctx, "GET", "/v1/users/me/identities", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// RemoveIdentity: Remove an own identity.
// Tokens of that issuer no longer lead to this account. 409 `last_identity` where it is the only way left to sign in.
// DELETE /v1/users/me/identities/{id}
func (a *API) RemoveIdentity(ctx context.Context, id string) (*MessageResult, error) {
	out := new(MessageResult)
	if err := a.send(ctx, "DELETE", "/v1/users/me/identities/"+url.PathEscape(id), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// EndOtherSessions: End all other own sessions.
// The caller's own session stays.
// DELETE /v1/users/me/sessions
func (a *API) EndOtherSessions(ctx context.Context) (*MessageResult, error) {
	out := new(MessageResult)
	if err := a.send(ctx, "DELETE", "/v1/users/me/sessions", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ListSessions: List the own sessions.
// Where the user is signed in; the most recently used first.
// GET /v1/users/me/sessions
func (a *API) ListSessions(ctx context.Context) (*ListSessionsResult, error) {
	out := new(ListSessionsResult)
	if err := a.send(ctx, "GET", "/v1/users/me/sessions", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// EndSession: End one own session.
// Its access tokens end with it.
// DELETE /v1/users/me/sessions/{sid}
func (a *API) EndSession(ctx context.Context, sid string) (*MessageResult, error) {
	out := new(MessageResult)
	if err := a.send(ctx, "DELETE", "/v1/users/me/sessions/"+url.PathEscape(sid), nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// GetProfile: A route for users.
// Needs the role user or admin.
// GET /v1/users/profile
func (a *API) GetProfile(ctx context.Context) (*GetProfileResult, error) {
	out := new(GetProfileResult)
	if err := a.send(ctx, "GET", "/v1/users/profile", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// TestAuth: Test a token.
// What the server makes of the token that was sent.
// POST /v1/users/test-auth
func (a *API) TestAuth(ctx context.Context, body json.RawMessage) (*TestAuthResult, error) {
	out := new(TestAuthResult)
	if err := a.send(ctx, "POST", "/v1/users/test-auth", body, out); err != nil {
		return nil, err
	}
	return out, nil
}
