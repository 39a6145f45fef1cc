# `make` and `make help` say what there is. Everything here sets up what is missing, or says what to install.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Cargo's progress is of use on a terminal only.
ifdef CI
export CARGO_TERM_PROGRESS_WHEN := never
PROFILE ?= ci
endif
PROFILE ?= default

# cargo-nextest where it is installed: a process per test, limits on what runs at once, time limits.
NEXTEST := $(shell command -v cargo-nextest 2>/dev/null)

.PHONY: help
help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

.PHONY: demo
demo: ## Watch it work: containers registered, billed and healed on this machine, then cleaned up
	@tests/engine/up
	@bash examples/quickstart/demo.sh

.PHONY: iot-stack
iot-stack: ## Watch it with real servers: mosquitto, kafka, postgres and six more, broken and healed
	@tests/engine/up
	@bash examples/iot-stack/demo.sh

.PHONY: test
test: ## All tests, on a real engine (started if none answers). One of them: make test T=name
	@tests/engine/up
	@tests/engine/sshd
	@tests/servers/up
	@tests/engine/rootfs >/dev/null
	@tests/openapi/up >/dev/null
ifneq ($(NEXTEST),)
	@cargo nextest run --cargo-quiet --profile $(PROFILE) --no-tests=warn $(T)
else
	@cargo test --quiet -- --test-threads 4 $(T)
endif

.PHONY: check
check: fmt lint supply docs test ## All that CI runs: format, lints, supply, documentation, schema drift, tests

.PHONY: fmt
fmt: ## Is everything formatted?
	@echo "check: format"
	@cargo fmt --check

.PHONY: lint
lint: ## Lints, warnings are errors
	@echo "check: lints"
	@cargo clippy --quiet --all-targets -- -D warnings
	@if command -v shellcheck >/dev/null; then \
	    shellcheck -x .ci/run tests/engine/* tests/servers/* tests/openapi/up $(wildcard examples/*/*.sh); fi

.PHONY: supply
supply: ## Licences, banned crates and sources of all that the program is built from
	@echo "check: licences, bans, sources"
	@if command -v cargo-deny >/dev/null; then \
	    cargo-deny --config .deny.toml --locked check licenses bans sources; \
	else \
	    echo "check: cargo-deny is not installed: the tests integration::supply hold what crates declare, not their licence files"; fi

.PHONY: docs
docs: ## Does the documentation build, all its links alive?
	@echo "check: documentation"
	@RUSTDOCFLAGS=-Dwarnings cargo doc --quiet --no-deps

.PHONY: run
run: ## The program on this machine's engine: make run ARGS="--config-dir examples/quickstart"
	@cargo run --quiet -- run $(ARGS)

.PHONY: schemas
schemas: ## Write schemas/ anew from the resources (a test checks that they agree)
	@cargo run --quiet -- schema --write schemas

.PHONY: bench
bench: ## The figures: latency, throughput, what idling costs. Bars enforced: make bench ARGS=--check
	@tests/engine/up
	@cargo bench --quiet --benches -- $(ARGS)

.PHONY: soak
soak: ## The long runs: hundreds of kills, thousands of events (an hour, perhaps)
	@tests/engine/up
ifneq ($(NEXTEST),)
	@cargo nextest run --cargo-quiet --profile soak --run-ignored only --no-tests=warn soak
else
	@cargo test --quiet --lib --test all -- --ignored --nocapture --test-threads 1 soak
endif

.PHONY: engine-down
engine-down: ## Stop the engine that the tests started, if they did
	@tests/engine/down
