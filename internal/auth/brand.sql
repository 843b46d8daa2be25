-- name: BrandSystem :one
SELECT a.id, a.name, a.registration_open, a.password_min, a.password_classes, b.color, b.logo
FROM apps a LEFT JOIN app_brands b ON b.app_id = a.id WHERE a.id = sqlc.arg(app_id);

-- name: SetBrandSystem :execrows
INSERT INTO app_brands (app_id, color, logo) SELECT a.id, sqlc.narg(color), sqlc.narg(logo) FROM apps a WHERE a.id = sqlc.arg(app_id)
ON CONFLICT (app_id) DO UPDATE SET color = excluded.color, logo = excluded.logo, updated_at = now();
