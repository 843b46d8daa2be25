package doctor

// settings judges the configuration. What would keep the server from starting, the rules for production included, comes
// from reading it; the rest works and should not stay so.
func (d *Doctor) settings() []Check {
	c := d.cfg.Settings
	if c == nil {
		return []Check{fail("configuration", "Correct the variables in the environment, .env.local or .env; the server does not start with them.",
			"%v", d.cfg.Problem)}
	}
	return []Check{ok("configuration", "It loads, for %s", c.Env), d.salt(), d.jwtSecret(), d.logLevel(), d.trustProxy(), d.mail()}
}

func (d *Doctor) salt() Check {
	const name = "configuration.encryption_key_salt"
	if d.cfg.Settings.SaltIsKnown() {
		return warn(name, "Make one of your own (openssl rand -base64 32), give the present one as ENCRYPTION_KEY_SALT_PREVIOUS, and run gravy vault rotate.",
			"ENCRYPTION_KEY_SALT is a value that is publicly known: whoever has a copy of the database reads every credential")
	}
	return ok(name, "It is not one of the publicly known values")
}

func (d *Doctor) jwtSecret() Check {
	const name = "configuration.jwt_secret"
	if c := d.cfg.Settings; c.JWTSecret != "" && c.JWTSecret == c.EncryptionSalt {
		return warn(name, "Set a JWT_SECRET of its own (openssl rand -base64 32), with the value of ENCRYPTION_KEY_SALT as JWT_SECRET_PREVIOUS until every server was restarted once.",
			"ENCRYPTION_KEY_SALT stands in for JWT_SECRET: who learns it can sign tokens and read credentials, and neither can be replaced without the other")
	}
	return ok(name, "It is not ENCRYPTION_KEY_SALT")
}

func (d *Doctor) logLevel() Check {
	const name = "configuration.log_level"
	if c := d.cfg.Settings; c.Production() && c.LogLevel == "debug" {
		return warn(name, "Set LOG_LEVEL=info.", "LOG_LEVEL is debug in production: the log grows with every request, and names more of it than operation needs")
	}
	return ok(name, "It is %s", d.cfg.Settings.LogLevel)
}

func (d *Doctor) trustProxy() Check {
	const name = "configuration.trust_proxy"
	switch c := d.cfg.Settings; {
	case c.TrustProxy != "":
		return ok(name, "TRUST_PROXY names the proxies whose word on a client's address counts")
	case c.Production():
		return warn(name, "Behind a proxy set TRUST_PROXY to its address; without one set TRUST_PROXY=false.",
			"TRUST_PROXY is not set: behind a proxy all clients have its address, share one rate limit, and stand in the audit under it")
	}
	return ok(name, "TRUST_PROXY is not set, which is well without a proxy")
}

func (d *Doctor) mail() Check {
	const name = "configuration.mail"
	service, err := d.cfg.Mail()
	switch {
	case err != nil:
		return fail(name, "Correct the settings of mail; the server does not start with them.", "%v", err)
	case !d.cfg.Settings.Production() || service == "mailgun" || service == "smtp":
		return ok(name, "Mails leave by the service %s", service)
	}
	return warn(name, "Set MAILGUN_API_KEY and MAILGUN_DOMAIN, or SMTP_HOST.",
		"EMAIL_SERVICE is %s in production: links to verify an address or to reset a password reach nobody", service)
}
