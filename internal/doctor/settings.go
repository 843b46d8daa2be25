package doctor

import (
	"net/url"
	"slices"
	"strings"
)

// settings judges the configuration. What would keep the server from starting, the rules for production included, comes
// from reading it; the rest works and should not stay so.
func (d *Doctor) settings() []Check {
	c := d.cfg.Settings
	if c == nil {
		return []Check{fail("configuration", "Correct the variables in the environment, .env.local or .env; the server does not start with them.",
			"%v", d.cfg.Problem)}
	}
	return []Check{ok("configuration", "It loads, for %s", c.Env), d.environment(), d.salt(), d.jwtSecret(), d.databasePassword(), d.logLevel(), d.trustProxy(),
		d.origins(), d.limits(), d.https(), d.mail(), d.operator()}
}

func (d *Doctor) environment() Check {
	const name = "configuration.environment"
	if c := d.cfg.Settings; d.cfg.Production && !c.Production() {
		return warn(name, "Set NODE_ENV=production.", "NODE_ENV is %s: the strict rules of production do not apply", c.Env)
	}
	return ok(name, "NODE_ENV is %s", d.cfg.Settings.Env)
}

const (
	leastSecret   = 32 // characters
	leastDistinct = 10 // different ones: 32 random bytes have more, in hex as in base64
)

// weak tells a secret that can be guessed by its form.
func weak(secret string) bool {
	distinct := map[rune]bool{}
	for _, r := range secret {
		distinct[r] = true
	}
	return len(secret) < leastSecret || len(distinct) < leastDistinct
}

func (d *Doctor) salt() Check {
	const name = "configuration.encryption_key_salt"
	const remedy = "Make one of your own (openssl rand -base64 32), give the present one as ENCRYPTION_KEY_SALT_PREVIOUS, and run gravy vault rotate."
	switch c := d.cfg.Settings; {
	case c.SaltIsKnown():
		return warn(name, remedy, "ENCRYPTION_KEY_SALT is a value that is publicly known: whoever has a copy of the database reads every credential")
	case c.EncryptionSalt == "":
		return ok(name, "It is not in use")
	case weak(string(c.EncryptionSalt)):
		return warn(name, remedy, "ENCRYPTION_KEY_SALT is shorter than 32 random bytes or hardly random: whoever has a copy of the database can guess it")
	}
	return ok(name, "It is long, and not one of the publicly known values")
}

func (d *Doctor) jwtSecret() Check {
	const name = "configuration.jwt_secret"
	const remedy = "Make one of your own (openssl rand -base64 32), with the present one as JWT_SECRET_PREVIOUS until every server was restarted once."
	switch c := d.cfg.Settings; {
	case c.JWTSecret != "" && c.JWTSecret == c.EncryptionSalt:
		return warn(name, "Set a JWT_SECRET of its own (openssl rand -base64 32), with the value of ENCRYPTION_KEY_SALT as JWT_SECRET_PREVIOUS until every server was restarted once.",
			"ENCRYPTION_KEY_SALT stands in for JWT_SECRET: who learns it can sign tokens and read credentials, and neither can be replaced without the other")
	case c.SecretIsKnown():
		return warn(name, remedy, "JWT_SECRET is a value that is publicly known: whoever has a copy of the database signs tokens")
	case c.JWTSecret != "" && weak(string(c.JWTSecret)):
		return warn(name, remedy, "JWT_SECRET is short or hardly random: whoever has a copy of the database can guess it and sign tokens")
	}
	return ok(name, "It is neither short nor known, nor ENCRYPTION_KEY_SALT")
}

func (d *Doctor) databasePassword() Check {
	const name = "configuration.database_password"
	if known := d.cfg.Settings.KnownPasswords(); d.production() && len(known) > 0 {
		return warn(name, "As a superuser: ALTER ROLE … PASSWORD '…' with a random one (openssl rand -base64 24), and give it in the same variable.",
			"The password in %s is one that a guide shows or that everybody tries", strings.Join(known, ", "))
	}
	return ok(name, "It is not one of the guides' examples")
}

func (d *Doctor) logLevel() Check {
	const name = "configuration.log_level"
	if c := d.cfg.Settings; d.production() && c.LogLevel == "debug" {
		return warn(name, "Set LOG_LEVEL=info.", "LOG_LEVEL is debug in production: the log grows with every request, and names more of it than operation needs")
	}
	return ok(name, "It is %s", d.cfg.Settings.LogLevel)
}

func (d *Doctor) trustProxy() Check {
	const name = "configuration.trust_proxy"
	switch c := d.cfg.Settings; {
	case c.TrustProxy != "":
		return ok(name, "TRUST_PROXY names the proxies whose word on a client's address counts")
	case d.production():
		return warn(name, "Behind a proxy set TRUST_PROXY to its address; without one set TRUST_PROXY=false.",
			"TRUST_PROXY is not set: behind a proxy all clients have its address, share one rate limit, and stand in the audit under it")
	}
	return ok(name, "TRUST_PROXY is not set, which is well without a proxy")
}

// openly tells an address that is not for production: without TLS, or of the machine itself.
func openly(address string) bool {
	u, err := url.Parse(address)
	return err != nil || u.Scheme != "https" || slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname())
}

func (d *Doctor) origins() Check {
	const name = "configuration.origins"
	all := d.cfg.Settings.AllowedOrigins()
	var open []string
	for _, o := range all {
		if openly(o) {
			open = append(open, o)
		}
	}
	if d.production() && len(open) > 0 {
		return warn(name, "Set ALLOWED_ORIGINS (and CORS_ORIGINS) to the https addresses of the pages that may call; without them a page on localhost may.",
			"Origins that are not https, or of this machine: %s", listed(open))
	}
	return ok(name, "Pages of %d origins may call, besides those of the apps' settings", len(all))
}

func (d *Doctor) limits() Check {
	const name = "configuration.limits"
	c := d.cfg.Settings
	var off []string
	for _, l := range []struct {
		name string
		most int
	}{{"RATE_LIMIT_MAX_REQUESTS", c.GeneralMax}, {"LOGIN_RATE_LIMIT_MAX_ATTEMPTS", c.LoginMax}, {"MAIL_RATE_LIMIT_MAX_ATTEMPTS", c.MailMax},
		{"REFRESH_RATE_LIMIT_MAX_ATTEMPTS", c.RefreshMax}, {"REGISTER_RATE_LIMIT_MAX_ATTEMPTS", c.RegisterMax}, {"ADMIN_RATE_LIMIT_MAX_ATTEMPTS", c.AdminMax},
		{"API_RATE_LIMIT_MAX_REQUESTS", c.APIMax}} {
		if l.most < 0 {
			off = append(off, l.name)
		}
	}
	if c.APILimitEnabled != nil && !*c.APILimitEnabled {
		off = append(off, "API_RATE_LIMIT_ENABLED")
	}
	if d.production() && len(off) > 0 {
		return warn(name, "Remove the variables: the defaults of production apply then.", "Rate limits that are switched off: %s", strings.Join(off, ", "))
	}
	return ok(name, "No rate limit is switched off by the configuration")
}

func (d *Doctor) https() Check {
	const name = "configuration.https"
	if c := d.cfg.Settings; d.production() && openly(c.PublicURL) {
		return warn(name, "Let a proxy serve https, and set PUBLIC_URL (and JWT_ISSUER) to that address.", "PUBLIC_URL is %s: links in mails and the issuer of tokens are not behind https", c.PublicURL)
	}
	return ok(name, "PUBLIC_URL is %s", d.cfg.Settings.PublicURL)
}

func (d *Doctor) mail() Check {
	const name = "configuration.mail"
	c := d.cfg.Settings
	service, err := d.cfg.Mail()
	switch {
	case err != nil:
		return fail(name, "Correct the settings of mail; the server does not start with them.", "%v", err)
	case !d.production():
		return ok(name, "Mails leave by the service %s", service)
	case service != "mailgun" && service != "smtp":
		return warn(name, "Set MAILGUN_API_KEY and MAILGUN_DOMAIN, or SMTP_HOST.",
			"EMAIL_SERVICE is %s in production: links to verify an address or to reset a password reach nobody", service)
	case service == "mailgun" && strings.HasPrefix(c.MailgunDomain, "sandbox") && strings.HasSuffix(c.MailgunDomain, ".mailgun.org"):
		return warn(name, "Set MAILGUN_DOMAIN to a domain of your own that Mailgun has verified.", "MAILGUN_DOMAIN is a sandbox: only addresses that were authorized there get mails")
	case strings.HasSuffix(c.FromEmail, "@localhost"):
		return warn(name, "Set FROM_EMAIL to an address of a domain that the mail service may send for.", "FROM_EMAIL is %s: receivers refuse such mails", c.FromEmail)
	}
	return ok(name, "Mails leave by the service %s", service)
}

func (d *Doctor) operator() Check {
	const name = "configuration.operator"
	if c := d.cfg.Settings; c.SlackURL == "" && c.DiscordURL == "" && c.TelegramToken == "" && len(c.EmailTo) == 0 && d.production() {
		return warn(name, "Set EMAIL_TO, SLACK_WEBHOOK_URL, DISCORD_WEBHOOK_URL or TELEGRAM_BOT_TOKEN.", "Nobody is told when something is wrong with the server: it stands in the log alone")
	}
	return ok(name, "Incidents are told to whom the configuration names, or stand in the log")
}
