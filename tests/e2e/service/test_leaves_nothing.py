"""A picture leaves no trace: no file during requests, no pixel, name or metadata in whatever is left afterwards."""

from __future__ import annotations

import ctypes
import ctypes.util
import io
import os
import struct
from collections import Counter, defaultdict
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.e2e.service.running import Running, start, verb

pytestmark = pytest.mark.alone  # other processes' files in shared folders would be seen

CANARY = "canary-4f1b7c0e"
_CREATE, _MODIFY, _MOVED_TO, _Q_OVERFLOW = 0x100, 0x2, 0x80, 0x4000


class FileWatch:
    """Linux' own word on files created or written below some folders (inotify)."""

    def __init__(self, *folders: Path) -> None:
        libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_NONBLOCK)
        assert self._descriptor >= 0
        self._names: dict[int, Path] = {}
        for folder in folders:
            for place in [folder, *(path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink())]:
                watch = libc.inotify_add_watch(self._descriptor, os.fsencode(place), _CREATE | _MODIFY | _MOVED_TO)
                if watch >= 0:
                    self._names[watch] = place

    def seen(self) -> list[str]:
        """Everything since the last call."""
        found: list[str] = []
        while True:
            try:
                content = os.read(self._descriptor, 1 << 20)
            except BlockingIOError:
                return found
            while content:
                watch, mask, _, length = struct.unpack_from("iIII", content)
                assert not mask & _Q_OVERFLOW
                name = content[16 : 16 + length].rstrip(b"\0").decode()
                found.append(str(self._names[watch] / name))
                content = content[16 + length :]

    def close(self) -> None:
        os.close(self._descriptor)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("watched")
    temporary = folder / "tmp"
    temporary.mkdir()
    running = start(folder, "--open", "--rate", "1000000/minute", environment={"TMPDIR": str(temporary)})
    yield running
    running.kill()


def canary_picture(size: int = 96) -> bytes:
    """A JPEG whose pixels, name and metadata can be told from all others."""
    rng = np.random.default_rng(77)
    picture = Image.fromarray(rng.integers(0, 256, (size, size, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x010E] = f"description {CANARY}"
    exif[0x8825] = {1: "N", 2: (48.0, 51.0, 29.0)}
    stream = io.BytesIO()
    picture.save(stream, "PNG", exif=exif, pnginfo=None)
    return stream.getvalue()


def folders(running: Running) -> list[Path]:
    return [running.state, running.home, running.state.parent / "tmp", Path("/var/tmp"), Path("/dev/shm")]


def test_the_watch_sees_a_file_where_there_is_one(tmp_path: Path) -> None:
    watch = FileWatch(tmp_path)
    (tmp_path / "seen").write_bytes(b"x")
    assert watch.seen()[0].endswith("seen")
    watch.close()


def test_a_thousand_requests_create_no_file_but_the_journals(watched: Running, picture: bytes) -> None:
    files = {"small": canary_picture(64), "photograph": picture, "damaged": picture[: len(picture) // 2]}
    large = os.urandom(3_000_000)  # above what frameworks keep in memory
    answers: dict[str, Counter[int]] = defaultdict(Counter)
    watch = FileWatch(*folders(watched))
    with httpx.Client(base_url=watched.url, timeout=60) as client:
        for number in range(1000):
            kind = "photograph" if number % 100 == 0 else "damaged" if number % 7 == 0 else "small"
            answer = client.post("/predict", files={"file": (f"{CANARY}.jpg", files[kind], "image/jpeg")})
            answers[kind][answer.status_code] += 1
            if number % 200 == 0:
                answer = client.post("/predict", files={"file": (f"{CANARY}.jpg", large, "image/jpeg")})
                answers["large"][answer.status_code] += 1
    journal = str(watched.state / "service" / "journal")
    created = [path for path in watch.seen() if not path.startswith(journal)]
    watch.close()
    assert created == []
    # What is turned away at the door could leave nothing.
    assert answers == {"photograph": {200: 10}, "small": {200: 849}, "damaged": {422: 141}, "large": {422: 5}}


def test_workers_could_not_write_if_they_tried(watched: Running) -> None:
    (worker,) = watched.workers()
    limits = Path(f"/proc/{worker}/limits").read_text()
    status = Path(f"/proc/{worker}/status").read_text()
    line = next(line for line in limits.splitlines() if line.startswith("Max file size"))
    assert line.split()[3] == "0"
    assert next(line for line in limits.splitlines() if line.startswith("Max core file size")).split()[4] == "0"
    assert "NoNewPrivs:\t1" in status
    main_limits = Path(f"/proc/{watched.process.pid}/limits").read_text()
    assert next(line for line in main_limits.splitlines() if line.startswith("Max core file size")).split()[4] == "0"


def test_a_canary_is_nowhere_afterwards(watched: Running) -> None:
    content = canary_picture()
    rows = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    traces = [CANARY.encode(), rows[40, :40].tobytes(), content[200:260]]
    with httpx.Client(
        base_url=watched.url, timeout=60, headers={"User-Agent": CANARY, "X-Request-ID": CANARY}
    ) as client:
        answer = client.post(
            f"/predict?{CANARY}", files={"file": (f"{CANARY}.png", content, "image/png")}, headers={"Referer": CANARY}
        )
        assert answer.status_code == 200
        client.post("/predict", files={"file": (f"{CANARY}.png", content[:500], "image/png")})
        client.get(f"/{CANARY}")
        client.request("CANARY", f"/{CANARY}")
        metrics = client.get("/metrics").content
    places = [path for folder in folders(watched) for path in folder.rglob("*") if path.is_file()]
    assert any("journal" in path.parts for path in places), "the search sees the journal"
    told = {str(path): path.read_bytes() for path in places}
    told |= {"the log": "".join(watched.log).encode(), "the metrics": metrics}
    told["the journal's export"] = str(verb_lines(watched)).encode()
    for name, held in told.items():
        for trace in traces:
            assert trace not in held, name


def verb_lines(running: Running) -> list[str]:
    out = running.state.parent / "export.jsonl"
    verb(running, "journal", "export", "--out", str(out))
    lines = out.read_text().splitlines()
    out.unlink()
    assert lines
    return lines
