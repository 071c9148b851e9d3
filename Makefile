# The two commands of the README are `make demo` and `make test`; the rest is for developers.
PYTHON ?= python3
BIN := .venv/bin
export TELEMETRY_DATA ?= ../shared/data

.PHONY: demo test lint unit integration compose-test bench bench-kafka dashboards peers corridor coverage flights lead-time fuzz chaos faults lock clean

demo: .venv/installed
	$(BIN)/heartline demo

# the tests on brokers wait more than they work: the others run beside them, and are told after them
test: lint
	@$(BIN)/python -m agents.warm
	@$(BIN)/pytest tests/unit tests/laws tests/contracts tests/golden tests/fuzz tests/deploy > .others.log 2>&1 & others=$$!; \
	trap "kill $$others" INT TERM; \
	$(BIN)/pytest tests/integration; brokers=$$?; \
	wait $$others; here=$$?; cat .others.log; rm .others.log; exit $$((brokers + here))

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: .venv/installed
	$(BIN)/pytest tests/unit tests/laws tests/contracts tests/golden

integration: .venv/installed
	$(BIN)/pytest tests/integration

# root, Docker and Debian's packages (docs/deploy.md)
compose-test: .venv/installed
	$(BIN)/python -m tests.deploy.compose

bench: .venv/installed
	$(BIN)/python -m benchmarks

# Java 17 and Maven; other frameworks beside the lane where `make peers` has been run
bench-kafka: .venv/installed
	$(BIN)/python -m benchmarks.kafka

# Grafana's dashboards, from their code
dashboards: .venv/installed
	$(BIN)/python -m deploy.dashboards

# other frameworks, for the benchmark alone (docs/performance.md)
peers: .venv-peers/installed

flights: .venv/installed
	$(BIN)/python -m benchmarks.flights

corridor: .venv/installed
	$(BIN)/python -m benchmarks.corridor

coverage: .venv/installed
	$(BIN)/python -m benchmarks.coverage $(TELEMETRY_DATA)

lead-time: .venv/installed
	$(BIN)/python -m benchmarks.lead_time

# 10^8 bytes; SEED=N repeats a run (docs/fuzz.md)
fuzz: .venv/installed
	$(BIN)/python -m tests.fuzz --bytes 100000000 $(if $(SEED),--seed $(SEED))

# seeded faults on three brokers, hours; FIRST=N begins with another seed (docs/reliability.md)
SEEDS ?= 100
chaos: .venv/installed
	$(BIN)/python -m tests.integration.chaos --seeds $(SEEDS) $(if $(FIRST),--first $(FIRST))

# every rule of Prometheus on its fault, on real parts, 20 minutes (docs/pipeline-alerts.md)
faults: .venv/installed
	$(BIN)/python -m tests.integration.faults

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv-peers/installed: benchmarks/peers/requirements.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# Needs uv. Every version, with its hashes, for every supported Python and platform: of all extras,
# and (requirements-run.lock, the image's) of what the services need alone.
lock:
	uv pip compile --universal --python-version 3.11 --all-extras --generate-hashes \
		--no-emit-index-url --no-annotate --no-header pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.11 --extra postgres --generate-hashes \
		--no-emit-index-url --no-annotate --no-header pyproject.toml -o requirements-run.lock

clean:
	rm -rf .venv .venv-peers build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
