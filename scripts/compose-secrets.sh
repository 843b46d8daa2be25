#!/bin/sh
# Makes the secrets that compose.yaml mounts, in ./secrets (or the directory that is named). What is there stays as it is.
#
# Files are readable by all inside a directory that is not: a container sees them with the rights that they have here, and
# runs as another account.
set -eu
cd "$(dirname "$0")/.."
dir=${1:-secrets}
umask 077
mkdir -p "$dir"

# keep NAME: the standard input becomes the file, unless there is one.
keep() {
	if [ -s "$dir/$1" ]; then
		cat >/dev/null
		return
	fi
	cat >"$dir/$1"
	chmod 444 "$dir/$1"
	echo "made $dir/$1"
}
random() { openssl rand -hex 24; } # goes into a URL as it is

random | keep postgres_password
random | keep app_password
openssl rand -base64 32 | keep jwt_secret
openssl rand -base64 32 | keep encryption_key_salt
echo "postgresql://turkey_app:$(cat "$dir/app_password")@postgres:5432/turkey" | keep database_url
echo "postgresql://postgres:$(cat "$dir/postgres_password")@postgres:5432/turkey" | keep database_admin_url
echo "Keep a copy of $dir/jwt_secret and $dir/encryption_key_salt outside this machine: no backup of the database holds them."
