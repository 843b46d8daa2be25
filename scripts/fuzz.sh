#!/bin/sh
# Runs every fuzz target for FUZZTIME, and TestAPIFuzz with REQUESTS, and writes what was executed to bench/FUZZ.md.
#
#   FUZZTIME=10m REQUESTS=100000 scripts/fuzz.sh        make fuzz
set -u
cd "$(dirname "$0")/.."
time=${FUZZTIME:-10m} requests=${REQUESTS:-100000} parallel=${PARALLEL:-2} seed=${SEED:-$(date +%s)}
log=$(mktemp) report=$(mktemp) failed=0
trap 'rm -f "$log" "$report"' EXIT

{
	echo "# Fuzzing"
	echo
	echo "\`make fuzz\`, commit $(git describe --always --dirty 2>/dev/null || echo none), $(date -u +%F), $(go version | cut -d' ' -f3,4), $time for each target with $parallel workers."
	echo "What a run finds stays in \`testdata/fuzz\` of its package, where \`go test\` repeats it."
	echo
	echo "| package | target | executions | new inputs of interest | result |"
	echo "|---|---|---|---|---|"
} >"$report"

for at in $(grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' internal client | sort); do
	package=./$(dirname "$at")
	for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9]*\)(.*/\1/p' "$at"); do
		echo "$package $target"
		result=ok
		go test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "$time" -parallel "$parallel" >"$log" 2>&1 || { result="**failed**"; failed=1; cat "$log"; }
		line=$(grep 'execs: ' "$log" | tail -1)
		echo "| ${package#./} | $target | $(echo "$line" | sed -n 's/.*execs: \([0-9]*\).*/\1/p') | $(echo "$line" | sed -n 's/.*new interesting: \([0-9]*\).*/\1/p') | $result |" >>"$report"
	done
done

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
