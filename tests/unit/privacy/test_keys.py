"""A run's key is secret, its own, and gone when the run ends."""

from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path

import pytest

from discreet.errors import RunKeyError
from discreet.privacy.keys import KEY_FILE, RunKey


def draws(key: RunKey, step: int = 0) -> list[int]:
    return key.stream("noise", step, "weight").uint64(4).tolist()


def test_a_stored_key_is_the_same_after_loading_and_nobody_elses(tmp_path: Path) -> None:
    key = RunKey.create(tmp_path / "run")
    assert draws(RunKey.load(tmp_path / "run")) == draws(key)
    assert draws(RunKey.create(tmp_path / "other")) != draws(key)
    assert not key.is_test
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "run" / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path / "run") == [KEY_FILE]


def test_a_test_key_is_repeatable_and_says_so(tmp_path: Path) -> None:
    assert draws(RunKey.for_tests(3)) == draws(RunKey.create(tmp_path, test_seed=3)) == draws(RunKey.load(tmp_path))
    assert RunKey.for_tests(3).is_test
    assert RunKey.load(tmp_path).is_test
    assert draws(RunKey.for_tests(4)) != draws(RunKey.for_tests(3))


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o777])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    RunKey.create(tmp_path / "run")
    (tmp_path / "run" / KEY_FILE).chmod(mode)
    with pytest.raises(RunKeyError, match="0600"):
        RunKey.load(tmp_path / "run")


def test_a_folder_that_others_can_write_to_and_a_link_are_refused(tmp_path: Path) -> None:
    RunKey.create(tmp_path / "run")
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / KEY_FILE).symlink_to(tmp_path / "run" / KEY_FILE)
    with pytest.raises(RunKeyError, match="plain file"):
        RunKey.load(tmp_path / "link")
    (tmp_path / "run").chmod(0o777)
    with pytest.raises(RunKeyError, match="700"):
        RunKey.load(tmp_path / "run")


def test_a_second_key_for_a_run_is_refused(tmp_path: Path) -> None:
    key = RunKey.create(tmp_path)
    with pytest.raises(RunKeyError, match="resume"):
        RunKey.create(tmp_path)
    assert draws(RunKey.load(tmp_path)) == draws(key)


def test_missing_and_damaged_keys_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunKeyError, match="missing"):
        RunKey.load(tmp_path)
    RunKey.create(tmp_path)
    path = tmp_path / KEY_FILE
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RunKeyError, match="whole"):
        RunKey.load(tmp_path)


def test_a_destroyed_key_is_overwritten_gone_and_useless(tmp_path: Path) -> None:
    key = RunKey.create(tmp_path)
    secret = (tmp_path / KEY_FILE).read_bytes()
    os.link(tmp_path / KEY_FILE, tmp_path / "the same cells")
    key.destroy()
    key.destroy()
    assert os.listdir(tmp_path) == ["the same cells"]
    overwritten = (tmp_path / "the same cells").read_bytes()
    assert len(overwritten) == len(secret)
    assert overwritten != secret
    for use in (lambda: key.identity, lambda: draws(key), lambda: RunKey.load(tmp_path)):
        with pytest.raises(RunKeyError):
            use()


def test_a_key_never_shows_and_never_travels(tmp_path: Path) -> None:
    key = RunKey.create(tmp_path)
    secret = (tmp_path / KEY_FILE).read_bytes()[-32:]
    for shown in (repr(key), str(key), f"{key}", key.identity):
        assert secret.hex()[:8] not in shown
    for travel in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(RunKeyError, match="never copied"):
            travel(key)


def test_the_identity_names_a_key() -> None:
    assert RunKey.for_tests(1).identity == RunKey.for_tests(1).identity != RunKey.for_tests(2).identity


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(RunKeyError, match="32"):
        RunKey(b"short", is_test=True)
