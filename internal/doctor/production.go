package doctor

import "strings"

// demanded are the checks behind the lines of the two guides' production checklists (docs/doctor.md has them line by line):
// with Production a warning of one is a failure.
var demanded = map[string]bool{
	"configuration.environment": true, "configuration.encryption_key_salt": true, "configuration.jwt_secret": true,
	"configuration.database_password": true, "configuration.trust_proxy": true, "configuration.origins": true, "configuration.limits": true,
	"configuration.https": true, "configuration.mail": true, "configuration.operator": true,
	"database.version": true, "database.schema": true, "database.login": true, "database.tls": true, "database.pool": true,
	"database.indexes": true, "database.roles": true, "database.rls": true, "database.grants": true,
	"vault.root": true, "vault.recovery": true, "cleanup": true, "apps": true, "redis": true,
	"backup.schedule": true, "backup.recent": true, "backup.verified": true,
}

// production reports whether a server is judged as one that the public uses.
func (d *Doctor) production() bool {
	return d.cfg.Production || d.cfg.Settings != nil && d.cfg.Settings.Production()
}

// insist turns warnings into failures where a checklist demands the thing.
func insist(checks []Check) {
	for i, c := range checks {
		if c.Status == Warn && demanded[c.Name] {
			checks[i].Status = Fail
		}
	}
}

// listed is some things in a sentence, and how many more there are.
func listed(all []string) string {
	const most = 5
	if len(all) <= most {
		return strings.Join(all, ", ")
	}
	return strings.Join(all[:most], ", ") + " and more"
}
