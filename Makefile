# Two targets do most of the work: `make demo` shows the product, `make test` proves it. `make help` lists the rest.

PYTHON ?= python3.11
BIN := .venv/bin
ARGS ?=
.DEFAULT_GOAL := help
.PHONY: help demo shop test test-mariadb matrix examples faults lint format audit requirements messages wheel

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 16

# Each list of requirements has a stamp: the environment is touched again only when the list has changed.
$(BIN)/python:
	$(PYTHON) -m venv .venv

.venv/site.stamp: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/dev.stamp: requirements.txt requirements-milvus.txt requirements-dev.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ .venv/site.stamp

demo: .venv/site.stamp ## a demo shop, trained and served at 127.0.0.1:8000; ARGS=--no-serve ends after sample lists
	@$(BIN)/python manage.py demo $(ARGS)

# Its database and models are its own; a DATABASE_URL or VAR_DIR that is set says where else they are.
shop: export DATABASE_URL ?= sqlite:///$(CURDIR)/var/shop/db.sqlite3
shop: export VAR_DIR ?= $(CURDIR)/var/shop
shop: .venv/site.stamp ## an empty shop of your own, beside the demo's; ARGS=--no-serve makes database and admin account only
	@$(BIN)/python manage.py shop $(ARGS)

# Each of the processes computes in one thread: several would wait for each other. They are three where the cores are
# two, as many tests wait for a browser or a server.
test: .venv/dev.stamp ## the whole suite; reads DATABASE_URL and REDIS_URL; ARGS goes to pytest
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 3 --dist worksteal $(ARGS)

test-mariadb: .venv/dev.stamp ## the app's own tests on the MariaDB of MARIADB_URL; ARGS goes to pytest
	$(BIN)/python -m tests.mariadb $(ARGS)

matrix: .venv/dev.stamp ## the app's own tests on other Pythons and Djangos, in environments of their own; ARGS="--only 3.13/6.1"
	$(BIN)/python -m tests.matrix $(ARGS)

examples: ## two foreign projects that use the app, each made, trained and checked in an environment of its own; library reads DATABASE_URL
	examples/oscar/run
	examples/library/run

faults: .venv/dev.stamp ## kills workers, cuts connections, fills disks of a real site; ARGS=--times=20; needs PostgreSQL and redis-server
	$(BIN)/python -m tests.faults $(ARGS)

lint: .venv/dev.stamp ## style, format, types, migrations, requirements, translations; needs gettext
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python .ci/requirements.py --check
	$(BIN)/python .ci/messages.py --check

format: .venv/dev.stamp ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

requirements: .venv/dev.stamp ## compile requirements*.txt from pyproject.toml; ARGS="--upgrade NAME" takes a newer one
	$(BIN)/python .ci/requirements.py $(ARGS)

messages: .venv/dev.stamp ## collect the texts to translate, compile the translations; needs gettext
	$(BIN)/python .ci/messages.py

wheel: .venv/dev.stamp ## the pluggable app as dist/django_two_towers-*.whl
	$(BIN)/python -m build --wheel --no-isolation

audit: .venv/dev.stamp ## known holes in all that is pinned; AUDIT_REQUIRED=1 fails where nothing could be looked up
	$(BIN)/python .ci/audit.py $(ARGS)
