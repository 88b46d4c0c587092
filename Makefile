# Everything a person or CI runs. `make` alone lists the targets.
SHELL := /bin/bash
BIN := .venv/bin
UV ?= uv
N ?= 3
TABLES ?= 1000
MINUTES ?= 10
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Tests start thousands of processes, and without compiled modules each would compile this project.
export PYTHONDONTWRITEBYTECODE :=
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --no-strip-extras

.DEFAULT_GOAL := help
.PHONY: help venv packages mysql mariadb-plugins azurite laravel prometheus dashboard test lint types imports test-only test-long demo lock differential oracle peers bench-dump bench-restore bench-replay bench-load bench-stream bench-physical bench-offsite bench-migration bench-exporter

help: ## lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: .venv/.installed ## .venv with the locked dependencies and the project, editable

.venv/.installed: pyproject.toml requirements-dev.lock
	@python3 -c 'import ensurepip, venv' || tools/debian-packages ensurepip=python3-venv
	python3 -m venv .venv
	$(BIN)/pip install --quiet --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

packages: ## MariaDB's server and client programs (Debian; root, or what to install is printed)
	@tools/debian-packages mariadbd=mariadb-server-core mariadb=mariadb-client-core mariadb-binlog=mariadb-client mariadb-backup=mariadb-backup

mysql: ## MySQL 9's programs, unpacked under the user's cache (no root)
	@tools/unpack-mysql

mariadb-plugins: ## MariaDB's plugins that tests need, unpacked under the user's cache (no root)
	@tools/unpack-mariadb-plugins

laravel: ## PHP and Laravel for the tests of migrations (Debian; root, or what to install is printed)
	@tools/debian-packages php=php-cli /usr/share/php/Illuminate/autoload.php=php-laravel-framework \
		/usr/share/doc/php-mysql=php-mysql /usr/share/doc/php-intl=php-intl

prometheus: ## Prometheus and promtool for the tests, unpacked under the user's cache (no root)
	@tools/unpack-prometheus

dashboard: venv ## deploy/grafana/dashboards/chom.json, from the code
	$(BIN)/python -c 'from chom_pipelines.monitoring.dashboard.dashboard import write; write("deploy/grafana/dashboards/chom.json")'

azurite: ## Azure Blob Storage for the tests, under the user's cache (node and npm from Debian; root, or what to install is printed)
	@tools/debian-packages node=nodejs npm=npm
	@tools/install-azurite

test: venv packages mysql mariadb-plugins azurite laravel prometheus lint types imports test-only ## all that decides green; CI runs this

lint: venv ## ruff: rules and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: venv ## mypy --strict
	$(BIN)/mypy

imports: venv ## which folder may import which
	$(BIN)/lint-imports

test-only: venv ## pytest; T="path -k name" narrows it, and N=0 runs it in one process
	$(BIN)/pytest -n $(N) --dist loadfile --no-loadscope-reorder -m "not long" $(T)

test-long: venv packages mysql mariadb-plugins azurite laravel prometheus ## what takes minutes: the oracle, the stream through restarts, kills and cuts, more variants, files with many servers on MySQL
	$(BIN)/pytest -n $(N) --dist loadfile --no-loadscope-reorder -m long

demo: venv packages ## private MariaDB with sample data, the main job, then the UI
	$(BIN)/chom demo

lock: ## rewrites both lock files; needs uv (any machine's; not a dependency of the project)
	$(LOCK) --upgrade --output-file requirements.lock pyproject.toml
	$(LOCK) --upgrade --extra dev --constraints requirements.lock --output-file requirements-dev.lock pyproject.toml

differential: venv packages mysql ## TABLES random tables on each family, backed up, restored, compared (1000)
	$(BIN)/python -m chom_pipelines_tests.differential.run --tables $(TABLES)

oracle: venv packages mysql ## N random moments of a busy server of each family, recovered by both routes, compared
	$(BIN)/python -m chom_pipelines_tests.binlogs.run_oracle --moments $(N)

peers: packages ## what the benchmarks run against
	@tools/debian-packages mariadb-dump=mariadb-client mydumper=mydumper zstd=zstd

bench-dump: venv peers ## this project's dump against mysqldump and mydumper
	$(BIN)/python -m chom_pipelines_tests.bench.dump

bench-restore: venv peers ## this project's restore against the clients and myloader
	$(BIN)/python -m chom_pipelines_tests.bench.restore

bench-replay: venv peers ## both routes of a replay against mysqlbinlog piped into the client
	$(BIN)/python -m chom_pipelines_tests.bench.replay

bench-physical: venv peers ## physical backups and restores of MariaDB against mariadb-backup by hand
	$(BIN)/python -m chom_pipelines_tests.bench.physical

bench-offsite: venv ## a push and a pull of the second copy against `aws s3 cp`, with moto's server
	@tools/debian-packages aws=awscli
	$(BIN)/python -m chom_pipelines_tests.bench.offsite

bench-migration: venv packages mysql laravel ## the migration check of 15 migrations and a gigabyte, and its predictions against what production then takes
	$(BIN)/python -m chom_pipelines_tests.bench.migration --flavour mariadb
	$(BIN)/python -m chom_pipelines_tests.bench.migration --flavour mysql

bench-exporter: venv packages mysql mariadb-plugins ## what a scrape costs a server of 500 tables (TABLES), and the exporter's memory over 1,000
	$(BIN)/python -m chom_pipelines_tests.bench.exporter

bench-load: venv ## how long 500 servers take until the UI has them
	$(BIN)/python -m chom_pipelines_tests.bench.load

bench-stream: venv packages mysql ## `chom stream` for MINUTES (10) on each family, with restarts, kills and cuts
	$(BIN)/python -m chom_pipelines_tests.bench.stream --minutes $(MINUTES)
