// Package lint holds the deployment files against the rules of those who will read them, on a machine that has none of their engines:
// the Dockerfile against BuildKit's own parser and checks (what `docker build --check` runs), compose files against the Compose
// specification's loader, Kubernetes' objects, built by kustomize, against the types of its API, units against systemd-analyze.
package lint
