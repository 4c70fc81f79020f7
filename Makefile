# Every target sets up what it needs: a virtualenv, packages, services, the Go oracle. `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 3

.PHONY: help setup services lint test full unit simulate chaos proto bench demo demo-go demo-redpanda docs redpanda lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

$(VENV)/.ready: pyproject.toml requirements.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "setup: installing the locked packages into $(VENV) (a minute the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

setup: $(VENV)/.ready  ## make the virtualenv with the locked packages

services: setup  ## install or build what the tests start: Redis, Apache Kafka, the Go and Java programs
	@$(BIN)/python -m tests.services all

lint: setup  ## style, types and import rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/mypy

unit: setup  ## the tests that need no service, in seconds
	@$(BIN)/python -m pytest -q tests/unit

# Most of a test is waiting: for a lease, a broker's start, a timeout. Three at a time keep two cores busy. What takes a time waits for the rest.
test: services  ## all tests, against real Redis, Kafka and Go
	@$(BIN)/python -m pytest -q --numprocesses $(WORKERS) --dist loadgroup -m "not alone and not full" --durations=15 --durations-min=3
	@$(BIN)/python -m pytest -q -m "alone and not full"

full: services  ## what takes too long for `make test`: long soaks and chaos on every journal and on Redis -> docs/full.md (SECONDS=120 of blows each)
	@$(BIN)/python -m tests.full --seconds $(or $(SECONDS),120)

redpanda: services  ## the tests on the Kafka API on a cluster that somebody else runs: REDPANDA_BROKERS=host:9092
	@test -n "$(REDPANDA_BROKERS)" || { echo "redpanda: say which cluster: make redpanda REDPANDA_BROKERS=host:9092" >&2; exit 2; }
	@REDPANDA_BROKERS="$(REDPANDA_BROKERS)" $(BIN)/python -m pytest -q -m redpanda

simulate: setup  ## new simulated histories of the journal for SECONDS=60
	@$(BIN)/python -m tests.simulator --seconds $(or $(SECONDS),60)

chaos: services  ## kill producers, workers and the broker at random for SECONDS=60 on JOURNAL=sqlite (or kafka, or redis beside Go), then check every task
	@$(BIN)/python -m tests.chaos --seconds $(or $(SECONDS),60) --journal $(or $(JOURNAL),sqlite) --partitions $(or $(PARTITIONS),1)

# protoc of grpcio-tools 1.76 writes code for protobuf 6.31 and later. Python's descriptors get a package of their own, so that a program
# with generated code of its own for Asynq's messages can hold both.
proto: $(VENV)/.ready  ## generate asynq_compat/wire/_pb from proto/asynq.proto
	@work=$$(mktemp -d) && trap 'rm -rf "$$work"' EXIT \
	&& $(PYTHON) -m venv $$work/venv && $$work/venv/bin/python -m pip install --quiet grpcio-tools==1.76.0 \
	&& mkdir -p $$work/in/asynq_compat/wire/_pb \
	&& sed 's/^package asynq;/package asynq_compat.wire;/' proto/asynq.proto > $$work/in/asynq_compat/wire/_pb/asynq.proto \
	&& $$work/venv/bin/python -m grpc_tools.protoc -I$$work/in --python_out=. --pyi_out=. asynq_compat/wire/_pb/asynq.proto

bench: services  ## rates, CPU, latency and scale beside Go Asynq in one run -> docs/benchmarks.md (15 min; ONLY=process,... for parts)
	@$(BIN)/python -m tests.bench $(if $(ONLY),--only $(ONLY))

demo: setup  ## a small real job on a SQLite file: one producer, two workers
	@$(BIN)/python -m examples.demo

demo-go: services  ## the same on Redis, with a Go producer and a Go worker on the same queues
	@rm -rf .demo-go
	@$(BIN)/python -m tests.services.beside redis -- $(BIN)/python -m examples.demo --state .demo-go --go '{go:evening}'

demo-redpanda: services  ## the same on Redis, then on the Kafka API, where Go adds bare records
	@rm -rf .demo-redis .demo-redpanda
	@$(BIN)/python -m tests.services.beside redis -- $(BIN)/python -m examples.demo --state .demo-redis
	@$(BIN)/python -m tests.services.beside kafka -- $(BIN)/python -m examples.demo --state .demo-redpanda --bare '{go:evening}'

docs: setup  ## renew the file map of docs/architecture.md and the table of docs/parity.md
	@$(BIN)/python -m tests.unit.file_map
	@$(BIN)/python -m tests.unit.parity

lock: setup  ## renew requirements.lock from pyproject.toml
	@$(BIN)/python -m pip install --quiet pip-tools
	@$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --extra dev --extra fast --extra dash --extra otel --output-file requirements.lock pyproject.toml

clean:  ## remove what the targets made
	@rm -rf $(VENV) .svc .demo* .hypothesis .pytest_cache .mypy_cache .ruff_cache
