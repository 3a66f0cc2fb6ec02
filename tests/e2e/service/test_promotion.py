"""A service that asks for a promotion: it serves what was promoted, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from discreet.inference.models import exported_folder
from tests.e2e.service.running import start

LIMITS = 'data = "folder:{data}"\n[latency]\nmax_ms = {max_ms}\n'


def promote(place: Path, candidate: Path, data: Path, max_ms: float) -> int:
    (place / "limits.toml").write_text(LIMITS.format(data=data, max_ms=max_ms))
    command = [sys.executable, "-m", "discreet", "promote", str(candidate), "--over", "m2fp-lite"]
    command += ["--limits", str(place / "limits.toml")]
    return subprocess.run(
        command, env=os.environ | {"DISCREET_STATE": str(place / "state")}, check=False, capture_output=True
    ).returncode


def test_only_what_was_promoted_is_served(tmp_path: Path, picture: bytes, labelled: Path) -> None:
    candidate = shutil.copytree(exported_folder("m2fp-lite"), tmp_path / "candidate")
    public = tmp_path / "state" / "promotion" / "public.pem"
    options = ("--open", "--model", str(candidate), "--promoted-by", str(public))
    assert promote(tmp_path, candidate, labelled, max_ms=1e-3) == 1
    with pytest.raises(AssertionError, match="was held back"):
        start(tmp_path, *options)
    assert promote(tmp_path, candidate, labelled, max_ms=60_000) == 0
    running = start(tmp_path, *options)
    try:
        files = {"file": ("a.jpg", picture, "image/jpeg")}
        assert httpx.post(f"{running.url}/predict", files=files, timeout=60).status_code == 200
    finally:
        assert running.stop() == 0
    record = str(candidate / "promotion.json")
    with pytest.raises(AssertionError, match="speaks of another network"):
        start(tmp_path, "--open", "--model", "m2fp-lite-imagenet", *options[3:], "--promotion", record)
    (candidate / "promotion.json.sig").unlink()
    with pytest.raises(AssertionError, match="cannot be read"):
        start(tmp_path, *options)
    with pytest.raises(AssertionError, match="--promoted-by"):
        start(tmp_path, "--open", "--promotion", str(candidate / "promotion.json"))
