// Code generated from openapi.json by go test ./client/api -update; DO NOT EDIT.

package api

import (
	"encoding/json"
	"time"
)

// APIError is a schema of the API.
type APIError struct {
	// Stable code that programs branch on.
	Code string `json:"code,omitempty"`
	// More, where there is more; errors lists broken rules.
	Details json.RawMessage `json:"details,omitempty"`
	// What happened, for people.
	Error string `json:"error"`
	// Whole seconds to wait before the next attempt.
	RetryAfter int64 `json:"retryAfter,omitempty"`
	// Always false where it appears: limits, timeouts and the enveloped routes.
	Success bool `json:"success,omitempty"`
}

// AddRevocationRequest is a schema of the API.
type AddRevocationRequest struct {
	// jti: when the token expires; default: when any token has
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
	Kind      string     `json:"kind"`
	// At most 1000 characters; the first 100 are kept
	Reason *string `json:"reason,omitempty"`
	// The jti, or the id of the session, user or app
	Subject string `json:"subject"`
	// jti: whose token it is
	UserID *string `json:"userId,omitempty"`
}

// AddRevocationResult is a schema of the API.
type AddRevocationResult struct {
	Data Revoked `json:"data"`
}

// AdminHealth is a schema of the API.
type AdminHealth struct {
	Feed AdminHealthFeed `json:"feed"`
	// The service that mails leave by
	Mail string `json:"mail"`
	// kid of the key that signs
	Signer string `json:"signer"`
	Stats  Stats  `json:"stats"`
	// degraded: it works, and asks PostgreSQL about every token
	Status string `json:"status"`
}

// AdminHealthFeed is a schema of the API.
type AdminHealthFeed struct {
	// Milliseconds since the last sign of life; -1: there was none
	AgeMs int64 `json:"ageMs"`
	// The server knows every revocation without asking
	Current bool `json:"current"`
}

// AdminHealthResult is a schema of the API.
type AdminHealthResult struct {
	Data AdminHealth `json:"data"`
}

// AdminOnlyResult is a schema of the API.
type AdminOnlyResult struct {
	Admin             UserBrief `json:"admin"`
	AdminCapabilities []string  `json:"adminCapabilities"`
	Message           string    `json:"message"`
}

// ApiHealthResult is a schema of the API.
type ApiHealthResult struct {
	Auth     ClerkBody  `json:"auth"`
	Database Connection `json:"database"`
	// Optional; false without Redis, which is well.
	Redis  Connection `json:"redis"`
	Status string     `json:"status"`
	// Whole seconds since the start.
	Uptime  int64  `json:"uptime"`
	Version string `json:"version"`
}

// App is a schema of the API.
type App struct {
	// Life of an access token
	AccessTtl *int64 `json:"accessTtl"`
	// Base of links in mails
	BaseURL   *string   `json:"baseUrl"`
	CreatedAt time.Time `json:"createdAt"`
	// The console's app, which cannot be deleted
	Default bool   `json:"default"`
	ID      string `json:"id"`
	// For people, in mails too
	Name string `json:"name"`
	// Access tokens issued before are void
	NotBefore *time.Time `json:"notBefore"`
	// Pages that may call from a browser, besides the server's own list
	Origins []string `json:"origins"`
	// Upper case, lower case, digit and special character are needed
	PasswordClasses bool `json:"passwordClasses"`
	// Characters
	PasswordMin int64 `json:"passwordMin"`
	// How long a session may live at all; 0: no bound
	RefreshAbsoluteTtl *int64 `json:"refreshAbsoluteTtl"`
	// How long the previous refresh token still gets the same successor
	RefreshGrace *int64 `json:"refreshGrace"`
	// How long a session may rest
	RefreshTtl       *int64 `json:"refreshTtl"`
	RegistrationOpen bool   `json:"registrationOpen"`
	// Registering answers alike for known and unknown addresses
	SilentRegistration bool      `json:"silentRegistration"`
	UpdatedAt          time.Time `json:"updatedAt"`
	// Sign-in needs a verified address
	VerificationRequired *bool `json:"verificationRequired"`
}

// AppChange is a schema of the API.
type AppChange struct {
	// 30 to 86400 seconds; null: the server's. Tokens that were issued before live on as they are
	AccessTtl *Null[int64] `json:"accessTtl,omitempty"`
	// https, or http on localhost; null: the server's
	BaseURL *Null[string] `json:"baseUrl,omitempty"`
	// 1 to 200 characters
	Name *string `json:"name,omitempty"`
	// scheme://host[:port] each; https, or http on localhost
	Origins         []string `json:"origins,omitempty"`
	PasswordClasses *bool    `json:"passwordClasses,omitempty"`
	// 8 to 64 characters
	PasswordMin *int64 `json:"passwordMin,omitempty"`
	// 0 (no bound) or 60 to 315360000 seconds; null: the server's. For sessions from now on
	RefreshAbsoluteTtl *Null[int64] `json:"refreshAbsoluteTtl,omitempty"`
	// 0 to 300 seconds; null: the server's
	RefreshGrace *Null[int64] `json:"refreshGrace,omitempty"`
	// 60 to 315360000 seconds; null: the server's. It holds from a session's next refresh on
	RefreshTtl         *Null[int64] `json:"refreshTtl,omitempty"`
	RegistrationOpen   *bool        `json:"registrationOpen,omitempty"`
	SilentRegistration *bool        `json:"silentRegistration,omitempty"`
	// null: the server's
	VerificationRequired *Null[bool] `json:"verificationRequired,omitempty"`
}

// AppInfoResult is a schema of the API.
type AppInfoResult struct {
	AppID          string    `json:"appId"`
	RequestingUser UserBrief `json:"requestingUser"`
	// All users of the app
	UserCount int64      `json:"userCount"`
	Users     []UserView `json:"users"`
}

// AppResult is a schema of the API.
type AppResult struct {
	Data App `json:"data"`
}

// Appended is a schema of the API.
type Appended struct {
	ID        string `json:"id"`
	Mode      string `json:"mode"`
	RowNumber int64  `json:"rowNumber"`
	Success   bool   `json:"success"`
}

// AuditEntry is a schema of the API.
type AuditEntry struct {
	Action string `json:"action"`
	// Who did it: a user's id, admin-key:<name>, or gravy
	Actor     *string   `json:"actor"`
	AppID     string    `json:"appId"`
	CreatedAt time.Time `json:"createdAt"`
	ID        string    `json:"id"`
	IP        *string   `json:"ip"`
	// Facts of the act; requestId names the request in the log
	Meta      json.RawMessage `json:"meta"`
	UserAgent *string         `json:"userAgent"`
	// Whom it happened to
	UserID *string `json:"userId"`
}

// AuditEntryPage is a schema of the API.
type AuditEntryPage struct {
	Data []AuditEntry `json:"data"`
	// null: this is the last page
	NextCursor *string `json:"nextCursor"`
}

// AuthDetail is a schema of the API.
type AuthDetail struct {
	// invalid_type, too_small, too_big, invalid_string or invalid_enum_value.
	Code string `json:"code"`
	// Dotted path of the field, empty for the body itself.
	Field   string `json:"field"`
	Message string `json:"message"`
	// JSON type that came instead.
	Received string `json:"received,omitempty"`
}

// AuthError is a schema of the API.
type AuthError struct {
	// The fields that broke a rule.
	Details []AuthDetail `json:"details,omitempty"`
	// Stable code that programs branch on.
	Error string `json:"error"`
	// The account is locked for retryAfter seconds.
	LockoutActive bool `json:"lockoutActive,omitempty"`
	// What happened, for people.
	Message string `json:"message"`
	// Path of the request.
	Path string `json:"path"`
	// The same as the header X-Request-Id; names the request in the log.
	RequestID string `json:"requestId"`
	// Whole seconds to wait before the next attempt.
	RetryAfter int64 `json:"retryAfter,omitempty"`
	// When the error was made, UTC.
	Timestamp time.Time `json:"timestamp"`
}

// AwaitedData is a schema of the API.
type AwaitedData struct {
	AppendResult Appended `json:"appendResult"`
	// Meta only
	Date string `json:"date,omitempty"`
	// Meta only
	ID string `json:"id,omitempty"`
	// Figures by column; Meta's with metricSources, the others' with id
	Metrics json.RawMessage `json:"metrics"`
	// Meta only
	Service       string `json:"service,omitempty"`
	SheetName     string `json:"sheetName"`
	SpreadsheetID string `json:"spreadsheetId"`
}

// AwaitedRequest is a schema of the API.
type AwaitedRequest struct {
	// A number, also as text
	CredentialID json.RawMessage `json:"credentialId"`
	Options      *SyncRequest    `json:"options,omitempty"`
}

// AwaitedResult is a schema of the API.
type AwaitedResult struct {
	Data    AwaitedData `json:"data"`
	Message string      `json:"message,omitempty"`
	Success bool        `json:"success"`
}

// BoundCredential is a schema of the API.
type BoundCredential struct {
	ID       int64  `json:"id"`
	Name     string `json:"name"`
	Verified bool   `json:"verified"`
}

// Brand is a schema of the API.
type Brand struct {
	// #rrggbb
	Color *string `json:"color"`
	// A data: URL of a PNG, JPEG, WebP or SVG image of at most 64 KiB
	Logo *string `json:"logo"`
}

// ChangePasswordRequest is a schema of the API.
type ChangePasswordRequest struct {
	CurrentPassword string `json:"currentPassword"`
	// As at registration
	NewPassword string `json:"newPassword"`
}

// ChangePasswordResult is a schema of the API.
type ChangePasswordResult struct {
	Message                  string `json:"message"`
	RequiresReauthentication bool   `json:"requiresReauthentication"`
}

// Check is a schema of the API.
type Check struct {
	// What was found, and where
	Message string `json:"message"`
	Name    string `json:"name"`
	// How to mend it
	Remedy string `json:"remedy,omitempty"`
	// warn: it works, and should not stay so; fail: something does not work
	Status string `json:"status"`
}

// Checkpoint is a schema of the API.
type Checkpoint struct {
	// Of the seal and of all before it, SHA-256, hexadecimal
	Hash string `json:"hash"`
	// Number of the seal
	No int64 `json:"no"`
	// That verifies the signature, Ed25519, hexadecimal
	PublicKey string    `json:"publicKey"`
	SealedAt  time.Time `json:"sealedAt"`
	// Ed25519 over the hash, hexadecimal
	Signature string `json:"signature"`
}

// ClerkBody is a schema of the API.
type ClerkBody struct {
	// State of the keys for Clerk session tokens.
	Clerk string `json:"clerk"`
}

// Connection is a schema of the API.
type Connection struct {
	Connected bool `json:"connected"`
}

// CreateAppRequest is a schema of the API.
type CreateAppRequest struct {
	// 30 to 86400 seconds; null: the server's. Tokens that were issued before live on as they are
	AccessTtl *Null[int64] `json:"accessTtl,omitempty"`
	// https, or http on localhost; null: the server's
	BaseURL *Null[string] `json:"baseUrl,omitempty"`
	// 1 to 100 letters, numbers, underscores and hyphens; appId of the app's requests
	ID string `json:"id"`
	// 1 to 200 characters
	Name *string `json:"name,omitempty"`
	// scheme://host[:port] each; https, or http on localhost
	Origins         []string `json:"origins,omitempty"`
	PasswordClasses *bool    `json:"passwordClasses,omitempty"`
	// 8 to 64 characters
	PasswordMin *int64 `json:"passwordMin,omitempty"`
	// 0 (no bound) or 60 to 315360000 seconds; null: the server's. For sessions from now on
	RefreshAbsoluteTtl *Null[int64] `json:"refreshAbsoluteTtl,omitempty"`
	// 0 to 300 seconds; null: the server's
	RefreshGrace *Null[int64] `json:"refreshGrace,omitempty"`
	// 60 to 315360000 seconds; null: the server's. It holds from a session's next refresh on
	RefreshTtl         *Null[int64] `json:"refreshTtl,omitempty"`
	RegistrationOpen   *bool        `json:"registrationOpen,omitempty"`
	SilentRegistration *bool        `json:"silentRegistration,omitempty"`
	// null: the server's
	VerificationRequired *Null[bool] `json:"verificationRequired,omitempty"`
}

// CreateRunRequest is a schema of the API.
type CreateRunRequest struct {
	DryRun *bool `json:"dryRun,omitempty"`
	// First day, YYYY-MM-DD in the source's own time zone, at most 37 months back
	From    *string `json:"from,omitempty"`
	Service string  `json:"service"`
	// Last day, not later than today at the source
	To *string `json:"to,omitempty"`
}

// CreateUserRequest is a schema of the API.
type CreateUserRequest struct {
	// Trimmed and lower-cased
	Email string `json:"email"`
	// Take the address as verified
	EmailVerified *bool `json:"emailVerified,omitempty"`
	// As at registration; better none: the user then chooses one
	Password *string `json:"password,omitempty"`
	// Default: user
	Role *string `json:"role,omitempty"`
}

// CreateWebhookRequest is a schema of the API.
type CreateWebhookRequest struct {
	// Of format telegram, and required there: a number, or the @name of a public channel
	ChatID *string `json:"chatId,omitempty"`
	// null or left out: all, also those to come
	Events []string `json:"events,omitempty"`
	// Left out: turkey, signed JSON. The others take the address of an incoming webhook, or of a bot's sendMessage
	Format *string `json:"format,omitempty"`
	// https, at most 2048 bytes, a public address; outside production also http
	URL string `json:"url"`
}

// CreateWebhookResult is a schema of the API.
type CreateWebhookResult struct {
	// Where a Telegram bot writes; null of other formats
	ChatID    *string   `json:"chatId"`
	CreatedAt time.Time `json:"createdAt"`
	// null: all, also those to come
	Events []string `json:"events"`
	// What goes there, and how
	Format string `json:"format"`
	ID     string `json:"id"`
	// Of format turkey. Shown once. whsec_ and 32 bytes in base64
	Secret string `json:"secret,omitempty"`
	// Of a chat only the host and the last four characters, without a scheme
	URL string `json:"url"`
}

// Credential is a schema of the API.
type Credential struct {
	CreatedAt time.Time `json:"createdAt"`
	// Only of deleted ones
	DeletedAt *time.Time `json:"deletedAt,omitempty"`
	ExpiresAt *time.Time `json:"expiresAt"`
	Health    string     `json:"health"`
	// Since when it is in this state
	HealthAt *time.Time `json:"healthAt"`
	// What to do about it
	HealthMessage *string `json:"healthMessage"`
	// A stable word, such as rejected or unreadable; null where all is well
	HealthReason  *string    `json:"healthReason"`
	ID            int64      `json:"id"`
	MaskedPreview string     `json:"maskedPreview"`
	Name          string     `json:"name"`
	Service       string     `json:"service"`
	Type          string     `json:"type"`
	UpdatedAt     time.Time  `json:"updatedAt"`
	Verified      bool       `json:"verified"`
	VerifiedAt    *time.Time `json:"verifiedAt"`
}

// CredentialVerifyStatusResult is a schema of the API.
type CredentialVerifyStatusResult struct {
	CredentialID   int64      `json:"credentialId"`
	ExpiresAt      *time.Time `json:"expiresAt"`
	LastVerifiedAt *time.Time `json:"lastVerifiedAt"`
	Verified       bool       `json:"verified"`
	VerifiedAt     *time.Time `json:"verifiedAt"`
}

// DeleteAccountResult is a schema of the API.
type DeleteAccountResult struct {
	DeletedUser DeleteAccountResultDeletedUser `json:"deletedUser"`
	Message     string                         `json:"message"`
}

// DeleteAccountResultDeletedUser is a schema of the API.
type DeleteAccountResultDeletedUser struct {
	Email string `json:"email"`
	ID    string `json:"id"`
}

// Delivery is a schema of the API.
type Delivery struct {
	Attempts    int64           `json:"attempts"`
	CreatedAt   time.Time       `json:"createdAt"`
	Data        json.RawMessage `json:"data"`
	DeliveredAt *time.Time      `json:"deliveredAt"`
	// Why the last attempt failed
	Error *string `json:"error"`
	Event string  `json:"event"`
	// The webhook-id of its attempts
	ID string `json:"id"`
	// Of the last answer; null: there was none
	ResponseStatus *int64 `json:"responseStatus"`
	Status         string `json:"status"`
}

// Difference is a schema of the API.
type Difference struct {
	Column string          `json:"column"`
	Day    string          `json:"day"`
	New    json.RawMessage `json:"new"`
	// null of an empty cell; a formula as such
	Old json.RawMessage `json:"old"`
}

// DisableServiceResult is a schema of the API.
type DisableServiceResult struct {
	Enabled bool   `json:"enabled"`
	Service string `json:"service"`
}

// DoctorReport is a schema of the API.
type DoctorReport struct {
	Checks []Check `json:"checks"`
	Status string  `json:"status"`
}

// DoctorResult is a schema of the API.
type DoctorResult struct {
	Data DoctorReport `json:"data"`
}

// DoneResult is a schema of the API.
type DoneResult struct {
	Message string `json:"message"`
	Success bool   `json:"success"`
}

// EmailRequest is a schema of the API.
type EmailRequest struct {
	// Default: the default app
	AppID *string `json:"appId,omitempty"`
	Email string  `json:"email"`
}

// EnableServiceRequest is a schema of the API.
type EnableServiceRequest struct {
	// A number, or the same as a string
	CredentialID json.RawMessage `json:"credentialId"`
}

// EnableServiceResult is a schema of the API.
type EnableServiceResult struct {
	CredentialID int64  `json:"credentialId"`
	Enabled      bool   `json:"enabled"`
	Service      string `json:"service"`
}

// Enqueued is a schema of the API.
type Enqueued struct {
	JobID   string `json:"jobId"`
	Service string `json:"service"`
	UserID  int64  `json:"userId"`
}

// Entrance is a schema of the API.
type Entrance struct {
	Brand Brand  `json:"brand"`
	ID    string `json:"id"`
	Name  string `json:"name"`
	// Upper case, lower case, digit and special character are needed
	PasswordClasses bool `json:"passwordClasses"`
	// Characters
	PasswordMin int64 `json:"passwordMin"`
	// Anybody may register
	RegistrationOpen bool `json:"registrationOpen"`
}

// EntranceResult is a schema of the API.
type EntranceResult struct {
	Data Entrance `json:"data"`
}

// Entry is a schema of the API.
type Entry struct {
	Action string `json:"action"`
	// Seconds that a run took
	Duration     float64         `json:"duration"`
	ErrorMessage string          `json:"error_message,omitempty"`
	ID           string          `json:"id"`
	Metadata     json.RawMessage `json:"metadata"`
	// Rows that a run wrote
	RecordCount int64 `json:"record_count"`
	// unknown: about none
	Service   string    `json:"service"`
	Status    string    `json:"status"`
	Timestamp time.Time `json:"timestamp"`
}

// Export is a schema of the API.
type Export struct {
	// What happened to the account
	Audit      []ExportedEvent `json:"audit"`
	ExportedAt time.Time       `json:"exportedAt"`
	// Who the user is at other issuers
	Identities []Identity `json:"identities"`
	// Without their texts
	Mails []ExportedMail `json:"mails"`
	// What other parts keep, by their names: credentials without their content, mappings, runs
	More     json.RawMessage   `json:"more"`
	Profile  ExportedProfile   `json:"profile"`
	Sessions []ExportedSession `json:"sessions"`
}

// ExportDataResult is a schema of the API.
type ExportDataResult struct {
	Data Export `json:"data"`
}

// ExportedEvent is a schema of the API.
type ExportedEvent struct {
	Action    string    `json:"action"`
	By        string    `json:"by"`
	CreatedAt time.Time `json:"createdAt"`
	IP        *string   `json:"ip"`
	UserAgent *string   `json:"userAgent"`
}

// ExportedMail is a schema of the API.
type ExportedMail struct {
	CreatedAt time.Time  `json:"createdAt"`
	Kind      string     `json:"kind"`
	Recipient string     `json:"recipient"`
	SentAt    *time.Time `json:"sentAt"`
}

// ExportedProfile is a schema of the API.
type ExportedProfile struct {
	AppID         string    `json:"appId"`
	CreatedAt     time.Time `json:"createdAt"`
	Email         string    `json:"email"`
	EmailVerified bool      `json:"emailVerified"`
	ID            string    `json:"id"`
	Name          *string   `json:"name"`
	Role          string    `json:"role"`
	Status        string    `json:"status"`
	UpdatedAt     time.Time `json:"updatedAt"`
}

// ExportedSession is a schema of the API.
type ExportedSession struct {
	CreatedAt  time.Time  `json:"createdAt"`
	EndedAt    *time.Time `json:"endedAt"`
	ExpiresAt  time.Time  `json:"expiresAt"`
	ID         string     `json:"id"`
	IP         *string    `json:"ip"`
	LastUsedAt *time.Time `json:"lastUsedAt"`
	Reason     *string    `json:"reason"`
	UserAgent  *string    `json:"userAgent"`
}

// FigureRow is a schema of the API.
type FigureRow struct {
	// Of the account that these days came from, empty while it is not known
	Currency string `json:"currency"`
	// First day of the period
	Day string `json:"day"`
	// How many days have figures
	Days    int64             `json:"days"`
	Derived map[string]string `json:"derived"`
	// Of a period: the oldest of its days
	FetchedAt time.Time `json:"fetchedAt"`
	// Of a day as the source gave them; of a week or month the sums
	Metrics map[string]string `json:"metrics"`
	// The source may still correct them
	Provisional bool `json:"provisional"`
	// Last day with figures
	To string `json:"to"`
}

// Figures is a schema of the API.
type Figures struct {
	// Of the source, unconverted; empty while it is not known
	Currency string `json:"currency"`
	// Worked out from the totals, to six places
	Derived     map[string]string `json:"derived"`
	From        string            `json:"from"`
	Granularity string            `json:"granularity"`
	// By day; a week or month in which the currency changed is one for each
	Rows    []FigureRow `json:"rows"`
	Service string      `json:"service"`
	// Of the source: its days are these
	Timezone string `json:"timezone"`
	To       string `json:"to"`
	// Sums over all rows in this currency; what does not add up over days is missing
	Totals map[string]string `json:"totals"`
}

// FileView is a schema of the API.
type FileView struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	SheetID int64  `json:"sheetId"`
}

// FilesResult is a schema of the API.
type FilesResult struct {
	Data    []FileView `json:"data"`
	Success bool       `json:"success"`
}

// Finding is a schema of the API.
type Finding struct {
	// The row
	ID string `json:"id,omitempty"`
	// What was done
	Kind string `json:"kind"`
	// The table
	Log     string `json:"log,omitempty"`
	Message string `json:"message"`
	// Of the row's created_at, UTC
	Month string `json:"month,omitempty"`
	// Number of the seal
	Seal int64 `json:"seal,omitempty"`
}

// GetCurrentUserResult is a schema of the API.
type GetCurrentUserResult struct {
	Data      GetCurrentUserResultData      `json:"data"`
	TokenInfo GetCurrentUserResultTokenInfo `json:"tokenInfo"`
	User      UserView                      `json:"user"`
}

// GetCurrentUserResultData is a schema of the API.
type GetCurrentUserResultData struct {
	AppID         string    `json:"appId"`
	CreatedAt     time.Time `json:"createdAt"`
	Email         string    `json:"email"`
	EmailVerified bool      `json:"emailVerified"`
	ID            string    `json:"id"`
	Role          string    `json:"role"`
}

// GetCurrentUserResultTokenInfo is a schema of the API.
type GetCurrentUserResultTokenInfo struct {
	Exp          int64  `json:"exp"`
	Iat          int64  `json:"iat"`
	JTI          string `json:"jti"`
	TokenVersion int64  `json:"tokenVersion"`
}

// GetJobResult is a schema of the API.
type GetJobResult struct {
	Data    GetJobResultData `json:"data"`
	Success bool             `json:"success"`
}

// GetJobResultData is a schema of the API.
type GetJobResultData struct {
	Data         GetJobResultDataData `json:"data"`
	FailedReason string               `json:"failedReason,omitempty"`
	Progress     int64                `json:"progress"`
	Result       *Result              `json:"result"`
	Status       string               `json:"status"`
}

// GetJobResultDataData is a schema of the API.
type GetJobResultDataData struct {
	CreatedAt     time.Time `json:"createdAt"`
	JobID         string    `json:"jobId"`
	RetryCount    int64     `json:"retryCount"`
	SheetName     string    `json:"sheetName,omitempty"`
	Source        string    `json:"source"`
	SpreadsheetID string    `json:"spreadsheetId,omitempty"`
	TargetDate    string    `json:"targetDate,omitempty"`
	UserID        int64     `json:"userId"`
}

// GetProfileResult is a schema of the API.
type GetProfileResult struct {
	Message string    `json:"message"`
	User    UserBrief `json:"user"`
}

// HealthResult is a schema of the API.
type HealthResult struct {
	Database string `json:"database"`
	Status   string `json:"status"`
	// Days, hours and minutes since the start.
	Uptime  string `json:"uptime"`
	Version string `json:"version"`
}

// Identity is a schema of the API.
type Identity struct {
	CreatedAt time.Time `json:"createdAt"`
	// The address that the issuer told when it was first seen; it identifies nobody
	Email  *string `json:"email"`
	ID     string  `json:"id"`
	Issuer string  `json:"issuer"`
	// Within an hour
	LastSeenAt time.Time `json:"lastSeenAt"`
	Subject    string    `json:"subject"`
}

// IdentityName is a schema of the API.
type IdentityName struct {
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
}

// IntrospectResult is a schema of the API.
type IntrospectResult struct {
	Data Introspection `json:"data"`
}

// Introspection is a schema of the API.
type Introspection struct {
	Active    bool       `json:"active"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
	// All claims of an access token
	Payload json.RawMessage `json:"payload,omitempty"`
	Type    string          `json:"type,omitempty"`
	UserID  string          `json:"userId,omitempty"`
}

// Job is a schema of the API.
type Job struct {
	// Ids of what it is about
	Args json.RawMessage `json:"args"`
	// How often it was begun
	Attempt     int64      `json:"attempt"`
	AttemptedAt *time.Time `json:"attemptedAt"`
	// It runs, and has been told to stop
	CancelRequested bool      `json:"cancelRequested,omitempty"`
	CreatedAt       time.Time `json:"createdAt"`
	// How it failed
	Error string `json:"error,omitempty"`
	// When an attempt failed last
	FailedAt    *time.Time `json:"failedAt"`
	FinalizedAt *time.Time `json:"finalizedAt"`
	ID          int64      `json:"id"`
	Kind        string     `json:"kind"`
	MaxAttempts int64      `json:"maxAttempts"`
	// From when on it may run
	ScheduledAt time.Time `json:"scheduledAt"`
	// discarded: a dead letter, its attempts are used up
	State string `json:"state"`
}

// JobResult is a schema of the API.
type JobResult struct {
	Data Job `json:"data"`
}

// KeptMail is a schema of the API.
type KeptMail struct {
	CreatedAt time.Time `json:"createdAt"`
	From      string    `json:"from"`
	Html      string    `json:"html"`
	ID        int64     `json:"id"`
	Subject   string    `json:"subject"`
	Text      string    `json:"text"`
	To        string    `json:"to"`
}

// KeyInfo is a schema of the API.
type KeyInfo struct {
	Alg       string `json:"alg"`
	CreatedAt string `json:"createdAt"`
	Kid       string `json:"kid"`
	// SubjectPublicKeyInfo in PEM
	PublicKey string `json:"publicKey"`
	// When a retired key leaves the key set: the last token it signed has expired then
	PublishedUntil string `json:"publishedUntil,omitempty"`
	// When it ceases or ceased to sign
	RetiredAt string `json:"retiredAt,omitempty"`
	// Since when it is void
	RevokedAt string `json:"revokedAt,omitempty"`
	// When its turn to sign comes or came
	SignsFrom string `json:"signsFrom,omitempty"`
	// signing: signs now; next: signs from signsFrom on; verifying: may sign, a newer one does; published: not marked for signing; retired: verifies until publishedUntil; gone: neither signs nor verifies; revoked: void, with all it signed
	State string `json:"state"`
}

// KeyInfoResult is a schema of the API.
type KeyInfoResult struct {
	Data KeyInfo `json:"data"`
}

// KpiJob is a schema of the API.
type KpiJob struct {
	JobID      string `json:"jobId"`
	Source     string `json:"source"`
	TargetDate string `json:"targetDate"`
}

// ListActivityResult is a schema of the API.
type ListActivityResult struct {
	Data    ListActivityResultData `json:"data"`
	Success bool                   `json:"success"`
}

// ListActivityResultData is a schema of the API.
type ListActivityResultData struct {
	Entries []Entry `json:"entries"`
	Limit   int64   `json:"limit"`
	Offset  int64   `json:"offset"`
	// Of all pages
	Total int64 `json:"total"`
}

// ListAppsResult is a schema of the API.
type ListAppsResult struct {
	Data []App `json:"data"`
	// null: this is the last page
	NextCursor *string `json:"nextCursor"`
}

// ListCredentialUsesResult is a schema of the API.
type ListCredentialUsesResult struct {
	// null: this is the last page
	NextCursor *string `json:"nextCursor"`
	Uses       []Use   `json:"uses"`
}

// ListCredentialVersionsResult is a schema of the API.
type ListCredentialVersionsResult struct {
	// Always null: the history is one page
	NextCursor *string   `json:"nextCursor"`
	Versions   []Version `json:"versions"`
}

// ListCredentialsResult is a schema of the API.
type ListCredentialsResult struct {
	Credentials []Credential `json:"credentials"`
	// null: this is the last page
	NextCursor *string `json:"nextCursor"`
}

// ListDeliveriesResult is a schema of the API.
type ListDeliveriesResult struct {
	Deliveries []Delivery `json:"deliveries"`
	// null: this is the last page
	NextCursor *string `json:"nextCursor"`
}

// ListIdentitiesResult is a schema of the API.
type ListIdentitiesResult struct {
	Data       []Identity `json:"data"`
	NextCursor *string    `json:"nextCursor"`
}

// ListKeysResult is a schema of the API.
type ListKeysResult struct {
	Data []KeyInfo `json:"data"`
	// null: this is the last page
	NextCursor *string `json:"nextCursor"`
}

// ListLiveRevocationsResult is a schema of the API.
type ListLiveRevocationsResult struct {
	// In the order in which they were made
	Data []Revocation `json:"data"`
}

// ListLiveSessionsResult is a schema of the API.
type ListLiveSessionsResult struct {
	Data []LiveSession `json:"data"`
	// null: this is the last page
	NextCursor *string `json:"nextCursor"`
}

// ListMailTemplatesResult is a schema of the API.
type ListMailTemplatesResult struct {
	Data []MailTemplateBrief `json:"data"`
}

// ListMailsResult is a schema of the API.
type ListMailsResult struct {
	Data []KeptMail `json:"data"`
	// null: this is the last page
	NextCursor *string `json:"nextCursor"`
}

// ListQueuedJobsResult is a schema of the API.
type ListQueuedJobsResult struct {
	Data []Job `json:"data"`
	// null: this is the last page
	NextCursor *string `json:"nextCursor"`
}

// ListRevocationsResult is a schema of the API.
type ListRevocationsResult struct {
	Data []Revocation `json:"data"`
	// null: this is the last page
	NextCursor *string `json:"nextCursor"`
}

// ListRunsResult is a schema of the API.
type ListRunsResult struct {
	NextCursor *string `json:"nextCursor"`
	// Without the diff of dry runs
	Runs []Run `json:"runs"`
}

// ListSchedulesResult is a schema of the API.
type ListSchedulesResult struct {
	Data    []Schedule `json:"data"`
	Message string     `json:"message,omitempty"`
	Success bool       `json:"success"`
}

// ListServicesResult is a schema of the API.
type ListServicesResult struct {
	Services []ServiceState `json:"services"`
}

// ListSessionsResult is a schema of the API.
type ListSessionsResult struct {
	Data       []Session `json:"data"`
	NextCursor *string   `json:"nextCursor"`
}

// ListSheetMappingsResult is a schema of the API.
type ListSheetMappingsResult struct {
	Mappings []Mapping `json:"mappings"`
}

// ListUsersResult is a schema of the API.
type ListUsersResult struct {
	Data []User `json:"data"`
	// null: this is the last page
	NextCursor *string `json:"nextCursor"`
}

// ListWebhooksResult is a schema of the API.
type ListWebhooksResult struct {
	// Always null: they are few
	NextCursor *string   `json:"nextCursor"`
	Webhooks   []Webhook `json:"webhooks"`
}

// LiveSession is a schema of the API.
type LiveSession struct {
	AppID      string     `json:"appId"`
	CreatedAt  time.Time  `json:"createdAt"`
	Email      string     `json:"email"`
	ExpiresAt  time.Time  `json:"expiresAt"`
	ID         string     `json:"id"`
	IP         *string    `json:"ip"`
	LastUsedAt *time.Time `json:"lastUsedAt"`
	UserAgent  *string    `json:"userAgent"`
	UserID     string     `json:"userId"`
}

// LoginRequest is a schema of the API.
type LoginRequest struct {
	// Default: the default app
	AppID *string `json:"appId,omitempty"`
	Email string  `json:"email"`
	// cookie: the refresh token comes as an HttpOnly cookie instead
	Mode     *string `json:"mode,omitempty"`
	Password string  `json:"password"`
}

// LogoutResult is a schema of the API.
type LogoutResult struct {
	Message string `json:"message"`
}

// MailChange is a schema of the API.
type MailChange struct {
	// A template, at most 64 KiB
	Html *string `json:"html,omitempty"`
	// A template of one line, at most 500 bytes
	Subject *string `json:"subject,omitempty"`
	// A template, at most 16 KiB
	Text *string `json:"text,omitempty"`
}

// MailTemplate is a schema of the API.
type MailTemplate struct {
	// The app has words of its own
	Custom bool `json:"custom"`
	// What is sent without words of its own
	Default MailWords `json:"default"`
	Html    string    `json:"html"`
	Kind    string    `json:"kind"`
	Subject string    `json:"subject"`
	Text    string    `json:"text"`
	// null: never changed
	UpdatedAt *time.Time `json:"updatedAt"`
}

// MailTemplateBrief is a schema of the API.
type MailTemplateBrief struct {
	// The app has words of its own
	Custom bool   `json:"custom"`
	Kind   string `json:"kind"`
	// As a template
	Subject string `json:"subject"`
	// null: never changed
	UpdatedAt *time.Time `json:"updatedAt"`
}

// MailTemplateResult is a schema of the API.
type MailTemplateResult struct {
	Data MailTemplate `json:"data"`
}

// MailWords is a schema of the API.
type MailWords struct {
	Html string `json:"html"`
	// One line
	Subject string `json:"subject"`
	Text    string `json:"text"`
}

// Mapping is a schema of the API.
type Mapping struct {
	CreatedAt     time.Time `json:"createdAt"`
	ID            int64     `json:"id"`
	Service       string    `json:"service"`
	SheetName     string    `json:"sheetName"`
	SpreadsheetID string    `json:"spreadsheetId"`
	UpdatedAt     time.Time `json:"updatedAt"`
}

// MessageResult is a schema of the API.
type MessageResult struct {
	Message string `json:"message"`
}

// Onboarding is a schema of the API.
type Onboarding struct {
	OnboardingComplete bool `json:"onboardingComplete"`
}

// OnboardingResult is a schema of the API.
type OnboardingResult struct {
	Data    Onboarding `json:"data"`
	Message string     `json:"message,omitempty"`
	Success bool       `json:"success"`
}

// Person is a schema of the API.
type Person struct {
	Email string `json:"email"`
	// Number of the user
	ID                 int64 `json:"id"`
	OnboardingComplete bool  `json:"onboardingComplete"`
}

// Preview is a schema of the API.
type Preview struct {
	Cron string `json:"cron"`
	// The next five times
	Next     []time.Time `json:"next"`
	Service  string      `json:"service"`
	Timezone string      `json:"timezone"`
}

// PreviewMailTemplateResult is a schema of the API.
type PreviewMailTemplateResult struct {
	Data MailWords `json:"data"`
}

// PreviewScheduleResult is a schema of the API.
type PreviewScheduleResult struct {
	Data    Preview `json:"data"`
	Message string  `json:"message,omitempty"`
	Success bool    `json:"success"`
}

// ProbeResult is a schema of the API.
type ProbeResult struct {
	Status string `json:"status"`
}

// QueueStats is a schema of the API.
type QueueStats struct {
	Active    int64 `json:"active"`
	Completed int64 `json:"completed"`
	Delayed   int64 `json:"delayed"`
	Failed    int64 `json:"failed"`
	Waiting   int64 `json:"waiting"`
}

// QueueStatsResult is a schema of the API.
type QueueStatsResult struct {
	Data    QueueStats `json:"data"`
	Message string     `json:"message,omitempty"`
	Success bool       `json:"success"`
}

// ReadTabResult is a schema of the API.
type ReadTabResult struct {
	// Rows end at their last cell that is not empty, and the list at the last such row
	Data [][]string `json:"data"`
	// Of the next rows, while the tab has any
	NextOffset int64 `json:"nextOffset,omitempty"`
	Success    bool  `json:"success"`
}

// RefreshRequest is a schema of the API.
type RefreshRequest struct {
	// Default: the default app
	AppID *string `json:"appId,omitempty"`
	// Left out in cookie mode
	RefreshToken *string `json:"refreshToken,omitempty"`
}

// RefreshResult is a schema of the API.
type RefreshResult struct {
	Data Tokens `json:"data"`
}

// RegisterRequest is a schema of the API.
type RegisterRequest struct {
	// Default: the default app
	AppID *string `json:"appId,omitempty"`
	// Trimmed and lower-cased
	Email string `json:"email"`
	// cookie: the refresh token comes as an HttpOnly cookie instead
	Mode *string `json:"mode,omitempty"`
	// 8 to 128 characters with upper and lower case, a digit and a special character, unless the app says otherwise
	Password string `json:"password"`
	// Refused unless ALLOW_ROLE_ON_REGISTER is set
	Role *string `json:"role,omitempty"`
}

// Report is a schema of the API.
type Report struct {
	// Sealed rows that are in files
	Archived int64 `json:"archived"`
	// Of these, rows whose person was taken out
	Erased int64 `json:"erased"`
	// The first thousand
	Findings []Finding `json:"findings"`
	Intact   bool      `json:"intact"`
	// There are more findings than these
	More   bool        `json:"more"`
	Newest *Checkpoint `json:"newest"`
	// Rows held against their seals
	Rows int64 `json:"rows"`
	// Length of the chain, all of which was checked
	Seals int64 `json:"seals"`
}

// ResetPasswordRequest is a schema of the API.
type ResetPasswordRequest struct {
	// As at registration
	NewPassword string `json:"newPassword"`
	Token       string `json:"token"`
}

// Result is a schema of the API.
type Result struct {
	Appended    int64  `json:"appended"`
	CompletedAt string `json:"completedAt"`
	Date        string `json:"date,omitempty"`
	// Of a dry run: the first 500 cells that would change
	Diff []Difference `json:"diff,omitempty"`
	// Of a dry run: all cells that would change
	DiffCells  int64  `json:"diffCells,omitempty"`
	DurationMs int64  `json:"durationMs"`
	Error      string `json:"error,omitempty"`
	From       string `json:"from,omitempty"`
	// Of the target day's row
	ID    string `json:"id,omitempty"`
	JobID string `json:"jobId"`
	// Which of several candidates a metric was taken from
	MetricSources map[string]string  `json:"metricSources,omitempty"`
	Metrics       map[string]float64 `json:"metrics,omitempty"`
	// What happened to the target day's row: append, update, skip
	Mode string `json:"mode,omitempty"`
	// Cells that people had changed since they were written, and that hold the source's value again
	Overwritten   int64  `json:"overwritten"`
	RowNumber     int64  `json:"rowNumber,omitempty"`
	SheetName     string `json:"sheetName,omitempty"`
	Skipped       int64  `json:"skipped"`
	Source        string `json:"source"`
	SpreadsheetID string `json:"spreadsheetId,omitempty"`
	Success       bool   `json:"success"`
	To            string `json:"to,omitempty"`
	Updated       int64  `json:"updated"`
}

// Revocation is a schema of the API.
type Revocation struct {
	AppID     string    `json:"appId"`
	CreatedAt time.Time `json:"createdAt"`
	// No token that it ends can be alive then
	ExpiresAt time.Time `json:"expiresAt"`
	ID        int64     `json:"id"`
	Kind      string    `json:"kind"`
	// Of an app: tokens issued before are void
	NotBefore *time.Time `json:"notBefore"`
	// The jti, or the id of the session, user or app
	Subject string `json:"subject"`
	// Of a user: tokens of an older token version are void
	Version *int64 `json:"version"`
}

// RevocationCheckRequest is a schema of the API.
type RevocationCheckRequest struct {
	JTI string `json:"jti"`
}

// RevocationCheckResult is a schema of the API.
type RevocationCheckResult struct {
	Reason  string `json:"reason,omitempty"`
	Revoked bool   `json:"revoked"`
	// Milliseconds since 1970
	RevokedAt int64 `json:"revokedAt,omitempty"`
}

// RevokeAppRequest is a schema of the API.
type RevokeAppRequest struct {
	// At most 1000 characters; the first 100 are kept
	Reason *string `json:"reason,omitempty"`
}

// RevokeAppResult is a schema of the API.
type RevokeAppResult struct {
	Data RevokedApp `json:"data"`
}

// RevokeKeyResult is a schema of the API.
type RevokeKeyResult struct {
	Data RevokedKey `json:"data"`
}

// Revoked is a schema of the API.
type Revoked struct {
	Kind string `json:"kind"`
	// false: it had ended before
	Revoked bool   `json:"revoked"`
	Subject string `json:"subject"`
}

// RevokedApp is a schema of the API.
type RevokedApp struct {
	SessionsEnded int64 `json:"sessionsEnded"`
}

// RevokedKey is a schema of the API.
type RevokedKey struct {
	Alg       string `json:"alg"`
	CreatedAt string `json:"createdAt"`
	Kid       string `json:"kid"`
	// SubjectPublicKeyInfo in PEM
	PublicKey string `json:"publicKey"`
	// When a retired key leaves the key set: the last token it signed has expired then
	PublishedUntil string `json:"publishedUntil,omitempty"`
	// When it ceases or ceased to sign
	RetiredAt string `json:"retiredAt,omitempty"`
	// Since when it is void
	RevokedAt string `json:"revokedAt,omitempty"`
	// When its turn to sign comes or came
	SignsFrom string `json:"signsFrom,omitempty"`
	// signing: signs now; next: signs from signsFrom on; verifying: may sign, a newer one does; published: not marked for signing; retired: verifies until publishedUntil; gone: neither signs nor verifies; revoked: void, with all it signed
	State string `json:"state"`
	// The new key that signs, if this one did
	Successor string `json:"successor,omitempty"`
}

// RotateKeysRequest is a schema of the API.
type RotateKeysRequest struct {
	// The old keys stay active: they could sign again
	KeepOld *bool `json:"keepOld,omitempty"`
}

// Run is a schema of the API.
type Run struct {
	// How many attempts were begun
	Attempt   int64     `json:"attempt"`
	CreatedAt time.Time `json:"createdAt"`
	DryRun    bool      `json:"dryRun"`
	// Why it failed, for people
	Error      *string    `json:"error"`
	FinishedAt *time.Time `json:"finishedAt"`
	// First day, YYYY-MM-DD; null of a run over the trailing window that has not begun
	From        *string `json:"from"`
	ID          string  `json:"id"`
	MaxAttempts int64   `json:"maxAttempts"`
	// Of a run that waits
	NextAttemptAt *time.Time `json:"nextAttemptAt"`
	Progress      int64      `json:"progress"`
	// Why the last attempt failed, as a word
	Reason    *string `json:"reason"`
	Result    *Result `json:"result"`
	Service   string  `json:"service"`
	SheetName *string `json:"sheetName"`
	// Where it differs from the mapping
	SpreadsheetID *string    `json:"spreadsheetId"`
	StartedAt     *time.Time `json:"startedAt"`
	Status        string     `json:"status"`
	To            *string    `json:"to"`
	UndoneAt      *time.Time `json:"undoneAt"`
}

// RunScheduleResult is a schema of the API.
type RunScheduleResult struct {
	Data    Enqueued `json:"data"`
	Message string   `json:"message,omitempty"`
	Success bool     `json:"success"`
}

// SaveCredentialRequest is a schema of the API.
type SaveCredentialRequest struct {
	// The credential as the provider gave it: a JSON object, or the same as JSON text
	CredentialJSON json.RawMessage `json:"credentialJson"`
	// 1 to 255 characters
	CredentialName string `json:"credentialName"`
	Service        string `json:"service"`
}

// SaveCredentialResult is a schema of the API.
type SaveCredentialResult struct {
	CreatedAt     time.Time `json:"createdAt"`
	CredentialID  int64     `json:"credentialId"`
	MaskedPreview string    `json:"maskedPreview"`
	Name          string    `json:"name"`
	Service       string    `json:"service"`
	Type          string    `json:"type"`
	Verified      bool      `json:"verified"`
}

// Schedule is a schema of the API.
type Schedule struct {
	CreatedAt time.Time  `json:"created_at"`
	Cron      string     `json:"cron"`
	Enabled   bool       `json:"enabled"`
	ID        int64      `json:"id"`
	LastRunAt *time.Time `json:"last_run_at"`
	// What happens after times that no server was there for: one run, or one for each day
	Misfire string `json:"misfire"`
	// null: switched off
	NextRunAt *time.Time `json:"next_run_at"`
	Service   string     `json:"service"`
	Timezone  string     `json:"timezone"`
	UpdatedAt time.Time  `json:"updated_at"`
}

// ServiceState is a schema of the API.
type ServiceState struct {
	Credential *BoundCredential `json:"credential,omitempty"`
	Enabled    bool             `json:"enabled"`
	Name       string           `json:"name"`
}

// Session is a schema of the API.
type Session struct {
	CreatedAt time.Time `json:"createdAt"`
	// The session of the token that was sent
	Current    bool       `json:"current"`
	ExpiresAt  time.Time  `json:"expiresAt"`
	ID         string     `json:"id"`
	IP         *string    `json:"ip"`
	LastUsedAt *time.Time `json:"lastUsedAt"`
	UserAgent  *string    `json:"userAgent"`
}

// SetBrandRequest is a schema of the API.
type SetBrandRequest struct {
	// #rrggbb; null: the house's own
	Color *Null[string] `json:"color,omitempty"`
	// A data: URL of a PNG, JPEG, WebP or SVG image of at most 64 KiB; null: the house's own
	Logo *Null[string] `json:"logo,omitempty"`
}

// SetNotificationsRequest is a schema of the API.
type SetNotificationsRequest struct {
	// Mails at all
	Email bool `json:"email"`
	// null or left out: all, also those to come
	Events []string `json:"events,omitempty"`
}

// SetScheduleRequest is a schema of the API.
type SetScheduleRequest struct {
	Cron    string `json:"cron"`
	Enabled *bool  `json:"enabled"`
	// After times that no server was there for: once (the default) makes one run, each one for every missed day, at most 31. Left out: stays as it is
	Misfire *string `json:"misfire,omitempty"`
	// IANA name; left out: stays as it is
	Timezone *string `json:"timezone,omitempty"`
}

// SetScheduleResult is a schema of the API.
type SetScheduleResult struct {
	Data    Schedule `json:"data"`
	Message string   `json:"message,omitempty"`
	Success bool     `json:"success"`
}

// SetSheetMappingRequest is a schema of the API.
type SetSheetMappingRequest struct {
	Service string `json:"service"`
	// Name of the tab
	SheetName string `json:"sheetName"`
	// The long id in the spreadsheet's address
	SpreadsheetID string `json:"spreadsheetId"`
}

// SetUserRoleRequest is a schema of the API.
type SetUserRoleRequest struct {
	Role string `json:"role"`
}

// Settings is a schema of the API.
type Settings struct {
	// Mails at all
	Email bool `json:"email"`
	// null: all, also those to come
	Events []string `json:"events"`
	// What can be chosen
	KnownEvents []string `json:"knownEvents"`
	// null: never chosen
	UpdatedAt *time.Time `json:"updatedAt"`
}

// SignedIn is a schema of the API.
type SignedIn struct {
	// ES256 JWT; send it as Authorization: Bearer
	AccessToken string `json:"accessToken,omitempty"`
	// The address has to be verified before the first sign-in
	EmailVerificationRequired bool `json:"emailVerificationRequired,omitempty"`
	// Seconds until the access token expires
	ExpiresIn int64 `json:"expiresIn,omitempty"`
	// Opaque; changes with every refresh; in cookie mode it is in the cookie
	RefreshToken string    `json:"refreshToken,omitempty"`
	TokenType    string    `json:"tokenType,omitempty"`
	User         UserBrief `json:"user"`
}

// SignedInResult is a schema of the API.
type SignedInResult struct {
	Data SignedIn `json:"data"`
	// The same as in data
	EmailVerificationRequired bool `json:"emailVerificationRequired,omitempty"`
}

// Stats is a schema of the API.
type Stats struct {
	Apps int64 `json:"apps"`
	// Sign-ins of the last 24 hours
	Logins24h int64 `json:"logins24h"`
	// Tried and not sent; most are tried again
	MailsFailed int64 `json:"mailsFailed"`
	// Not yet tried
	MailsWaiting int64 `json:"mailsWaiting"`
	// Live ones
	Sessions int64 `json:"sessions"`
	Users    int64 `json:"users"`
}

// StatsResult is a schema of the API.
type StatsResult struct {
	Data Stats `json:"data"`
}

// SyncAllResult is a schema of the API.
type SyncAllResult struct {
	Data    SyncAllResultData `json:"data"`
	Message string            `json:"message"`
	Success bool              `json:"success"`
}

// SyncAllResultData is a schema of the API.
type SyncAllResultData struct {
	Jobs []KpiJob `json:"jobs"`
}

// SyncRequest is a schema of the API.
type SyncRequest struct {
	// Instead of the mapping's
	SheetName *string `json:"sheetName,omitempty"`
	// Instead of the mapping's
	SpreadsheetID *string `json:"spreadsheetId,omitempty"`
	// YYYY-MM-DD in the source's own time zone, not later than today there, at most 37 months back
	TargetDate *string `json:"targetDate,omitempty"`
}

// SyncServiceResult is a schema of the API.
type SyncServiceResult struct {
	Data    KpiJob `json:"data"`
	Message string `json:"message"`
	Success bool   `json:"success"`
}

// TestAuthResult is a schema of the API.
type TestAuthResult struct {
	Message         string                        `json:"message"`
	TokenValidation TestAuthResultTokenValidation `json:"tokenValidation"`
}

// TestAuthResultTokenValidation is a schema of the API.
type TestAuthResultTokenValidation struct {
	TokenClaims TestAuthResultTokenValidationTokenClaims `json:"tokenClaims"`
	User        TestAuthResultTokenValidationUser        `json:"user"`
	Valid       bool                                     `json:"valid"`
}

// TestAuthResultTokenValidationTokenClaims is a schema of the API.
type TestAuthResultTokenValidationTokenClaims struct {
	Exp             time.Time `json:"exp"`
	Iat             time.Time `json:"iat"`
	JTI             string    `json:"jti"`
	TimeUntilExpiry string    `json:"timeUntilExpiry"`
}

// TestAuthResultTokenValidationUser is a schema of the API.
type TestAuthResultTokenValidationUser struct {
	AppID        string `json:"appId"`
	Email        string `json:"email"`
	Exp          int64  `json:"exp"`
	Iat          int64  `json:"iat"`
	ID           string `json:"id"`
	JTI          string `json:"jti"`
	Role         string `json:"role"`
	TokenVersion int64  `json:"tokenVersion"`
}

// TestNotificationsResult is a schema of the API.
type TestNotificationsResult struct {
	// A mail was queued
	Email   bool   `json:"email"`
	Message string `json:"message"`
	Success bool   `json:"success"`
	// Deliveries that were queued
	Webhooks int64 `json:"webhooks"`
}

// TokenRequest is a schema of the API.
type TokenRequest struct {
	// At most 1000 characters; the first 100 are kept
	Reason *string `json:"reason,omitempty"`
	Token  string  `json:"token"`
}

// Tokens is a schema of the API.
type Tokens struct {
	// ES256 JWT; send it as Authorization: Bearer
	AccessToken string `json:"accessToken"`
	// Seconds until the access token expires
	ExpiresIn int64 `json:"expiresIn"`
	// Opaque; changes with every refresh; in cookie mode it is in the cookie
	RefreshToken string `json:"refreshToken,omitempty"`
	TokenType    string `json:"tokenType"`
}

// Undone is a schema of the API.
type Undone struct {
	// Cells that were left alone, because somebody has changed them since
	Left int64 `json:"left"`
	// Cells that hold again what they held before the run
	Restored int64 `json:"restored"`
}

// UpdateCredentialRequest is a schema of the API.
type UpdateCredentialRequest struct {
	// The credential as the provider gave it: a JSON object, or the same as JSON text
	CredentialJSON json.RawMessage `json:"credentialJson,omitempty"`
	// 1 to 255 characters
	CredentialName *Null[string] `json:"credentialName,omitempty"`
	// May be sent if it is the stored one
	Service *string `json:"service,omitempty"`
}

// UpdateProfileRequest is a schema of the API.
type UpdateProfileRequest struct {
	// Checked when it is sent
	CurrentPassword *string `json:"currentPassword,omitempty"`
	Email           *string `json:"email,omitempty"`
}

// UpdateProfileResult is a schema of the API.
type UpdateProfileResult struct {
	Message string   `json:"message"`
	User    UserView `json:"user"`
}

// UpdateResult is a schema of the API.
type UpdateResult struct {
	ID        int64     `json:"id"`
	Name      string    `json:"name"`
	Service   string    `json:"service"`
	UpdatedAt time.Time `json:"updatedAt"`
	Verified  bool      `json:"verified"`
	// Counts the contents
	Version int64 `json:"version"`
}

// Use is a schema of the API.
type Use struct {
	At time.Time `json:"at"`
	// Where it went; null where nothing left the server or none was noted
	Host *string `json:"host"`
	// The run that used it
	JobID *string `json:"jobId"`
	// verify, sync, proxy, restore, …
	Purpose string `json:"purpose"`
	// failure: it did not open
	Status string `json:"status"`
}

// User is a schema of the API.
type User struct {
	AppID         string    `json:"appId"`
	CreatedAt     time.Time `json:"createdAt"`
	Email         string    `json:"email"`
	EmailVerified bool      `json:"emailVerified"`
	ID            string    `json:"id"`
	// Which other issuers sign the user in; not in lists
	Identities []IdentityName `json:"identities,omitempty"`
	Role       string         `json:"role"`
	// How many are live; not in lists
	Sessions int64  `json:"sessions,omitempty"`
	Status   string `json:"status"`
	// Access tokens of an older one are void
	TokenVersion int64     `json:"tokenVersion"`
	UpdatedAt    time.Time `json:"updatedAt"`
}

// UserBrief is a schema of the API.
type UserBrief struct {
	Email         string `json:"email"`
	EmailVerified bool   `json:"emailVerified,omitempty"`
	ID            string `json:"id"`
	Role          string `json:"role,omitempty"`
}

// UserResult is a schema of the API.
type UserResult struct {
	Data User `json:"data"`
}

// UserStatusResult is a schema of the API.
type UserStatusResult struct {
	Data    Person `json:"data"`
	Message string `json:"message,omitempty"`
	Success bool   `json:"success"`
}

// UserView is a schema of the API.
type UserView struct {
	CreatedAt time.Time `json:"createdAt"`
	Email     string    `json:"email"`
	ID        string    `json:"id"`
	Role      string    `json:"role"`
}

// VerifyAuditResult is a schema of the API.
type VerifyAuditResult struct {
	Data Report `json:"data"`
}

// VerifyCredentialResult is a schema of the API.
type VerifyCredentialResult struct {
	ConnectedAs string     `json:"connectedAs"`
	ExpiresAt   *time.Time `json:"expiresAt,omitempty"`
	Message     string     `json:"message"`
	Verified    bool       `json:"verified"`
}

// VerifyEmailRequest is a schema of the API.
type VerifyEmailRequest struct {
	Token string `json:"token"`
}

// VerifyEmailResult is a schema of the API.
type VerifyEmailResult struct {
	Message string    `json:"message"`
	User    UserBrief `json:"user"`
}

// Version is a schema of the API.
type Version struct {
	// When this content was saved
	CreatedAt     time.Time `json:"createdAt"`
	Current       bool      `json:"current"`
	MaskedPreview string    `json:"maskedPreview"`
	Number        int64     `json:"number"`
	// null of the present one
	ReplacedAt *time.Time `json:"replacedAt"`
	Type       string     `json:"type"`
}

// Webhook is a schema of the API.
type Webhook struct {
	// Where a Telegram bot writes; null of other formats
	ChatID    *string   `json:"chatId"`
	CreatedAt time.Time `json:"createdAt"`
	// null: all, also those to come
	Events []string `json:"events"`
	// What goes there, and how
	Format string `json:"format"`
	ID     string `json:"id"`
	// Of a chat only the host and the last four characters, without a scheme
	URL string `json:"url"`
}
