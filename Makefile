# `make help` lists the targets. Each works in a fresh clone; stamps in .venv keep the second run quick.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules
.DELETE_ON_ERROR:
.PHONY: help install run run-grpc test check format bench lock clean packages

PYTHON ?=
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
INSTALL := $(PIP) install --quiet --quiet --require-hashes --only-binary :all:
COMPILE := UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --universal --generate-hashes \
	--python-version 3.11 --fork-strategy fewest --no-emit-index-url --no-emit-find-links --upgrade

export PYTHON
export PATH := $(CURDIR)/$(BIN):$(PATH):/usr/sbin:/sbin

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s%s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

install: $(VENV)/.serving ## Create .venv with exactly the pinned packages serving needs

run: $(VENV)/.serving ## Serve the models on 127.0.0.1:8000 (HOST, PORT, WEB_CONCURRENCY and SLUICE_* are respected)
	@scripts/run_here.sh $(BIN)

run-grpc: $(VENV)/.serving ## Serve the same models over gRPC on 127.0.0.1:8001 (SLUICE_GRPC_PORT and the variables of run)
	@scripts/run_here.sh $(BIN) python -m app.rpc

test: $(VENV)/.development packages ## Run every test (ARGS="-k name" for some)
	@$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.development ## Format, lint, types, import contracts, Dockerfile, settings table
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/hadolint Dockerfile
	@$(BIN)/python scripts/settings_table.py --check
	@$(BIN)/python scripts/generate_grpc.py --check

format: $(VENV)/.development ## Rewrite the code in the house style
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

bench: $(VENV)/.development packages ## Race this server against its rivals, into benchmarks/RESULTS.md
	@$(BIN)/python benchmarks/run.py $(ARGS)

lock: $(VENV)/.development ## Bring requirements*.txt to the newest versions requirements*.in allow
	@$(COMPILE) requirements.in -o requirements.txt
	@$(COMPILE) -c requirements.txt requirements-arrow.in -o requirements-arrow.txt
	@$(COMPILE) -c requirements.txt requirements-train.in -o requirements-train.txt
	@$(COMPILE) -c requirements.txt -c requirements-train.txt requirements-dev.in -o requirements-dev.txt
	@for file in tests/clients/*.in benchmarks/requirements/*.in; do $(COMPILE) $$file -o $${file%.in}.txt; done

clean: ## Remove .venv and everything tools leave behind (keys in var/ stay)
	@rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .schemathesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

packages:
	@scripts/install_packages.sh

$(VENV)/.made:
	@scripts/make_venv.sh $(VENV) "$(or $(firstword $(MAKECMDGOALS)),install)"
	@touch $@

$(VENV)/.serving: requirements.txt | $(VENV)/.made
	@echo "Installing the serving packages into $(VENV)"
	@$(INSTALL) -r requirements.txt
	@touch $@

$(VENV)/.development: requirements.txt requirements-arrow.txt requirements-train.txt requirements-dev.txt | $(VENV)/.made
	@echo "Installing the development packages into $(VENV)"
	@$(INSTALL) -r requirements.txt -r requirements-arrow.txt -r requirements-train.txt -r requirements-dev.txt
	@touch $@ $(VENV)/.serving
