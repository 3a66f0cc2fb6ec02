# Every target also sets up what it needs in .venv; nothing else is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test check bench audit-mechanism web real-photos face-masks clean

demo: $(STAMP) .cache/photographs/astronaut.png
	$(BIN)/discreet demo --out runs/demo --photographs .cache/photographs

# A process a core; afterwards, by themselves, tests that watch what the whole machine writes.
test: $(STAMP)
	$(BIN)/pytest -n auto --maxprocesses 8 --dist loadfile -m "not alone"
	$(BIN)/pytest -m alone

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

bench: $(STAMP)
	$(BIN)/python benchmarks/run_all.py

# Canaries through sampler, clipper and noise: do they do what the accountant assumes?
audit-mechanism: $(STAMP)
	$(BIN)/python benchmarks/audit_mechanism.py

# The page, into src/discreet/service/static. Needs Node 20; nothing else does.
web:
	cd web && npm ci && npm run check && npm test && npm run build

real-photos: $(STAMP) .cache/judges/.installed
	$(BIN)/python tools/photographs.py .cache/real-photographs --judges .cache/judge-models
	$(BIN)/python benchmarks/real_photos.py --pictures runs/real-photos

face-masks: $(STAMP) .cache/face-judges/.installed
	$(BIN)/python tools/photographs.py .cache/real-photographs --judges .cache/judge-models
	$(BIN)/python benchmarks/face_masks.py

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt "torch==2.13.0"
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	touch $@

.cache/photographs/astronaut.png: | $(STAMP)
	$(BIN)/python tools/photographs.py .cache/photographs

# What judges parsers on photographs lives in an environment of its own.
.cache/judges/.installed: benchmarks/real-photos-requirements.txt
	$(PYTHON) -m venv .cache/judges
	.cache/judges/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

# What tries to recognise masked faces, too.
.cache/face-judges/.installed: benchmarks/face-masks-requirements.txt
	$(PYTHON) -m venv .cache/face-judges
	.cache/face-judges/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

clean:
	rm -rf $(VENV) .cache runs build dist web/node_modules
