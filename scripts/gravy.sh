#!/bin/sh
# `npm run gravy …`: the operator's command line, built first if it is not there.
set -eu
cd "$(dirname "$0")/.."
[ -x bin/gravy ] || make --no-print-directory build >&2
exec ./bin/gravy "$@"
