#!/bin/sh
# Runs every fuzz target for FUZZTIME, and TestAPIFuzz with REQUESTS, and writes what was executed to bench/FUZZ.md.
#
#   FUZZTIME=10m REQUESTS=100000 JOBS=1 PARALLEL=2 scripts/fuzz.sh        make fuzz
#
# JOBS is how many targets run at a time, PARALLEL how many workers each has; REQUESTS=0 leaves the API out.
set -u
cd "$(dirname "$0")/.."
time=${FUZZTIME:-10m} requests=${REQUESTS:-100000} parallel=${PARALLEL:-2} jobs=${JOBS:-1} seed=${SEED:-$(date +%s)}

# one fuzzes a target and prints its row of the report.
if [ "${1:-}" = one ]; then
	package=$2 target=$3 log=$(mktemp) result=ok
	echo "$package $target" >&2
	go test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "$time" -parallel "$parallel" >"$log" 2>&1 || { result="**failed**"; cat "$log" >&2; }
	line=$(grep 'execs: ' "$log" | tail -1)
	echo "| ${package#./} | $target | $(echo "$line" | sed -n 's/.*execs: \([0-9]*\).*/\1/p') | $(echo "$line" | sed -n 's/.*new interesting: \([0-9]*\).*/\1/p') | $result |"
	rm -f "$log"
	exit 0
fi

log=$(mktemp) report=$(mktemp) failed=0
trap 'rm -f "$log" "$report"' EXIT

{
	echo "# Fuzzing"
	echo
	echo "\`make fuzz\`, commit $(git describe --always --dirty 2>/dev/null || echo none), $(date -u +%F), $(go version | cut -d' ' -f3,4), $time for each target, $jobs at a time with $parallel workers each."
	echo "What a run finds stays in \`testdata/fuzz\` of its package, where \`go test\` repeats it."
	echo
	echo "| package | target | executions | new inputs of interest | result |"
	echo "|---|---|---|---|---|"
} >"$report"

for at in $(grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' internal client | sort); do
	sed -n "s#^func \(Fuzz[A-Za-z0-9]*\)(.*#./$(dirname "$at") \1#p" "$at"
done | FUZZTIME=$time PARALLEL=$parallel xargs -P "$jobs" -L 1 sh scripts/fuzz.sh one >"$log"
sort "$log" >>"$report"
grep -q failed "$log" && failed=1

[ "$requests" = 0 ] && { cp "$report" bench/FUZZ.md; exit $failed; }
echo "TestAPIFuzz"
result=ok
go test ./internal/e2e -run '^TestAPIFuzz$' -count 1 -v -timeout 2h -requests "$requests" -seed "$seed" >"$log" 2>&1 || { result="**failed**"; failed=1; tail -100 "$log"; }
{
	echo
	echo "The API, by requests made from openapi.json, as a user, another, administrators and nobody: $result."
	echo
	sed -n 's/^ *attack_fuzz_test.go:[0-9]*: \([0-9]* requests .*\)/    \1/p' "$log"
} >>"$report"
cp "$report" bench/FUZZ.md
exit $failed
