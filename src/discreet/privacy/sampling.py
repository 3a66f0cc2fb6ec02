"""Poisson sampling: each unit enters each step by a coin of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discreet.errors import PlanError
from discreet.privacy.keys import RunKey

_PURPOSE = "sampling"


@dataclass(frozen=True)
class PoissonSampler:
    """Chooses the units of every step; made by `PrivacyPlan.sampler`.

    **Guarantees**: each unit is included independently, with probability
    floor(q·2⁶⁴)/2⁶⁴ ≤ q, by comparing 64-bit integers of a cryptographic stream. A batch
    may be empty, and the step still happens. The same key and step give the same batch.

    Units are positions in the data set's own order, 0 to num_units - 1: that order must
    stay the same while a run lasts (sort by name), and has no influence on the guarantee.

    Args:
        key: the run's key, *SENSITIVE*.
        num_units: pictures or subjects in the data set, *Public*.
        sample_rate: q in (0, 1], *Public*.
    """

    key: RunKey
    num_units: int
    sample_rate: float

    def __post_init__(self) -> None:
        if self.num_units < 1:
            raise PlanError(f"num_units is {self.num_units}; sampling needs at least 1 unit")
        if not 0 < self.sample_rate <= 1:
            raise PlanError(f"sample_rate is {self.sample_rate}; it must lie above 0 and not above 1")

    def batch(self, step: int) -> NDArray[np.int64]:
        """The units of step `step` (from 0) in ascending order, *SENSITIVE*; it may be empty."""
        if step < 0:
            raise PlanError(f"step is {step}; steps are counted from 0")
        draws = self.key.stream(_PURPOSE, step).uint64(self.num_units)
        return np.flatnonzero(included(draws, self.sample_rate)).astype(np.int64)


def included(draws: NDArray[np.uint64], sample_rate: float) -> NDArray[np.bool_]:
    """Which uniform 64-bit draws fall below floor(q·2⁶⁴): integers, because a float32 draw knows 2⁻²⁴ at best."""
    threshold = int(sample_rate * 2**64)  # scaling by a power of two is exact
    if threshold >= 2**64:
        return np.ones(len(draws), np.bool_)
    return draws < np.uint64(threshold)
