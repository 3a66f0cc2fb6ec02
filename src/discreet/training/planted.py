"""Canaries: units of the data set that a coin each lets into a run, or leaves out, so that an audit can guess.

Who was let in by a coin of ½ is what bounds from one run are about (Steinke, Nasr and Jagielski, arXiv 2305.08846). The
coins are as private as the data. They lie in the state folder beside the ledger, and stay there after the run.
"""

from __future__ import annotations

import json
import random
import secrets
from dataclasses import dataclass
from pathlib import Path

from discreet.errors import RunKeyError
from discreet.privacy.secret_files import read_secret, write_secret


@dataclass(frozen=True)
class Planted:
    """The canaries of one run. *SENSITIVE*

    Args:
        inside: units that were let in, in ascending order.
        outside: units that were left out.
        num_guesses: that an audit will make, half of them "in"; fixed before the run.
    """

    inside: tuple[int, ...]
    outside: tuple[int, ...]
    num_guesses: int


def plant(state: Path, run_id: str, num_units: int, count: int, test_seed: int | None = None) -> Planted:
    """Draw canaries and throw their coins; where that was done before, what came of it.

    Args:
        state: the state folder.
        run_id: of the run.
        num_units: of the data set.
        count: how many canaries, of as many units at least.
        test_seed: coins that anyone can guess, for tests.

    Raises:
        RunKeyError: the file of earlier coins is damaged, or within others' reach.
    """
    known = read_planted(state, run_id)
    if known is not None:
        return known
    coins = secrets.SystemRandom() if test_seed is None else random.Random(test_seed)  # noqa: S311  (known to be weak)
    chosen = sorted(coins.sample(range(num_units), count))
    inside = [unit for unit in chosen if coins.getrandbits(1)]
    outside = sorted(set(chosen) - set(inside))
    content = {"inside": inside, "outside": outside, "num_guesses": count // 4 * 2}
    write_secret(_path(state, run_id), json.dumps(content).encode())
    return Planted(tuple(inside), tuple(outside), count // 4 * 2)


def read_planted(state: Path, run_id: str) -> Planted | None:
    """The canaries of a run, if it has any.

    Raises:
        RunKeyError: their file is damaged, or within others' reach.
    """
    path = _path(state, run_id)
    if not path.exists():
        return None
    try:
        content = json.loads(read_secret(path, RunKeyError))
        return Planted(tuple(content["inside"]), tuple(content["outside"]), int(content["num_guesses"]))
    except (ValueError, KeyError, TypeError):
        raise RunKeyError(f"{path} is damaged: who was let in is not known any more; train anew") from None


def _path(state: Path, run_id: str) -> Path:
    return state / "canaries" / f"{run_id}.json"
