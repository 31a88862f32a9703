# Everything a developer or CI does; `make help` lists it. Needs python3 (3.11 or newer, with venv) and a package registry.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-long faults faults-each faults-long faults-count check format bench bench-peers
.PHONY: bench-soak performance freeze fuzz sbom audit up down clean

help: ## show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## create .venv and install the locked packages

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and "Attain needs Python 3.11 or newer, and \
	$(PYTHON) is %d.%d: give another, such as make $(MAKECMDGOALS) PYTHON=python3.12" % v[:2])'
	@echo "installing into .venv (once; about a minute)"
	@# Where the making was cut off, or venv lacks ensurepip, there is a python without pip.
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: setup ## start everything and show the sample district
	@$(BIN)/attain demo

test: setup ## run all tests on real Kafka and PostgreSQL
	@$(BIN)/python -m pytest -n auto

test-long: setup ## run the tests that take minutes each, such as whole response logs
	@$(BIN)/python -m pytest -m long

faults: setup ## break a stack at random for 20 s and judge it, once a seed: SEEDS="1 2 3" (default: a new one)
	@$(BIN)/python -m tests.faults run --seconds 20 --seed $(SEEDS)

faults-each: setup ## every crash point and every fault alone, on one broker and on three (half an hour)
	@$(BIN)/python -m pytest -v -m "long or not long" tests/faults

faults-long: setup ## ten minutes of random faults at 2,000 events/s, then two of three brokers (SEEDS=7 repeats)
	@$(BIN)/python -m tests.faults run --seconds 600 --rate 2000 --seed $(SEEDS)
	@$(BIN)/python -m tests.faults run --seconds 120 --brokers 3 --seed $(SEEDS)

faults-count: setup ## count 300,000 pieces of evidence through repeated kill -9 (SEEDS=7 repeats)
	@$(BIN)/python -m tests.faults count --seed $(SEEDS)

check: setup ## format, lint, types and architecture rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy services shared deploy tests
	@$(BIN)/lint-imports

format: setup ## format and fix what can be fixed
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup ## measure stage by stage and end to end; writes bench.json (5 minutes)
	@$(BIN)/python -m tests.bench

bench-peers: setup ## progression beside Quix Streams and Kafka Streams, exactly-once, on the same topics
	@$(BIN)/python -m tests.bench --only fold

bench-soak: setup ## memory over 2,400,000 events, offered at 2,000/s
	@$(BIN)/python -m tests.bench --only soak --minutes 20

performance: setup ## measure everything (50 minutes) and write docs/performance.md
	@$(BIN)/python -m tests.bench --all
	@$(BIN)/python -m tests.bench.report bench.json

freeze: setup ## on release: keep contracts and bytes of a version, to hold later ones against (REVISION=v0.1.0)
	@$(BIN)/python -m tests.shared.wire.freeze $(REVISION)

fuzz: setup ## read 100,000 broken payloads of all formats, ask the API 5,000 times; some ten minutes
	@ATTAIN_TEST_FUZZ=100000 ATTAIN_TEST_OPENAPI=5000 $(BIN)/python -m pytest tests/evidence/test_fuzz.py tests/evidence/test_openapi.py

sbom: setup ## write the bill of materials of the image, CycloneDX, to build/sbom.json
	@$(BIN)/python -m deploy.supply_chain sbom build/sbom.json

audit: setup ## ask OSV for known vulnerabilities of what is in the image; fails where there is no answer
	@$(BIN)/python -m deploy.supply_chain audit

up: setup ## start Kafka, PostgreSQL and the services in the background
	@$(BIN)/attain up --detach

down: setup ## stop them
	@$(BIN)/attain down

clean: down ## stop everything and delete the environment and the data
	@$(BIN)/attain reset --yes
	@rm -rf .venv
