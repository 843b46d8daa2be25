-- Notices in chats: webhooks that speak a chat's form, and incidents that the operator is told of. The tenant rules are those
-- of 00001 and 00002.

-- +goose Up
-- Of a chat secret holds the sealed address, which is as good as a password, and url what is shown of it: no address that
-- could be called.
ALTER TABLE webhooks
    ADD COLUMN format  varchar(20) NOT NULL DEFAULT 'turkey' CHECK (format IN ('turkey', 'slack', 'discord', 'telegram')),
    ADD COLUMN chat_id varchar(100),
    ADD CONSTRAINT webhooks_chat_check CHECK ((format = 'telegram') = (chat_id IS NOT NULL));

-- What is or was wrong with the server, told when it begins and when it is over. Of a kind and subject one is open at most.
CREATE TABLE operator_incidents (
    id        uuid         PRIMARY KEY DEFAULT gen_random_uuid(),
    event     varchar(100) NOT NULL,
    subject   varchar(255) NOT NULL, -- what it is about; '' where the event says it
    message   text         NOT NULL,
    opened_at timestamptz  NOT NULL DEFAULT now(),
    closed_at timestamptz,
    ending    text
);
CREATE UNIQUE INDEX operator_incidents_open_idx ON operator_incidents (event, subject) WHERE closed_at IS NULL;
CREATE INDEX operator_incidents_closed_idx ON operator_incidents (closed_at); -- cleanup

ALTER TABLE operator_incidents ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY operator_incidents_system ON operator_incidents TO turkey_system USING (true) WITH CHECK (true);
CREATE POLICY operator_incidents_owner ON operator_incidents TO turkey_owner USING (true) WITH CHECK (true);
REVOKE ALL ON operator_incidents FROM turkey_app, turkey_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON operator_incidents TO turkey_system;

-- +goose Down
DROP TABLE operator_incidents;
DELETE FROM webhooks WHERE format <> 'turkey'; -- an older program would take the sealed address for a secret to sign with
ALTER TABLE webhooks DROP CONSTRAINT webhooks_chat_check, DROP COLUMN format, DROP COLUMN chat_id;
