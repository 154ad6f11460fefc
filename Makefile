PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt

.PHONY: help quickstart install test test-all test-space lint format bench clean

help:            ## 이 목록
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*##/\t/'

quickstart: $(VENV)/.quickstart   ## 설치하고, 캐릭터 하나를 끝까지 만든다 (열쇠·GPU·허브 없이)
	$(BIN)/exagirl run quickstart

install: $(VENV)/.all             ## 모든 부분을 설치한다

test: $(VENV)/.all                ## 모든 시험 (진짜 모델을 쓰는 느린 시험은 빼고)
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not slow and not gpu and not live and not space"

test-all: $(VENV)/.all            ## 느린 시험까지
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not gpu and not live and not space"

test-space: $(VENV)/.all          ## Space가 빈 환경에서 서는지 (torch를 새로 받는다)
	$(BIN)/python -m pytest -m space tests/publish/test_space.py

lint: $(VENV)/.all                ## 모양, 형식, 층
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

format: $(VENV)/.all              ## 코드를 다듬는다
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

bench: $(VENV)/.all               ## 재는 것들 (결과는 benchmarks/RESULTS.md에)
	$(BIN)/python benchmarks/korean.py
	$(BIN)/python benchmarks/corpus.py
	$(BIN)/python benchmarks/generation.py
	$(BIN)/python benchmarks/quickstart.py

clean:           ## 만든 것들을 지운다 (runs/는 남긴다)
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache

# A stamp stands only where an install went through; a broken one is repaired by the same command.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.quickstart: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[quickstart,demo]'
	@touch $@

$(VENV)/.all: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[all]'
	@touch $@ $(VENV)/.quickstart
