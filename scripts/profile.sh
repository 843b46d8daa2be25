#!/bin/sh
# Measures where the hot operations spend their time and writes default.pgo, by which the compiler lays out the program (under a
# minute for each operation, on a machine that does nothing else): make profile
set -eu
cd "$(dirname "$0")/.."
at=127.0.0.1:6071
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go build -tags profile -pgo=off -trimpath -o "$dir/turkey" .
for what in JWKS users/me refresh "credential save" "credential read"; do # those that are measured against the floor, which takes half of the time
	echo "$what" >&2
	PROFILE_ADDR=$at go run ./bench -binary "$dir/turkey" -only "$what" -rounds 4 -slice 4s -report "" >/dev/null &
	bench=$!
	until curl -sf -o /dev/null "http://$at/debug/pprof/"; do
		kill -0 $bench 2>/dev/null || { echo "the benchmark ended before it could be watched" >&2; exit 1; }
		sleep 0.2
	done
	sleep 4 # accounts are made first, which is hashing
	curl -sf -o "$dir/$(echo "$what" | tr -d "/ ").pb" "http://$at/debug/pprof/profile?seconds=15"
	wait $bench
done
go tool pprof -proto "$dir"/*.pb >"$dir/default.pgo" 2>/dev/null
mv "$dir/default.pgo" default.pgo
ls -l default.pgo
