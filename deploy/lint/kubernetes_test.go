package lint

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// kinds are the API's own types: a member that they do not have is refused.
var kinds = map[string]func() any{
	"v1/Namespace":                           func() any { return &core.Namespace{} },
	"v1/ServiceAccount":                      func() any { return &core.ServiceAccount{} },
	"v1/ConfigMap":                           func() any { return &core.ConfigMap{} },
	"v1/Secret":                              func() any { return &core.Secret{} },
	"v1/Service":                             func() any { return &core.Service{} },
	"apps/v1/Deployment":                     func() any { return &apps.Deployment{} },
	"batch/v1/Job":                           func() any { return &batch.Job{} },
	"autoscaling/v2/HorizontalPodAutoscaler": func() any { return &autoscaling.HorizontalPodAutoscaler{} },
	"policy/v1/PodDisruptionBudget":          func() any { return &policy.PodDisruptionBudget{} },
	"networking.k8s.io/v1/NetworkPolicy":     func() any { return &networking.NetworkPolicy{} },
}

// objects are what `kubectl apply -k` would send.
func objects(t *testing.T) (all []any) {
	t.Helper()
	dir := t.TempDir()
	must(t, os.CopyFS(dir, os.DirFS(filepath.Join(root, "deploy/kubernetes"))))
	for _, name := range []string{"database_url", "database_admin_url", "jwt_secret", "encryption_key_salt"} {
		must(t, os.WriteFile(filepath.Join(dir, "secrets", name), []byte("x\n"), 0o600))
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	must(t, err)
	for _, r := range built.Resources() {
		text, err := r.AsYAML()
		must(t, err)
		kind := r.GetGvk().ApiVersion() + "/" + r.GetKind()
		empty, known := kinds[kind]
		if !known {
			t.Errorf("%s is checked by nobody", kind)
			continue
		}
		o := empty()
		asJSON, err := yaml.YAMLToJSONStrict(text)
		must(t, err)
		// As the API's own decoder does: case counts, and what nobody knows is refused.
		if wrong, err := json.UnmarshalStrict(asJSON, o); err != nil || len(wrong) > 0 {
			t.Errorf("%s %s: %v %v", kind, r.GetName(), wrong, err)
		}
		if kind != "v1/Namespace" && r.GetNamespace() != "turkey" {
			t.Errorf("%s %s is in namespace %q", kind, r.GetName(), r.GetNamespace())
		}
		all = append(all, o)
	}
	return all
}

func of[T any](all []any) (found []*T) {
	for _, o := range all {
		if o, ok := o.(*T); ok {
			found = append(found, o)
		}
	}
	return found
}

type workload struct {
	name string
	pod  core.PodTemplateSpec
}

func workloads(all []any) (found []workload) {
	for _, d := range of[apps.Deployment](all) {
		found = append(found, workload{d.Name, d.Spec.Template})
	}
	for _, j := range of[batch.Job](all) {
		found = append(found, workload{j.Name, j.Spec.Template})
	}
	return found
}

func TestKubernetesPodsAreRestricted(t *testing.T) {
	t.Parallel()
	all := objects(t)
	found := workloads(all)
	if len(found) != 3 {
		t.Errorf("%d workloads", len(found))
	}
	for _, w := range found {
		s := w.pod.Spec
		if sc := s.SecurityContext; sc == nil || sc.RunAsNonRoot == nil || !*sc.RunAsNonRoot || sc.SeccompProfile == nil || sc.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault ||
			s.AutomountServiceAccountToken == nil || *s.AutomountServiceAccountToken || s.HostNetwork {
			t.Errorf("%s: the pod has more rights than it needs", w.name)
		}
		for _, c := range s.Containers {
			sc := c.SecurityContext
			if sc == nil || sc.ReadOnlyRootFilesystem == nil || !*sc.ReadOnlyRootFilesystem || sc.AllowPrivilegeEscalation == nil || *sc.AllowPrivilegeEscalation ||
				!slices.Equal(sc.Capabilities.Drop, []core.Capability{"ALL"}) {
				t.Errorf("%s: the container has more rights than it needs", w.name)
			}
			if c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() {
				t.Errorf("%s: no limits", w.name)
			}
			for _, e := range c.Env { // a secret that is named is mounted
				if !strings.HasSuffix(e.Name, "_FILE") {
					continue
				}
				if !slices.ContainsFunc(c.VolumeMounts, func(m core.VolumeMount) bool {
					return m.MountPath == filepath.Dir(e.Value) && holds(all, s, m.Name, filepath.Base(e.Value))
				}) {
					t.Errorf("%s: %s=%s is not there", w.name, e.Name, e.Value)
				}
			}
			if w.name != "turkey-migrate" && (c.ReadinessProbe == nil || c.ReadinessProbe.HTTPGet.Path != "/readyz" || c.LivenessProbe.HTTPGet.Path != "/livez" ||
				!slices.ContainsFunc(c.Ports, func(p core.ContainerPort) bool { return p.Name == c.ReadinessProbe.HTTPGet.Port.StrVal })) {
				t.Errorf("%s: probes", w.name)
			}
			if w.name != "turkey-migrate" && slices.ContainsFunc(c.Env, func(e core.EnvVar) bool { return e.Name == "DATABASE_ADMIN_URL_FILE" }) {
				t.Errorf("%s is given the superuser's login", w.name)
			}
		}
	}
}

// holds tells whether a volume of a pod has a file with this name.
func holds(all []any, pod core.PodSpec, volume, file string) bool {
	for _, v := range pod.Volumes {
		if v.Name != volume || v.Secret == nil {
			continue
		}
		for _, s := range of[core.Secret](all) {
			if _, has := s.Data[file]; has && s.Name == v.Secret.SecretName {
				return true
			}
		}
	}
	return false
}

// TestKubernetesSelectorsSelect: a policy or a budget that selects no pod protects nothing, and says nothing.
func TestKubernetesSelectorsSelect(t *testing.T) {
	t.Parallel()
	all := objects(t)
	selects := func(what string, want int, s *meta.LabelSelector) {
		t.Helper()
		selector, err := meta.LabelSelectorAsSelector(s)
		must(t, err)
		n := 0
		for _, w := range workloads(all) {
			if selector.Matches(labels.Set(w.pod.Labels)) {
				n++
			}
		}
		if n != want {
			t.Errorf("%s selects %d workloads, want %d", what, n, want)
		}
	}
	for _, d := range of[apps.Deployment](all) {
		selects(d.Name, 1, d.Spec.Selector)
	}
	for _, b := range of[policy.PodDisruptionBudget](all) {
		selects("the budget "+b.Name, 1, b.Spec.Selector)
	}
	for _, s := range of[core.Service](all) {
		selects("the service "+s.Name, 1, &meta.LabelSelector{MatchLabels: s.Spec.Selector})
	}
	want := map[string]int{"turkey-default": 3, "turkey-server": 1, "turkey-metrics": 3, "turkey-out": 3}
	for _, p := range of[networking.NetworkPolicy](all) {
		selects("the policy "+p.Name, want[p.Name], &p.Spec.PodSelector)
	}
	for _, h := range of[autoscaling.HorizontalPodAutoscaler](all) {
		if !slices.ContainsFunc(of[apps.Deployment](all), func(d *apps.Deployment) bool { return d.Name == h.Spec.ScaleTargetRef.Name && d.Spec.Replicas == nil }) {
			t.Errorf("%s scales nothing, or is undone by the replicas of a deployment", h.Name)
		}
	}
}
