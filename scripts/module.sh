#!/bin/sh
# Gives the Go module another path: scripts/module.sh example.org/turkey
set -eu
cd "$(dirname "$0")/.."
new=${1:?the new module path}
old=$(sed -n 's/^module //p' go.mod)
[ "$old" != "$new" ] || exit 0
pattern=$(printf '%s' "$old" | sed 's/[.]/\\./g')
go mod edit -module "$new"
# The tests with Google's own clients are a module of their own, which finds this one by its path.
go mod edit -module "$new/googleclient" -droprequire "$old" -dropreplace "$old" -require "$new@v0.0.0" -replace "$new=../../.." \
	internal/sandbox/googleclient/go.mod
# The packages of this module, so that a user agent such as "turkey/1.0" stays.
find . \( -name .git -o -name node_modules -o -name bin \) -prune -o -type f \( -name '*.go' -o -name .golangci.yml -o -name sqlc.yaml \) -print |
while read -r file; do
	sed -E "s#(^|[^A-Za-z0-9./-])$pattern/(internal|client|console|bench)([^A-Za-z0-9_]|\$)#\\1$new/\\2\\3#g" "$file" >"$file.new"
	if cmp -s "$file" "$file.new"; then
		rm "$file.new"
	else
		cat "$file.new" >"$file" # keeps the mode
		rm "$file.new"
		case $file in *.go) gofmt -w "$file" ;; esac
	fi
done
echo "The module is $new now. Look at the change with git diff, then run make build."
