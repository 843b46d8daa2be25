package lint

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// load reads a compose file as `docker compose config` does: schema, references, variables.
func load(t *testing.T, path string, env types.Mapping) *types.Project {
	t.Helper()
	p, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{WorkingDir: filepath.Join(root), Environment: env,
		ConfigFiles: []types.ConfigFile{{Filename: path, Content: read(t, path)}}},
		func(o *loader.Options) { o.SetProjectName("turkey", true); o.Profiles = []string{"*"} })
	must(t, err)
	return p
}

func TestComposeFile(t *testing.T) {
	t.Parallel()
	p := load(t, "compose.yaml", types.Mapping{"PUBLIC_URL": "https://auth.example.com"})
	names := p.ServiceNames()
	slices.Sort(names)
	if !slices.Equal(names, []string{"backup", "migrate", "postgres", "setup", "turkey", "valkey", "worker"}) {
		t.Errorf("services %q", names)
	}
	for _, s := range p.Services {
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") || s.Privileged {
			t.Errorf("%s has more rights than it needs", s.Name)
		}
		if runs := s.Restart == "unless-stopped"; runs && (s.HealthCheck == nil || s.HealthCheck.Disable) {
			t.Errorf("%s has no health check", s.Name)
		}
		for name, value := range s.Environment {
			if value == nil {
				t.Errorf("%s: %s is taken from whoever runs it", s.Name, name)
				continue
			}
			// What must be secret comes from a file that is mounted.
			if path, found := strings.CutPrefix(*value, "/run/secrets/"); found {
				if !strings.HasSuffix(name, "_FILE") || !slices.ContainsFunc(s.Secrets, func(c types.ServiceSecretConfig) bool { return c.Source == path }) {
					t.Errorf("%s: %s=%s is not mounted", s.Name, name, *value)
				}
			} else if (strings.Contains(name, "SECRET") || strings.Contains(name, "PASSWORD") || strings.Contains(name, "_KEY")) && *value != "" {
				t.Errorf("%s: %s is in the file", s.Name, name)
			}
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" || s.Name != "turkey" {
				t.Errorf("%s listens at %s:%s", s.Name, port.HostIP, port.Published)
			}
		}
	}
	if !p.Networks["data"].Internal {
		t.Error("the database's network leads outside")
	}
	// The servers do not have the superuser's login.
	for _, name := range []string{"turkey", "worker"} {
		if _, has := p.Services[name].Environment["DATABASE_ADMIN_URL_FILE"]; has || slices.ContainsFunc(p.Services[name].Secrets, func(c types.ServiceSecretConfig) bool {
			return c.Source == "database_admin_url" || c.Source == "postgres_password"
		}) {
			t.Errorf("%s is given the superuser's login", name)
		}
	}
	if *p.Services["turkey"].Environment["PUBLIC_URL"] != "https://auth.example.com" {
		t.Error("the settings of .env do not arrive")
	}
}

// TestTheGuidesComposeFile: the file in the guide, as it is, names what this repository has. That its environment starts the
// program is tested with the program (deploy/deploy_test.go).
func TestTheGuidesComposeFile(t *testing.T) {
	t.Parallel()
	p := load(t, "deploy/testdata/guide-compose.yml", types.Mapping{"CLERK_PUBLIC_KEY": "pk_test_x", "ENCRYPTION_KEY_SALT": "0123456789abcdef"})
	app := p.Services["app"]
	if app.Build == nil || app.Build.Target != "" || app.Build.Dockerfile != "Dockerfile" && app.Build.Dockerfile != "" {
		t.Errorf("%+v", app.Build)
	}
	if len(app.Ports) != 1 || app.Ports[0].Target != 3001 || app.Ports[0].Published != "3001" {
		t.Errorf("%+v", app.Ports)
	}
}
