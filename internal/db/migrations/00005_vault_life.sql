-- The life of a credential after it was saved: history, token pairs, health, alerts; who may come from elsewhere; and
-- answers that a repeated write gets again. The tenant rules are those of 00001 and 00002.

-- +goose Up
CREATE INDEX users_app_created_idx ON users (app_id, created_at, id); -- lists of the administration

-- A revoked key is void at once, with all it signed. A retired one stays for the longest life that a token of its time had.
ALTER TABLE keys
    ADD COLUMN revoked_at  timestamptz,
    ADD COLUMN longest_ttl integer NOT NULL DEFAULT 0; -- seconds; 0: not known, it was retired before

-- A refresh moves expires_at: without an index on it, and with room in the page, it touches no index at all (HOT).
DROP INDEX refresh_tokens_expires_idx;
ALTER TABLE refresh_tokens SET (fillfactor = 80);

-- Who a user is at another issuer (Clerk, any OpenID provider). The configuration says which app an issuer serves.
CREATE TABLE user_identities (
    id           uuid         NOT NULL DEFAULT gen_random_uuid(),
    app_id       varchar(100) NOT NULL,
    issuer       varchar(255) NOT NULL,
    subject      varchar(255) NOT NULL,
    user_id      uuid         NOT NULL,
    email        varchar(255),
    created_at   timestamptz  NOT NULL DEFAULT now(),
    last_seen_at timestamptz  NOT NULL DEFAULT now(),
    PRIMARY KEY (app_id, issuer, subject),
    UNIQUE (app_id, id),
    FOREIGN KEY (app_id, user_id) REFERENCES users (app_id, id) ON DELETE CASCADE
);
CREATE INDEX user_identities_user_idx ON user_identities (app_id, user_id);

-- A root key comes from the operator's secret, a keyring file, or, wrapped, from here and a key service. The active one
-- wraps what is made now; which one that is, every replica learns here and not from its own settings.
ALTER TABLE vault_roots
    ADD COLUMN source      varchar(20) NOT NULL DEFAULT 'salt' CHECK (source IN ('salt', 'file', 'kms')),
    ADD COLUMN wrapped     bytea,       -- the key itself under the key service; NULL for the other sources
    ADD COLUMN wrapped_by  text,        -- which key of the key service
    ADD COLUMN active_from timestamptz, -- NULL: known, not yet in use
    ADD COLUMN bundled_at  timestamptz, -- last recovery bundle that holds it
    ADD COLUMN reseal_since timestamptz; -- of the active one: when a reseal began that has not ended
UPDATE vault_roots SET active_from = created_at;

-- rotated_at says since when key_id seals, created_at where it is NULL.
ALTER TABLE vault_keys
    ADD COLUMN key_id    bigint, -- the key of the keyset that seals now; NULL: not noted yet
    ADD COLUMN resealing boolean NOT NULL DEFAULT false; -- the keyset still holds keys that do not seal any more
CREATE INDEX vault_keys_root_idx ON vault_keys (root_id);
CREATE INDEX vault_keys_resealing_idx ON vault_keys (user_id) WHERE resealing;

-- Whether new keys may be wrapped by a root key: it is the active one. A row that is written in the same statement keeps
-- it from being retired until it can be seen, because retiring takes the lock that this one shares.
-- +goose StatementBegin
CREATE FUNCTION hold_active_root(root text) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = ''
    AS $$ BEGIN
        PERFORM FROM public.vault_roots r WHERE r.id = root AND r.retired_at IS NULL AND r.id = (SELECT a.id FROM public.vault_roots a
            WHERE a.retired_at IS NULL AND a.active_from IS NOT NULL ORDER BY a.active_from DESC, a.id LIMIT 1) FOR KEY SHARE;
        RETURN FOUND;
    END $$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION hold_active_root(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hold_active_root(text) TO turkey_app, turkey_system;

-- The key that a sealed text is under: Tink's ciphertext begins with 01 and four bytes that name it.
-- +goose StatementBegin
CREATE FUNCTION sealed_by(sealed text) RETURNS bigint
    LANGUAGE sql IMMUTABLE SET search_path = ''
    AS $$ SELECT CASE WHEN sealed ~ '^v1\.[A-Za-z0-9_-]{8}'
        THEN ('x' || substr(encode(decode(translate(substr(sealed, 4, 8), '-_', '+/'), 'base64'), 'hex'), 3, 8))::bit(32)::bigint END $$;
-- +goose StatementEnd

ALTER TABLE credentials
    ADD COLUMN host           varchar(255), -- where uses of it go
    ADD COLUMN content_at     timestamptz,  -- when its content replaced another; NULL: it is the first
    ADD COLUMN key_id         bigint GENERATED ALWAYS AS (CASE WHEN encrypted_data ~ '^v1\.[A-Za-z0-9_-]{8}'
        THEN ('x' || substr(encode(decode(translate(substr(encrypted_data, 4, 8), '-_', '+/'), 'base64'), 'hex'), 3, 8))::bit(32)::bigint END) STORED,
    ADD COLUMN health         varchar(20) NOT NULL DEFAULT 'unchecked' CHECK (health IN ('unchecked', 'ok', 'expiring', 'failing', 'broken')),
    ADD COLUMN health_reason  varchar(50),
    ADD COLUMN health_message text,
    ADD COLUMN health_at      timestamptz,  -- since when it is in this state
    ADD COLUMN checked_at     timestamptz,  -- last check, whatever it gave
    ADD COLUMN next_check_at  timestamptz DEFAULT now(),
    ADD COLUMN failures       smallint    NOT NULL DEFAULT 0, -- checks in a row without an answer of the provider
    ADD COLUMN alerted_days   smallint,     -- the last notice given before expires_at: 14, 7 or 1
    ADD COLUMN told_broken    boolean     NOT NULL DEFAULT false, -- notice was given that it broke, and none yet that it works again
    ADD UNIQUE (user_id, id);
UPDATE credentials SET host = CASE service WHEN 'google_sheets' THEN 'sheets.googleapis.com' WHEN 'ga4' THEN 'analyticsdata.googleapis.com' END;
CREATE INDEX credentials_next_check_idx ON credentials (next_check_at) WHERE deleted_at IS NULL;

-- Contents that were replaced. version is the one that the sealed text is bound to.
CREATE TABLE credential_versions (
    user_id        bigint      NOT NULL REFERENCES users (user_no) ON DELETE CASCADE,
    credential_id  bigint      NOT NULL,
    version        integer     NOT NULL,
    type           varchar(20) NOT NULL,
    encrypted_data text        NOT NULL,
    key_id         bigint GENERATED ALWAYS AS (CASE WHEN encrypted_data ~ '^v1\.[A-Za-z0-9_-]{8}'
        THEN ('x' || substr(encode(decode(translate(substr(encrypted_data, 4, 8), '-_', '+/'), 'base64'), 'hex'), 3, 8))::bit(32)::bigint END) STORED,
    preview        varchar(20) NOT NULL,
    fingerprint    bytea,
    expires_at     timestamptz, -- of the content, as known when it was replaced
    created_at     timestamptz NOT NULL, -- when the content was saved
    replaced_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, credential_id, version),
    FOREIGN KEY (user_id, credential_id) REFERENCES credentials (user_id, id) ON DELETE CASCADE
);
CREATE INDEX credential_versions_replaced_idx ON credential_versions (replaced_at); -- cleanup

-- How many live credentials of a service the user has now, for statements that hold the user's row of vault_keys: a
-- volatile function sees what was committed while the statement waited for that lock, the statement itself does not.
-- +goose StatementBegin
CREATE FUNCTION live_credentials(of_service text) RETURNS integer
    LANGUAGE plpgsql VOLATILE SET search_path = ''
    AS $$ BEGIN
        RETURN (SELECT count(*) FROM public.credentials c
            WHERE c.user_id = public.current_user_no() AND c.service = of_service AND c.deleted_at IS NULL);
    END $$;
-- +goose StatementEnd

-- The token pair that the server got with a credential, and the lease of whoever renews it. generation counts renewals;
-- an answer is stored only if it is still the one that was asked from.
CREATE TABLE credential_tokens (
    user_id       bigint      NOT NULL REFERENCES users (user_no) ON DELETE CASCADE,
    credential_id bigint      NOT NULL,
    version       integer     NOT NULL, -- of the credential's content that the pair belongs to
    generation    integer     NOT NULL DEFAULT 0,
    encrypted_data text,      -- NULL: none was got yet
    key_id        bigint GENERATED ALWAYS AS (CASE WHEN encrypted_data ~ '^v1\.[A-Za-z0-9_-]{8}'
        THEN ('x' || substr(encode(decode(translate(substr(encrypted_data, 4, 8), '-_', '+/'), 'base64'), 'hex'), 3, 8))::bit(32)::bigint END) STORED,
    expires_at    timestamptz, -- of the access token
    lease_id      uuid,
    lease_until   timestamptz,
    asked_at      timestamptz, -- a renewal was sent and its answer is not stored
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, credential_id),
    FOREIGN KEY (user_id, credential_id) REFERENCES credentials (user_id, id) ON DELETE CASCADE
);

CREATE INDEX audit_logs_credential_idx ON audit_logs (user_id, (metadata ->> 'credentialId'), id);

-- What a user wants to hear of, by mail and at addresses of their own.
CREATE TABLE notification_settings (
    user_id    bigint      PRIMARY KEY REFERENCES users (user_no) ON DELETE CASCADE,
    email      boolean     NOT NULL DEFAULT true,
    events     text[],     -- NULL: all
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE webhooks (
    id         uuid        PRIMARY KEY,
    user_id    bigint      NOT NULL REFERENCES users (user_no) ON DELETE CASCADE,
    url        text        NOT NULL,
    secret     text        NOT NULL, -- sealed under the user's keys
    key_id     bigint GENERATED ALWAYS AS (CASE WHEN secret ~ '^v1\.[A-Za-z0-9_-]{8}'
        THEN ('x' || substr(encode(decode(translate(substr(secret, 4, 8), '-_', '+/'), 'base64'), 'hex'), 3, 8))::bit(32)::bigint END) STORED,
    events     text[],     -- NULL: all
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (user_id, id)
);
CREATE TABLE webhook_deliveries (
    id              uuid         PRIMARY KEY,
    user_id         bigint       NOT NULL REFERENCES users (user_no) ON DELETE CASCADE,
    webhook_id      uuid         NOT NULL,
    event           varchar(100) NOT NULL,
    payload         jsonb        NOT NULL,
    status          varchar(20)  NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'failed')),
    attempts        smallint     NOT NULL DEFAULT 0,
    response_status smallint,
    error           text,
    created_at      timestamptz  NOT NULL DEFAULT now(),
    delivered_at    timestamptz,
    FOREIGN KEY (user_id, webhook_id) REFERENCES webhooks (user_id, id) ON DELETE CASCADE
);
CREATE INDEX webhook_deliveries_webhook_idx ON webhook_deliveries (user_id, webhook_id, created_at);
CREATE INDEX webhook_deliveries_created_idx ON webhook_deliveries (created_at); -- cleanup

-- Answers to writes that named an Idempotency-Key, sealed: some of them tell a secret once.
CREATE TABLE idempotency_keys (
    user_id      bigint       NOT NULL REFERENCES users (user_no) ON DELETE CASCADE,
    key          varchar(255) NOT NULL,
    request_hash bytea        NOT NULL, -- of method, path and body
    claim        uuid         NOT NULL DEFAULT gen_random_uuid(), -- of the request that answers, or answered
    status       smallint,              -- NULL: being answered
    answer       bytea,
    locked_until timestamptz  NOT NULL,
    created_at   timestamptz  NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_keys_created_idx ON idempotency_keys (created_at); -- cleanup

-- What an import from a predecessor has taken over already (contract legacy-import.md §1).
CREATE TABLE import_map (
    source      varchar(255) NOT NULL, -- fingerprint of the source database
    kind        varchar(50)  NOT NULL,
    source_id   varchar(255) NOT NULL,
    target_id   varchar(255) NOT NULL,
    imported_at timestamptz  NOT NULL DEFAULT now(),
    PRIMARY KEY (source, kind, source_id)
);
CREATE INDEX import_map_source_idx ON import_map (kind, source_id);

ALTER TABLE user_identities ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE credential_versions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE credential_tokens ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE notification_settings ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE webhooks ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE webhook_deliveries ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE import_map ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY user_identities_app ON user_identities TO turkey_app
    USING (app_id = (SELECT nullif(current_setting('app.current_app_id', true), '')))
    WITH CHECK (app_id = (SELECT nullif(current_setting('app.current_app_id', true), '')));
CREATE POLICY credential_versions_user_isolation ON credential_versions TO turkey_app
    USING (user_id = (SELECT nullif(current_setting('app.current_user_id', true), '')::bigint))
    WITH CHECK (user_id = (SELECT nullif(current_setting('app.current_user_id', true), '')::bigint));
CREATE POLICY credential_tokens_user_isolation ON credential_tokens TO turkey_app
    USING (user_id = (SELECT nullif(current_setting('app.current_user_id', true), '')::bigint))
    WITH CHECK (user_id = (SELECT nullif(current_setting('app.current_user_id', true), '')::bigint));
CREATE POLICY notification_settings_user_isolation ON notification_settings TO turkey_app
    USING (user_id = (SELECT nullif(current_setting('app.current_user_id', true), '')::bigint))
    WITH CHECK (user_id = (SELECT nullif(current_setting('app.current_user_id', true), '')::bigint));
CREATE POLICY webhooks_user_isolation ON webhooks TO turkey_app
    USING (user_id = (SELECT nullif(current_setting('app.current_user_id', true), '')::bigint))
    WITH CHECK (user_id = (SELECT nullif(current_setting('app.current_user_id', true), '')::bigint));
CREATE POLICY webhook_deliveries_user_isolation ON webhook_deliveries TO turkey_app
    USING (user_id = (SELECT nullif(current_setting('app.current_user_id', true), '')::bigint))
    WITH CHECK (user_id = (SELECT nullif(current_setting('app.current_user_id', true), '')::bigint));
CREATE POLICY idempotency_keys_user_isolation ON idempotency_keys TO turkey_app
    USING (user_id = (SELECT nullif(current_setting('app.current_user_id', true), '')::bigint))
    WITH CHECK (user_id = (SELECT nullif(current_setting('app.current_user_id', true), '')::bigint));

CREATE POLICY user_identities_system ON user_identities TO turkey_system USING (true) WITH CHECK (true);
CREATE POLICY credential_versions_system ON credential_versions TO turkey_system USING (true) WITH CHECK (true);
CREATE POLICY credential_tokens_system ON credential_tokens TO turkey_system USING (true) WITH CHECK (true);
CREATE POLICY notification_settings_system ON notification_settings TO turkey_system USING (true) WITH CHECK (true);
CREATE POLICY webhooks_system ON webhooks TO turkey_system USING (true) WITH CHECK (true);
CREATE POLICY webhook_deliveries_system ON webhook_deliveries TO turkey_system USING (true) WITH CHECK (true);
CREATE POLICY idempotency_keys_system ON idempotency_keys TO turkey_system USING (true) WITH CHECK (true);
CREATE POLICY import_map_system ON import_map TO turkey_system USING (true) WITH CHECK (true);

CREATE POLICY user_identities_owner ON user_identities TO turkey_owner USING (true) WITH CHECK (true);
CREATE POLICY credential_versions_owner ON credential_versions TO turkey_owner USING (true) WITH CHECK (true);
CREATE POLICY credential_tokens_owner ON credential_tokens TO turkey_owner USING (true) WITH CHECK (true);
CREATE POLICY notification_settings_owner ON notification_settings TO turkey_owner USING (true) WITH CHECK (true);
CREATE POLICY webhooks_owner ON webhooks TO turkey_owner USING (true) WITH CHECK (true);
CREATE POLICY webhook_deliveries_owner ON webhook_deliveries TO turkey_owner USING (true) WITH CHECK (true);
CREATE POLICY idempotency_keys_owner ON idempotency_keys TO turkey_owner USING (true) WITH CHECK (true);
CREATE POLICY import_map_owner ON import_map TO turkey_owner USING (true) WITH CHECK (true);

REVOKE ALL ON user_identities, credential_versions, credential_tokens, notification_settings, webhooks, webhook_deliveries, idempotency_keys, import_map FROM turkey_app, turkey_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON user_identities, credential_versions, credential_tokens, notification_settings, webhooks, webhook_deliveries, idempotency_keys TO turkey_app, turkey_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON import_map TO turkey_system;

-- A notice to the user of a user scope, which sees neither users nor mails: this writes the mail and tells its id. NULL:
-- no mail reaches the address, or the user had most of this kind within the hour.
-- +goose StatementBegin
CREATE FUNCTION queue_notice(notice text, facts jsonb, most integer) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
    AS $$ DECLARE written uuid;
    BEGIN
        INSERT INTO public.mails (app_id, user_id, kind, recipient, data)
        SELECT u.app_id, u.id, notice, u.email, facts FROM public.users u
        WHERE u.user_no = public.current_user_no() AND u.status = 'active' AND u.email !~* '[@.](clerk\.internal|invalid)$'
            AND (u.email_verified OR EXISTS (SELECT FROM public.user_identities i WHERE i.app_id = u.app_id AND i.user_id = u.id))
            AND (SELECT count(*) FROM public.mails m WHERE m.app_id = u.app_id AND m.user_id = u.id AND m.kind = notice
                AND m.created_at > now() - interval '1 hour') < most
        RETURNING id INTO written;
        RETURN written;
    END $$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION queue_notice(text, jsonb, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION queue_notice(text, jsonb, integer) TO turkey_app;
GRANT UPDATE ON SEQUENCE users_user_no_seq TO turkey_system; -- an import brings numbers with it

-- +goose Down
-- The key of a key service is nowhere else, and an older program knows no keyring.
-- +goose StatementBegin
DO $$ BEGIN
    IF EXISTS (SELECT FROM vault_roots WHERE source <> 'salt' AND retired_at IS NULL) THEN
        RAISE EXCEPTION 'a root key of a keyring or key service is in use: rotate the vault to ENCRYPTION_KEY_SALT first, or stay';
    END IF;
END $$;
-- +goose StatementEnd
REVOKE UPDATE ON SEQUENCE users_user_no_seq FROM turkey_system;
DROP FUNCTION queue_notice(text, jsonb, integer);
DROP FUNCTION live_credentials(text);
DROP FUNCTION sealed_by(text);
DROP TABLE import_map, idempotency_keys, webhook_deliveries, webhooks, notification_settings, credential_tokens, credential_versions, user_identities;
DROP INDEX audit_logs_credential_idx, credentials_next_check_idx, vault_keys_root_idx, users_app_created_idx;
ALTER TABLE credentials DROP CONSTRAINT credentials_user_id_id_key, DROP COLUMN host, DROP COLUMN content_at, DROP COLUMN key_id, DROP COLUMN health, DROP COLUMN health_reason,
    DROP COLUMN health_message, DROP COLUMN health_at, DROP COLUMN checked_at, DROP COLUMN next_check_at, DROP COLUMN failures, DROP COLUMN alerted_days, DROP COLUMN told_broken;
DROP FUNCTION hold_active_root(text);
CREATE INDEX refresh_tokens_expires_idx ON refresh_tokens (expires_at);
ALTER TABLE refresh_tokens RESET (fillfactor);
ALTER TABLE vault_keys DROP COLUMN key_id, DROP COLUMN resealing;
ALTER TABLE vault_roots DROP COLUMN source, DROP COLUMN wrapped, DROP COLUMN wrapped_by, DROP COLUMN active_from, DROP COLUMN bundled_at, DROP COLUMN reseal_since;
ALTER TABLE keys DROP COLUMN revoked_at, DROP COLUMN longest_ttl;
