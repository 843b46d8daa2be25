package codes

// Entry explains a code.
type Entry struct {
	Code     string
	Statuses []int
	Meaning  string
	Remedy   string // what the caller does about it
}

// Catalogue has the codes of a half, in the order of docs/errors.md.
func Catalogue(api bool) []Entry {
	if api {
		return apiEntries
	}
	return authEntries
}

// Meaning is that of a code of either half, "" of one that is not known.
func Meaning(code string) string {
	for _, entries := range [][]Entry{authEntries, apiEntries} {
		for i := range entries {
			if entries[i].Code == code {
				return entries[i].Meaning
			}
		}
	}
	return ""
}

// authEntries are the codes outside /api.
var authEntries = []Entry{
	{"bad_request", []int{400}, "The request cannot be read: its body is no JSON, its Content-Type is another, or a token in it is none",
		"Send JSON with `Content-Type: application/json`. The same request will fail again."},
	{"validation_error", []int{400}, "A field or parameter breaks a rule", "`details` names each field and its rule. Show them at the form's fields."},
	{"unauthorized", []int{401}, "The current password is wrong, or the caller cannot be recognised", "Ask for the password again; without a session, sign in."},
	{"missing_token", []int{401}, "There is no access token", "Send `Authorization: Bearer <access token>`, or sign in."},
	{"invalid_token", []int{401}, "The text is no access token of this server", "Refresh. If the new token is refused too, sign in again."},
	{"invalid_signature", []int{401}, "The token was signed by somebody else, or changed", "Sign in again, and look where the token came from."},
	{"invalid_issuer", []int{401}, "The token was issued by another server", "Compare the base URL of your client with the server's `JWT_ISSUER`."},
	{"invalid_audience", []int{401}, "The token is one of another app", "Use the app id that the user signed in with."},
	{"token_expired", []int{401}, "The access token has expired, or a change of password ended it", "Refresh once and repeat the request."},
	{"token_revoked", []int{401}, "The token, its session or its user was revoked", "Sign in again. A refresh fails as well where the session ended."},
	{"invalid_credentials", []int{401}, "E-mail and password do not belong together, or the address is not verified yet",
		"Ask again. The answer does not tell which of the two was wrong."},
	{"invalid_grant", []int{401}, "The refresh token has expired, was used before, or its session has ended", "Forget both tokens and sign in again. Never repeat it."},
	{"missing_api_key", []int{401}, "The route is for backend services, and there is no key", "Send `X-Turkey-Service-Key`, from a backend only."},
	{"forbidden", []int{403}, "The caller is known and may not do this: suspended, not verified, registration closed, or a foreign origin", "`message` says which. Repeating does not help."},
	{"insufficient_permissions", []int{403}, "The role does not reach this", "Ask an administrator of the app, or an operator."},
	{"invalid_api_key", []int{403}, "The service or admin key is not a valid one", "Compare it with the server's setting; `gravy key` makes admin keys."},
	{"not_found", []int{404}, "The route, or what it names, does not exist, or not for this caller", "Check path and ids. What belongs to others does not exist either."},
	{"request_timeout", []int{408}, "The body did not arrive in time", "Repeat it, over a better line."},
	{"already_exists", []int{409}, "The address, app or name is taken", "Choose another."},
	{"user_exists", []int{409}, "The app has a user of this address", "Let the user sign in, or reset the password."},
	{"app_in_use", []int{409}, "The app has users, or is the default app", "Delete its users first."},
	{"conflict", []int{409}, "It is the only key that can sign", "Rotate the signing keys instead."},
	{"idempotency_conflict", []int{409}, "The Idempotency-Key was used for another request", "Make a new key for each request."},
	{"idempotency_in_progress", []int{409}, "The first request of this Idempotency-Key is not answered yet", "Repeat with the same key after `Retry-After`."},
	{"job_ended", []int{409}, "The job has ended", "Nothing is left to cancel or repeat."},
	{"job_running", []int{409}, "The job is being worked on", "Wait, or cancel it first."},
	{"job_waiting", []int{409}, "A job of this kind waits already", "Wait for that one."},
	{"key_revoked", []int{409}, "The signing key was revoked", "Rotate the keys; a revoked one does not come back."},
	{"last_admin", []int{409}, "It is the last administrator of the app", "Make somebody else one first."},
	{"last_identity", []int{409}, "It is the only way to sign in to the account", "Set a password or add another identity first."},
	{"no_password", []int{409}, "Another issuer signs this user in", "Have the password changed there."},
	{"not_active", []int{409}, "The user is suspended or deleted", "Activate the user first; a deleted one does not come back."},
	{"payload_too_large", []int{413}, "The body is larger than 100 KiB", "Send less."},
	{"unsupported_media_type", []int{415}, "The body is not declared as JSON", "Send `Content-Type: application/json`."},
	{"rate_limit_exceeded", []int{429}, "Too many requests of this kind", "Wait `Retry-After` seconds, with some jitter."},
	{"account_locked", []int{429}, "Too many failed sign-ins; the account is locked for this client", "Wait `retryAfter` seconds, or reset the password."},
	{"internal_server_error", []int{500}, "The server failed", "Repeat reads. Report `requestId`: it names the cause in the log."},
	{"service_unavailable", []int{503}, "The database is away, the server is busy, or a part of it is switched off", "Repeat after `Retry-After`. Sessions stay: do not sign the user out."},
}

// apiEntries are the codes under /api.
var apiEntries = []Entry{
	{"INVALID_JSON", []int{400}, "The body cannot be read as JSON", "Send a JSON object with `Content-Type: application/json`."},
	{"MISSING_FIELDS", []int{400}, "A required field is missing", "`error` names it."},
	{"VALIDATION_ERROR", []int{400, 413, 415}, "A field or parameter breaks a rule, or the body is too large or not JSON", "`error` says which rule; `details.errors` lists several."},
	{"INVALID_SERVICE", []int{400}, "There is no such service", "`GET /api/services` lists them."},
	{"INVALID_CREDENTIAL_FORMAT", []int{400}, "The pasted credential is not one of this service", "`details.errors` says what is wrong with it; paste the file as the provider gave it."},
	{"VERIFICATION_FAILED", []int{400}, "The provider does not accept the credential", "`error` says what the provider wants; mend it there and verify again."},
	{"MISSING_TOKEN", []int{401}, "There is no access token", "Send `Authorization: Bearer <access token>`."},
	{"INVALID_TOKEN", []int{401}, "The text is no token that this server takes", "Refresh, or sign in again."},
	{"AUTH_FAILED", []int{401}, "The token has expired, was revoked, or is of another server", "Refresh once and repeat; then sign in again."},
	{"ACCESS_DENIED", []int{403}, "The account is suspended, or may not do this", "Ask an administrator."},
	{"NOT_FOUND", []int{404}, "The route, or what it names, does not exist", "Check path and ids."},
	{"CREDENTIAL_NOT_FOUND", []int{404}, "There is no such credential of this user", "`GET /api/credentials/list` lists them; a deleted one can be restored for 90 days."},
	{"VERSION_NOT_FOUND", []int{404}, "The credential has no such version, or it is gone", "`GET /api/credentials/{id}/versions` lists them."},
	{"SERVICE_NOT_FOUND", []int{404}, "The service is not set up for this user", "Save a credential for it, or enable it."},
	{"SHEET_NOT_FOUND", []int{404}, "The spreadsheet or tab does not exist, or the credential does not see it", "Share the spreadsheet with the credential's address, and check the tab's name."},
	{"RUN_NOT_FOUND", []int{404}, "There is no such run of this user, or it is not kept any more", "`GET /api/runs` lists them."},
	{"JOB_NOT_FOUND", []int{404}, "There is no such job of this user", "`GET /api/runs` lists runs; a job id is a run's id."},
	{"WEBHOOK_NOT_FOUND", []int{404}, "There is no such webhook of this user", "`GET /api/webhooks` lists them."},
	{"DELIVERY_NOT_FOUND", []int{404}, "The webhook has no such delivery", "`GET /api/webhooks/{id}/deliveries` lists them."},
	{"", []int{408}, "The answer did not come in time. There is no code; `success` is false", "Repeat it. A run that was begun goes on: `GET /api/runs`."},
	{"DUPLICATE_CREDENTIAL", []int{409}, "This credential is stored already, or what was named is taken", "Use the one that is there."},
	{"CREDENTIAL_CHANGED", []int{409}, "Somebody replaced the credential at the same moment", "Read it again and repeat."},
	{"CREDENTIAL_EXISTS", []int{409}, "The credential is not deleted", "There is nothing to restore."},
	{"IDEMPOTENCY_CONFLICT", []int{409}, "The Idempotency-Key was used for another request", "Make a new key for each request."},
	{"IDEMPOTENCY_IN_PROGRESS", []int{409}, "The first request of this Idempotency-Key is not answered yet", "Repeat with the same key after `Retry-After`."},
	{"RUN_CANCELLED", []int{409}, "The run was cancelled while its answer was awaited", "Start another."},
	{"RUN_ENDED", []int{409}, "The run has ended", "There is nothing to cancel."},
	{"RUN_NOT_ENDED", []int{409}, "The run has not ended", "Wait, or cancel it first."},
	{"RUN_NOT_FAILED", []int{409}, "The run neither failed nor was cancelled", "Start another."},
	{"NOTHING_TO_UNDO", []int{409}, "The run has written nothing", "There is nothing to take back."},
	{"ALREADY_UNDONE", []int{409}, "The run was undone", "There is nothing left to take back."},
	{"NOT_THE_LAST_LOAD", []int{409}, "A later run wrote to the same tab", "Undo the later ones first."},
	{"SHEET_BUSY", []int{409}, "A run is writing to the tab", "Try again in a moment."},
	{"SCHEMA_MISMATCH", []int{409}, "The tab's header is not the one that this source writes", "Choose an empty tab, or put the header right; `error` names the column."},
	{"RATE_LIMITED", []int{429}, "Too many requests, here or at the provider", "Wait `Retry-After` seconds, with some jitter."},
	{"SERVICE_ERROR", []int{500, 502, 503}, "The server or the provider failed", "Repeat later. Stored state is as it was."},
	{"DATABASE_ERROR", []int{503}, "The database is away", "Repeat after `Retry-After`."},
}
