//go:build ignore

// Writes what a binary is made of as a CycloneDX 1.6 document: go run scripts/sbom.go <binary> <version> <unix time> >turkey.cdx.json
//
// Go modules come from the binary itself (the linker puts them there, with the hashes that go.sum was held against), packages of the
// console from its lock file. The same binary, version and time make the same bytes.
package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

type hash struct {
	Alg     string `json:"alg"`
	Content string `json:"content"`
}

type component struct {
	Type       string              `json:"type"`
	Ref        string              `json:"bom-ref"`
	Name       string              `json:"name"`
	Version    string              `json:"version"`
	PURL       string              `json:"purl,omitempty"`
	Hashes     []hash              `json:"hashes,omitempty"`
	Licenses   []map[string]any    `json:"licenses,omitempty"`
	Properties []map[string]string `json:"properties,omitempty"`
}

func main() {
	if len(os.Args) != 4 {
		fail(fmt.Errorf("usage: sbom.go <binary> <version> <unix time>"))
	}
	binary, version := os.Args[1], os.Args[2]
	seconds, err := strconv.ParseInt(os.Args[3], 10, 64)
	fail(err)
	info, err := buildinfo.ReadFile(binary)
	fail(err)
	f, err := os.Open(binary)
	fail(err)
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	fail(err)
	digest := hex.EncodeToString(sum.Sum(nil))

	parts := []component{{Type: "platform", Ref: "go", Name: "go", Version: strings.TrimPrefix(info.GoVersion, "go"), PURL: "pkg:golang/std@" + strings.TrimPrefix(info.GoVersion, "go")}}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		purl := "pkg:golang/" + m.Path + "@" + m.Version
		parts = append(parts, component{Type: "library", Ref: purl, Name: m.Path, Version: m.Version, PURL: purl,
			Properties: []map[string]string{{"name": "go:sum", "value": m.Sum}}})
	}
	parts = append(parts, console()...)
	slices.SortFunc(parts, func(a, b component) int { return strings.Compare(a.Ref, b.Ref) })

	root := component{Type: "application", Ref: "turkey", Name: "turkey", Version: version, Hashes: []hash{{"SHA-256", digest}},
		Licenses: []map[string]any{{"license": map[string]string{"id": "Apache-2.0"}}}}
	for _, s := range info.Settings {
		if slices.Contains([]string{"GOOS", "GOARCH", "CGO_ENABLED", "-trimpath"}, s.Key) {
			root.Properties = append(root.Properties, map[string]string{"name": "go:" + s.Key, "value": s.Value})
		}
	}
	refs := make([]string, 0, len(parts))
	for _, p := range parts {
		refs = append(refs, p.Ref)
	}
	// A serial number that is the binary's: RFC 9562 version 8, of its hash.
	id := []byte(digest[:32])
	id[12], id[16] = '8', 'a'
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	fail(out.Encode(map[string]any{
		"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
		"serialNumber": fmt.Sprintf("urn:uuid:%s-%s-%s-%s-%s", id[:8], id[8:12], id[12:16], id[16:20], id[20:32]),
		"metadata":     map[string]any{"timestamp": time.Unix(seconds, 0).UTC().Format(time.RFC3339), "component": root},
		"components":   parts,
		"dependencies": []any{map[string]any{"ref": "turkey", "dependsOn": refs}},
	}))
}

// console lists the packages whose code is in the pages that the binary serves.
func console() (parts []component) {
	content, err := os.ReadFile("console/web/package-lock.json")
	fail(err)
	var lock struct {
		Packages map[string]struct {
			Version, Integrity, License string
			Dev, Link                   bool
		}
	}
	fail(json.Unmarshal(content, &lock))
	for path, p := range lock.Packages {
		i := strings.LastIndex(path, "node_modules/")
		if i < 0 || p.Dev || p.Link {
			continue
		}
		name := path[i+len("node_modules/"):]
		purl := "pkg:npm/" + strings.ReplaceAll(name, "@", "%40") + "@" + p.Version
		c := component{Type: "library", Ref: purl, Name: name, Version: p.Version, PURL: purl}
		if raw, found := strings.CutPrefix(p.Integrity, "sha512-"); found {
			bytes, err := base64.StdEncoding.DecodeString(raw)
			fail(err)
			c.Hashes = []hash{{"SHA-512", hex.EncodeToString(bytes)}}
		}
		if p.License != "" {
			c.Licenses = []map[string]any{{"expression": p.License}}
		}
		if !slices.ContainsFunc(parts, func(o component) bool { return o.Ref == c.Ref }) {
			parts = append(parts, c)
		}
	}
	return parts
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}
