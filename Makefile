# Two commands do it all: `make run` and `make test`. Needs git, make and Python 3.11 or newer.
# The newest; of one version the system's own, where it makes environments: what pyenv builds for itself is not optimised
# by profiles unless that is asked for, and takes a quarter more of a processor for the same.
PYTHON ?= $(shell for p in /usr/bin/python3.13 python3.13 /usr/bin/python3.12 python3.12 \
	/usr/bin/python3.11 python3.11 python3; do \
	$$p -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WAREHOUSES := .venv-warehouses
EXTRAS := api,data,consoles,ml,embedded
ARGS ?=
TESTS := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Where a machine forbids it, each of the many processes of a run would compile the project for itself.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test tests beside journey drill fuzz install install-warehouses check lint types imports sql promises lives mutation coverage bench bench-cdc bench-cdc-large bench-freshness bench-sign-in-risk bench-policy bench-identity bench-api bench-warehouse asvs clean

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: install ## everything, live, behind one address (ARGS=--detach returns once it is ready)
	@$(BIN)/plyo up $(ARGS)

test: install install-warehouses ## everything the project can check, on real components
	@$(MAKE) --no-print-directory --jobs 2 beside tests

# Servers of the tests write much that nobody reads again: into memory, where the machine has plenty.
ROOM = $(shell { grep MemAvailable /proc/meminfo; df -Pk /dev/shm; } 2>/dev/null | awk \
	'/^MemAvailable/ {free = $$2} /shm$$/ {room = $$4} END {if (free > 12e6 && room > 8e6) print "/dev/shm"}')
tests: install install-warehouses
	@place=$$(mktemp -d "$(or $(ROOM),$${TMPDIR:-/tmp})/plyoXXXX"); \
		$(TESTS) --basetemp="$$place" $(ARGS); said=$$?; rm -rf "$$place"; exit $$said

# Types and SQL take three minutes of a processor and belong to each commit; who may import whom fails a run of tests too.
beside: install
	@MAKEFLAGS= nice $(MAKE_COMMAND) --no-print-directory lint imports

journey: install ## the first story by real processes and Chromium, with pictures of each surface
	@$(BIN)/python -m pytest -m journey tests/journeys $(ARGS)

drill: install ## what is killed, cut off, starved or promoted, at length and alone on the machine
	@$(BIN)/python -m pytest -m drill $(ARGS)

fuzz: install ## the API, the graph and the readers of wearables against dozens of generated requests each, and of payloads
	@PLYO_FUZZ_EXAMPLES=30 $(BIN)/python -m pytest -n 2 tests/operational_api/test_openapi.py $(ARGS)
	@PLYO_FUZZ_EXAMPLES=100 $(BIN)/python -m pytest tests/operational_api/gateway/test_graphql_fuzz.py \
		tests/ingestion/wearables/test_garbage.py $(ARGS)

install: $(STAMP) ## make the environment, or finish a half-made one

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Plyo needs Python 3.11 or newer: install it, or say where it is: make run PYTHON=/path/to/python3"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	@$(BIN)/uv pip install --python $(BIN)/python -c constraints.txt -e ".[$(EXTRAS),dev]" \
		|| $(BIN)/python -m pip install -c constraints.txt -e ".[$(EXTRAS),dev]"
	@echo "Compiling what was installed, so that every process starts in seconds ..."
	@# Some packages ship templates that are no Python; nobody imports those, so their errors say nothing. Of the largest
	@# most modules are never imported: those that are get compiled then.
	@$(BIN)/python -m compileall -q -j 0 -x '/(tests?|twilio|hubspot|plotly|stripe|pip|setuptools|mypyc?)/' $(VENV)/lib \
		>/dev/null || true
	@touch $(STAMP)

install-warehouses: $(WAREHOUSES)/.installed ## dbt for Snowflake and BigQuery, whose libraries do not go with the others

# The file lists all that is needed and no more: what the adapters ask for and these targets never import is left out.
$(WAREHOUSES)/.installed: constraints-warehouses.txt | $(STAMP)
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(WAREHOUSES)
	@$(BIN)/uv pip install --quiet --no-deps --python $(WAREHOUSES)/bin/python -r constraints-warehouses.txt
	@touch $@

check: install ## what a commit must pass, without the tests
	@$(MAKE) --no-print-directory --jobs 2 --output-sync lint types imports sql promises

lint: install ## ruff
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: install ## mypy --strict
	@$(BIN)/mypy

imports: install ## who may import whom
	@$(BIN)/lint-imports --no-cache

sql: install ## sqlfluff on the dbt project
	@$(BIN)/sqlfluff lint --processes 2 dbt_project/models dbt_project/tests

promises: install ## what columns tell about people is tagged in dbt; no metric, and no model behind one, changed without a word
	@$(BIN)/python -m pytest -q -p no:warnings tests/contracts/test_dbt_tags.py tests/contracts/test_metric_ledger.py \
		tests/contracts/test_model_ledger.py

lives: install ## ten thousand random lives each of memberships, bookings, programmes and messages (LIVES=500 for so many)
	@PLYO_LIVES=$(or $(LIVES),10000) $(BIN)/python -m pytest -n 2 --dist loadfile tests/operational_api/scheduling/test_lives.py \
		tests/operational_api/training/test_lives.py tests/operational_api/commerce/billing/test_lives.py \
		tests/operational_api/engagement/test_lives.py $(ARGS)

mutation: install ## the share of planted mistakes in money, slots and ledger that the tests notice: at least 85 %
	@$(BIN)/python -m tests.mutation $(ARGS)

coverage: install install-warehouses ## the tests with a coverage report
	@$(TESTS) --cov --cov-report=term $(ARGS)

bench: install ## every benchmark, each a ratio measured in one run
	@for b in benchmarks/[a-z]*.py; do echo "== $$b"; $(BIN)/python -m benchmarks.$$(basename $$b .py) || exit 1; done

bench-cdc: install ## change capture against PostgreSQL's own decoding, client and COPY
	@$(BIN)/python -m benchmarks.cdc $(ARGS)

bench-cdc-large: install ## memory of the capture while one transaction of 10,000,000 rows lands
	@$(BIN)/python -m benchmarks.cdc_large $(ARGS)

bench-freshness: install ## from commit to visible in the lake, at 100, 1,000 and 10,000 changes a second
	@$(BIN)/python -m benchmarks.cdc_freshness $(ARGS)

bench-sign-in-risk: install ## attackers who know the password against real people's sign-ins, and ms a score
	@$(BIN)/python -m benchmarks.sign_in_risk $(ARGS)
bench-policy: install ## decisions of the policy a second, and their 99th percentile, against the bare library
	@$(BIN)/python -m benchmarks.policy $(ARGS)

bench-identity: install ## logins and token checks a second, as ratios to the bare cryptographic calls
	@$(BIN)/python -m benchmarks.identity $(ARGS)

bench-warehouse: install ## building the warehouse whole and after 1 % changed, and twenty questions, against bare DuckDB
	@$(BIN)/python -m benchmarks.warehouse $(ARGS)

bench-api: install ## bookings and workout logs a second under 64 clients, against a bare handler and pgbench
	@$(BIN)/python -m benchmarks.api $(ARGS)

asvs: install ## requirements of the OWASP ASVS 5.0 that a named test verifies, and the rest
	@$(BIN)/python -m tests.asvs

clean: ## remove the environment (data stays: `plyo reset` deletes that)
	rm -rf $(VENV) $(WAREHOUSES)
