"""The Flask example, started by Flask's own command, asked by a real client."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]


@pytest.fixture
def page(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", str(ROOT / "examples" / "flask_page.py"), "run", "--port", str(port)],
        env=os.environ | {"TMPDIR": str(tmp_path)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path,
    )  # fmt: skip
    until = time.monotonic() + 60
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{port}/")
            break
        except httpx.ConnectError:
            assert time.monotonic() < until
            time.sleep(0.2)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(10)


def test_it_answers_an_overlay_and_writes_no_upload_to_disk(page: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    stream = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (500, 500, 3), dtype=np.uint8)).save(stream, "PNG")
    assert len(stream.getvalue()) > 500_000  # more than Flask keeps in memory
    before = tmp_path.stat().st_mtime_ns
    answer = httpx.post(f"{page}/predict", files={"file": ("a.png", stream.getvalue())}, timeout=60)
    assert answer.status_code == 200
    assert Image.open(io.BytesIO(answer.content)).size == (500, 500)
    assert tmp_path.stat().st_mtime_ns == before, "a temporary file was made"
