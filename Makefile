# Every target sets up .venv first, and only when something changed (infra/setup.sh).
# PYTHON=python3.12 chooses the interpreter; TORCH=cuda takes PyTorch with its CUDA libraries.
.DEFAULT_GOAL := help
.PHONY: help setup demo test check evaluate-tasks forgetting lock clean
bin := .venv/bin

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1  \t\2/p' Makefile

setup: ## make .venv from requirements.lock (the others do it themselves)
	@infra/setup.sh

demo: setup ## the whole job on this machine; REVIEW=approve or REVIEW=reject answers the review
	@$(bin)/scriptorium demo $(if $(REVIEW),--review=$(REVIEW))

test: setup ## the default tests, two to five minutes
	@# A worker a core, and so no more than one thread in each.
	@OMP_NUM_THREADS=1 $(bin)/pytest --numprocesses=logical --maxprocesses=8 --dist=worksteal

check: setup ## style, types and import directions
	@$(bin)/ruff check .
	@$(bin)/ruff format --check .
	@$(bin)/mypy
	@$(bin)/lint-imports

evaluate-tasks: setup ## every task on the real sets of ../shared/data, 40 minutes on two cores with bf16; goes on where it was stopped
	@$(bin)/python tests/benchmarks/tasks.py

forgetting: setup ## what continued pretraining gains and forgets, by what holds it back; goes on where it was stopped
	@$(bin)/python tests/benchmarks/forgetting.py

lock: setup ## resolve requirements.lock again from pyproject.toml; existing pins stay
	@# Without find-links: a folder with one machine's CPU build of torch would pin it for all.
	@$(bin)/python -m pip config list | $(bin)/python infra/uv_settings.py > .venv/uv-settings
	@. .venv/uv-settings && unset UV_FIND_LINKS && $(bin)/uv pip compile pyproject.toml --all-extras --universal \
	  --python-version 3.11 --no-annotate --quiet -o requirements.lock

clean: ## remove .venv and caches; what the project wrote (.scriptorium, data) stays
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	@find dags pipelines models tests infra -name __pycache__ -type d -prune -exec rm -rf {} +
