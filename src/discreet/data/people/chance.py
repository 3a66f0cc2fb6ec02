"""One of several, by odds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np

Choice = TypeVar("Choice")


def draw(rng: np.random.Generator, odds: Mapping[Choice, float]) -> Choice:
    """One of the keys, each as often as its number says against the others'."""
    weights = np.array(list(odds.values()))
    return list(odds)[int(rng.choice(len(odds), p=weights / weights.sum()))]
