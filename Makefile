# One command each; `make` lists them.
.DEFAULT_GOAL := help
.PHONY: help run demo binary release deploy-lint console console-test screenshots sdk sdk-test sdk-generate examples-test build test vet tidy lint openapi-lint generate generate-check bench bench-growth bench-peers profile test-cluster module tools setup clean chaos fuzz reproducible vulnerabilities races soak
.SILENT:
.NOTPARALLEL:

SQLC := v1.31.1
GOLANGCI := v2.15.0

MODULE := $(shell sed -n 's/^module //p' go.mod)
VERSION ?= $(shell git describe --tags --exact-match 2>/dev/null || echo 1.0.0-dev+$$(git rev-parse --short HEAD 2>/dev/null || echo none))

# Packages with goroutines of their own: their tests run a second time under the race detector, if there is a C compiler.
RACE ?= $(wildcard internal/db internal/server internal/limit internal/mail)

# The version is stamped above; git may refuse to tell root about somebody else's clone, and need not be asked.
export GOFLAGS := $(strip $(GOFLAGS) -buildvcs=false)

help: ## list the commands
	awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## install what is missing, build, and start everything on http://localhost:3000
	sh scripts/setup.sh run
	$(MAKE) --no-print-directory build
	./bin/turkey serve --demo

demo: build ## play the main job through the HTTP API, against the running server or one of its own
	./bin/turkey demo

build: console ## build bin/turkey and its second name, bin/gravy, with the console in it
	$(MAKE) --no-print-directory binary

# As the Dockerfile builds it, which brings a console that is built already.
OUT ?= bin
binary: ## build the program alone, into OUT
	go build -trimpath -ldflags "-s -w -X $(MODULE)/internal/cli.version=$(VERSION)" -o $(OUT)/turkey .
	ln -sfn turkey $(OUT)/gravy

test: setup tools tidy lint openapi-lint generate-check vet console ## everything CI runs: lint, generated code, unit, integration and end-to-end tests
	go test ./...
	cd internal/sandbox/googleclient && go test ./...
	$(MAKE) --no-print-directory deploy-lint
	if [ -n "$(RACE)" ] && [ "$$(go env CGO_ENABLED)" = 1 ] && command -v "$$(go env CC)" >/dev/null; then \
		echo "go test -race"; go test -race $(RACE:%=./%/...); \
	fi
	$(MAKE) --no-print-directory sdk-test
	$(MAKE) --no-print-directory examples-test
	$(MAKE) --no-print-directory console-test

# The console is built when its sources, the SDK's or the API changed. Without npm the program is built without it, and says so.
console: console/dist/index.html ## build the web console into console/dist
console_sources := $(shell find console/web/src console/web/public console/web/*.* sdk/typescript/src -type f 2>/dev/null)
console/dist/index.html: $(console_sources) console/web/node_modules/.package-lock.json sdk/typescript/node_modules/.package-lock.json
	if command -v npm >/dev/null; then cd console/web && npm run --silent build; else echo "no npm: the console is left out" >&2; fi
%/node_modules/.package-lock.json: %/package-lock.json
	if command -v npm >/dev/null; then cd $* && npm ci --silent && touch node_modules/.package-lock.json; fi

console-test: build ## play the console in a browser
	cd console/web && npm test --silent

# Each page light, dark and on a phone; those that the documentation shows are copied into it.
pictures := data---light data---dark data---phone setup-sample-light setup-done-light admin-overview-dark admin-apps-demo-mails-reset_password-light sign-in-phone
screenshots: build ## pictures of every page of the console, into console/web/shots, and some into docs/images
	rm -rf console/web/shots
	cd console/web && SHOTS=$(CURDIR)/console/web/shots npm test --silent
	mkdir -p docs/images
	cd console/web && node scripts/pictures.mjs shots $(CURDIR)/docs/images $(pictures)

sdk: sdk/typescript/dist/esm/index.js ## build the TypeScript SDK into sdk/typescript/dist
sdk/typescript/dist/esm/index.js: $(shell find sdk/typescript/src sdk/typescript/peer sdk/typescript/*.json sdk/typescript/scripts -type f 2>/dev/null) sdk/typescript/node_modules/.package-lock.json
	cd sdk/typescript && npm run --silent build

sdk-test: sdk ## the TypeScript SDK against the real server, in Node and in Chromium
	cd sdk/typescript && npm test --silent

# npm copies the SDK when it installs an example, so it is built before; the test copies it again.
example_modules := $(patsubst %,examples/%/node_modules/.package-lock.json,express-api react-spa next-app)
$(example_modules): | sdk
examples-test: sdk $(example_modules) ## start the examples of npm and use them in Chromium; go test does it with the one in Go
	cd sdk/typescript && node test/run.mjs ../../examples/examples.test.mjs

sdk-generate: ## rewrite the SDK's types and methods from openapi.json
	node sdk/typescript/scripts/generate.mjs

# A module of its own follows the main one's requirements; found late, it costs the whole run of the tests.
tidy: ## say whether a go.mod lags behind
	for dir in . internal/sandbox/googleclient deploy/lint; do (cd $$dir && go mod tidy -diff) || { echo "$$dir: run go mod tidy" >&2; exit 1; }; done

deploy-lint: ## Dockerfile, compose files, Kubernetes' objects and systemd's units, by their readers' own rules
	cd deploy/lint && go test ./...

vet:
	go vet ./...

lint: tools ## golangci-lint
	bin/golangci-lint run --allow-parallel-runners ./...

openapi-lint: scripts/openapi-lint/node_modules/.package-lock.json ## lint openapi.json with Redocly's rules
	if command -v npm >/dev/null; then node scripts/openapi-lint/lint.mjs; else echo "no npm: openapi.json is not linted" >&2; fi

generate: tools ## rewrite generated code (sqlc), the golden openapi.json, the SDKs' parts of it, docs/errors.md, and the file for psql
	bin/sqlc generate
	go test ./internal/cli -run TestOpenAPI -update
	go test ./internal/fault/codes -update # reads the routes of openapi.json, and says which errors they answer
	go test ./internal/cli -run TestOpenAPI -update
	go test ./internal/db -run TestPsqlFile -update
	go test ./client/api -run TestGenerated -update
	node sdk/typescript/scripts/generate.mjs

# What sqlc wrote, before and after: in a clean clone the same as a git diff, and it does not mind uncommitted work.
generated = grep -rl '^// Code generated by sqlc' internal | sort | xargs cksum
generate-check: tools
	before="$$($(generated))"; bin/sqlc generate; \
	if [ "$$before" != "$$($(generated))" ]; then \
		git --no-pager diff --stat -- '*.go'; \
		echo "sqlc wrote code that differs from what was there (it is in place now): look at it and commit it." >&2; exit 1; \
	fi

BENCH ?=
bench: build ## times, memory, cost against a floor, statements, fixed rates, overload and bad input, into bench/REPORT.md
	go run ./bench $(BENCH)

profile: build ## measure where hot operations spend their time, into default.pgo, by which the compiler works
	sh scripts/profile.sh

GROWTH ?= 10000,100000,1000000
bench-growth: build ## hot operations, jobs and plans on databases of GROWTH users (16 GB of disk), into bench/GROWTH.md
	nice -n 10 go run ./bench/growth -users $(GROWTH)

PEERS ?=
bench-peers: build ## processor time beside other auth servers, built into PEERS (bench/peers/README.md), into bench/PEERS.md
	go run ./bench/peers -dir "$(PEERS)" $(BENCH)

commit = $(shell git describe --always --dirty 2>/dev/null || echo none)
chaos: build ## kill a worker and a server a hundred times each, compare, and write bench/CHAOS.md and bench/CHAOS-server.md
	for what in Workers Servers; do \
		go test ./internal/chaos -run Killed$$what -count 1 -v -timeout 30m -kills 100 -binary $(CURDIR)/bin/turkey -report $(CURDIR)/bench/CHAOS.md -commit "$(commit)" || exit 1; \
	done

SOAK ?= 30m
soak: build ## mixed load for SOAK (30m), and whether anything grows meanwhile, into bench/SOAK.md
	go test ./internal/chaos -run Soak -count 1 -v -timeout 24h -soak $(SOAK) -binary $(CURDIR)/bin/turkey -soak-report $(CURDIR)/bench/SOAK.md -commit "$(commit)"

test-cluster: setup ## replicas behind nginx, PgBouncer, failover, a read replica, Redis outage, overload and floods, with real processes
	sh scripts/setup.sh cluster
	go test ./internal/cluster -count 1 -v -timeout 15m -cluster

FUZZTIME ?= 10m
fuzz: ## run every fuzz target for FUZZTIME and the API with 100,000 requests, and write bench/FUZZ.md
	FUZZTIME=$(FUZZTIME) sh scripts/fuzz.sh

reproducible: ## build twice from nothing, in two directories, and compare
	go test ./internal/supply -run TwoBuilds -count 1 -v -timeout 30m -fresh

GOVULNCHECK := v1.1.4
vulnerabilities: ## govulncheck; its database comes from the network
	go run golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK) ./...

# The races with an outcome of their own, once more under the race detector.
races: ## races on a real PostgreSQL under the race detector
	go test -race ./internal/e2e ./internal/cli ./internal/limit ./internal/kpi ./internal/vault -count 1 -timeout 30m \
		-run '^Test(Parallel|Races|Acts|ADeletion|Two|ABurst|AParallelBurst|TheLimitHolds|WritesNotice|OneRunPerTime|NoTimeIsFired|DueChecks)'

release: console ## archives for linux and darwin with SBOM and SHA256SUMS, into dist/ (VERSION=1.2.3)
	sh scripts/release.sh "$(VERSION)"

module: ## NAME=example.org/turkey: give the Go module another path
	sh scripts/module.sh "$(NAME)"

tools: bin/.sqlc-$(SQLC) bin/.golangci-lint-$(GOLANGCI) ## the pinned sqlc and golangci-lint, in bin/

# A stamp says which version stands beside it; one that stands alone says nothing.
$(if $(wildcard bin/sqlc),,$(shell rm -f bin/.sqlc-*))
$(if $(wildcard bin/golangci-lint),,$(shell rm -f bin/.golangci-lint-*))

bin/.sqlc-$(SQLC):
	mkdir -p bin && rm -f bin/.sqlc-*
	[ "$$(bin/sqlc version 2>/dev/null)" = $(SQLC) ] || \
		GOBIN=$(CURDIR)/bin go install github.com/sqlc-dev/sqlc/cmd/sqlc@$(SQLC)
	touch $@

bin/.golangci-lint-$(GOLANGCI):
	mkdir -p bin && rm -f bin/.golangci-lint-*
	[ "v$$(bin/golangci-lint version --short 2>/dev/null)" = $(GOLANGCI) ] || \
		GOBIN=$(CURDIR)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI)
	touch $@

setup: ## install what this machine lacks (PostgreSQL server programs)
	sh scripts/setup.sh

clean: ## remove what was built; data in .turkey/ stays
	rm -rf bin dist coverage.out
