#!/bin/sh
# Installs what `make run` and `make test` need and this machine lacks: the PostgreSQL server programs, version 14 or newer,
# and for the tests a Redis, a Chromium, nginx, Caddy and python3-jwt. Says what to install where it cannot. It is quiet, and done at once, when everything is there.
#
# `setup.sh run` does not ask for those, nor for PostgreSQL when the configuration names a database. `setup.sh cluster` also asks for
# PgBouncer, which `make test-cluster` needs.
set -eu
cd "$(dirname "$0")/.."

oldest=14

die() {
	printf '%s\n' "$@" >&2
	exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# The directories that internal/db/pgdev searches (installations in programs.go), after PATH.
postgres_programs() {
	if [ -n "${TURKEY_POSTGRES_BIN:-}" ]; then
		set -- "$TURKEY_POSTGRES_BIN/postgres"
	else
		set -- "$(command -v postgres || :)" /usr/lib/postgresql/*/bin/postgres /usr/pgsql-*/bin/postgres \
			/usr/libexec/postgresql*/postgres /usr/lib/postgresql*/bin/postgres /usr/local/pgsql/bin/postgres \
			/opt/homebrew/opt/postgresql@*/bin/postgres /usr/local/opt/postgresql@*/bin/postgres \
			/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin/postgres \
			/Applications/Postgres.app/Contents/Versions/*/bin/postgres
	fi
	for program in "$@"; do
		if [ -x "$program" ] && [ -x "${program%/*}/initdb" ]; then
			echo "$program"
		fi
	done
}

have_postgres() {
	for program in $(postgres_programs); do
		version=$("$program" -V 2>/dev/null) || continue
		version=${version#*") "} # postgres (PostgreSQL) 18.1 (Debian 18.1-1)
		version=${version%%[!0-9]*}
		if [ "${version:-0}" -ge "$oldest" ]; then
			return 0
		fi
	done
	return 1
}

names_a_database() {
	[ -n "${DATABASE_URL:-}${DB_HOST:-}${DB_PORT:-}${DB_NAME:-}${DB_USER:-}${DB_PASSWORD:-}" ] ||
		grep -qsE '^(export )?(DATABASE_URL|DB_[A-Z]+)=.' .env
}

# as_root runs a command quietly, and shows what it said if it fails.
as_root() {
	if [ "$(id -u)" -ne 0 ]; then
		have sudo || die "$wanted is missing, and installing it needs root or sudo. As root: $*"
		set -- sudo "$@"
	fi
	log=$(mktemp)
	if "$@" >"$log" 2>&1; then
		rm -f "$log"
	else
		cat "$log" >&2
		rm -f "$log"
		die "This failed: $*" "$remedy"
	fi
}

# Debian's package makes and starts a database cluster of its own unless it is told not to. An administrator's settings
# stay as they are: they only get a file beside them where they include such files.
no_cluster_of_its_own() {
	conf=/etc/postgresql-common/createcluster.conf
	if [ ! -e "$conf" ]; then
		as_root sh -c "mkdir -p ${conf%/*} && echo 'create_main_cluster = false' >$conf"
	elif ! grep -Eq '^[[:space:]]*create_main_cluster' "$conf" && grep -q '^[[:space:]]*include_dir' "$conf"; then
		dropins=/etc/postgresql-common/createcluster.d
		as_root sh -c "mkdir -p $dropins && echo 'create_main_cluster = false' >$dropins/turkey.conf"
	fi
}

install_postgres() {
	wanted="PostgreSQL"
	remedy="Install the PostgreSQL server ($oldest or newer) yourself, or set TURKEY_POSTGRES_BIN to the directory of its programs."
	echo "Installing the PostgreSQL server programs…" >&2
	if have apt-get; then
		no_cluster_of_its_own
		as_root sh -c 'apt-get update -qq || :' # a broken list of somebody else's need not stop the install
		as_root env DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 \
			apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold postgresql
	elif have dnf; then
		as_root dnf install -y -q postgresql-server
	elif have apk; then
		as_root apk add --quiet --no-cache postgresql
	elif have brew; then
		brew install --quiet postgresql@17 >&2 # brew refuses to run as root
	else
		die "PostgreSQL is missing and no package manager known here (apt, dnf, apk, brew) was found." \
			"Install the PostgreSQL server ($oldest or newer), or set TURKEY_POSTGRES_BIN to the directory of its programs."
	fi
}

# The tests start a Redis of their own; the one that Debian's package starts is not wanted.
install_redis() {
	wanted="Redis (for the tests)"
	remedy="Install redis-server or valkey-server yourself."
	echo "Installing a Redis server for the tests…" >&2
	if have apt-get; then
		as_root sh -c 'apt-get update -qq || :'
		as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server
		if [ -d /run/systemd/system ]; then
			as_root systemctl disable --now redis-server
		fi
	elif have dnf; then
		as_root sh -c 'dnf install -y -q valkey || dnf install -y -q redis'
	elif have apk; then
		as_root sh -c 'apk add --quiet --no-cache valkey || apk add --quiet --no-cache redis'
	elif have brew; then
		brew install --quiet redis >&2
	else
		die "Redis is missing (the tests need it) and no package manager known here (apt, dnf, apk, brew) was found." "$remedy"
	fi
}

# The console's tests play it in a browser.
have_browser() { [ -x "${CHROMIUM:-}" ] || have chromium || have chromium-browser || have google-chrome; }

install_browser() {
	wanted="Chromium (for the tests)"
	remedy="Install Chromium or Chrome yourself, or set CHROMIUM to its program."
	echo "Installing Chromium for the tests…" >&2
	if have apt-get; then
		as_root sh -c 'apt-get update -qq || :'
		as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium
	elif have dnf; then
		as_root dnf install -y -q chromium
	elif have apk; then
		as_root apk add --quiet --no-cache chromium
	else
		die "Chromium is missing (the tests of the console need it) and no package manager known here (apt, dnf, apk) was found." "$remedy"
	fi
}

# Tests start them in front of the server, with the examples in deploy/.
install_proxies() {
	wanted="nginx and Caddy (for the tests)"
	remedy="Install nginx and caddy yourself."
	echo "Installing nginx and Caddy for the tests…" >&2
	if have apt-get; then
		# Not started by their packages: nothing but tests is to use them here.
		as_root sh -c 'apt-get update -qq || :'
		as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends nginx-light caddy
		if [ -d /run/systemd/system ]; then
			as_root systemctl disable --now nginx caddy
		fi
	elif have dnf; then
		as_root dnf install -y -q nginx caddy
	elif have apk; then
		as_root apk add --quiet --no-cache nginx caddy
	elif have brew; then
		brew install --quiet nginx caddy >&2
	else
		die "nginx and Caddy are missing (the tests of the examples in deploy/ need them) and no package manager known here (apt, dnf, apk, brew) was found." "$remedy"
	fi
}

# The tests of a cluster put it before PostgreSQL.
install_pgbouncer() {
	wanted="PgBouncer (for the tests)"
	remedy="Install pgbouncer yourself."
	echo "Installing PgBouncer for the tests…" >&2
	if have apt-get; then
		as_root sh -c 'apt-get update -qq || :'
		as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends pgbouncer
		if [ -d /run/systemd/system ]; then
			as_root systemctl disable --now pgbouncer
		fi
	elif have dnf; then
		as_root dnf install -y -q pgbouncer
	elif have apk; then
		as_root apk add --quiet --no-cache pgbouncer
	elif have brew; then
		brew install --quiet pgbouncer >&2
	else
		die "PgBouncer is missing (make test-cluster needs it) and no package manager known here (apt, dnf, apk, brew) was found." "$remedy"
	fi
}

# Debian's own library for tokens verifies ours. Elsewhere the test says what it lacks.
have_jwt() { ! have apt-get || /usr/bin/python3 -c 'import jwt, cryptography' 2>/dev/null; }

install_jwt() {
	wanted="python3-jwt (for the tests)"
	remedy="Install it yourself: apt-get install python3-jwt python3-cryptography"
	echo "Installing python3-jwt for the tests…" >&2
	as_root sh -c 'apt-get update -qq || :'
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-jwt python3-cryptography
}

have make || die "make is missing: install it (apt-get install make, dnf install make, apk add make, xcode-select --install)."

have go || die "Go is missing: install Go 1.26 or newer from https://go.dev/dl/ (or: brew install go, apk add go)."
go_version=$(go env GOVERSION)
minor=${go_version#go1.}
minor=${minor%%[!0-9]*}
case $go_version in
go1.*) [ "${minor:-0}" -ge 26 ] || die "Go 1.26 or newer is needed, and this is $go_version: see https://go.dev/dl/." ;;
esac

if [ "${1:-}" = run ] && names_a_database; then
	exit 0
fi
if ! have_postgres; then
	if [ -n "${TURKEY_POSTGRES_BIN:-}" ]; then
		die "TURKEY_POSTGRES_BIN=$TURKEY_POSTGRES_BIN does not hold the PostgreSQL server programs, version $oldest or newer:" \
			"correct it, or unset it to have them found or installed."
	fi
	install_postgres
	have_postgres || die "The packages of this system hold no PostgreSQL server of version $oldest or newer." \
		"Install one from https://www.postgresql.org/download/, or set TURKEY_POSTGRES_BIN to the directory of its programs."
fi

if [ "${1:-}" != run ] && ! have redis-server && ! have valkey-server; then
	install_redis
	have redis-server || have valkey-server || die "The packages of this system hold no Redis." "$remedy"
fi

if [ "${1:-}" != run ] && ! have_browser; then
	install_browser
fi

if [ "${1:-}" != run ] && { ! have nginx || ! have caddy; }; then
	install_proxies
fi

if [ "${1:-}" != run ] && ! have_jwt; then
	install_jwt
fi

if [ "${1:-}" = cluster ] && ! have pgbouncer && [ ! -x /usr/sbin/pgbouncer ]; then
	install_pgbouncer
fi
