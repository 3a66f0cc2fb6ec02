"""Refuses to build a package without its page. Everything else is in pyproject.toml."""

from pathlib import Path

from setuptools import setup

if not (Path(__file__).parent / "src/discreet/service/static/index.html").is_file():
    raise SystemExit("the page is not built: src/discreet/service/static/index.html is missing; run `make web`")
setup()
