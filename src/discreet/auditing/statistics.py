"""Intervals and bounds that audits report. No torch.

Sources: Clopper and Pearson, Biometrika 1934; Dong, Roth and Su, Gaussian Differential Privacy, arXiv 1905.02383.
"""

from __future__ import annotations

import math

from scipy.optimize import brentq
from scipy.stats import beta, chi2, norm

Interval = tuple[float, float]
_LARGEST_EPSILON = 200.0


def clopper_pearson(hits: int, trials: int, confidence: float) -> Interval:
    """Exact two-sided interval of a rate, from `hits` of `trials`."""
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else float(beta.ppf(tail, hits, trials - hits + 1))
    high = 1.0 if hits == trials else float(beta.ppf(1 - tail, hits + 1, trials - hits))
    return low, high


def scale_interval(sum_of_squares: float, count: int, confidence: float) -> Interval:
    """Interval of a normal's standard deviation, its mean known to be 0, from `count` independent draws."""
    tail = (1 - confidence) / 2
    return (
        math.sqrt(sum_of_squares / float(chi2.ppf(1 - tail, count))),
        math.sqrt(sum_of_squares / float(chi2.ppf(tail, count))),
    )


def epsilon_from_rates(true_positive_rate: float, false_positive_rate: float, delta: float) -> float:
    """The least ε at which (ε, δ) allows these rates; 0 where everything allows them. Unconditional."""
    found = 0.0
    if true_positive_rate > delta and false_positive_rate > 0:
        found = math.log((true_positive_rate - delta) / false_positive_rate)
    if 1 - false_positive_rate > delta and true_positive_rate < 1:
        found = max(found, math.log((1 - false_positive_rate - delta) / (1 - true_positive_rate)))
    return max(found, 0.0)


def mu_from_rates(true_positive_rate: float, false_positive_rate: float) -> float:
    """The μ of the Gaussian trade-off curve through these rates."""
    return float(norm.ppf(true_positive_rate) - norm.ppf(false_positive_rate))


def epsilon_of_mu(mu: float, delta: float) -> float:
    """ε at δ of μ-GDP (corollary 2.13); 0 for μ ≤ 0."""
    if mu <= 0:
        return 0.0

    def excess(epsilon: float) -> float:
        left = norm.cdf(-epsilon / mu + mu / 2)
        right = math.exp(epsilon) * norm.cdf(-epsilon / mu - mu / 2)
        return float(left - right) - delta

    return 0.0 if excess(0.0) <= 0 else float(brentq(excess, 0.0, _LARGEST_EPSILON))  # type: ignore[arg-type]
