// Written by scripts/generate.mjs from openapi.json; do not edit.
import type { CallOptions } from '../types.js'
import type * as s from './schema.js'
import type { StreamEvent } from './sse.js'

export interface ApiOptions extends CallOptions {
  /** Names a write, so that it can be repeated without a second effect; by itself a random one. */
  idempotencyKey?: string
}

export interface Api {
  activity: {
    /**
     * What happened. In the caller's vault and pipeline, newest first. As CSV with Accept: text/csv; without limit
     * that is up to 10,000 entries.
     */
    list(query?: { service?: string; status?: string; start_date?: string; end_date?: string; limit?: number; offset?: number }, options?: ApiOptions): Promise<s.ListActivityResult>
  }
  credentials: {
    /**
     * List credentials. Newest first, all of them unless a limit is given. With deleted=true those that can still be
     * restored, 50 at a time. Nothing secret is in it.
     */
    list(query?: { limit?: number; cursor?: string; deleted?: boolean }, options?: ApiOptions): Promise<s.ListCredentialsResult>
    /**
     * Save a credential. Seals a third-party credential under the caller's own keys and points the service to it. It
     * can be used and replaced, and never read again.
     */
    save(body: s.SaveCredentialRequest, options?: ApiOptions): Promise<s.SaveCredentialResult>
    /** Delete a credential. Also removes the service configuration that uses it. It can be restored for 90 days. */
    delete(id: string | number, options?: ApiOptions): Promise<s.DoneResult>
    /** One credential. Nothing secret is in it. */
    get(id: string | number, options?: ApiOptions): Promise<s.Credential>
    /**
     * Rename or replace a credential. New content starts unverified, and the old one goes into the history. The
     * content that is stored already changes nothing.
     */
    update(id: string | number, body?: s.UpdateCredentialRequest, options?: ApiOptions): Promise<s.UpdateResult>
    /**
     * Restore a deleted credential. Within 90 days of its deletion. It comes back unverified, and no service uses it
     * until one is enabled with it.
     */
    restore(id: string | number, options?: ApiOptions): Promise<s.Credential>
    /**
     * Uses of a credential. Each time the server opened it: when, for what, towards which host, in which run. Also of
     * a deleted one, until it is purged.
     */
    listUses(id: string | number, query?: { limit?: number; cursor?: string }, options?: ApiOptions): Promise<s.ListCredentialUsesResult>
    /**
     * Verify a credential. Asks the provider, with the least calls that prove the right. A provider that is down
     * leaves the stored state as it was.
     */
    verify(id: string | number, options?: ApiOptions): Promise<s.VerifyCredentialResult>
    /** Last verification. No call to the provider. */
    verifyStatus(id: string | number, options?: ApiOptions): Promise<s.CredentialVerifyStatusResult>
    /**
     * History of a credential. The present content and up to 20 that it replaced within the last 90 days, newest
     * first. Nothing secret is in it.
     */
    listVersions(id: string | number, options?: ApiOptions): Promise<s.ListCredentialVersionsResult>
    /**
     * Go back to an old content. Makes the content of a version the present one, under a new number. It is unverified
     * until it is verified again.
     */
    restoreVersion(id: string | number, n: string | number, options?: ApiOptions): Promise<s.UpdateResult>
  }
  sync: {
    /**
     * Sync GA4 and wait. With the credential that is named, whether or not the service is enabled. After 28 seconds
     * the answer is 408, and the run goes on.
     */
    ga4Now(body: s.AwaitedRequest, options?: ApiOptions): Promise<s.AwaitedResult>
    /**
     * Sync GA4 and wait. With the credential that is named, whether or not the service is enabled. After 28 seconds
     * the answer is 408, and the run goes on. options.targetDate is ignored.
     */
    ga4Yesterday(body: s.AwaitedRequest, options?: ApiOptions): Promise<s.AwaitedResult>
    /**
     * Sync Meta and wait. With the credential that is named, whether or not the service is enabled. After 28 seconds
     * the answer is 408, and the run goes on.
     */
    metaNow(body: s.AwaitedRequest, options?: ApiOptions): Promise<s.AwaitedResult>
    /**
     * Sync Shopify and wait. With the credential that is named, whether or not the service is enabled. After 28
     * seconds the answer is 408, and the run goes on.
     */
    shopifyNow(body: s.AwaitedRequest, options?: ApiOptions): Promise<s.AwaitedResult>
    /**
     * Sync Shopify and wait. With the credential that is named, whether or not the service is enabled. After 28
     * seconds the answer is 408, and the run goes on. options.targetDate is ignored.
     */
    shopifyYesterday(body: s.AwaitedRequest, options?: ApiOptions): Promise<s.AwaitedResult>
    /**
     * Sync all sources now. Creates a run for each source that is enabled and that the operator has not switched off.
     * They start half a minute apart.
     */
    all(body?: s.SyncRequest, options?: ApiOptions): Promise<s.SyncAllResult>
    /**
     * Sync now. Creates a run that fetches the source's figures and writes them to the mapped tab. Without targetDate:
     * the trailing window up to the source's own yesterday.
     */
    service(service: string | number, body?: s.SyncRequest, options?: ApiOptions): Promise<s.SyncServiceResult>
  }
  kpis: {
    /**
     * Figures of a source. By day as the source gave them, or summed by week (from Monday) or month. Ratios are worked
     * out from the sums, never averaged. Sources are not added up: two of them describe the same sales. As CSV with
     * Accept: text/csv.
     */
    list(query?: { service?: string; from?: string; to?: string; granularity?: string }, options?: ApiOptions): Promise<s.Figures>
  }
  notifications: {
    /** What is told by mail. Whoever never chose hears of everything. */
    get(options?: ApiOptions): Promise<s.Settings>
    /** Choose what is told by mail. Replaces the settings. Webhooks have their own list of events. */
    set(body: s.SetNotificationsRequest, options?: ApiOptions): Promise<s.Settings>
    /**
     * Send a test. By mail, unless mails are switched off, and to every webhook, whatever it listens to. At most ten
     * an hour.
     */
    test(options?: ApiOptions): Promise<s.TestNotificationsResult>
  }
  runs: {
    /** List runs. Newest first. Completed runs are kept for a day, others for a week. */
    list(query?: { service?: string; status?: string; limit?: number; cursor?: string }, options?: ApiOptions): Promise<s.ListRunsResult>
    /**
     * Collect a range of days. Fetches every day from..to and brings the mapped tab up to date, in pieces of 90 days,
     * each of which is finished before the next begins. Without from and to: the trailing window. A dry run writes
     * nothing and says what it would change.
     */
    create(body: s.CreateRunRequest, options?: ApiOptions): Promise<s.Run>
    /** One run. Own runs only. */
    get(id: string | number, options?: ApiOptions): Promise<s.Run>
    /** Cancel a run. What it has written so far stays; a write that is on its way may still arrive. */
    cancel(id: string | number, options?: ApiOptions): Promise<s.Run>
    /**
     * Watch a run. Server-sent events: `run` with the run as GET /api/runs/{id} shows it, at once and after each
     * change, until it has ended.
     */
    watch(id: string | number, options?: ApiOptions): AsyncGenerator<StreamEvent<unknown>, void>
    /** Try a run again. Of a run that failed or was cancelled. It goes on after the last day that it loaded. */
    retry(id: string | number, options?: ApiOptions): Promise<s.Run>
    /**
     * Take a load back. Puts back what the run replaced, where the cells still hold what it wrote, and empties the
     * rows that it added. Once, and only the last load of a tab. The stored figures stay, so the next run of the
     * service writes them again.
     */
    undo(id: string | number, options?: ApiOptions): Promise<s.Undone>
  }
  schedules: {
    /** List schedules. One per source. Those that were never set are there too, switched off. */
    list(options?: ApiOptions): Promise<s.ListSchedulesResult>
    /**
     * Set a schedule. A cron expression of five fields (minute, hour, day of month, month, weekday) with lists,
     * ranges, steps and names, in an IANA time zone. A local time that a clock change skips runs at the next valid
     * minute, one that it repeats runs once. Where day of month and weekday are both restricted, either is enough.
     */
    set(service: string | number, body: s.SetScheduleRequest, options?: ApiOptions): Promise<s.SetScheduleResult>
    /** When a schedule would run. The next five times. What is left out is taken from the schedule as it is. */
    preview(service: string | number, query?: { cron?: string; timezone?: string }, options?: ApiOptions): Promise<s.PreviewScheduleResult>
    /**
     * Run a schedule now. Creates a run as the schedule would, whether or not it is switched on. Its times stay as
     * they are.
     */
    run(service: string | number, options?: ApiOptions): Promise<s.RunScheduleResult>
  }
  services: {
    /** List services. Every service, enabled or not, with the credential it uses. */
    list(options?: ApiOptions): Promise<s.ListServicesResult>
    /** Disable a service. The credential stays. */
    disable(service: string | number, options?: ApiOptions): Promise<s.DisableServiceResult>
    /** Enable a service. Binds one of the caller's credentials to the service. */
    enable(service: string | number, body: s.EnableServiceRequest, options?: ApiOptions): Promise<s.EnableServiceResult>
  }
  sheetMappings: {
    /** List mappings. Ordered by service. */
    list(options?: ApiOptions): Promise<s.ListSheetMappingsResult>
    /** Map a service to a tab. One mapping per service; setting it again replaces it. */
    set(body: s.SetSheetMappingRequest, options?: ApiOptions): Promise<s.Mapping>
    /**
     * Remove a mapping. The spreadsheet and what is in it stay; runs of the service end with an error until a tab is
     * mapped again.
     */
    delete(service: string | number, options?: ApiOptions): Promise<s.DoneResult>
  }
  sheets: {
    /** Spreadsheets the credential sees. At most 1000. */
    listSpreadsheets(query?: { credential_id?: string }, options?: ApiOptions): Promise<s.FilesResult>
    /** Tabs of a spreadsheet. In the order of the spreadsheet. */
    listTabs(spreadsheetId: string | number, query?: { credential_id?: string }, options?: ApiOptions): Promise<s.FilesResult>
    /** Values of a tab. As formatted text: the whole tab, or with limit so many rows of it. */
    readTab(spreadsheetId: string | number, query?: { credential_id?: string; sheetName?: string; limit?: string; offset?: string }, options?: ApiOptions): Promise<s.ReadTabResult>
  }
  user: {
    /** Onboarding is done. It may be done again. */
    completeOnboarding(options?: ApiOptions): Promise<s.OnboardingResult>
    /** Onboarding begins anew. It may be done again. */
    resetOnboarding(options?: ApiOptions): Promise<s.OnboardingResult>
    /** The caller. By the number that the routes below /api use. */
    status(options?: ApiOptions): Promise<s.UserStatusResult>
  }
  jobs: {
    /** One run. Own runs only. */
    get(jobId: string | number, options?: ApiOptions): Promise<s.GetJobResult>
    /** How many runs there are. By state: the caller's; of all users for operators. */
    queueStats(options?: ApiOptions): Promise<s.QueueStatsResult>
  }
  webhooks: {
    /** List webhooks. Newest first. No secret is in it. */
    list(options?: ApiOptions): Promise<s.ListWebhooksResult>
    /**
     * Add a webhook. The secret in the answer signs every delivery (Standard Webhooks); it is shown once. In the
     * format of a chat the address is the secret: host and last four characters are all that is ever shown of it. At
     * most ten per user.
     */
    create(body: s.CreateWebhookRequest, options?: ApiOptions): Promise<s.CreateWebhookResult>
    /** Delete a webhook. Its deliveries go with it. */
    delete(id: string | number, options?: ApiOptions): Promise<s.DoneResult>
    /** Deliveries of a webhook. Newest first; kept for 30 days. */
    listDeliveries(id: string | number, query?: { limit?: number; cursor?: string }, options?: ApiOptions): Promise<s.ListDeliveriesResult>
    /**
     * Deliver again. One attempt, at once, with the same id and body. What it comes to is seen in the list. At most
     * thirty an hour.
     */
    replayDelivery(id: string | number, delivery: string | number, options?: ApiOptions): Promise<s.DoneResult>
  }
  entrance: {
    /** What a sign-in page has to know. Name, look and rules of an app. Public. */
    get(id: string | number, options?: ApiOptions): Promise<s.EntranceResult>
  }
  account: {
    /** A route for administrators. Needs the role admin. */
    adminOnly(options?: ApiOptions): Promise<s.AdminOnlyResult>
    /** The caller's app. Needs the role admin; users of the caller's own app only. */
    appInfo(query?: { limit?: number; offset?: number }, options?: ApiOptions): Promise<s.AppInfoResult>
    /** Change the password. Ends all sessions and tokens of the user, the caller's own included. */
    changePassword(body: s.ChangePasswordRequest, options?: ApiOptions): Promise<s.ChangePasswordResult>
    /** Delete the account. Removes the user with sessions, tokens, credentials and schedules. */
    deleteAccount(options?: ApiOptions): Promise<s.DeleteAccountResult>
    /** Who am I. The user as of now, and what the token says. */
    getCurrentUser(options?: ApiOptions): Promise<s.GetCurrentUserResult>
    /**
     * Change the address. The new address has to be verified; the old one is told. currentPassword is checked when it
     * is sent.
     */
    updateProfile(body?: s.UpdateProfileRequest, options?: ApiOptions): Promise<s.UpdateProfileResult>
    /**
     * Export the own data. Everything the server keeps about the caller, as JSON: account, sessions, audit log, mails
     * without their texts, credentials without their content, mappings, runs.
     */
    exportData(options?: ApiOptions): Promise<s.ExportDataResult>
    /**
     * List the own identities. Which other issuers sign the user in (Clerk, OpenID providers), under which subject;
     * the oldest first.
     */
    listIdentities(options?: ApiOptions): Promise<s.ListIdentitiesResult>
    /**
     * Remove an own identity. Tokens of that issuer no longer lead to this account. 409 `last_identity` where it is
     * the only way left to sign in.
     */
    removeIdentity(id: string | number, options?: ApiOptions): Promise<s.MessageResult>
    /** End all other own sessions. The caller's own session stays. */
    endOtherSessions(options?: ApiOptions): Promise<s.MessageResult>
    /** List the own sessions. Where the user is signed in; the most recently used first. */
    listSessions(options?: ApiOptions): Promise<s.ListSessionsResult>
    /** End one own session. Its access tokens end with it. */
    endSession(sid: string | number, options?: ApiOptions): Promise<s.MessageResult>
    /** A route for users. Needs the role user or admin. */
    getProfile(options?: ApiOptions): Promise<s.GetProfileResult>
    /** Test a token. What the server makes of the token that was sent. */
    testAuth(body?: unknown, options?: ApiOptions): Promise<s.TestAuthResult>
  }
}

export const apiOperations = {
  activity: {
    list: 'GET /api/activity-log q',
  },
  credentials: {
    list: 'GET /api/credentials/list q',
    save: 'POST /api/credentials/save bk',
    delete: 'DELETE /api/credentials/{id} k',
    get: 'GET /api/credentials/{id}',
    update: 'PUT /api/credentials/{id} bk',
    restore: 'POST /api/credentials/{id}/restore k',
    listUses: 'GET /api/credentials/{id}/uses q',
    verify: 'POST /api/credentials/{id}/verify k',
    verifyStatus: 'GET /api/credentials/{id}/verify-status',
    listVersions: 'GET /api/credentials/{id}/versions',
    restoreVersion: 'POST /api/credentials/{id}/versions/{n}/restore k',
  },
  sync: {
    ga4Now: 'POST /api/ga4/sync bk',
    ga4Yesterday: 'POST /api/ga4/sync/yesterday bk',
    metaNow: 'POST /api/meta/sync bk',
    shopifyNow: 'POST /api/shopify/sync bk',
    shopifyYesterday: 'POST /api/shopify/sync/yesterday bk',
    all: 'POST /api/v1/sync/all bk',
    service: 'POST /api/v1/sync/{service} bk',
  },
  kpis: {
    list: 'GET /api/kpis q',
  },
  notifications: {
    get: 'GET /api/notifications',
    set: 'PUT /api/notifications bk',
    test: 'POST /api/notifications/test k',
  },
  runs: {
    list: 'GET /api/runs q',
    create: 'POST /api/runs bk',
    get: 'GET /api/runs/{id}',
    cancel: 'POST /api/runs/{id}/cancel k',
    watch: 'GET /api/runs/{id}/events s',
    retry: 'POST /api/runs/{id}/retry k',
    undo: 'POST /api/runs/{id}/undo k',
  },
  schedules: {
    list: 'GET /api/schedules',
    set: 'PUT /api/schedules/{service} bk',
    preview: 'GET /api/schedules/{service}/preview q',
    run: 'POST /api/schedules/{service}/run k',
  },
  services: {
    list: 'GET /api/services',
    disable: 'POST /api/services/{service}/disable k',
    enable: 'POST /api/services/{service}/enable bk',
  },
  sheetMappings: {
    list: 'GET /api/sheet-mappings',
    set: 'POST /api/sheet-mappings/set bk',
    delete: 'DELETE /api/sheet-mappings/{service} k',
  },
  sheets: {
    listSpreadsheets: 'GET /api/sheets/spreadsheets q',
    listTabs: 'GET /api/sheets/{spreadsheetId}/sheets q',
    readTab: 'GET /api/sheets/{spreadsheetId}/values q',
  },
  user: {
    completeOnboarding: 'POST /api/user/onboarding/complete k',
    resetOnboarding: 'POST /api/user/onboarding/reset k',
    status: 'GET /api/user/status',
  },
  jobs: {
    get: 'GET /api/v1/jobs/{jobId}',
    queueStats: 'GET /api/v1/queue/stats',
  },
  webhooks: {
    list: 'GET /api/webhooks',
    create: 'POST /api/webhooks bk',
    delete: 'DELETE /api/webhooks/{id} k',
    listDeliveries: 'GET /api/webhooks/{id}/deliveries q',
    replayDelivery: 'POST /api/webhooks/{id}/deliveries/{delivery}/replay k',
  },
  entrance: {
    get: 'GET /v1/apps/{id}',
  },
  account: {
    adminOnly: 'GET /v1/users/admin-only',
    appInfo: 'GET /v1/users/app-info q',
    changePassword: 'POST /v1/users/change-password bk',
    deleteAccount: 'DELETE /v1/users/me k',
    getCurrentUser: 'GET /v1/users/me',
    updateProfile: 'PATCH /v1/users/me bk',
    exportData: 'POST /v1/users/me/export k',
    listIdentities: 'GET /v1/users/me/identities',
    removeIdentity: 'DELETE /v1/users/me/identities/{id} k',
    endOtherSessions: 'DELETE /v1/users/me/sessions k',
    listSessions: 'GET /v1/users/me/sessions',
    endSession: 'DELETE /v1/users/me/sessions/{sid} k',
    getProfile: 'GET /v1/users/profile',
    testAuth: 'POST /v1/users/test-auth bk',
  },
}

export interface AdminApi {
  apps: {
    /** List apps. By id. For operators. */
    list(query?: { limit?: number; cursor?: string }, options?: ApiOptions): Promise<s.ListAppsResult>
    /** Register an app. For operators. */
    create(body: s.CreateAppRequest, options?: ApiOptions): Promise<s.AppResult>
    /** Delete an app. Only one without users, and never the default app. For operators. */
    delete(id: string | number, options?: ApiOptions): Promise<s.MessageResult>
    /** One app. With all settings; null is the server's default. */
    get(id: string | number, options?: ApiOptions): Promise<s.AppResult>
    /**
     * Change settings of an app. What is absent stays, null is the server's default again. Tokens that were issued
     * before live on as they are: a shorter accessTtl holds for new ones; to end the old ones, revoke the app. For
     * operators.
     */
    update(id: string | number, body?: s.AppChange, options?: ApiOptions): Promise<s.AppResult>
    /** Read an app's audit log. Newest first. */
    listAudit(id: string | number, query?: { limit?: number; cursor?: string; user?: string; actor?: string; action?: string; from?: string; to?: string }, options?: ApiOptions): Promise<s.AuditEntryPage>
    /**
     * Change how an app's pages look. Colour and logo of the pages for signing in and of the console; null is the
     * house's own.
     */
    setBrand(id: string | number, body?: s.SetBrandRequest, options?: ApiOptions): Promise<s.EntranceResult>
    /** List the mails of an app. Every kind of mail, and whether the app has words of its own for it. */
    listMailTemplates(id: string | number, options?: ApiOptions): Promise<s.ListMailTemplatesResult>
    /** Give a mail its default words again. For operators. */
    resetMailTemplate(id: string | number, kind: string | number, options?: ApiOptions): Promise<s.MailTemplateResult>
    /** One mail of an app. Words are Go templates; which fields they may use is in the documentation of mails.  */
    getMailTemplate(id: string | number, kind: string | number, options?: ApiOptions): Promise<s.MailTemplateResult>
    /**
     * Change the words of a mail. Words are Go templates; which fields they may use is in the documentation of mails.
     * They are tried out first, and hold for the next mail. For operators.
     */
    setMailTemplate(id: string | number, kind: string | number, body?: s.MailChange, options?: ApiOptions): Promise<s.MailTemplateResult>
    /**
     * Show what words would send. Words are Go templates; which fields they may use is in the documentation of mails.
     * The answer holds sample data; nothing is kept or sent.
     */
    previewMailTemplate(id: string | number, kind: string | number, body?: s.MailChange, options?: ApiOptions): Promise<s.PreviewMailTemplateResult>
    /**
     * Sign everybody of an app out. Ends all access tokens and sessions of the app, the caller's own too if it is
     * theirs.
     */
    revoke(id: string | number, body?: s.RevokeAppRequest, options?: ApiOptions): Promise<s.RevokeAppResult>
  }
  users: {
    /** Search an app's users. Newest first. */
    list(id: string | number, query?: { limit?: number; cursor?: string; q?: string; role?: "user" | "admin"; status?: "active" | "suspended" | "deleted"; verified?: "true" | "false" }, options?: ApiOptions): Promise<s.ListUsersResult>
    /** Make an account. Without a password the user gets a mail to choose one, and nobody signs in before that. */
    create(id: string | number, body: s.CreateUserRequest, options?: ApiOptions): Promise<s.UserResult>
    /** Delete a user. With sessions, tokens, credentials and schedules. An app keeps its last administrator. */
    delete(id: string | number, userId: string | number, options?: ApiOptions): Promise<s.MessageResult>
    /** One user. With the number of live sessions. */
    get(id: string | number, userId: string | number, options?: ApiOptions): Promise<s.UserResult>
    /** Let a suspended user act again. With a new sign-in. */
    activate(id: string | number, userId: string | number, options?: ApiOptions): Promise<s.UserResult>
    /** Sign a user out everywhere. Access tokens end too. */
    endSessions(id: string | number, userId: string | number, options?: ApiOptions): Promise<s.UserResult>
    /**
     * Send a reset mail. All sessions and tokens of the user end, and the user gets a mail to choose a new password.
     * Nobody else can choose it; the old one is good until then.
     */
    resetPassword(id: string | number, userId: string | number, options?: ApiOptions): Promise<s.UserResult>
    /**
     * Change a user's role. All sessions and tokens of the user end, since they name the role. An app keeps its last
     * administrator.
     */
    setRole(id: string | number, userId: string | number, body: s.SetUserRoleRequest, options?: ApiOptions): Promise<s.UserResult>
    /**
     * Suspend a user. The user cannot act or sign in; tokens and sessions end at once. The last administrator of an
     * app cannot be suspended.
     */
    suspend(id: string | number, userId: string | number, options?: ApiOptions): Promise<s.UserResult>
    /** Take the address as verified. Open verification links are void. */
    verify(id: string | number, userId: string | number, options?: ApiOptions): Promise<s.UserResult>
  }
  audit: {
    /** Read the audit log. Newest first. For operators. */
    list(query?: { limit?: number; cursor?: string; app?: string; user?: string; actor?: string; action?: string; from?: string; to?: string }, options?: ApiOptions): Promise<s.AuditEntryPage>
    /**
     * Verify the audit. Holds the rows of some months against their seals, and the chain of seals as a whole. `gravy
     * audit verify` does the same for all months, with archived files and checkpoints. For operators.
     */
    verify(query?: { from?: string; to?: string }, options?: ApiOptions): Promise<s.VerifyAuditResult>
  }
  server: {
    /**
     * Look the server over. What `gravy doctor` says: what is wrong, where, and how to mend it. It only looks. For
     * operators.
     */
    doctor(options?: ApiOptions): Promise<s.DoctorResult>
    /** How this server is. For operators. */
    health(options?: ApiOptions): Promise<s.AdminHealthResult>
    /**
     * Lift the lockout of an account. Forgets failed sign-ins of an address in an app, whether or not it has an
     * account. For operators.
     */
    clearLockout(query: { app?: string; email: string }, options?: ApiOptions): Promise<s.MessageResult>
    /** Figures of the server. For operators. */
    stats(options?: ApiOptions): Promise<s.StatsResult>
  }
  jobs: {
    /**
     * List jobs. Work in the background, newest first. `state=discarded` are the dead letters: their attempts are used
     * up. Ended jobs stay for a day, dead letters for a week. For operators.
     */
    list(query?: { limit?: number; cursor?: string; state?: "available" | "cancelled" | "completed" | "discarded" | "pending" | "retryable" | "running" | "scheduled"; kind?: string }, options?: ApiOptions): Promise<s.ListQueuedJobsResult>
    /** One job. For operators. */
    get(job: string | number, options?: ApiOptions): Promise<s.JobResult>
    /** Cancel a job. It does not run again; one that runs is told to stop. 409 when it has ended. For operators. */
    cancel(job: string | number, options?: ApiOptions): Promise<s.JobResult>
    /**
     * Let a job run now. A dead letter and a cancelled job get one more attempt; one that waits for its next attempt
     * waits no longer. 409 while it runs, and when it is completed. For operators.
     */
    retry(job: string | number, options?: ApiOptions): Promise<s.JobResult>
  }
  keys: {
    /** List signing keys. Newest first, those that are gone included. Public parts only. For operators. */
    list(options?: ApiOptions): Promise<s.ListKeysResult>
    /**
     * Rotate the signing keys. A new key takes over as soon as every server publishes it; the others verify until the
     * last token they signed has expired. For operators.
     */
    rotate(body?: s.RotateKeysRequest, options?: ApiOptions): Promise<s.KeyInfoResult>
    /** Make a signing key sign. Brings it back if it was retired. For operators. */
    activate(kid: string | number, options?: ApiOptions): Promise<s.KeyInfoResult>
    /** Retire a signing key. The only one that can sign stays. For operators. */
    retire(kid: string | number, options?: ApiOptions): Promise<s.KeyInfoResult>
    /**
     * Revoke a signing key. For a key that others may have. It leaves the key set, and every token it signed is
     * refused here within a second; whoever verifies with a copy of the key set takes them until that is renewed. If
     * it signs, a new key does from now on. Sessions go on: they refresh. It does not come back. For operators.
     */
    revoke(kid: string | number, options?: ApiOptions): Promise<s.RevokeKeyResult>
  }
  mailbox: {
    /**
     * Read the development mailbox. Where mails are kept instead of sent (EMAIL_SERVICE=mailbox), never in production.
     * For operators.
     */
    list(query?: { limit?: number; cursor?: string; recipient?: string }, options?: ApiOptions): Promise<s.ListMailsResult>
  }
  revocations: {
    /** List revocations. What ends access tokens before they expire; newest first. For operators. */
    list(query?: { limit?: number; cursor?: string; app?: string }, options?: ApiOptions): Promise<s.ListRevocationsResult>
    /**
     * Revoke. An access token by its jti (then userId is needed), a session, everything of a user, or everything of an
     * app. For operators.
     */
    add(body: s.AddRevocationRequest, options?: ApiOptions): Promise<s.AddRevocationResult>
  }
  sessions: {
    /** List live sessions. Of all apps, newest first. For operators. */
    list(query?: { limit?: number; cursor?: string; app?: string; user?: string }, options?: ApiOptions): Promise<s.ListLiveSessionsResult>
    /** End a session. Its access tokens end with it. For operators. */
    end(sid: string | number, options?: ApiOptions): Promise<s.MessageResult>
  }
}

export const adminOperations = {
  apps: {
    list: 'GET /v1/admin/apps q',
    create: 'POST /v1/admin/apps bk',
    delete: 'DELETE /v1/admin/apps/{id} k',
    get: 'GET /v1/admin/apps/{id}',
    update: 'PATCH /v1/admin/apps/{id} bk',
    listAudit: 'GET /v1/admin/apps/{id}/audit q',
    setBrand: 'PUT /v1/admin/apps/{id}/brand bk',
    listMailTemplates: 'GET /v1/admin/apps/{id}/mail-templates',
    resetMailTemplate: 'DELETE /v1/admin/apps/{id}/mail-templates/{kind} k',
    getMailTemplate: 'GET /v1/admin/apps/{id}/mail-templates/{kind}',
    setMailTemplate: 'PUT /v1/admin/apps/{id}/mail-templates/{kind} bk',
    previewMailTemplate: 'POST /v1/admin/apps/{id}/mail-templates/{kind}/preview bk',
    revoke: 'POST /v1/admin/apps/{id}/revoke bk',
  },
  users: {
    list: 'GET /v1/admin/apps/{id}/users q',
    create: 'POST /v1/admin/apps/{id}/users bk',
    delete: 'DELETE /v1/admin/apps/{id}/users/{userId} k',
    get: 'GET /v1/admin/apps/{id}/users/{userId}',
    activate: 'POST /v1/admin/apps/{id}/users/{userId}/activate k',
    endSessions: 'POST /v1/admin/apps/{id}/users/{userId}/end-sessions k',
    resetPassword: 'POST /v1/admin/apps/{id}/users/{userId}/reset-password k',
    setRole: 'PUT /v1/admin/apps/{id}/users/{userId}/role bk',
    suspend: 'POST /v1/admin/apps/{id}/users/{userId}/suspend k',
    verify: 'POST /v1/admin/apps/{id}/users/{userId}/verify k',
  },
  audit: {
    list: 'GET /v1/admin/audit q',
    verify: 'GET /v1/admin/audit/verify q',
  },
  server: {
    doctor: 'GET /v1/admin/doctor',
    health: 'GET /v1/admin/health',
    clearLockout: 'DELETE /v1/admin/limits qk',
    stats: 'GET /v1/admin/stats',
  },
  jobs: {
    list: 'GET /v1/admin/jobs q',
    get: 'GET /v1/admin/jobs/{job}',
    cancel: 'POST /v1/admin/jobs/{job}/cancel k',
    retry: 'POST /v1/admin/jobs/{job}/retry k',
  },
  keys: {
    list: 'GET /v1/admin/keys',
    rotate: 'POST /v1/admin/keys/rotate bk',
    activate: 'POST /v1/admin/keys/{kid}/activate k',
    retire: 'POST /v1/admin/keys/{kid}/retire k',
    revoke: 'POST /v1/admin/keys/{kid}/revoke k',
  },
  mailbox: {
    list: 'GET /v1/admin/mailbox q',
  },
  revocations: {
    list: 'GET /v1/admin/revocations q',
    add: 'POST /v1/admin/revocations bk',
  },
  sessions: {
    list: 'GET /v1/admin/sessions q',
    end: 'DELETE /v1/admin/sessions/{sid} k',
  },
}
