// Better Auth as its documentation sets it up, on Node's own http server and PostgreSQL. The session is looked up in the
// database each time (no cookie cache). GET /get-session reads it; POST extends it, each time since updateAge is 0.
import { createServer } from "node:http";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import pg from "pg";

const auth = betterAuth({
	baseURL: process.env.BASE,
	secret: process.env.SECRET,
	database: new pg.Pool(), // PGHOST, PGUSER, PGDATABASE
	emailAndPassword: { enabled: true },
	session: { cookieCache: { enabled: false }, deferSessionRefresh: true, updateAge: 0 },
	rateLimit: { enabled: false },
	telemetry: { enabled: false },
	logger: { level: "error" },
});
await (await getMigrations(auth.options)).runMigrations();
const { hostname, port } = new URL(process.env.BASE);
createServer(toNodeHandler(auth)).listen(port, hostname);
