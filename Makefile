# The whole interface. Two variables serve those who bring their own environment:
#   make test SETUP=: PY=python3
SETUP ?= deploy/setup
PY ?= .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help serve test coverage lint format lock image test-clients test-container clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile

serve: ## Set up, train iris if models/ is empty, and serve models/
	@$(SETUP) run
	@$(PY) -m deploy.first_model
	@exec $(PY) -m service serve

test: ## Set up and run every test that needs no container engine and no other server's client
	@$(SETUP) dev
	@$(PY) -m pytest -n auto --dist worksteal -m "not container and not clients" $(ARGS)

coverage: ## Run the same tests and print the lines and branches that none of them reached
	@$(SETUP) dev
	@$(PY) -m pytest -n auto --dist worksteal -m "not container and not clients" --cov --cov-report=term-missing:skip-covered $(ARGS)

lint: ## Check style, formatting, types, the direction of imports, and the workflows
	@$(SETUP) dev
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(PY) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'
	@"$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("scripts"))')/zizmor" --offline --no-progress .github
	@$(PY) -m check_jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(PY) -m check_jsonschema --builtin-schema vendor.gitlab-ci .gitlab-ci.yml

format: ## Apply the formatter and the fixes that are safe
	@$(SETUP) dev
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

lock: ## Refresh locks/ from pyproject.toml
	@$(SETUP) dev
	@PY="$(PY)" deploy/lock

image: ## Build the image that serves
	docker build --target serve --tag ganglion .

test-clients: ## Drive the service with the real clients of the protocols it speaks, from .venv-clients
	@$(SETUP) dev
	@$(SETUP) clients
	@$(PY) -m pytest -m clients tests/clients $(ARGS)

test-container: ## Build, start and stress the containers; needs a Docker engine
	@$(SETUP) dev
	@$(PY) -m pytest -m container tests/container $(ARGS)

clean: ## Remove the environment and all caches; models/ stays
	rm -rf .venv .venv-clients .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache build dist ./*.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +
