"""The Gaussian mechanism's own curve: ε, δ and μ of μ-GDP (Dong, Roth and Su, arXiv 1905.02383). No torch."""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy.optimize import brentq  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType] -- none
from scipy.special import log_ndtr, ndtr  # pyright: ignore[reportMissingTypeStubs] -- scipy has none


def epsilon_of_mu(mu: float, delta: float) -> float:
    """ε at δ of μ-GDP (corollary 2.13); 0 for μ ≤ 0."""
    if mu <= 0:
        return 0.0

    def excess(epsilon: float) -> float:
        left = float(ndtr(-epsilon / mu + mu / 2))
        right = math.exp(epsilon + float(log_ndtr(-epsilon / mu - mu / 2)))
        return left - right - delta

    # Beyond it, not even δ = 1e-300 is left.
    return 0.0 if excess(0.0) <= 0 else _root(excess, 0.0, mu * mu / 2 + 40 * mu)


def mu_of_epsilon(epsilon: float, delta: float) -> float:
    """The μ whose Gaussian curve goes through (ε, δ), δ above 0 and ε at least 0."""
    # of such a μ ε is above μ²/2 - 3μ, even at δ = 0.998
    largest = 40.0 + 2 * math.sqrt(2 * epsilon)
    return _root(lambda mu: epsilon_of_mu(mu, delta) - epsilon, 1e-9, largest)


def _root(of: Callable[[float], float], low: float, high: float) -> float:
    """Where it changes its sign."""
    return float(brentq(of, low, high))  # type: ignore[arg-type]
