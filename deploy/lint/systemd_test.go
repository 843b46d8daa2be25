package lint

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestUnits(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd on this machine")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "turkey") // it must be there
	must(t, os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755))
	for _, name := range []string{"turkey.service", "turkey-worker.service"} {
		unit := strings.ReplaceAll(string(read(t, "deploy/systemd/"+name)), "/usr/local/bin/turkey", program)
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(unit), 0o644))
		if out, err := exec.Command(analyze, "verify", path).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%v %s", err, out)
		}
		// The exposure, times ten: 1.2 when this was written.
		if out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=20", "--no-pager", path).CombinedOutput(); err != nil {
			t.Errorf("%v %s", err, out)
		}
	}
	broken := filepath.Join(dir, "broken.service")
	must(t, os.WriteFile(broken, []byte("[Service]\nExecStart="+program+"\nNoSuchSetting=yes\n"), 0o644))
	if out, _ := exec.Command(analyze, "verify", broken).CombinedOutput(); len(out) == 0 {
		t.Error("systemd-analyze finds nothing wrong with a setting that is not there")
	}
}
