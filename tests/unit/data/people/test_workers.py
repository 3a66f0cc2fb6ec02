"""Two workers, interrupted and killed: nobody is left behind, and the set can be taken up again."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from discreet.data.people import generate_people
from discreet.data.people.workers import work_off
from discreet.errors import DataError

COUNT, SIZE = 24, 64
STYLES = "studio,home"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The set that nobody interrupted."""
    out = tmp_path_factory.mktemp("whole") / "set"
    generate_people(out, style=STYLES, count=COUNT, size_px=SIZE, seed=0)
    return out


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """`discreet people` with two workers in a group of its own, with at least one picture written."""
    words = ["--count", str(COUNT), "--size", str(SIZE), "--style", "studio", "--style", "home", "--workers", "2"]
    command = [sys.executable, "-m", "discreet", "people", *words, "--face-masks", "0", "--out", str(tmp_path / "set")]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=_hear_interrupts
    )
    _until(lambda: any((tmp_path / "set" / "images").glob("0*.jpg")))
    yield process
    if _group(process.pid):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def _hear_interrupts() -> None:
    """A shell's background jobs, as these tests may be, ignore Ctrl-C, and their children with them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def _group(number: int) -> list[int]:
    """The living processes of a group."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == number and fields[0] != "Z":
            found.append(int(status.parent.name))
    return found


def _resumes(folder: Path, whole: Path) -> None:
    assert not (folder / "labels.json").exists()
    options = json.loads((folder / "people.json").read_text())
    assert options["style"] == STYLES
    before = len(list(folder.glob("images/0*.jpg")))
    ticks: list[int] = []
    generate_people(
        folder, style=STYLES, count=COUNT, size_px=SIZE, seed=0, workers=2, resume=True, progress=ticks.append
    )
    assert 1 <= ticks[0] <= before < COUNT
    assert sum(ticks) == COUNT
    made, wanted = (
        {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
        for out in (folder, whole)
    )
    assert made == wanted


def test_an_interrupt_is_one_line_and_leaves_nobody(
    running: subprocess.Popen[str], tmp_path: Path, whole: Path
) -> None:
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 1
    assert "--resume goes on" in said
    assert "Traceback" not in said
    _until(lambda: _group(running.pid) == [], 20)
    assert not list((tmp_path / "set").rglob(".*"))
    _resumes(tmp_path / "set", whole)


def test_workers_do_not_outlive_a_killed_parent(running: subprocess.Popen[str], tmp_path: Path, whole: Path) -> None:
    os.kill(running.pid, signal.SIGKILL)
    running.wait(timeout=60)
    _until(lambda: _group(running.pid) == [], 20)
    _resumes(tmp_path / "set", whole)


def test_a_killed_worker_is_told() -> None:
    with pytest.raises(DataError, match=r"killed.*--resume"):
        list(work_off(_end, range(3), 2))


def _end(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
