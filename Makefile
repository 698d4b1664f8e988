# make help lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help

GO          ?= go
GOLANGCI    := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
DESTDIR     ?=
PREFIX      ?= /usr
NFPM        := github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.48.0
GREMLINS    := github.com/go-gremlins/gremlins/cmd/gremlins@v0.6.0
# The race detector does not watch SQLite itself, which has no data of lagerd's: it would be
# several times as slow (test/lagerdtest/race.go builds lagerd in the same way).
RACE        := -race -pgo=off -gcflags=modernc.org/sqlite/lib=-race=false
FOR         ?= 60s
MUTATED     ?= plan inbox schedule reconcile
SEEDS       ?= 300
FIRST       ?= 1
FUZZTIME    ?= 60s
ROUNDS      ?= 1
BENCH       ?= .
PKG         ?= ./...
SERVERS     ?=

#? help: list the targets
help:
	@sed -n 's/^#? //p' Makefile

#? build: build bin/lagerd (pure Go, static)
build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X 'lagerd/cli.stamp=$$(scripts/stamp)'" -o bin/lagerd .

#? demo: show lagerd live against a sandbox with three shops, one of them at Rackbeat, and lost webhooks; ends with "equal" (FOR=90s)
demo: build
	$(GO) run ./test/demo --lagerd bin/lagerd --for $(FOR)

#? test: run everything: format, vet, linter, race-enabled tests, end to end on MariaDB and SQLite
test: deps lint
	$(GO) build ./...
	$(GO) test $(RACE) -parallel 4 -timeout 75m $$($(GO) list $(PKG) | grep -v '/test/sim$$')
	$(GO) test $(RACE) -timeout 75m -run 'TestSim$$' ./test/sim -sim.seeds=60
	$(GO) test -timeout 75m ./test/sim
	$(GO) test -run 'TestHostileAnswers$$' ./economic/... ./rackbeat

#? lint: golangci-lint with .golangci.yml: gofmt, go vet, staticcheck and others
lint:
	$(GO) run $(GOLANGCI) run

#? deps: install the Debian packages that the tests need, if missing
deps:
	scripts/deps

#? sim: simulate faults deterministically (SEEDS=100000, from FIRST=1 on; SEED=n shows one again)
sim:
	GOGC=800 $(GO) test ./test/sim -run 'TestSim$$' -count=1 -v -timeout 0 $(if $(SEED),-sim.seed=$(SEED),-sim.first=$(FIRST) -sim.seeds=$(SEEDS))

#? day: simulate a day of trade and faults, in which nothing may pile up
day:
	$(GO) test ./test/sim -run 'TestDay$$' -count=1 -v -timeout 0 -sim.day=24h

#? mutations: break lagerd in many ways and check that the simulation finds each
mutations:
	$(GO) test ./test/sim -run 'TestMutations$$' -count=1 -v -timeout 0 -sim.all -sim.mutants=20000

#? mutants: mutate decisions and list the mutants that no unit test kills (FOR=30m MUTATED="plan inbox schedule reconcile")
mutants: FOR = 30m
mutants:
	scripts/mutants $(GREMLINS) $(FOR) $(MUTATED)

#? chaos: kill, pause and disconnect real processes, and fill a disk (FOR=10m)
chaos: deps
	$(GO) test ./test/chaos -run 'TestChaos$$|TestTakeover$$|TestDiskFull$$' -count=1 -v -timeout 0 -chaos.for=$(FOR)

#? soak: trade for long and check that resource use stays flat; writes docs/data/soak.csv and docs/soak.svg (FOR=1h)
soak: deps
	$(GO) test ./test/chaos -run 'TestSoak$$' -count=1 -v -timeout 0 -chaos.soak=$(FOR) -chaos.curves=$(CURDIR)/docs/data/soak.csv
	$(GO) run ./test/plot --in docs/data/soak.csv --out docs/soak.svg --title "Two lagerd over a long trade" --x seconds/60:minutes --series lagerd \
		--panel "Memory:MiB:rss_bytes/1048576,heap_bytes/1048576" \
		--panel "Goroutines, open files, database connections::goroutines,open_files,database_connections" \
		--panel "Rows that are forgotten:rows:hints@a,hint_batches@a,changes@a,requests@a,webhook_calls@a" \
		--panel "Done:thousands:trades@a/1000,acknowledged_webhooks@a/1000"

#? isolation: measure what a hung shop costs 500 others
isolation: deps
	$(GO) test ./test/e2e -run 'TestIsolation$$' -count=1 -v -timeout 0 -isolation.shops=500

#? flood: a million webhooks of unknown numbers with one shop's code, a large shop with all its items hinted at, and 12,000 connections, to a listener that holds them and to one that does not
flood: deps
	$(GO) test ./test/e2e -run 'TestFlood$$|TestFloodOfStored|TestFloodOfADay' -count=1 -v -timeout 0 -flood.webhooks=1000000 -flood.items=200000 -flood.day=2m
	$(GO) test ./test/e2e -run 'TestFloodOfConnections|TestFloodOfTooManyConnections' -count=1 -v -timeout 0 -flood.connections=12000 -flood.for=1m

#? ill: 30 shops whose e-conomic misbehaves in every way, beside 30 others
ill: deps
	$(GO) test ./test/e2e -run 'TestIllNeighbors' -count=1 -v -timeout 0 -ill.shops=60 -ill.for=2m

#? rackbeat: 1,000 trades at Rackbeat with faults of both services, lost webhooks and four kill -9
rackbeat: deps
	$(GO) test ./test/e2e -run 'TestRackbeat$$' -count=1 -v -timeout 0 -rackbeat.trades=1000 -rackbeat.kills=4

#? rackbeat-large: measure how old the figures of an account of 50,000 items become at 60 calls a minute
rackbeat-large: deps
	$(GO) test ./test/e2e -run 'TestLargeRackbeat$$' -count=1 -v -timeout 0 -parallel 3 -large.for=5m

#? rackbeat-sides: measure what e-conomic hanging costs 30 shops at Rackbeat, and the other way round
rackbeat-sides: deps
	$(GO) test ./test/e2e -run 'TestSides$$' -count=1 -v -timeout 0 -sides.for=3m

#? monitoring: test the alert rules, and the dashboard on a real Prometheus that scrapes lagerd in trade
monitoring:
	scripts/monitoring-deps
	$(GO) test ./monitoring -count=1 -v -timeout 0 -monitoring.for=$(FOR)

#? browser-test: try the page in headless Chromium, on a desktop and a phone, and with axe-core
browser-test: AXE = $(CURDIR)/bin/axe-core
browser-test:
	scripts/browser-deps $(AXE)
	$(GO) test ./test/browser -count=1 -v -timeout 20m -browser.chromium=$$(command -v chromium) -browser.axe=$(AXE)/package/axe.min.js $(if $(SCREENSHOTS),-browser.screenshots=$(abspath $(SCREENSHOTS)))

#? systemd-test: try the Debian package on Debian 12 and 13 with a real systemd as PID 1 (needs root)
systemd-test: SYSTEMD_ROOTS ?= $(CURDIR)/bin/roots
systemd-test:
	scripts/systemd-deps $(SYSTEMD_ROOTS)
	scripts/systemd-test $(NFPM) $(SYSTEMD_ROOTS)

#? servers: run the store's and the end-to-end tests on real MariaDB, MySQL and Galera (SERVERS="mysql galera"; SERVERS=galera-chaos FOR=2m: a storm on two nodes)
servers: FOR = 2m
servers: deps
	FOR=$(FOR) scripts/servers $(SERVERS)

#? fuzz: run every fuzz target for FUZZTIME each
fuzz:
	scripts/fuzz $(FUZZTIME)

#? bench: run the benchmarks of docs/performance.md with their comparisons, ROUNDS times
bench: deps
	scripts/bench-deps
	$(GO) test -pgo=$(CURDIR)/default.pgo ./test/bench -run '^$$' -bench '$(BENCH)' -benchtime=1x -count=1 -v -timeout 0 -bench.rounds=$(ROUNDS) -bench.pgo=$(CURDIR)/default.pgo $(if $(DATA),-bench.data=$(abspath $(DATA)))

#? profile: profile lagerd in the benchmarks for PGO (default.pgo)
profile: deps
	$(GO) test ./test/bench -run '^$$' -bench 'Burst/MariaDB|Sweep|Import|Freshness|PDF' -benchtime=1x -count=1 -v -timeout 0 -bench.rounds=3 -bench.profile=$(CURDIR)/default.pgo

#? bench-code: run the benchmarks beside the code
bench-code: deps
	$(GO) test -run '^$$' -bench . -benchmem $$($(GO) list ./... | grep -v '/test/bench$$')

#? plots: draw the results of `make bench DATA=docs/data`
plots:
	$(GO) run ./test/plot --in docs/data/burst.csv --out docs/burst.svg --title "Acknowledged webhooks, each committed" --x connections:connections --logx --series who \
		--panel "Webhooks:thousands a second:requests_per_second/1000"
	$(GO) run ./test/plot --in docs/data/freshness.csv --out docs/freshness.svg --title "From a webhook's answer to the row in the database, e-conomic answering in 5 ms" --x ms:ms \
		--panel "Share that took no longer:%:share/0.01"
	$(GO) run ./test/plot --in docs/data/growth.csv --out docs/growth.svg --title "Time for so many times as much" --x times:times --logx --series what \
		--panel "Time:times that of the least:time"

#? install: install lagerd below DESTDIR and PREFIX (DESTDIR=/tmp/package PREFIX=/usr/local)
install: build
	scripts/install install "$(DESTDIR)" "$(PREFIX)"

#? uninstall: remove what install has installed; configuration and data stay
uninstall:
	scripts/install uninstall "$(DESTDIR)" "$(PREFIX)"

#? deb: build the Debian package and its checksum in bin/ (VERSION=v1.4.0)
deb:
	scripts/deb $(NFPM) bin

.PHONY: help build demo test lint deps sim day mutations mutants chaos soak isolation flood ill rackbeat rackbeat-large rackbeat-sides monitoring browser-test systemd-test servers fuzz bench profile bench-code plots install uninstall deb
