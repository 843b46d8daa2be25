-- name: MailTemplatesSystem :many
SELECT m.kind, m.subject, m.updated_at FROM app_mail_templates m WHERE m.app_id = sqlc.arg(app_id) ORDER BY m.kind;

-- name: MailTemplateSystem :one
SELECT m.subject, m.body_text, m.body_html, m.updated_at FROM app_mail_templates m WHERE m.app_id = sqlc.arg(app_id) AND m.kind = sqlc.arg(kind);

-- name: SetMailTemplateSystem :exec
INSERT INTO app_mail_templates (app_id, kind, subject, body_text, body_html)
VALUES (sqlc.arg(app_id), sqlc.arg(kind), sqlc.arg(subject), sqlc.arg(body_text), sqlc.arg(body_html))
ON CONFLICT (app_id, kind) DO UPDATE
SET subject = excluded.subject, body_text = excluded.body_text, body_html = excluded.body_html, updated_at = now();

-- name: DeleteMailTemplateSystem :execrows
DELETE FROM app_mail_templates m WHERE m.app_id = sqlc.arg(app_id) AND m.kind = sqlc.arg(kind);
