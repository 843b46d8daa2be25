-- Statements of the figures.

-- name: ListFigures :many
-- The primary key carries it.
SELECT k.day, k.metrics, k.provisional, k.fetched_at, coalesce(k.currency, '')::text AS currency FROM kpi_rows k
WHERE k.user_id = current_user_no() AND k.service = sqlc.arg(service)::text AND k.day BETWEEN sqlc.arg(since)::date AND sqlc.arg(until)::date
ORDER BY k.day;

-- name: FigureUnits :one
-- In which currency and zone: those of the credential that the service has. Columns: of a source without fixed ones.
SELECT coalesce(c.source_currency, '')::text AS currency, coalesce(c.source_timezone, '')::text AS zone,
    coalesce(c.source_columns, 'null')::jsonb AS columns
FROM service_configs s JOIN credentials c ON c.user_id = s.user_id AND c.id = s.credential_id
WHERE s.user_id = current_user_no() AND s.service = sqlc.arg(service)::text;

-- name: NoteColumns :exec
-- What the rows of a credential hold, where each credential names it itself.
UPDATE credentials c SET source_columns = sqlc.arg(columns)::jsonb
WHERE c.user_id = current_user_no() AND c.id = sqlc.arg(credential_id)::bigint AND c.source_columns IS DISTINCT FROM sqlc.arg(columns)::jsonb;
