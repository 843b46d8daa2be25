-- Counters of rate limits and of failed logins (internal/limit). Unlogged: they are written at every request that is
-- limited and may be lost with a crash of PostgreSQL, never with a restart. Not tenant data: who is limited may be nobody's
-- user, and e-mails and apps are stored as keyed hashes only. Only the system role sees them.

-- +goose Up
-- One fixed window of one client (or one mail quota). It is over at resets_at, whatever hits says.
CREATE UNLOGGED TABLE limit_windows (
    key       text        PRIMARY KEY,
    hits      integer     NOT NULL, -- one above the limit: the latest request was refused
    resets_at timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX limit_windows_resets_idx ON limit_windows (resets_at); -- clean-up

-- Failed logins of one (client, app, e-mail); account is the hash of app and e-mail.
CREATE UNLOGGED TABLE login_locks (
    account      bytea       NOT NULL,
    client       bytea       NOT NULL,
    failures     integer     NOT NULL, -- since the last success or 24 h of quiet
    locked_until timestamptz NOT NULL,
    failed_at    timestamptz NOT NULL, -- of the last failure; of the first attempt while there is none
    PRIMARY KEY (account, client)
) WITH (fillfactor = 50);
CREATE INDEX login_locks_failed_idx ON login_locks (failed_at); -- clean-up

-- Logins of one (app, e-mail) from all clients together.
CREATE UNLOGGED TABLE login_accounts (
    account        bytea         PRIMARY KEY,
    leases         timestamptz[] NOT NULL, -- ends of the logins that are being verified
    granted        timestamptz,            -- the lease that the latest attempt got; NULL: it got none
    failures       integer       NOT NULL, -- in the window that ends at failures_until
    failures_until timestamptz   NOT NULL,
    next_at        timestamptz   NOT NULL, -- when the next attempt may be made once there were too many failures
    idle_at        timestamptz   NOT NULL  -- from then on the row says nothing
) WITH (fillfactor = 50);
CREATE INDEX login_accounts_idle_idx ON login_accounts (idle_at); -- clean-up

ALTER TABLE limit_windows  ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE login_locks    ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE login_accounts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY limit_windows_system  ON limit_windows  TO turkey_system USING (true) WITH CHECK (true);
CREATE POLICY login_locks_system    ON login_locks    TO turkey_system USING (true) WITH CHECK (true);
CREATE POLICY login_accounts_system ON login_accounts TO turkey_system USING (true) WITH CHECK (true);

CREATE POLICY limit_windows_owner  ON limit_windows  TO turkey_owner USING (true) WITH CHECK (true);
CREATE POLICY login_locks_owner    ON login_locks    TO turkey_owner USING (true) WITH CHECK (true);
CREATE POLICY login_accounts_owner ON login_accounts TO turkey_owner USING (true) WITH CHECK (true);

REVOKE ALL ON limit_windows, login_locks, login_accounts FROM turkey_app, turkey_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON limit_windows, login_locks, login_accounts TO turkey_system;

-- +goose Down
DROP TABLE login_accounts, login_locks, limit_windows;
