.PHONY: demo up test test-long check bench docs clean

demo: ; @bin/demo
up: ; @bin/up
# Four at a time, for many wait; each has databases of its own. The browser's files stay last: its loop bars Django from the thread.
test: ; @bin/test -m "not long" -n 4 --no-loadscope-reorder
test-long: ; @bin/test
check: ; @bin/check
bench: ; @bin/setup && .venv/bin/python -m bench
docs: ; @bin/setup && .venv/bin/python -m pytest -q tests/house/test_documents.py
clean: ; @rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache staticfiles build; find . -name __pycache__ -prune -exec rm -rf {} +
