#!/bin/sh
# Builds what a release consists of, into dist/: a binary for each system in a tar.gz with licence, readme and the files for systemd,
# a list of what it is made of (CycloneDX), and SHA256SUMS. The same commit and version make the same bytes, wherever they are built.
#
#   scripts/release.sh <version>        make release VERSION=1.2.3
set -eu
cd "$(dirname "$0")/.."
version=${1:?the version}
targets=${TARGETS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64}
# The commit's time, in every archive. Without git: that of the changelog.
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date -r CHANGELOG.md +%s)}

tar=tar
"$tar" --version 2>/dev/null | grep -q GNU || tar=gtar
command -v "$tar" >/dev/null || { echo "GNU tar is needed (brew install gnu-tar): others write other bytes" >&2; exit 1; }
[ -s console/dist/index.html ] || { echo "the console is not built: make console" >&2; exit 1; }

case $(go env GOVERSION) in
go1.26 | go1.26.[0-8]) echo "this Go has defects that 1.26.9 mends (docs/dependencies.md, Advisories): build releases with a newer one" >&2 ;;
esac

rm -rf dist
mkdir -p dist
for target in $targets; do
	os=${target%/*} arch=${target#*/}
	name=turkey-$version-$os-$arch
	echo "$name"
	CGO_ENABLED=0 GOOS=$os GOARCH=$arch make --no-print-directory binary VERSION="$version" OUT="dist/$name"
	go run scripts/sbom.go "dist/$name/turkey" "$version" "$epoch" >"dist/$name.cdx.json"
	cp LICENSE README.md CHANGELOG.md SECURITY.md "dist/$name/"
	cp -R deploy/systemd "dist/$name/systemd"
	chmod -R u=rwX,go=rX "dist/$name"
	"$tar" --create --directory dist --sort=name --format=ustar --mtime="@$epoch" --owner=0 --group=0 --numeric-owner "$name" | gzip -9 -n >"dist/$name.tar.gz"
	rm -rf "dist/${name:?}"
done
cd dist
if command -v sha256sum >/dev/null; then sha256sum -- * >SHA256SUMS; else shasum -a 256 -- * >SHA256SUMS; fi
