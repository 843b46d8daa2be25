-- Notification settings and webhooks. All run in a user scope unless the name says System; they filter by
-- current_user_no() besides, so that the policies are the second wall and not the only one.

-- name: GetSettings :one
SELECT email, events, updated_at FROM notification_settings WHERE user_id = current_user_no();
