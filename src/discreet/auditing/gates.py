"""How certain each statement of an audit must be, so that the whole audit errs as seldom as it says. No torch."""

from __future__ import annotations

import math

from discreet.errors import ConfigurationError


def gate_alpha(alpha: float, num_gates: int) -> float:
    """The chance of error of each of several gates, so that any of them errs with `alpha` at most (Bonferroni)."""
    if num_gates < 1:
        raise ConfigurationError(f"an audit has at least one gate, not {num_gates}")
    return alpha / num_gates


def spent_alpha(alpha: float, audit: int) -> float:
    """What the `audit`-th of a series without end may err with, so that all of them together err with `alpha` at most.

    Shares fall as 1/k², whose sum over all k is π²/6: no audit needs to know how many will follow.
    """
    if audit < 1:
        raise ConfigurationError(f"audits are counted from 1, not from {audit}")
    return alpha * 6 / (math.pi * audit) ** 2
