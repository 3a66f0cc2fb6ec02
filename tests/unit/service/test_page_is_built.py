"""The page in the package is whole, keeps to its own rules, and was built from the sources beside it."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
STATIC = ROOT / "src" / "discreet" / "service" / "static"
WEB = ROOT / "web"


def test_it_was_built_from_these_sources() -> None:
    sources = [WEB / name for name in ("index.html", "package-lock.json", "vite.config.ts")]
    sources += [path for path in (WEB / "src").rglob("*") if path.is_file()]
    digest = hashlib.sha256()
    for name, path in sorted((path.relative_to(WEB).as_posix(), path) for path in sources):
        digest.update(name.encode() + b"\0" + path.read_bytes())
    built_from = (STATIC / "built-from.txt").read_text("ascii").strip()
    assert built_from == digest.hexdigest(), "web/ was changed; run `make web`"


def test_every_file_that_it_names_is_there_and_nothing_else() -> None:
    named = {"index.html", "built-from.txt"}
    for path in [STATIC / "index.html", *STATIC.glob("assets/*.js"), *STATIC.glob("assets/*.css")]:
        named |= set(re.findall(r"assets/[\w.-]+\.[a-z]+", path.read_text("utf-8")))
    there = {path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.is_file()}
    assert named == there


def test_nothing_is_inline_and_nothing_comes_from_elsewhere() -> None:
    markup = (STATIC / "index.html").read_text("utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", markup)
    assert not re.search(r"""(?:src|href)=["'](?!/static/)""", markup)


def test_it_stores_nothing() -> None:
    # What could keep something is not even named in the page's own sources.
    stores = re.compile(r"localStorage|sessionStorage|indexedDB|document\.cookie|\bcaches\b|serviceWorker|sendBeacon")
    for path in (WEB / "src").rglob("*.ts"):
        assert not stores.search(path.read_text("utf-8")), path.name


def test_the_lock_file_names_no_registry() -> None:
    text = (WEB / "package-lock.json").read_text("utf-8")
    assert '"integrity": "sha512-' in text
    assert '"resolved"' not in text
    assert "registry" not in text


@pytest.mark.parametrize("built", [True, False])
def test_no_package_is_built_without_it(tmp_path: Path, built: bool) -> None:
    shutil.copy(ROOT / "setup.py", tmp_path)
    if built:
        (tmp_path / "src/discreet/service/static").mkdir(parents=True)
        (tmp_path / "src/discreet/service/static/index.html").touch()
    words = [sys.executable, "-W", "ignore", "setup.py", "--version"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == built
    assert built or "make web" in done.stderr
