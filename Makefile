# make run     install the dependencies and start Parley     PORT=8502  ARGS="--server.headless true"
# make test    checks, then all tests but the slow ones    ARGS="-k stop"
# make test-all   make test, then the slow tests and the rest of the suite on PostgreSQL, as in CI
# make fast    the tests that are not slow and need neither a browser nor PostgreSQL
# make check   formatting, types and import rules
# make lock    resolve requirements*.txt again and write the lock files with the hashes of all packages
# make audit   look for known vulnerabilities of the locked packages
# make bench   compare Parley with the tutorial's app and a bare page; bench-peers adds other chat apps

VENV    := .venv
BIN     := $(VENV)/bin
PYTHON  ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
PIP     := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
# This computer only, except in a container, which is reached from outside of it. ARGS overrides it.
ADDRESS := $(if $(wildcard /.dockerenv /run/.containerenv),,--server.address=localhost)
RUN     := $(VENV)/.requirements
DEV     := $(VENV)/.requirements-dev
UV      := UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --universal \
	--python-version 3.11 --generate-hashes --no-annotate
# Three files at a time, because most tests wait. Browser tests need both cores and run one by one.
SERIAL  := $(BIN)/python -m pytest
PYTEST  := $(SERIAL) -n 3 --dist loadfile --no-loadscope-reorder

# With compiled files, test workers and the servers of browser tests start faster.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test test-slow test-all fast check format lock audit bench bench-peers browser proxy clean
.DEFAULT_GOAL := run

run: $(RUN)
	$(BIN)/streamlit run app.py $(ADDRESS) $(if $(PORT),--server.port $(PORT)) $(ARGS)

test: $(DEV) browser proxy
	@$(MAKE) --no-print-directory check
	$(PYTEST) -m "not browser and not slow" $(ARGS)
	$(SERIAL) -m "browser and not slow" $(ARGS)

test-slow: $(DEV) browser proxy
	$(PYTEST) -m "slow and not browser" $(ARGS)
	$(SERIAL) -m "slow and browser" $(ARGS)
	$(PYTEST) -m "any_database and not browser and not slow" --database postgresql $(ARGS)
	$(SERIAL) -m "browser and not slow" --database postgresql $(ARGS)

test-all: test test-slow

fast: $(DEV)
	$(PYTEST) -m "not browser and not slow and not postgres" $(ARGS)

check: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# For all supported versions of Python and all systems.
lock: | $(BIN)/pip
	$(PIP) install uv==0.13.9
	$(UV) requirements.txt --output-file requirements.lock
	$(UV) --constraints requirements.lock requirements-dev.txt --output-file requirements-dev.lock

audit: $(DEV)
	$(BIN)/python .ci/audit

bench: $(DEV) browser
	$(BIN)/python -m benchmarks $(ARGS)

bench-peers: $(DEV) browser
	$(BIN)/python -m benchmarks --only replies --peers --repetitions 3 $(ARGS)

# The browser tests need Chromium: an installed one, Playwright's own, or one that is installed here.
browser: $(DEV)
	@for name in chromium chromium-browser google-chrome google-chrome-stable; do \
		command -v $$name >/dev/null 2>&1 && exit 0; \
	done; \
	$(BIN)/python -c 'import os, sys; from playwright.sync_api import sync_playwright as start; \
p = start().start(); there = os.path.exists(p.chromium.executable_path); p.stop(); sys.exit(not there)' \
		&& exit 0; \
	echo "No Chromium found: installing one for the browser tests."; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		export DEBIAN_FRONTEND=noninteractive; \
		{ apt-get install -y -qq chromium || { apt-get update -qq && apt-get install -y -qq chromium; }; } \
			>/dev/null 2>&1 && exit 0; \
		$(BIN)/playwright install --with-deps chromium && exit 0; \
	else \
		$(BIN)/playwright install chromium && exit 0; \
	fi; \
	echo "The browser tests need Chromium or Chrome, and none could be installed." >&2; \
	echo "Install one (for example: sudo apt-get install chromium), or run 'make fast' without it." >&2; \
	exit 1

# One browser test runs two processes behind HAProxy.
proxy:
	@PATH="$$PATH:/usr/sbin:/usr/local/sbin" command -v haproxy >/dev/null 2>&1 && exit 0; \
	echo "No HAProxy found: installing it for the test of two processes."; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		export DEBIAN_FRONTEND=noninteractive; \
		{ apt-get install -y -qq haproxy || { apt-get update -qq && apt-get install -y -qq haproxy; }; } \
			>/dev/null 2>&1 && exit 0; \
	fi; \
	echo "A test needs HAProxy, and it could not be installed. Install it (for example:" >&2; \
	echo "sudo apt-get install haproxy, or brew install haproxy), or run 'make fast' without it." >&2; \
	exit 1

$(BIN)/pip:
	@[ -n "$(PYTHON)" ] || { \
		echo "Parley needs Python 3.11 or newer; found: $$(python3 --version 2>&1 || echo none)." >&2; \
		echo "Install one and set its path: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Parley needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; exit 1; }
	@echo "Preparing $(VENV) with $$($(PYTHON) --version)."
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "Python's venv module is incomplete (on Debian: sudo apt-get install python3-venv)." >&2; exit 1; }

$(RUN): requirements.lock | $(BIN)/pip
	@echo "Installing Parley's dependencies (about a minute)."
	@$(PIP) install --require-hashes -r requirements.lock
	@touch $@

$(DEV): requirements-dev.lock $(RUN)
	@echo "Installing the test dependencies."
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache test-results
