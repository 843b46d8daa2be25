package e2e_test

// act is a request as whoever owns what it names would send it.
type act struct {
	args  string // for the parameters of the path, in their order: things of the owner (tenant.things), or else values
	query string // {name} stands for a thing, {fresh} for a word that was never used
	body  string // JSON; as above
	want  int    // what the owner gets
	other int    // what any other user gets; 0: the request names nothing of the owner's, so it is about whoever sends it
	shows bool   // the owner's answer shows something that was planted
	admin bool   // takes the role admin, of any app
}

const newContent = `{"type":"service_account","private_key":"-----BEGIN PRIVATE KEY-----\nfresh","client_email":"{fresh}@example.com","project_id":"p"}`

// awaited is a run of a service of the owner's, whose answer is what it wrote. Each has a tab that no other run writes to.
func awaited(service, tab string) string {
	return `{"credentialId":{credential` + service + `},"options":{"spreadsheetId":"{spreadsheet}","sheetName":"` + tab + `"}}`
}

// tabs are those of the spreadsheet that all runs write to.
var tabs = []string{"planted-tab", "planted-1", "planted-2", "planted-3", "planted-4", "planted-5"}

// acts are the requests of each operation that takes an access token, by its id in the OpenAPI document. An operation may
// have several.
var acts = map[string][]act{
	"listCredentials": {{want: 200, shows: true}, {query: "?deleted=true", want: 200, shows: true}, {query: "?limit=1", want: 200, shows: true}},
	"saveCredential":  {{body: `{"service":"google_sheets","credentialName":"New","credentialJson":` + newContent + `}`, want: 201}},
	"getCredential":   {{args: "credential", want: 200, other: 404, shows: true}},
	"updateCredential": {
		{args: "credential", body: `{"credentialName":"Renamed"}`, want: 200, other: 404},
		{args: "credential", body: `{"credentialJson":` + newContent + `}`, want: 200, other: 404, shows: true},
	},
	"deleteCredential":         {{args: "credential", want: 200, other: 404}},
	"restoreCredential":        {{args: "deleted", want: 200, other: 404, shows: true}},
	"listCredentialUses":       {{args: "credential", want: 200, other: 404}, {args: "deleted", want: 200, other: 404}},
	"verifyCredential":         {{args: "credential", want: 200, other: 404}},
	"credentialVerifyStatus":   {{args: "credential", want: 200, other: 404}},
	"listCredentialVersions":   {{args: "credential", want: 200, other: 404}},
	"restoreCredentialVersion": {{args: "credential 1", want: 200, other: 404, shows: true}},
	"listServices":             {{want: 200, shows: true}},
	"enableService":            {{args: "google_sheets", body: `{"credentialId":{credential}}`, want: 200, other: 404}},
	"disableService":           {{args: "google_sheets", want: 200, other: 404}},

	"listSheetMappings":  {{want: 200, shows: true}},
	"setSheetMapping":    {{body: `{"service":"ga4","spreadsheetId":"s","sheetName":"t"}`, want: 201}},
	"deleteSheetMapping": {{args: "ga4", want: 200, other: 404}},
	"listSpreadsheets":   {{query: "?credential_id={credential}", want: 200, other: 404, shows: true}},
	"listTabs":           {{args: "spreadsheet", query: "?credential_id={credential}", want: 200, other: 404, shows: true}},
	"readTab":            {{args: "spreadsheet", query: "?credential_id={credential}&sheetName=planted-tab", want: 200, other: 404}},
	"getJob":             {{args: "run", want: 200, other: 404, shows: true}},
	"syncService":        {{args: "ga4", body: `{}`, want: 200, other: 404}},

	"syncAll":              {{body: `{}`, want: 200}},
	"syncMetaNow":          {{body: awaited("meta", "planted-1"), want: 200, other: 404, shows: true}},
	"syncGA4Now":           {{body: awaited("ga4", "planted-2"), want: 200, other: 404, shows: true}},
	"syncGA4Yesterday":     {{body: awaited("ga4", "planted-3"), want: 200, other: 404, shows: true}},
	"syncShopifyNow":       {{body: awaited("shopify", "planted-4"), want: 200, other: 404, shows: true}},
	"syncShopifyYesterday": {{body: awaited("shopify", "planted-5"), want: 200, other: 404, shows: true}},
	"createRun":            {{body: `{"service":"ga4"}`, want: 201, other: 404}},
	"listRuns":             {{want: 200, shows: true}},
	"getRun":               {{args: "run", want: 200, other: 404, shows: true}},
	"cancelRun":            {{args: "waiting", want: 200, other: 404}},
	"retryRun":             {{args: "run", want: 200, other: 404}},
	"undoRun":              {{args: "run", want: 409, other: 404}},
	"watchRun":             {{args: "run", want: 200, other: 404, shows: true}},

	"listFigures":        {{query: "?service=ga4&from=2026-01-01&to=2026-01-02", want: 200, shows: true}},
	"listSchedules":      {{want: 200}},
	"setSchedule":        {{args: "ga4", body: `{"cron":"0 3 * * *","enabled":true,"timezone":"Europe/Berlin"}`, want: 200}},
	"previewSchedule":    {{args: "ga4", query: "?cron=0+3+*+*+*", want: 200}},
	"runSchedule":        {{args: "ga4", want: 200, other: 404}},
	"listActivity":       {{want: 200, shows: true}, {query: "?service=google_sheets&status=success&offset=1", want: 200, shows: true}},
	"queueStats":         {{want: 200}},
	"userStatus":         {{want: 200, shows: true}},
	"completeOnboarding": {{want: 200}},
	"resetOnboarding":    {{want: 200}},

	"getNotifications":  {{want: 200}},
	"setNotifications":  {{body: `{"email":false}`, want: 200}},
	"testNotifications": {{want: 202}},
	"listWebhooks":      {{want: 200, shows: true}},
	"createWebhook":     {{body: `{"url":"https://example.com/in"}`, want: 201}},
	"deleteWebhook":     {{args: "webhook", want: 200, other: 404}},
	"listDeliveries":    {{args: "webhook", want: 200, other: 404, shows: true}},
	"replayDelivery":    {{args: "webhook delivery", want: 202, other: 404}},

	"getCurrentUser":   {{want: 200, shows: true}},
	"updateProfile":    {{body: `{"email":"{fresh}@example.com"}`, want: 200}},
	"deleteAccount":    {{want: 200, shows: true}},
	"changePassword":   {{body: `{"currentPassword":"` + password + `","newPassword":"` + another + `"}`, want: 200}},
	"exportData":       {{body: `{}`, want: 200, shows: true}},
	"listIdentities":   {{want: 200, shows: true}},
	"removeIdentity":   {{args: "identity", want: 200, other: 404}},
	"listSessions":     {{want: 200, shows: true}},
	"endSession":       {{args: "session", want: 200, other: 404}},
	"endOtherSessions": {{want: 200}},
	"getProfile":       {{want: 200, shows: true}},
	"testAuth":         {{body: `{}`, want: 200, shows: true}},
	"adminOnly":        {{want: 200, shows: true, admin: true}},
	"appInfo":          {{want: 200, shows: true, admin: true}},

	"listApps":            {{want: 200}},
	"createApp":           {{body: `{"id":"{fresh}"}`, want: 201}},
	"getApp":              {{args: "app", want: 200, shows: true}},
	"setBrand":            {{args: "app", body: `{"color":"#123456"}`, want: 200, shows: true}},
	"listMailTemplates":   {{args: "app", want: 200}},
	"getMailTemplate":     {{args: "app welcome", want: 200}},
	"setMailTemplate":     {{args: "app welcome", body: `{"subject":"Hello"}`, want: 200}},
	"resetMailTemplate":   {{args: "app welcome", want: 200}},
	"previewMailTemplate": {{args: "app welcome", body: `{"subject":"Hello"}`, want: 200}},
	"updateApp":           {{args: "app", body: `{"name":"Renamed"}`, want: 200}},
	"deleteApp":           {{args: "empty", want: 200}, {args: "app", want: 409}},
	"revokeApp":           {{args: "app", body: `{}`, want: 200}},
	"listAppAudit":        {{args: "app", want: 200}},

	"listUsers":         {{args: "app", want: 200, shows: true}, {args: "app", query: "?q=planted", want: 200, shows: true}},
	"createUser":        {{args: "app", body: `{"email":"{fresh}@example.com"}`, want: 201}},
	"getUser":           {{args: "app user", want: 200, shows: true}},
	"deleteUser":        {{args: "app user", want: 200}},
	"suspendUser":       {{args: "app user", want: 200, shows: true}},
	"activateUser":      {{args: "app user", want: 200, shows: true}},
	"verifyUser":        {{args: "app user", want: 200, shows: true}},
	"resetUserPassword": {{args: "app user", want: 200, shows: true}},
	"endUserSessions":   {{args: "app user", want: 200, shows: true}},
	"setUserRole":       {{args: "app user", body: `{"role":"admin"}`, want: 200, shows: true}},

	"listLiveSessions": {{query: "?user={user}", want: 200}},
	"endLiveSession":   {{args: "session", want: 200}},
	"listRevocations":  {{want: 200}},
	"addRevocation":    {{body: `{"kind":"user","subject":"{user}"}`, want: 201}, {body: `{"kind":"session","subject":"{session}"}`, want: 201}, {body: `{"kind":"app","subject":"{app}"}`, want: 201}},
	"listKeys":         {{want: 200}},
	"rotateKeys":       {{body: `{"keepOld":true}`, want: 200}},
	"activateKey":      {{args: "kid", want: 200}},
	"retireKey":        {{args: "kid", want: 200}},
	"revokeKey":        {{args: "kid", want: 200}},
	"verifyAudit":      {{want: 200}},
	"listAudit":        {{query: "?user={user}", want: 200}},
	"listMails":        {{query: "?recipient={email}", want: 200}},
	"clearLockout":     {{query: "?app={app}&email={email}", want: 200}},
	"listQueuedJobs":   {{want: 200}},
	"getQueuedJob":     {{args: "queued", want: 200}},
	"retryQueuedJob":   {{args: "queued", want: 200}},
	"cancelQueuedJob":  {{args: "queued", want: 200}},
	"stats":            {{want: 200}},
	"adminHealth":      {{want: 200}},
}

// open are the operations that take no access token, and why.
var open = map[string]string{
	"jwks":                "public keys, for everybody who verifies",
	"openidConfiguration": "says where they are",
	"getEntrance":         "what a sign-in page shows before anybody has signed in",
	"health":              "for probes", "livez": "for probes", "readyz": "for probes", "apiHealth": "for probes",
	"register":             "makes the account",
	"login":                "takes a password",
	"refresh":              "takes the refresh token",
	"logout":               "takes the token that it ends",
	"logoutAll":            "takes a token of whom it ends all of",
	"revoke":               "takes the token that it ends, or the right to end it",
	"introspect":           "takes the service key",
	"listLiveRevocations":  "takes the service key",
	"followRevocations":    "takes the service key",
	"revocationCheck":      "takes the service key",
	"requestPasswordReset": "answers alike for all addresses",
	"resendVerification":   "answers alike for all addresses",
	"resetPassword":        "takes the token of a mail",
	"verifyEmail":          "takes the token of a mail",
}
