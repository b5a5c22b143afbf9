# The one door: everything is built, tested and measured through these targets, by people and by CI
# alike. Needed on the machine: CPython >= 3.10 with pip, a Rust toolchain (cargo, rustfmt, clippy),
# a C linker and make. Nothing is installed outside this directory.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.SUFFIXES:

# The interpreter that the virtual environments are made from: `make test PYTHON=python3.12`.
ifndef PYTHON
PYTHON := $(shell tools/find-pythons --first)
endif
# CPython 3.11 for `make bench`, if it is found and is not PYTHON itself.
PYTHON_311 = $(if $(filter 3.11.%,$(python_version)),,$(shell tools/find-pythons | grep -F 3.11 | head -n 1))
# Where they are made. VENV is for the tests, with a development build of the package; the release
# build that a user would get goes into the other two.
VENV ?= .venv
VENV_DEMO ?= .venv-demo
VENV_BENCH ?= .venv-bench
# For benchmarks: libraries whose names clash with others', and the release build on CPython 3.11.
VENV_RIVALS ?= .venv-bench-rivals
VENV_311 ?= .venv-bench-3.11

# rustup's default place, for a shell that has not been told of it yet.
export PATH := $(PATH):$(HOME)/.cargo/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

BIN := $(if $(filter Windows_NT,$(OS)),Scripts,bin)
RUST_SOURCES := Cargo.toml Cargo.lock pyproject.toml \
    $(shell find src crates -name '*.rs' -o -name Cargo.toml)
PACKAGE_SOURCES := $(RUST_SOURCES) README.md LICENSE $(shell find python -name '*.py' -o -name '*.pyi')

heading = @printf '\n==> %s\n' '$(1)'

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile

# --- What a user runs ---------------------------------------------------------------------------

.PHONY: demo
demo: $(VENV_DEMO)/.installed ## Build and install the package, run examples/fetch_urls.py (about 15 s)
	$(call heading,examples/fetch_urls.py)
	@$(VENV_DEMO)/$(BIN)/python examples/fetch_urls.py

.PHONY: test
test: lint test-rust test-python test-loops ## Everything CI runs: linters, Rust tests, Python tests
	@printf '\n==> all stages of make test passed\n'

# --- Stages of `make test` ----------------------------------------------------------------------

.PHONY: lint
lint: lint-rust lint-python ## All linters in check mode, Rust and Python

.PHONY: lint-rust
lint-rust: $(VENV)/.installed
	$(call heading,cargo fmt --check)
	@cargo fmt --all --check
	$(call heading,cargo clippy with warnings as errors)
	@# A directory of its own: maturin configures pyo3 otherwise, and each would rebuild it for the other.
	@PYO3_PYTHON=$(abspath $(VENV)/$(BIN)/python) cargo clippy --target-dir target/clippy \
	    --locked --workspace --all-targets -- -D warnings

.PHONY: lint-python
lint-python: $(VENV)/.built
	$(call heading,ruff check and ruff format --check)
	@$(VENV)/$(BIN)/ruff check .
	@$(VENV)/$(BIN)/ruff format --check .
	$(call heading,mypy --strict)
	@$(VENV)/$(BIN)/mypy
	$(call heading,stubtest of mainspring._mainspring)
	@$(VENV)/$(BIN)/python -m mypy.stubtest mainspring._mainspring

.PHONY: test-rust
test-rust: | rust ## Tests of the core, with no Python interpreter to be found
	$(call heading,cargo test of the core without Python)
	@PYO3_PYTHON=/nonexistent cargo test --locked --quiet -p mainspring-core

.PHONY: test-python
test-python: $(VENV)/.built ## The Python suite; ARGS go to pytest: make test-python ARGS="-k cron -x"
	$(call heading,pytest)
	@$(VENV)/$(BIN)/python -m pytest $(ARGS)

.PHONY: test-loops
test-loops: $(VENV)/.installed ## The tests of event loops, on every other CPython >= 3.10 found here
	$(call heading,tests of event loops on the other interpreters found here)
	@tools/test-all-pythons --but '$(PYTHON)' $(VENV)/$(BIN)/maturin -q tests/loops

.PHONY: test-nightly
test-nightly: ## The Python suite with ten times the generated examples, and 1,000 trials of each storm of signals
	@HYPOTHESIS_PROFILE=nightly $(MAKE) --no-print-directory test-python

.PHONY: test-all-pythons
test-all-pythons: $(VENV)/.installed ## The Python suite on every CPython >= 3.10 found here, with one wheel
	$(call heading,one abi3 wheel)
	@tools/test-all-pythons $(VENV)/$(BIN)/maturin $(ARGS)

.PHONY: test-sdist
test-sdist: $(VENV)/.installed ## Build the source distribution, install it into a fresh environment, use it
	$(call heading,source distribution)
	@rm -rf dist .venv-sdist
	@env -u CONDA_PREFIX $(VENV)/$(BIN)/maturin sdist --out dist
	@tools/make-venv '$(PYTHON)' .venv-sdist
	$(call heading,installation of it with pip)
	@.venv-sdist/$(BIN)/python -m pip install --quiet dist/*.tar.gz
	@cd dist && ../.venv-sdist/$(BIN)/python ../tools/smoke.py

.PHONY: fmt
fmt: $(VENV)/.installed ## Format Rust and Python in place
	cargo fmt --all
	$(VENV)/$(BIN)/ruff check --fix --select I .
	$(VENV)/$(BIN)/ruff format .

# --- Measuring ----------------------------------------------------------------------------------

# Writes benchmarks/results/*.json and the README's table.
.PHONY: bench
bench: $(VENV_BENCH)/.installed $(VENV_RIVALS)/.installed ## All libraries and workloads (hours; ARGS: see python -m benchmarks.run --help)
	$(call heading,benchmarks)
	@$(VENV_BENCH)/$(BIN)/python -m benchmarks.run --rivals $(VENV_RIVALS)/$(BIN)/python \
	    --out benchmarks/results $(ARGS)
	@$(if $(PYTHON_311),$(MAKE) --no-print-directory bench-3.11)
	@$(VENV_BENCH)/$(BIN)/python -m benchmarks.table

.PHONY: bench-3.11
bench-3.11: $(VENV_311)/.installed
	$(call heading,the burst without eager tasks)
	@$(VENV_311)/$(BIN)/python -m benchmarks.run --only burst --out benchmarks/results

.PHONY: bench-quick
bench-quick: $(VENV_BENCH)/.installed ## mainspring, APScheduler and plain asyncio, under 3 minutes
	$(call heading,benchmarks)
	@$(VENV_BENCH)/$(BIN)/python -m benchmarks.run --quick $(ARGS)

.PHONY: bench-scaling
bench-scaling: $(VENV_BENCH)/.installed ## Lateness and CPU over the number of jobs, as benchmarks/results/scaling.svg
	$(call heading,scaling)
	@$(VENV_BENCH)/$(BIN)/python -m benchmarks.scaling $(ARGS)

.PHONY: bench-core
bench-core: | rust ## The core alone, with criterion; ARGS picks benchmarks
	@cargo bench --locked -p mainspring-core -- $(ARGS)

# --- Environments -------------------------------------------------------------------------------

# An environment is made anew when its interpreter is gone or is not of PYTHON's version.
python_version := $(if $(PYTHON),$(shell $(PYTHON) -c 'import platform; print(platform.python_version())'))
venv_version = $(shell sed -n 's/^version = //p' $(1)/pyvenv.cfg 2>/dev/null)
define venv_rule
ifneq ($(python_version),$(call venv_version,$(1)))
.PHONY: $(1)/$(BIN)/python
# What was installed goes with it: the stamp must not be taken for still there.
$(1)/.installed: $(1)/$(BIN)/python
endif
$(1)/$(BIN)/python:
	@test -n '$(PYTHON)'
	$$(call heading,virtual environment $(1) from $(PYTHON) ($(python_version)))
	@tools/make-venv '$(PYTHON)' $(1)
endef
$(foreach venv,$(VENV) $(VENV_DEMO) $(VENV_BENCH) $(VENV_RIVALS),$(eval $(call venv_rule,$(venv))))

.PHONY: rust
rust:
	@command -v cargo >/dev/null || \
	    { echo 'cargo was not found: install Rust 1.85 or later, see https://rustup.rs' >&2; exit 1; }

# .installed and .built are stamps: as new as the last installation that went through.
$(VENV)/.installed: requirements/test.txt | rust $(VENV)/$(BIN)/python
	$(call heading,test requirements)
	@$(VENV)/$(BIN)/python -m pip install --quiet -r requirements/test.txt
	@touch $@

$(VENV)/.built: $(RUST_SOURCES) $(VENV)/.installed
	$(call heading,development build of the package)
	@env -u CONDA_PREFIX VIRTUAL_ENV=$(abspath $(VENV)) $(VENV)/$(BIN)/maturin develop
	@touch $@

$(VENV_DEMO)/.installed: $(PACKAGE_SOURCES) | rust $(VENV_DEMO)/$(BIN)/python
	$(call heading,release build and installation (a few minutes the first time))
	@$(VENV_DEMO)/$(BIN)/python -m pip install --quiet '.[examples]'
	@touch $@

$(VENV_BENCH)/.installed: $(PACKAGE_SOURCES) requirements/bench.txt | rust $(VENV_BENCH)/$(BIN)/python
	$(call heading,release build and installation (a few minutes the first time))
	@rm -rf $(VENV_BENCH)/wheel
	@$(VENV_BENCH)/$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir $(VENV_BENCH)/wheel .
	@$(VENV_BENCH)/$(BIN)/python -m pip install --quiet -r requirements/bench.txt
	@$(VENV_BENCH)/$(BIN)/python -m pip install --quiet --force-reinstall $(VENV_BENCH)/wheel/*.whl
	@touch $@

$(VENV_RIVALS)/.installed: requirements/bench-rivals.txt | $(VENV_RIVALS)/$(BIN)/python
	$(call heading,other libraries to compare with)
	@$(VENV_RIVALS)/$(BIN)/python -m pip install --quiet -r requirements/bench-rivals.txt
	@touch $@

# The wheel of the other environment: one serves all versions of CPython.
$(VENV_311)/.installed: $(VENV_BENCH)/.installed
	$(call heading,virtual environment $(VENV_311) from $(PYTHON_311))
	@tools/make-venv '$(PYTHON_311)' $(VENV_311)
	@$(VENV_311)/$(BIN)/python -m pip install --quiet -r requirements/bench.txt $(VENV_BENCH)/wheel/*.whl
	@touch $@

.PHONY: clean
clean: ## Remove everything that was built or installed here
	rm -rf target build dist .venv .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find python tests examples benchmarks -name __pycache__ -prune -exec rm -rf {} +
	rm -f python/mainspring/*.so python/mainspring/*.pyd
