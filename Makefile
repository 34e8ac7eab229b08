# Everything here works as the only command on a fresh clone: `make demo`, `make test`, ...
# What is needed is installed into .venv first, and again when its list has changed.

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
OLDEST := .venv-oldest
NBGRADER := .venv-nbgrader
SITE := .venv-site
PIP := $(BIN)/python -m pip install -qq --retries 10 --constraint constraints.txt
ARGS :=
NBVAL := --nbval-lax --nbval-current-env --nbval-cell-timeout=250

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test coverage test-matrix test-course test-nbgrader test-course-slow test-oldest test-wheel bench bench-peers bench-fanout bench-connections bench-transports bench-slow bench-recording bench-dashboard soak lint format docs site gallery screenshots clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## Show a live dashboard of a server with simulated users (ARGS="--users 50")
	@$(BIN)/rtmon demo $(ARGS)

TESTS := tests notebooks/00*.ipynb -m "not course and not matrix and not nbgrader" \
	--numprocesses 3 --dist loadscope --no-loadscope-reorder $(NBVAL)

# Three processes on two cores: while one waits for time to pass, the others go on.
test: $(INSTALLED) ## Run all tests: unit, sockets, a notebook, browser
	@sh scripts/programs.sh
	$(BIN)/pytest $(TESTS) $(ARGS)

# Apart, as the tests take almost twice as long when each line is counted.
coverage: $(INSTALLED) ## Run all tests, and list the lines that none of them reaches
	@sh scripts/programs.sh
	@rm -f .coverage.*
	$(BIN)/coverage run -m pytest $(TESTS) $(ARGS)
	@$(BIN)/coverage combine -q && $(BIN)/coverage report

test-matrix: $(INSTALLED) ## Test whole matrices of cases, of which `make test` has one of each kind
	@sh scripts/programs.sh
	$(BIN)/pytest tests -m matrix --numprocesses 2 --dist loadfile $(ARGS)

# A notebook's cells need one process, in their order; what tests/course has is shared out one by one.
test-course: $(INSTALLED) ## Test all notebooks: as they are, solved, answered wrongly, doubled, paused
	@sh scripts/programs.sh
	$(BIN)/pytest notebooks --numprocesses 3 --dist loadscope $(NBVAL) $(ARGS)
	$(BIN)/pytest tests/course -m "not nbgrader" --numprocesses 3 --dist worksteal $(ARGS)

test-nbgrader: $(INSTALLED) $(NBGRADER)/.installed ## Grade notebook 00 with the real nbgrader (ARGS="-m nbgrader": all)
	$(BIN)/pytest tests/course/test_nbgrader.py -m "nbgrader and not course" $(ARGS)

test-course-slow: $(INSTALLED) ## Run all notebooks at a person's speed, side by side; takes half an hour
	$(BIN)/python -m tests.course.slow $(ARGS)

# How the library calls handlers, and closes after them, differs in each but the last two.
OLDER := 16.0 17.0 17.0.1 17.1 17.2 17.3

# The fast path steps aside there by design, so its tests are skipped, even where skips are failures.
test-oldest: $(INSTALLED) $(OLDEST)/python-socketio-5.16.4 $(OLDER:%=$(OLDEST)/websockets-%) ## Test the probe with older websockets: the oldest, 16, 17.0 to 17.3
	RTMON_STRICT= $(OLDEST)/bin/python -m pytest tests/servers/fanout tests/feeds tests/servers/test_websockets.py \
		tests/servers/test_admin_access.py tests/servers/test_drop_in.py tests/servers/test_connection_limits.py \
		tests/probes/websockets tests/servers/turbo/test_fast_path.py $(ARGS)
	for version in $(OLDER); do \
		echo "websockets $$version"; \
		RTMON_STRICT= PYTHONPATH=$(OLDEST)/websockets-$$version $(OLDEST)/bin/python -m pytest -q \
			tests/probes/websockets -k 'handler or cause or end' $(ARGS) || exit 1; \
	done
	RTMON_STRICT= PYTHONPATH=$(OLDEST)/python-socketio-5.16.4 $(BIN)/python -m pytest \
		tests/probes/test_contract.py tests/probes/socketio -k 'Socket.IO or connect_handlers' $(ARGS)

# What users install: the wheel, with the newest release of everything that it needs.
test-wheel: $(INSTALLED) ## Try the built wheel in a fresh environment, with the newest releases
	@sh scripts/programs.sh
	@rm -rf build/wheel && mkdir -p build/wheel
	@$(BIN)/python -m pip wheel -qq --no-deps --no-build-isolation --wheel-dir build/wheel .
	@"$$(sh scripts/python.sh $(PYTHON))" -m venv --clear build/wheel/venv
	@build/wheel/venv/bin/python -m pip install -qq --retries 10 \
		"$$(ls build/wheel/rtmon-*.whl)[all]" playwright
	@cp scripts/smoke.py build/wheel/ && mkdir build/wheel/empty && cd build/wheel/empty && \
		../venv/bin/python -P ../smoke.py

bench: $(INSTALLED) ## Measure what being watched costs; takes about four minutes
	@$(BIN)/python benchmarks/overhead.py

bench-peers: $(INSTALLED) ## Install the servers that are compared with: npm, apt, pip
	@sh scripts/peers.sh

bench-fanout: $(INSTALLED) ## Measure fan-out, side by side with others; under five minutes
	@$(BIN)/python benchmarks/fanout.py $(ARGS)

bench-connections: $(INSTALLED) ## Measure many connections: storms, memory, idling
	@$(BIN)/python benchmarks/connections.py $(ARGS)

bench-transports: $(INSTALLED) ## Measure what each transport of the hub costs
	@$(BIN)/python benchmarks/transports.py $(ARGS)

bench-slow: $(INSTALLED) ## Measure what a reader that does not read costs the others
	@$(BIN)/python benchmarks/slow.py $(ARGS)

bench-recording: $(INSTALLED) ## Measure what a recording costs, and how large a day is
	@$(BIN)/python benchmarks/recording.py $(ARGS)

bench-dashboard: $(INSTALLED) ## Measure what a page of the dashboard costs, opened and watched
	@$(BIN)/python benchmarks/dashboard.py $(ARGS)
	@$(BIN)/python benchmarks/first_picture.py

soak: $(INSTALLED) ## Cut clients' links, take 500 clients' server, open 200 tabs, leave one open for a day
	@sh scripts/programs.sh
	@$(BIN)/python -m tests.client.soak --cuts 200
	@$(BIN)/python -m tests.client.soak --clients 500
	@PYTHON=$(BIN)/python node tests/web/soak.mjs 200
	@$(BIN)/python -m tests.browser.soak --tabs 200
	@$(BIN)/python -m tests.browser.soak --hours 24

lint: $(INSTALLED) ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED) ## Format the code and sort its imports
	$(BIN)/ruff check --fix --select I .
	$(BIN)/ruff format .

docs: $(INSTALLED) ## Write anew what is generated: tables in docs/, sets and types of the browser client, marks
	$(BIN)/python scripts/columns.py
	$(BIN)/python scripts/metrics.py
	$(BIN)/python scripts/message_types.py
	$(BIN)/python scripts/exercises.py

# A dead link, a page outside the navigation, or something loaded from elsewhere is an error.
site: $(SITE)/.installed ## Write the documentation site to build/site, to be opened from disk or served
	@NO_MKDOCS_2_WARNING=1 $(SITE)/bin/mkdocs build
	@echo "Written: build/site/index.html"

gallery: $(INSTALLED) ## Render the notebooks, with their pictures, into docs/gallery
	$(BIN)/python scripts/gallery.py
	@$(BIN)/ruff format -q docs/gallery

screenshots: $(INSTALLED) ## Take the pictures of the dashboard in docs/images
	$(BIN)/python scripts/screenshots.py $(ARGS)

clean: ## Remove all that was made here, .venv too
	rm -rf $(VENV) $(OLDEST) $(NBGRADER) $(SITE) build dist .coverage .coverage.* htmlcov
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The build tools come first, so that they too are the versions of constraints.txt.
$(INSTALLED): pyproject.toml constraints.txt scripts/python.sh
	@test -x $(BIN)/python || { python=$$(sh scripts/python.sh $(PYTHON)) && "$$python" -m venv --clear $(VENV); }
	@echo "Installing into $(VENV); this takes a minute or two, once."
	@$(PIP) hatchling editables
	@$(PIP) --no-build-isolation --editable '.[dev]'
	@touch $@

$(OLDEST)/.installed: constraints.txt scripts/python.sh
	@python=$$(sh scripts/python.sh $(PYTHON)) && "$$python" -m venv --clear $(OLDEST)
	@grep -v '^websockets==' constraints.txt > $(OLDEST)/constraints.txt
	@$(OLDEST)/bin/python -m pip install -qq --retries 10 --constraint $(OLDEST)/constraints.txt \
		'websockets==15.0.1' msgspec typer hypothesis pandas pytest pytest-asyncio pytest-timeout
	@touch $@

$(OLDEST)/websockets-% $(OLDEST)/python-socketio-%: $(OLDEST)/.installed
	@$(OLDEST)/bin/python -m pip install -qq --retries 10 --no-deps --target $@ \
		$(patsubst $(OLDEST)/%-$*,%,$@)==$*
	@touch $@

$(NBGRADER)/.installed: constraints.txt constraints-nbgrader.txt scripts/python.sh
	@python=$$(sh scripts/python.sh $(PYTHON)) && "$$python" -m venv --clear $(NBGRADER)
	@$(NBGRADER)/bin/python -m pip install -qq --retries 10 --constraint constraints.txt \
		--constraint constraints-nbgrader.txt nbgrader
	@touch $@

$(SITE)/.installed: constraints.txt constraints-site.txt scripts/python.sh
	@python=$$(sh scripts/python.sh $(PYTHON)) && "$$python" -m venv --clear $(SITE)
	@$(SITE)/bin/python -m pip install -qq --retries 10 --constraint constraints.txt \
		--constraint constraints-site.txt mkdocs-material 'mkdocstrings[python]' ruff
	@touch $@
