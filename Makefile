# `make` alone lists the targets.

SHELL  := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV   := $(CURDIR)/.venv
# The name depends on the requirements, because checkouts and caches change time stamps.
TOOLS  := $(VENV)/installed-$(shell cksum < local/requirements.txt | cut -d ' ' -f 1)
CHECKOV := $(CURDIR)/.local/checkov/installed-$(shell cksum < local/checkov.txt | cut -d ' ' -f 1)
CARGO_FUZZ := $(CURDIR)/.local/cargo-fuzz-0.13.2
MSRV   := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
# Otherwise cargo tries to use the job server of `make --jobs`.
unexport MAKEFLAGS
export PATH := $(VENV)/bin:$(PATH)
export SAM_CLI_TELEMETRY := 0
EVENT  ?= events/s3_notification.json
WATCH_PORT ?= 9100
SEEDS ?= 10000
FIRST ?= 0
PIP_TOOLS := 7.6.2
CARGO_MUTANTS := 27.1.0
ARCHITECTURES ?= arm64 x86_64

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Deploy to an AWS emulator, upload log objects, show the alerts that arrive
	@$(MAKE) --silent --jobs 2 $(TOOLS) function
	@python -m local.demo

.PHONY: test
test: $(TOOLS) ## Run all tests: unit, property and integration tests, the package, trailscan on S3, its report in a browser, and the deployed stack
	@cargo test --quiet --features cli
	@python -m pytest --quiet tests/package tests/bucket tests/browser tests/deploy

.PHONY: soak
soak: $(TOOLS) ## Put OBJECTS=50000 objects while the deployed function is killed and its calls fail at random; SEED=1
	@OBJECTS=$(or $(OBJECTS),50000) SEED=$(or $(SEED),1) python -m pytest --quiet --capture=no tests/deploy/test_soak.py

.PHONY: check
check: ## Run the gate: format, lints, docs, structure, dependencies, template, links
	@$(MAKE) --silent --jobs 2 check-code check-files
	@echo "check: all passed"

.PHONY: check-code
check-code:
	@cargo fmt --check
	@cargo fmt --check --manifest-path fuzz/Cargo.toml
	@cargo clippy --quiet --all-targets --all-features -- -D warnings
	@cargo clippy --quiet --no-default-features --lib -- -D warnings
	@cargo clippy --quiet --no-default-features --features cli --bin trailscan -- -D warnings
	@tree=$$(cargo tree --quiet --edges normal --no-default-features --prefix none); ! grep -E '^(aws-|tokio|lambda|hyper|http)' <<< "$$tree"
	@RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps --document-private-items
	@cargo test --quiet --features cli --test it architecture

.PHONY: check-files
check-files: $(TOOLS) $(CHECKOV)
	@python -m local.planted --check
	@AWS_DEFAULT_REGION=us-east-1 sam validate --lint
	@cfn-lint template.yaml member-role.yaml
	@BC_SKIP_MAPPING=TRUE $(dir $(CHECKOV))bin/checkov --file template.yaml member-role.yaml --framework cloudformation --compact --quiet --skip-download
	@cargo deny --log-level warn --locked check --hide-inclusion-graph bans licenses sources
	@cargo deny --manifest-path fuzz/Cargo.toml --log-level warn --locked check --hide-inclusion-graph licenses sources
	@python -m local.msrv
	@python -m local.costs --check
	@rumdl check --quiet --no-cache .

.PHONY: advisories
advisories: $(TOOLS) ## Check the dependencies for known vulnerabilities; needs GitHub
	@cargo deny --locked check advisories

.PHONY: msrv
msrv: ## Build with the oldest supported Rust, which rustup installs
	@rustup toolchain install --no-self-update --profile minimal $(MSRV)
	@cargo +$(MSRV) check --quiet --locked --all-targets --all-features

.PHONY: package
package: $(TOOLS) ## Build what a release contains, in package/; ARCHITECTURES=x86_64 builds only that; rustup installs the target
	@python -m local.package $(ARCHITECTURES)

.PHONY: reproducible
reproducible: $(TOOLS) ## Build the package in two folders and fail if a byte differs
	@python -m local.reproducible $(ARCHITECTURES)

.PHONY: bench
bench: $(TOOLS) ## Measure throughput and count instructions, and fail above a limit; UPDATE=1 stores the counts
	@python -m local.bench $(if $(UPDATE),--update)

.PHONY: fuzz
fuzz: $(CARGO_FUZZ) ## Run the fuzz targets for SECONDS=20 each, or only TARGET=… or GROUP=reading|parsing|alerts; SANITIZER=address needs nightly Rust
	@PATH="$(CARGO_FUZZ)/bin:$$PATH" $(PYTHON) -m local.fuzz $(if $(SECONDS),--seconds $(SECONDS)) $(if $(TARGET),--target $(TARGET)) $(if $(GROUP),--group $(GROUP)) $(if $(SANITIZER),--sanitizer $(SANITIZER))

.PHONY: mutants
mutants: .local/mutants/installed-$(CARGO_MUTANTS) ## Test the tests with small changes of the library, for hours; MODULE=triage, IN_DIFF=HEAD~1 or RE=… limits it
	@PATH=$(CURDIR)/.local/mutants/bin:$$PATH $(PYTHON) -m local.mutants $(if $(MODULE),--module $(MODULE)) $(if $(IN_DIFF),--in-diff $(IN_DIFF)) $(if $(RE),--re '$(RE)')

.PHONY: coldstart
coldstart: $(TOOLS) ## Measure startup, memory and size of the function against an empty one
	@python -m local.coldstart

.PHONY: simulate
simulate: ## Simulate deliveries, sweeps and faults, and check what is guaranteed: SEEDS=… simulations, or SEED=… with a trace
	@$(if $(SEED),SIMULATION_SEED=$(SEED),SIMULATION_SEEDS=$(SEEDS) SIMULATION_FIRST=$(FIRST)) RUST_BACKTRACE=0 \
	  cargo test --quiet --features cli --test it simulation::guarantees -- --nocapture

.PHONY: planted
planted: ## Plant known bugs in a copy of the code, one by one, and show that the simulation finds each
	@$(PYTHON) -m local.planted

.PHONY: watch
watch: $(TOOLS) ## Serve the function next to an emulator and rebuild it on change; see `make invoke`
	@python -m local.watch $(WATCH_PORT)

.PHONY: invoke
invoke: $(TOOLS) ## Send EVENT=events/… to the function that `make watch` serves
	@cargo lambda invoke --invoke-address 127.0.0.1 --invoke-port $(WATCH_PORT) --data-file $(EVENT) trailwarden || { echo "No response: make watch must be running and have built the function." >&2; exit 1; }

.PHONY: clean
clean: ## Remove everything that the other targets created
	@rm -rf $(VENV) .local .aws-sam package target fuzz/artifacts fuzz/corpus fuzz/target

.PHONY: function
function:
	@echo "Building the function (some minutes the first time)"
	@$(PYTHON) -m local.cargo

.PHONY: lock
lock: ## Resolve local/requirements.in and local/checkov.in; UPGRADE=1 takes new versions
	@$(PYTHON) -m venv --clear .local/lock
	@.local/lock/bin/pip install --quiet --disable-pip-version-check pip-tools==$(PIP_TOOLS)
	@for name in requirements checkov; do \
	  CUSTOM_COMPILE_COMMAND="make lock" .local/lock/bin/pip-compile --quiet $(if $(UPGRADE),--upgrade) --allow-unsafe --generate-hashes \
	    --no-emit-find-links --no-emit-index-url --no-emit-trusted-host --strip-extras --output-file local/$$name.txt local/$$name.in; \
	done

$(TOOLS):
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, found " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@echo "Installing the tools into .venv (about a minute)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement local/requirements.txt
	@$(VENV)/bin/pip check --disable-pip-version-check > /dev/null
	@touch $(TOOLS)

$(CARGO_FUZZ):
	@echo "Installing cargo-fuzz (about a minute)"
	@cargo install --quiet cargo-fuzz --version $(patsubst cargo-fuzz-%,%,$(@F)) --locked --root $@.new
	@mv $@.new $@

.local/mutants/installed-$(CARGO_MUTANTS):
	@echo "Installing cargo-mutants (some minutes)"
	@cargo install --quiet --locked --root $(@D) --version $(CARGO_MUTANTS) cargo-mutants
	@touch $@

$(CHECKOV):
	@echo "Installing checkov (about a minute)"
	@$(PYTHON) -m venv --clear $(@D)
	@$(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement local/checkov.txt
	@touch $@
