"""Parsers timed in turns, so that all see the same machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from discreet.inference.parser import Parser
from discreet.training.surroundings import Progress


def in_turns(
    parsers: Mapping[str, Parser], pictures: Sequence[NDArray[np.uint8]], rounds: int, progress: Progress
) -> dict[str, float]:
    """Median milliseconds of a picture, by name.

    Args:
        parsers: by name.
        pictures: uint8 RGB [H, W, 3] each. *SENSITIVE*
        rounds: how often each picture is parsed by each.
        progress: shows bars.
    """
    found: dict[str, list[float]] = {name: [] for name in parsers}
    with progress("time", rounds * len(pictures)) as advance:
        for picture in list(pictures) * rounds:
            for name, parser in parsers.items():
                started = time.perf_counter()
                parser.parse(picture)
                found[name].append(1000 * (time.perf_counter() - started))
            advance()
    return {name: statistics.median(times) for name, times in found.items()}
