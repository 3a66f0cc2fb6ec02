"""What a run needs besides its settings."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from discreet.training.ranks import ALONE, Ranks


class Progress(Protocol):
    """Shows a bar: (description, total, done) → advance(n, **shown)."""

    def __call__(self, description: str, total: int, done: int = 0) -> AbstractContextManager[Callable[..., None]]: ...


@contextmanager
def silent(description: str, total: int, done: int = 0) -> Generator[Callable[..., None]]:
    """No bar."""
    yield lambda n=1, **shown: None


@dataclass(frozen=True)
class Surroundings:
    """What a run needs besides its settings.

    Args:
        state: the state folder; never handed out.
        init: folder of the public start, or None for random weights.
        teachers: run ids that the labels come from; weights that learn them carry these ids on.
        progress: shows bars.
        should_stop: asked after each step.
        test_seed: a key that anyone can guess instead of a secret one; the run is then not private.
        ranks: the processes that take the steps together.
        note: given what is worth knowing before the steps, a line each; the leader's alone is heard.
    """

    state: Path
    init: Path | None = None
    teachers: tuple[str, ...] = ()
    progress: Progress = silent
    should_stop: Callable[[], bool] = lambda: False
    test_seed: int | None = None
    ranks: Ranks = ALONE
    note: Callable[[str], object] = lambda text: None
