# One line of help for each target: make help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help walkthrough test test-slow test-browser lab book lint format pins experiments gallery bench crossval leaveout transfer alarms fullsize weights contact clean

help: ## show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "Python 3.11, 3.12 or 3.13 is needed, found " + sys.version.split()[0] + "; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

walkthrough: $(READY) ## run the whole course, end to end, or some of it: make walkthrough [LESSONS="00 08"]
	$(BIN)/python notebooks/walkthrough.py $(LESSONS)

test: $(READY) ## unit tests and then the notebooks compared strictly, two files at a time
	$(BIN)/python -m pytest tests -n 2 --dist loadfile --durations=25
	$(BIN)/python -m pytest notebooks -n 2 --dist loadfile

test-slow: $(READY) ## tests that take minutes: kills, hostile files, intervals, long runs, experiments
	$(BIN)/python -m pytest tests/slow

test-browser: $(READY) ## every notebook in JupyterLab, and the site, in a real browser; pictures: build/browser/ (a quarter of an hour)
	$(BIN)/python -m pytest tests/browser

experiments: $(READY) ## train the experiments of the lessons over eight seeds: cxrlib/course/tables/ (about 85 minutes; resumes)
	$(BIN)/python data/make_experiments.py

gallery: $(READY) ## train the experiments that only the page of experiments shows (half an hour; resumes)
	$(BIN)/python data/make_experiments.py --gallery

lab: $(READY) ## open JupyterLab on the first notebook
	$(BIN)/jupyter lab notebooks/00_walk_the_path.ipynb

book: $(READY) ## the course as a site that needs no other host: book/_build/html
	$(BIN)/python -m sphinx --quiet --nitpicky --fail-on-warning --keep-going -c book -d book/_build/doctrees . book/_build/html

lint: $(READY) ## style and format (ruff), types (mypy)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY) ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

pins: $(READY) ## resolve requirements.txt anew from pyproject.toml
	$(BIN)/uv pip compile --universal --python-version 3.11 --all-extras --no-header --no-annotate --upgrade --quiet pyproject.toml -o requirements.txt

bench: $(READY) ## side by side with what one would pick instead: make bench [FILMS=folder of 1024 px PNG] (an hour, alone)
	$(BIN)/python benchmarks/side_by_side.py $(FILMS)

crossval: $(READY) ## cross-validate on NIH films: make crossval SOURCE=folder (over an hour)
	$(BIN)/python benchmarks/cross_validate.py $(SOURCE) build/crossval --recipe default --recipe classic

leaveout: $(READY) ## train on some sources of NIH films, score another: make leaveout SOURCE=folder (three quarters of an hour)
	$(BIN)/python benchmarks/leave_source_out.py $(SOURCE) build/leaveout --seeds 3 --folds 5 --fold-seeds 2

transfer: $(READY) ## train on simulation, score real films: make transfer SOURCE=folder (three quarters of an hour)
	$(BIN)/python benchmarks/transfer.py $(SOURCE) build/transfer --films 8000 --size 96 --epochs 12 --seeds 3 --look

alarms: $(READY) ## how often warnings are right: make alarms SOURCE=folder [ORIGINALS=folder] (ten minutes)
	$(BIN)/python benchmarks/false_alarms.py $(SOURCE) $(if $(ORIGINALS),--originals $(ORIGINALS))

fullsize: $(READY) ## rehearse every command on as many films as NIH has: make fullsize SOURCE=folder WORK=new folder (an hour, 30 GB)
	$(BIN)/python benchmarks/full_size.py $(SOURCE) $(WORK)

weights: $(READY) ## train the weights that come with the library, on simulated films alone (ten minutes)
	$(BIN)/python data/make_weights.py

contact: $(READY) ## simulated films beside real ones (CXR_REAL_DATA), and how well simple classifiers tell them apart
	$(BIN)/python benchmarks/contact_sheet.py build/contact_sheet.png

clean: ## remove the environment and all that was made
	rm -rf $(VENV) build book/_build data/cache *.egg-info
