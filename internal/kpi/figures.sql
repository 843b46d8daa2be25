-- Statements of the figures.

-- name: ListFigures :many
-- The primary key carries it.
SELECT k.day, k.metrics, k.provisional, k.fetched_at FROM kpi_rows k
WHERE k.user_id = current_user_no() AND k.service = sqlc.arg(service)::text AND k.day BETWEEN sqlc.arg(since)::date AND sqlc.arg(until)::date
ORDER BY k.day;

-- name: FigureUnits :one
-- In which currency and zone: those of the credential that the service has.
SELECT coalesce(c.source_currency, '')::text AS currency, coalesce(c.source_timezone, '')::text AS zone
FROM service_configs s JOIN credentials c ON c.user_id = s.user_id AND c.id = s.credential_id
WHERE s.user_id = current_user_no() AND s.service = sqlc.arg(service)::text;
