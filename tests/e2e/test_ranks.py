"""One run by two real processes under torchrun, over loopback: the same run as by one."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.e2e.conftest import Discreet, environment
from tests.e2e.test_killed_runs import ledger_steps, released_steps, spent, train_words

ROOT = Path(__file__).parents[2]
TORCHRUN = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", "--local-addr", "127.0.0.1"]
STEPS = ["-m", "tests.e2e.shared_steps"]


def command(words: list[str], state: Path, processes: int = 2) -> tuple[list[str], dict[str, str]]:
    """A program by one process or by two, and its environment."""
    torchrun = TORCHRUN if processes == 2 else []
    return [sys.executable, *torchrun, *words], {**environment(state), "GLOO_SOCKET_IFNAME": "lo"}


def run_program(words: list[str], state: Path, processes: int = 2) -> subprocess.CompletedProcess[str]:
    line, surrounding = command(words, state, processes)
    return subprocess.run(line, capture_output=True, text=True, timeout=300, env=surrounding, cwd=ROOT)


@pytest.fixture(scope="module")
def steps(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of the same steps, by one process, by two, and by two that both add noise."""
    folders: dict[str, Path] = {}
    for name, processes, fault in (("one", 1, []), ("two", 2, []), ("fault", 2, ["noise-everywhere"])):
        folders[name] = tmp_path_factory.mktemp(name)
        done = run_program([*STEPS, str(pictures), str(folders[name]), *fault], folders[name], processes)
        assert done.returncode == 0, done.stderr
    return folders


def told(folder: Path, rank: int, what: str) -> dict[str, object]:
    return json.loads((folder / f"rank-{rank}.json").read_text())[what]


def check_same_weights(folder: Path, expected: Path) -> None:
    weights = load_file(expected / "weights")
    for name, values in load_file(folder / "weights").items():
        np.testing.assert_allclose(values, weights[name], rtol=0, atol=1e-6, err_msg=name)


def test_one_draw_is_split(steps: dict[str, Path]) -> None:
    alone = told(steps["one"], 0, "units")
    first, second = (told(steps["two"], rank, "units") for rank in (0, 1))
    assert any(second.values())
    for step, units in alone.items():
        assert sorted(first[step] + second[step]) == units  # type: ignore[operator]


def test_one_noise_is_made_once(steps: dict[str, Path]) -> None:
    first, second = (told(steps["two"], rank, "noise") for rank in (0, 1))
    assert first
    assert second
    assert not first.keys() & second.keys()
    assert first | second == told(steps["one"], 0, "noise")


def test_two_processes_come_to_the_weights_of_one(steps: dict[str, Path]) -> None:
    check_same_weights(steps["two"], steps["one"])


def test_nothing_of_the_connection_outlives_its_end(steps: dict[str, Path]) -> None:
    """Its threads abort a process in which they still run as Python leaves."""
    assert [told(steps["two"], rank, "threads_left") for rank in (0, 1)] == [[], []]


def test_fault_17_the_same_noise_on_every_rank_is_seen(steps: dict[str, Path]) -> None:
    with pytest.raises(AssertionError):
        check_same_weights(steps["fault"], steps["one"])


def test_processes_with_other_pictures_do_not_begin(
    run_toml: Path, tmp_path: Path, pictures: Path, state: Path
) -> None:
    """One picture fewer, and units would be counted otherwise: some would be summed by both."""
    shutil.copytree(pictures / "train", tmp_path / "older")
    for kind, ending in (("images", "jpg"), ("parts", "png"), ("persons", "png")):
        (tmp_path / "older" / kind / f"000.{ending}").unlink()
    words = [str(word) for word in train_words(run_toml, tmp_path / "run")]
    script = tmp_path / "run.py"
    script.write_text(
        "import os, sys\nfrom discreet.cli.main import main\n"
        f"more = ['--set', 'data.train=folder:{tmp_path / 'older'}'] if os.environ['RANK'] == '1' else []\n"
        f"sys.exit(main({words!r} + more))\n"
    )
    done = run_program([str(script)], state)
    assert done.returncode != 0
    assert "other pictures than the one that leads" in done.stderr


def rank_pids(parent: int, rank: int) -> Iterator[int]:
    """Children of a process that torchrun has numbered so."""
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        with contextlib.suppress(OSError):
            if f"RANK={rank}".encode() in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
                yield int(child)


def test_a_lost_process_stops_all_and_the_run_goes_on_to_the_same_end(
    run_toml: Path, tmp_path: Path, state: Path, discreet: Discreet
) -> None:
    words = ["-m", "discreet", *train_words(run_toml, tmp_path / "whole")]
    whole = run_program(words, state)
    assert whole.returncode == 0, whole.stderr
    said = json.loads(whole.stdout)
    assert len(whole.stdout.splitlines()) == 1, "one process speaks"
    assert said["num_steps"] == 12

    killed, killed_state = tmp_path / "killed", tmp_path / "killed-state"
    line, surrounding = command(["-m", "discreet", *train_words(run_toml, killed)], killed_state)
    with subprocess.Popen(line, env=surrounding, cwd=ROOT, stdout=subprocess.DEVNULL) as running:
        until = time.monotonic() + 120
        run_id = ""
        while not run_id or released_steps(killed_state, run_id) < 3:
            assert time.monotonic() < until
            time.sleep(0.02)
            with contextlib.suppress(OSError, ValueError):
                run_id = json.loads((killed / "run.json").read_text())["run_id"]
        (follower,) = rank_pids(running.pid, 1)
        os.kill(follower, signal.SIGKILL)
        assert running.wait(timeout=60) != 0
    assert not (killed / "model.safetensors").exists()
    assert 3 <= released_steps(killed_state, run_id) <= ledger_steps(killed_state, run_id) < 12

    alone = subprocess.run(
        [sys.executable, "-m", "discreet", *train_words(run_toml, killed, "--resume")],
        capture_output=True,
        text=True,
        env=environment(killed_state),
    )
    assert alone.returncode == 1
    assert "started by 2" in alone.stderr

    resumed = run_program(["-m", "discreet", *train_words(run_toml, killed, "--resume")], killed_state)
    assert resumed.returncode == 0, resumed.stderr
    assert spent(killed_state) == spent(state) > 0
    weights, expected = load_file(killed / "model.safetensors"), load_file(tmp_path / "whole" / "model.safetensors")
    for name, values in expected.items():
        np.testing.assert_array_equal(weights[name], values, err_msg=name)
    assert list((killed_state / "runs").iterdir()) == []


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def test_without_torchrun_watching_each_says_that_another_was_lost(
    run_toml: Path, tmp_path: Path, state: Path, free_port: int
) -> None:
    """As between machines, where nobody ends the others."""
    line, surrounding = command(["-m", "discreet", *train_words(run_toml, tmp_path / "run")], state, processes=1)
    together = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port)}

    def begin(rank: int) -> subprocess.Popen[str]:
        known = {**surrounding, **together, "RANK": str(rank)}
        return subprocess.Popen(line, env=known, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    with begin(0) as leader, begin(1) as follower:
        until = time.monotonic() + 120
        while not list((state / "runs").glob("*/checkpoint.safetensors")):
            assert time.monotonic() < until
            time.sleep(0.02)
        follower.kill()
        assert leader.wait(timeout=60) == 1
        assert leader.stderr
        assert "another process of this run has ended" in leader.stderr.read()


def test_an_environment_of_nobody(run_toml: Path, tmp_path: Path, state: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "discreet", *train_words(run_toml, tmp_path / "run")],
        capture_output=True,
        text=True,
        env={**environment(state), "WORLD_SIZE": "2"},
    )
    assert done.returncode == 1
    assert "torchrun" in done.stderr
    assert not (tmp_path / "run").exists()
