// Written by scripts/generate.mjs from openapi.json; do not edit.

export interface APIError {
  /** Stable code that programs branch on. */
  code?: string
  /** More, where there is more; errors lists broken rules. */
  details?: Record<string, unknown>
  /** What happened, for people. */
  error: string
  /** Whole seconds to wait before the next attempt. */
  retryAfter?: number
  /** Always false where it appears: limits, timeouts and the enveloped routes. */
  success?: boolean
}

export interface AddRevocationRequest {
  /** jti: when the token expires; default: when any token has */
  expiresAt?: string
  kind: "jti" | "session" | "user" | "app"
  /** At most 1000 characters; the first 100 are kept */
  reason?: string
  /** The jti, or the id of the session, user or app */
  subject: string
  /** jti: whose token it is */
  userId?: string
}

export interface AddRevocationResult {
  data: Revoked
}

export interface AdminHealth {
  feed: AdminHealthFeed
  /** The service that mails leave by */
  mail: string
  /** kid of the key that signs */
  signer: string
  stats: Stats
  /** degraded: it works, and asks PostgreSQL about every token */
  status: "healthy" | "degraded"
}

export interface AdminHealthFeed {
  /** Milliseconds since the last sign of life; -1: there was none */
  ageMs: number
  /** The server knows every revocation without asking */
  current: boolean
}

export interface AdminHealthResult {
  data: AdminHealth
}

export interface AdminOnlyResult {
  admin: UserBrief
  adminCapabilities: Array<string>
  message: string
}

export interface ApiHealthResult {
  auth: ClerkBody
  database: Connection
  /** Optional; false without Redis, which is well. */
  redis: Connection
  status: "healthy" | "unhealthy"
  /** Whole seconds since the start. */
  uptime: number
  version: string
}

export interface App {
  /** Life of an access token */
  accessTtl: number | null
  /** Base of links in mails */
  baseUrl: string | null
  createdAt: string
  /** The console's app, which cannot be deleted */
  default: boolean
  id: string
  /** For people, in mails too */
  name: string
  /** Access tokens issued before are void */
  notBefore: string | null
  /** Pages that may call from a browser, besides the server's own list */
  origins: Array<string>
  /** Upper case, lower case, digit and special character are needed */
  passwordClasses: boolean
  /** Characters */
  passwordMin: number
  /** How long a session may live at all; 0: no bound */
  refreshAbsoluteTtl: number | null
  /** How long the previous refresh token still gets the same successor */
  refreshGrace: number | null
  /** How long a session may rest */
  refreshTtl: number | null
  registrationOpen: boolean
  /** Registering answers alike for known and unknown addresses */
  silentRegistration: boolean
  updatedAt: string
  /** Sign-in needs a verified address */
  verificationRequired: boolean | null
}

export interface AppChange {
  /** 30 to 86400 seconds; null: the server's. Tokens that were issued before live on as they are */
  accessTtl?: number | null
  /** https, or http on localhost; null: the server's */
  baseUrl?: string | null
  /** 1 to 200 characters */
  name?: string
  /** scheme://host[:port] each; https, or http on localhost */
  origins?: Array<string>
  passwordClasses?: boolean
  /** 8 to 64 characters */
  passwordMin?: number
  /** 0 (no bound) or 60 to 315360000 seconds; null: the server's. For sessions from now on */
  refreshAbsoluteTtl?: number | null
  /** 0 to 300 seconds; null: the server's */
  refreshGrace?: number | null
  /** 60 to 315360000 seconds; null: the server's. It holds from a session's next refresh on */
  refreshTtl?: number | null
  registrationOpen?: boolean
  silentRegistration?: boolean
  /** null: the server's */
  verificationRequired?: boolean | null
}

export interface AppInfoResult {
  appId: string
  requestingUser: UserBrief
  /** All users of the app */
  userCount: number
  users: Array<UserView>
}

export interface AppResult {
  data: App
}

export interface Appended {
  id: string
  mode: "append" | "update" | "skip"
  rowNumber: number
  success: boolean
}

export interface AuditEntry {
  action: string
  /** Who did it: a user's id, admin-key:<name>, or gravy */
  actor: string | null
  appId: string
  createdAt: string
  id: string
  ip: string | null
  /** Facts of the act; requestId names the request in the log */
  meta: Record<string, unknown>
  userAgent: string | null
  /** Whom it happened to */
  userId: string | null
}

export interface AuditEntryPage {
  data: Array<AuditEntry>
  /** null: this is the last page */
  nextCursor: string | null
}

export interface AuthDetail {
  /** invalid_type, too_small, too_big, invalid_string or invalid_enum_value. */
  code: string
  /** Dotted path of the field, empty for the body itself. */
  field: string
  message: string
  /** JSON type that came instead. */
  received?: string
}

export interface AuthError {
  /** The fields that broke a rule. */
  details?: Array<AuthDetail>
  /** Stable code that programs branch on. */
  error: string
  /** The account is locked for retryAfter seconds. */
  lockoutActive?: boolean
  /** What happened, for people. */
  message: string
  /** Path of the request. */
  path: string
  /** The same as the header X-Request-Id; names the request in the log. */
  requestId: string
  /** Whole seconds to wait before the next attempt. */
  retryAfter?: number
  /** When the error was made, UTC. */
  timestamp: string
}

export interface AwaitedData {
  appendResult: Appended
  /** Meta only */
  date?: string
  /** Meta only */
  id?: string
  /** Figures by column; Meta's with metricSources, the others' with id */
  metrics: Record<string, unknown>
  /** Meta only */
  service?: string
  sheetName: string
  spreadsheetId: string
}

export interface AwaitedRequest {
  /** A number, also as text */
  credentialId: number | string
  options?: SyncRequest
}

export interface AwaitedResult {
  data: AwaitedData
  message?: string
  success: boolean
}

export interface BoundCredential {
  id: number
  name: string
  verified: boolean
}

export interface Brand {
  /** #rrggbb */
  color: string | null
  /** A data: URL of a PNG, JPEG, WebP or SVG image of at most 64 KiB */
  logo: string | null
}

export interface ChangePasswordRequest {
  currentPassword: string
  /** As at registration */
  newPassword: string
}

export interface ChangePasswordResult {
  message: string
  requiresReauthentication: boolean
}

export interface Check {
  /** What was found, and where */
  message: string
  name: string
  /** How to mend it */
  remedy?: string
  /** warn: it works, and should not stay so; fail: something does not work */
  status: "ok" | "warn" | "fail"
}

export interface Checkpoint {
  /** Of the seal and of all before it, SHA-256, hexadecimal */
  hash: string
  /** Number of the seal */
  no: number
  /** That verifies the signature, Ed25519, hexadecimal */
  publicKey: string
  sealedAt: string
  /** Ed25519 over the hash, hexadecimal */
  signature: string
}

export interface ClerkBody {
  /** State of the keys for Clerk session tokens. */
  clerk: "ok" | "stale" | "off"
}

export interface Connection {
  connected: boolean
}

export interface CreateAppRequest {
  /** 30 to 86400 seconds; null: the server's. Tokens that were issued before live on as they are */
  accessTtl?: number | null
  /** https, or http on localhost; null: the server's */
  baseUrl?: string | null
  /** 1 to 100 letters, numbers, underscores and hyphens; appId of the app's requests */
  id: string
  /** 1 to 200 characters */
  name?: string
  /** scheme://host[:port] each; https, or http on localhost */
  origins?: Array<string>
  passwordClasses?: boolean
  /** 8 to 64 characters */
  passwordMin?: number
  /** 0 (no bound) or 60 to 315360000 seconds; null: the server's. For sessions from now on */
  refreshAbsoluteTtl?: number | null
  /** 0 to 300 seconds; null: the server's */
  refreshGrace?: number | null
  /** 60 to 315360000 seconds; null: the server's. It holds from a session's next refresh on */
  refreshTtl?: number | null
  registrationOpen?: boolean
  silentRegistration?: boolean
  /** null: the server's */
  verificationRequired?: boolean | null
}

export interface CreateRunRequest {
  dryRun?: boolean
  /** First day, YYYY-MM-DD in the source's own time zone, at most 37 months back */
  from?: string
  service: string
  /** Last day, not later than today at the source */
  to?: string
}

export interface CreateUserRequest {
  /** Trimmed and lower-cased */
  email: string
  /** Take the address as verified */
  emailVerified?: boolean
  /** As at registration; better none: the user then chooses one */
  password?: string
  /** Default: user */
  role?: "user" | "admin"
}

export interface CreateWebhookRequest {
  /** Of format telegram, and required there: a number, or the @name of a public channel */
  chatId?: string
  /** null or left out: all, also those to come */
  events?: Array<string> | null
  /** Left out: turkey, signed JSON. The others take the address of an incoming webhook, or of a bot's sendMessage */
  format?: "turkey" | "slack" | "discord" | "telegram"
  /** https, at most 2048 bytes, a public address; outside production also http */
  url: string
}

export interface CreateWebhookResult {
  /** Where a Telegram bot writes; null of other formats */
  chatId: string | null
  createdAt: string
  /** null: all, also those to come */
  events: Array<string> | null
  /** What goes there, and how */
  format: "turkey" | "slack" | "discord" | "telegram"
  id: string
  /** Of format turkey. Shown once. whsec_ and 32 bytes in base64 */
  secret?: string
  /** Of a chat only the host and the last four characters, without a scheme */
  url: string
}

export interface Credential {
  createdAt: string
  /** Only of deleted ones */
  deletedAt?: string
  expiresAt: string | null
  health: "unchecked" | "ok" | "expiring" | "failing" | "broken"
  /** Since when it is in this state */
  healthAt: string | null
  /** What to do about it */
  healthMessage: string | null
  /** A stable word, such as rejected or unreadable; null where all is well */
  healthReason: string | null
  id: number
  maskedPreview: string
  name: string
  service: string
  type: "service_account" | "oauth" | "access_token"
  updatedAt: string
  verified: boolean
  verifiedAt: string | null
}

export interface CredentialVerifyStatusResult {
  credentialId: number
  expiresAt: string | null
  lastVerifiedAt: string | null
  verified: boolean
  verifiedAt: string | null
}

export interface DeleteAccountResult {
  deletedUser: DeleteAccountResultDeletedUser
  message: string
}

export interface DeleteAccountResultDeletedUser {
  email: string
  id: string
}

export interface Delivery {
  attempts: number
  createdAt: string
  data: unknown
  deliveredAt: string | null
  /** Why the last attempt failed */
  error: string | null
  event: string
  /** The webhook-id of its attempts */
  id: string
  /** Of the last answer; null: there was none */
  responseStatus: number | null
  status: "pending" | "delivered" | "failed"
}

export interface Difference {
  column: string
  day: string
  new: unknown
  /** null of an empty cell; a formula as such */
  old: unknown
}

export interface DisableServiceResult {
  enabled: boolean
  service: string
}

export interface DoctorReport {
  checks: Array<Check>
  status: "ok" | "warn" | "fail"
}

export interface DoctorResult {
  data: DoctorReport
}

export interface DoneResult {
  message: string
  success: boolean
}

export interface EmailRequest {
  /** Default: the default app */
  appId?: string
  email: string
}

export interface EnableServiceRequest {
  /** A number, or the same as a string */
  credentialId: number | string
}

export interface EnableServiceResult {
  credentialId: number
  enabled: boolean
  service: string
}

export interface Enqueued {
  jobId: string
  service: string
  userId: number
}

export interface Entrance {
  brand: Brand
  id: string
  name: string
  /** Upper case, lower case, digit and special character are needed */
  passwordClasses: boolean
  /** Characters */
  passwordMin: number
  /** Anybody may register */
  registrationOpen: boolean
}

export interface EntranceResult {
  data: Entrance
}

export interface Entry {
  action: string
  /** Seconds that a run took */
  duration: number
  error_message?: string
  id: string
  metadata: unknown
  /** Rows that a run wrote */
  record_count: number
  /** unknown: about none */
  service: string
  status: "success" | "failure" | "partial"
  timestamp: string
}

export interface Export {
  /** What happened to the account */
  audit: Array<ExportedEvent>
  exportedAt: string
  /** Who the user is at other issuers */
  identities: Array<Identity>
  /** Without their texts */
  mails: Array<ExportedMail>
  /** What other parts keep, by their names: credentials without their content, mappings, runs */
  more: Record<string, unknown>
  profile: ExportedProfile
  sessions: Array<ExportedSession>
}

export interface ExportDataResult {
  data: Export
}

export interface ExportedEvent {
  action: string
  by: "user" | "administrator" | "unknown"
  createdAt: string
  ip: string | null
  userAgent: string | null
}

export interface ExportedMail {
  createdAt: string
  kind: string
  recipient: string
  sentAt: string | null
}

export interface ExportedProfile {
  appId: string
  createdAt: string
  email: string
  emailVerified: boolean
  id: string
  name: string | null
  role: string
  status: string
  updatedAt: string
}

export interface ExportedSession {
  createdAt: string
  endedAt: string | null
  expiresAt: string
  id: string
  ip: string | null
  lastUsedAt: string | null
  reason: string | null
  userAgent: string | null
}

export interface FigureRow {
  /** Of the account that these days came from, empty while it is not known */
  currency: string
  /** First day of the period */
  day: string
  /** How many days have figures */
  days: number
  derived: Record<string, string>
  /** Of a period: the oldest of its days */
  fetchedAt: string
  /** Of a day as the source gave them; of a week or month the sums */
  metrics: Record<string, string>
  /** The source may still correct them */
  provisional: boolean
  /** Last day with figures */
  to: string
}

export interface Figures {
  /** Of the source, unconverted; empty while it is not known */
  currency: string
  /** Worked out from the totals, to six places */
  derived: Record<string, string>
  from: string
  granularity: "day" | "week" | "month"
  /** By day; a week or month in which the currency changed is one for each */
  rows: Array<FigureRow>
  service: string
  /** Of the source: its days are these */
  timezone: string
  to: string
  /** Sums over all rows in this currency; what does not add up over days is missing */
  totals: Record<string, string>
}

export interface FileView {
  id: string
  name: string
  sheetId: number
}

export interface FilesResult {
  data: Array<FileView>
  success: boolean
}

export interface Finding {
  /** The row */
  id?: string
  /** What was done */
  kind: "changed" | "removed" | "inserted" | "backdated" | "erased" | "seal" | "truncated" | "archive"
  /** The table */
  log?: "audit" | "audit_logs"
  message: string
  /** Of the row's created_at, UTC */
  month?: string
  /** Number of the seal */
  seal?: number
}

export interface GetCurrentUserResult {
  data: GetCurrentUserResultData
  tokenInfo: GetCurrentUserResultTokenInfo
  user: UserView
}

export interface GetCurrentUserResultData {
  appId: string
  createdAt: string
  email: string
  emailVerified: boolean
  id: string
  role: string
}

export interface GetCurrentUserResultTokenInfo {
  exp: number
  iat: number
  jti: string
  tokenVersion: number
}

export interface GetJobResult {
  data: GetJobResultData
  success: boolean
}

export interface GetJobResultData {
  data: GetJobResultDataData
  failedReason?: string
  progress: number
  result: Result | null
  status: "waiting" | "delayed" | "active" | "completed" | "failed" | "cancelled"
}

export interface GetJobResultDataData {
  createdAt: string
  jobId: string
  retryCount: number
  sheetName?: string
  source: string
  spreadsheetId?: string
  targetDate?: string
  userId: number
}

export interface GetProfileResult {
  message: string
  user: UserBrief
}

export interface HealthResult {
  database: "connected" | "disconnected"
  status: "healthy" | "unhealthy"
  /** Days, hours and minutes since the start. */
  uptime: string
  version: string
}

export interface Identity {
  createdAt: string
  /** The address that the issuer told when it was first seen; it identifies nobody */
  email: string | null
  id: string
  issuer: string
  /** Within an hour */
  lastSeenAt: string
  subject: string
}

export interface IdentityName {
  issuer: string
  subject: string
}

export interface IntrospectResult {
  data: Introspection
}

export interface Introspection {
  active: boolean
  expiresAt?: string
  /** All claims of an access token */
  payload?: unknown
  type?: "access" | "refresh"
  userId?: string
}

export interface Job {
  /** Ids of what it is about */
  args: unknown
  /** How often it was begun */
  attempt: number
  attemptedAt: string | null
  /** It runs, and has been told to stop */
  cancelRequested?: boolean
  createdAt: string
  /** How it failed */
  error?: string
  /** When an attempt failed last */
  failedAt: string | null
  finalizedAt: string | null
  id: number
  kind: string
  maxAttempts: number
  /** From when on it may run */
  scheduledAt: string
  /** discarded: a dead letter, its attempts are used up */
  state: "available" | "cancelled" | "completed" | "discarded" | "pending" | "retryable" | "running" | "scheduled"
}

export interface JobResult {
  data: Job
}

export interface KeptMail {
  createdAt: string
  from: string
  html: string
  id: number
  subject: string
  text: string
  to: string
}

export interface KeyInfo {
  alg: string
  createdAt: string
  kid: string
  /** SubjectPublicKeyInfo in PEM */
  publicKey: string
  /** When a retired key leaves the key set: the last token it signed has expired then */
  publishedUntil?: string
  /** When it ceases or ceased to sign */
  retiredAt?: string
  /** Since when it is void */
  revokedAt?: string
  /** When its turn to sign comes or came */
  signsFrom?: string
  /**
   * signing: signs now; next: signs from signsFrom on; verifying: may sign, a newer one does; published: not marked
   * for signing; retired: verifies until publishedUntil; gone: neither signs nor verifies; revoked: void, with all it
   * signed
   */
  state: "signing" | "next" | "verifying" | "published" | "retired" | "gone" | "revoked"
}

export interface KeyInfoResult {
  data: KeyInfo
}

export interface KpiJob {
  jobId: string
  source: string
  targetDate: string
}

export interface ListActivityResult {
  data: ListActivityResultData
  success: boolean
}

export interface ListActivityResultData {
  entries: Array<Entry>
  limit: number
  offset: number
  /** Of all pages */
  total: number
}

export interface ListAppsResult {
  data: Array<App>
  /** null: this is the last page */
  nextCursor: string | null
}

export interface ListCredentialUsesResult {
  /** null: this is the last page */
  nextCursor: string | null
  uses: Array<Use>
}

export interface ListCredentialVersionsResult {
  /** Always null: the history is one page */
  nextCursor: string | null
  versions: Array<Version>
}

export interface ListCredentialsResult {
  credentials: Array<Credential>
  /** null: this is the last page */
  nextCursor: string | null
}

export interface ListDeliveriesResult {
  deliveries: Array<Delivery>
  /** null: this is the last page */
  nextCursor: string | null
}

export interface ListIdentitiesResult {
  data: Array<Identity>
  nextCursor: string | null
}

export interface ListKeysResult {
  data: Array<KeyInfo>
  /** null: this is the last page */
  nextCursor: string | null
}

export interface ListLiveRevocationsResult {
  /** In the order in which they were made */
  data: Array<Revocation>
}

export interface ListLiveSessionsResult {
  data: Array<LiveSession>
  /** null: this is the last page */
  nextCursor: string | null
}

export interface ListMailTemplatesResult {
  data: Array<MailTemplateBrief>
}

export interface ListMailsResult {
  data: Array<KeptMail>
  /** null: this is the last page */
  nextCursor: string | null
}

export interface ListQueuedJobsResult {
  data: Array<Job>
  /** null: this is the last page */
  nextCursor: string | null
}

export interface ListRevocationsResult {
  data: Array<Revocation>
  /** null: this is the last page */
  nextCursor: string | null
}

export interface ListRunsResult {
  nextCursor: string | null
  /** Without the diff of dry runs */
  runs: Array<Run>
}

export interface ListSchedulesResult {
  data: Array<Schedule>
  message?: string
  success: boolean
}

export interface ListServicesResult {
  services: Array<ServiceState>
}

export interface ListSessionsResult {
  data: Array<Session>
  nextCursor: string | null
}

export interface ListSheetMappingsResult {
  mappings: Array<Mapping>
}

export interface ListUsersResult {
  data: Array<User>
  /** null: this is the last page */
  nextCursor: string | null
}

export interface ListWebhooksResult {
  /** Always null: they are few */
  nextCursor: string | null
  webhooks: Array<Webhook>
}

export interface LiveSession {
  appId: string
  createdAt: string
  email: string
  expiresAt: string
  id: string
  ip: string | null
  lastUsedAt: string | null
  userAgent: string | null
  userId: string
}

export interface LoginRequest {
  /** Default: the default app */
  appId?: string
  email: string
  /** cookie: the refresh token comes as an HttpOnly cookie instead */
  mode?: "token" | "cookie"
  password: string
}

export interface LogoutResult {
  message: string
}

export interface MailChange {
  /** A template, at most 64 KiB */
  html?: string
  /** A template of one line, at most 500 bytes */
  subject?: string
  /** A template, at most 16 KiB */
  text?: string
}

export interface MailTemplate {
  /** The app has words of its own */
  custom: boolean
  /** What is sent without words of its own */
  default: MailWords
  html: string
  kind: string
  subject: string
  text: string
  /** null: never changed */
  updatedAt: string | null
}

export interface MailTemplateBrief {
  /** The app has words of its own */
  custom: boolean
  kind: string
  /** As a template */
  subject: string
  /** null: never changed */
  updatedAt: string | null
}

export interface MailTemplateResult {
  data: MailTemplate
}

export interface MailWords {
  html: string
  /** One line */
  subject: string
  text: string
}

export interface Mapping {
  createdAt: string
  id: number
  service: string
  sheetName: string
  spreadsheetId: string
  updatedAt: string
}

export interface MessageResult {
  message: string
}

export interface Onboarding {
  onboardingComplete: boolean
}

export interface OnboardingResult {
  data: Onboarding
  message?: string
  success: boolean
}

export interface Person {
  email: string
  /** Number of the user */
  id: number
  onboardingComplete: boolean
}

export interface Preview {
  cron: string
  /** The next five times */
  next: Array<string>
  service: string
  timezone: string
}

export interface PreviewMailTemplateResult {
  data: MailWords
}

export interface PreviewScheduleResult {
  data: Preview
  message?: string
  success: boolean
}

export interface ProbeResult {
  status: "ok" | "unavailable"
}

export interface QueueStats {
  active: number
  completed: number
  delayed: number
  failed: number
  waiting: number
}

export interface QueueStatsResult {
  data: QueueStats
  message?: string
  success: boolean
}

export interface ReadTabResult {
  /** Rows end at their last cell that is not empty, and the list at the last such row */
  data: Array<Array<string>>
  /** Of the next rows, while the tab has any */
  nextOffset?: number
  success: boolean
}

export interface RefreshRequest {
  /** Default: the default app */
  appId?: string
  /** Left out in cookie mode */
  refreshToken?: string
}

export interface RefreshResult {
  data: Tokens
}

export interface RegisterRequest {
  /** Default: the default app */
  appId?: string
  /** Trimmed and lower-cased */
  email: string
  /** cookie: the refresh token comes as an HttpOnly cookie instead */
  mode?: "token" | "cookie"
  /** 8 to 128 characters with upper and lower case, a digit and a special character, unless the app says otherwise */
  password: string
  /** Refused unless ALLOW_ROLE_ON_REGISTER is set */
  role?: "user" | "admin"
}

export interface Report {
  /** Sealed rows that are in files */
  archived: number
  /** Of these, rows whose person was taken out */
  erased: number
  /** The first thousand */
  findings: Array<Finding>
  intact: boolean
  /** There are more findings than these */
  more: boolean
  newest: Checkpoint | null
  /** Rows held against their seals */
  rows: number
  /** Length of the chain, all of which was checked */
  seals: number
}

export interface ResetPasswordRequest {
  /** As at registration */
  newPassword: string
  token: string
}

export interface Result {
  appended: number
  completedAt: string
  date?: string
  /** Of a dry run: the first 500 cells that would change */
  diff?: Array<Difference>
  /** Of a dry run: all cells that would change */
  diffCells?: number
  durationMs: number
  error?: string
  from?: string
  /** Of the target day's row */
  id?: string
  jobId: string
  /** Which of several candidates a metric was taken from */
  metricSources?: Record<string, string>
  metrics?: Record<string, number>
  /** What happened to the target day's row: append, update, skip */
  mode?: string
  /** Cells that people had changed since they were written, and that hold the source's value again */
  overwritten: number
  rowNumber?: number
  sheetName?: string
  skipped: number
  source: string
  spreadsheetId?: string
  success: boolean
  to?: string
  updated: number
}

export interface Revocation {
  appId: string
  createdAt: string
  /** No token that it ends can be alive then */
  expiresAt: string
  id: number
  kind: "jti" | "session" | "user" | "app"
  /** Of an app: tokens issued before are void */
  notBefore: string | null
  /** The jti, or the id of the session, user or app */
  subject: string
  /** Of a user: tokens of an older token version are void */
  version: number | null
}

export interface RevocationCheckRequest {
  jti: string
}

export interface RevocationCheckResult {
  reason?: string
  revoked: boolean
  /** Milliseconds since 1970 */
  revokedAt?: number
}

export interface RevokeAppRequest {
  /** At most 1000 characters; the first 100 are kept */
  reason?: string
}

export interface RevokeAppResult {
  data: RevokedApp
}

export interface RevokeKeyResult {
  data: RevokedKey
}

export interface Revoked {
  kind: "jti" | "session" | "user" | "app"
  /** false: it had ended before */
  revoked: boolean
  subject: string
}

export interface RevokedApp {
  sessionsEnded: number
}

export interface RevokedKey {
  alg: string
  createdAt: string
  kid: string
  /** SubjectPublicKeyInfo in PEM */
  publicKey: string
  /** When a retired key leaves the key set: the last token it signed has expired then */
  publishedUntil?: string
  /** When it ceases or ceased to sign */
  retiredAt?: string
  /** Since when it is void */
  revokedAt?: string
  /** When its turn to sign comes or came */
  signsFrom?: string
  /**
   * signing: signs now; next: signs from signsFrom on; verifying: may sign, a newer one does; published: not marked
   * for signing; retired: verifies until publishedUntil; gone: neither signs nor verifies; revoked: void, with all it
   * signed
   */
  state: "signing" | "next" | "verifying" | "published" | "retired" | "gone" | "revoked"
  /** The new key that signs, if this one did */
  successor?: string
}

export interface RotateKeysRequest {
  /** The old keys stay active: they could sign again */
  keepOld?: boolean
}

export interface Run {
  /** How many attempts were begun */
  attempt: number
  createdAt: string
  dryRun: boolean
  /** Why it failed, for people */
  error: string | null
  finishedAt: string | null
  /** First day, YYYY-MM-DD; null of a run over the trailing window that has not begun */
  from: string | null
  id: string
  maxAttempts: number
  /** Of a run that waits */
  nextAttemptAt: string | null
  progress: number
  /** Why the last attempt failed, as a word */
  reason: string | null
  result: Result | null
  service: string
  sheetName: string | null
  /** Where it differs from the mapping */
  spreadsheetId: string | null
  startedAt: string | null
  status: "waiting" | "delayed" | "active" | "completed" | "failed" | "cancelled"
  to: string | null
  undoneAt: string | null
}

export interface RunScheduleResult {
  data: Enqueued
  message?: string
  success: boolean
}

export interface SaveCredentialRequest {
  /** The credential as the provider gave it: a JSON object, or the same as JSON text */
  credentialJson: string | Record<string, unknown>
  /** 1 to 255 characters */
  credentialName: string
  service: string
}

export interface SaveCredentialResult {
  createdAt: string
  credentialId: number
  maskedPreview: string
  name: string
  service: string
  type: "service_account" | "oauth" | "access_token"
  verified: boolean
}

export interface Schedule {
  created_at: string
  cron: string
  enabled: boolean
  id: number
  last_run_at: string | null
  /** What happens after times that no server was there for: one run, or one for each day */
  misfire: "once" | "each"
  /** null: switched off */
  next_run_at: string | null
  service: string
  timezone: string
  updated_at: string
}

export interface ServiceState {
  credential?: BoundCredential
  enabled: boolean
  name: string
}

export interface Session {
  createdAt: string
  /** The session of the token that was sent */
  current: boolean
  expiresAt: string
  id: string
  ip: string | null
  lastUsedAt: string | null
  userAgent: string | null
}

export interface SetBrandRequest {
  /** #rrggbb; null: the house's own */
  color?: string | null
  /** A data: URL of a PNG, JPEG, WebP or SVG image of at most 64 KiB; null: the house's own */
  logo?: string | null
}

export interface SetNotificationsRequest {
  /** Mails at all */
  email: boolean
  /** null or left out: all, also those to come */
  events?: Array<string> | null
}

export interface SetScheduleRequest {
  cron: string
  enabled: boolean | null
  /**
   * After times that no server was there for: once (the default) makes one run, each one for every missed day, at most
   * 31. Left out: stays as it is
   */
  misfire?: "once" | "each"
  /** IANA name; left out: stays as it is */
  timezone?: string
}

export interface SetScheduleResult {
  data: Schedule
  message?: string
  success: boolean
}

export interface SetSheetMappingRequest {
  service: string
  /** Name of the tab */
  sheetName: string
  /** The long id in the spreadsheet's address */
  spreadsheetId: string
}

export interface SetUserRoleRequest {
  role: "user" | "admin"
}

export interface Settings {
  /** Mails at all */
  email: boolean
  /** null: all, also those to come */
  events: Array<string> | null
  /** What can be chosen */
  knownEvents: Array<string>
  /** null: never chosen */
  updatedAt: string | null
}

export interface SignedIn {
  /** ES256 JWT; send it as Authorization: Bearer */
  accessToken?: string
  /** The address has to be verified before the first sign-in */
  emailVerificationRequired?: boolean
  /** Seconds until the access token expires */
  expiresIn?: number
  /** Opaque; changes with every refresh; in cookie mode it is in the cookie */
  refreshToken?: string
  tokenType?: "Bearer"
  user: UserBrief
}

export interface SignedInResult {
  data: SignedIn
  /** The same as in data */
  emailVerificationRequired?: boolean
}

export interface Stats {
  apps: number
  /** Sign-ins of the last 24 hours */
  logins24h: number
  /** Tried and not sent; most are tried again */
  mailsFailed: number
  /** Not yet tried */
  mailsWaiting: number
  /** Live ones */
  sessions: number
  users: number
}

export interface StatsResult {
  data: Stats
}

export interface SyncAllResult {
  data: SyncAllResultData
  message: string
  success: boolean
}

export interface SyncAllResultData {
  jobs: Array<KpiJob>
}

export interface SyncRequest {
  /** Instead of the mapping's */
  sheetName?: string
  /** Instead of the mapping's */
  spreadsheetId?: string
  /** YYYY-MM-DD in the source's own time zone, not later than today there, at most 37 months back */
  targetDate?: string
}

export interface SyncServiceResult {
  data: KpiJob
  message: string
  success: boolean
}

export interface TestAuthResult {
  message: string
  tokenValidation: TestAuthResultTokenValidation
}

export interface TestAuthResultTokenValidation {
  tokenClaims: TestAuthResultTokenValidationTokenClaims
  user: TestAuthResultTokenValidationUser
  valid: boolean
}

export interface TestAuthResultTokenValidationTokenClaims {
  exp: string
  iat: string
  jti: string
  timeUntilExpiry: string
}

export interface TestAuthResultTokenValidationUser {
  appId: string
  email: string
  exp: number
  iat: number
  id: string
  jti: string
  role: string
  tokenVersion: number
}

export interface TestNotificationsResult {
  /** A mail was queued */
  email: boolean
  message: string
  success: boolean
  /** Deliveries that were queued */
  webhooks: number
}

export interface TokenRequest {
  /** At most 1000 characters; the first 100 are kept */
  reason?: string
  token: string
}

export interface Tokens {
  /** ES256 JWT; send it as Authorization: Bearer */
  accessToken: string
  /** Seconds until the access token expires */
  expiresIn: number
  /** Opaque; changes with every refresh; in cookie mode it is in the cookie */
  refreshToken?: string
  tokenType: "Bearer"
}

export interface Undone {
  /** Cells that were left alone, because somebody has changed them since */
  left: number
  /** Cells that hold again what they held before the run */
  restored: number
}

export interface UpdateCredentialRequest {
  /** The credential as the provider gave it: a JSON object, or the same as JSON text */
  credentialJson?: string | Record<string, unknown>
  /** 1 to 255 characters */
  credentialName?: string | null
  /** May be sent if it is the stored one */
  service?: string
}

export interface UpdateProfileRequest {
  /** Checked when it is sent */
  currentPassword?: string
  email?: string
}

export interface UpdateProfileResult {
  message: string
  user: UserView
}

export interface UpdateResult {
  id: number
  name: string
  service: string
  updatedAt: string
  verified: boolean
  /** Counts the contents */
  version: number
}

export interface Use {
  at: string
  /** Where it went; null where nothing left the server or none was noted */
  host: string | null
  /** The run that used it */
  jobId: string | null
  /** verify, sync, proxy, restore, … */
  purpose: string
  /** failure: it did not open */
  status: "success" | "failure"
}

export interface User {
  appId: string
  createdAt: string
  email: string
  emailVerified: boolean
  id: string
  /** Which other issuers sign the user in; not in lists */
  identities?: Array<IdentityName>
  role: "user" | "admin"
  /** How many are live; not in lists */
  sessions?: number
  status: "active" | "suspended" | "deleted"
  /** Access tokens of an older one are void */
  tokenVersion: number
  updatedAt: string
}

export interface UserBrief {
  email: string
  emailVerified?: boolean
  id: string
  role?: string
}

export interface UserResult {
  data: User
}

export interface UserStatusResult {
  data: Person
  message?: string
  success: boolean
}

export interface UserView {
  createdAt: string
  email: string
  id: string
  role: string
}

export interface VerifyAuditResult {
  data: Report
}

export interface VerifyCredentialResult {
  connectedAs: string
  expiresAt?: string
  message: string
  verified: boolean
}

export interface VerifyEmailRequest {
  token: string
}

export interface VerifyEmailResult {
  message: string
  user: UserBrief
}

export interface Version {
  /** When this content was saved */
  createdAt: string
  current: boolean
  maskedPreview: string
  number: number
  /** null of the present one */
  replacedAt: string | null
  type: "service_account" | "oauth" | "access_token"
}

export interface Webhook {
  /** Where a Telegram bot writes; null of other formats */
  chatId: string | null
  createdAt: string
  /** null: all, also those to come */
  events: Array<string> | null
  /** What goes there, and how */
  format: "turkey" | "slack" | "discord" | "telegram"
  id: string
  /** Of a chat only the host and the last four characters, without a scheme */
  url: string
}
