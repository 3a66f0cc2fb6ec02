"""Intervals and bounds that audits report. No torch.

A bound says: whatever the model does, if it were (ε, δ)-private for a smaller ε, what was seen would be too unlikely.
*Unconditional* ones hold for every mechanism; *conditional* ones for those with a Gaussian trade-off curve. Each has a
ceiling: what a perfect attack would certify with so many trials.

Sources: Clopper and Pearson, Biometrika 1934; Dong, Roth and Su, arXiv 1905.02383; Steinke, Nasr and Jagielski, arXiv
2305.08846 (theorem 5.2); Nasr and others, arXiv 2302.07956; Mahloujifar, Melis and Chaudhuri, arXiv 2410.22235
(algorithm 3).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, binom, chi2, norm

from discreet.errors import ConfigurationError
from discreet.privacy.gaussian import epsilon_of_mu

Interval = tuple[float, float]
_LARGEST_EPSILON = 200.0
_LARGEST_MU = 40.0
_PERMUTATIONS = 20_000


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


def success_with_prior(prior: float, mu: float) -> float:
    """The most that an attacker succeeds with under μ-GDP, who would with `prior` without the model."""
    return float(norm.cdf(norm.ppf(prior) + mu))


def paired_p_value(differences: NDArray[np.float64], seed: int) -> float:
    """Chance that differences [N] have so large a mean if each might as well have the other sign. One-sided.

    By permutation; never below one over the number of permutations.
    """
    signs = 2.0 * np.random.default_rng(seed).integers(0, 2, (_PERMUTATIONS - 1, len(differences)), np.int8) - 1
    # What is equal but for rounding counts as equal.
    slack = 1e-12 * float(np.abs(differences).sum())
    return (1 + int((signs @ differences >= differences.sum() - slack).sum())) / _PERMUTATIONS


def clopper_pearson_epsilon(
    true_positives: int,
    num_members: int,
    false_positives: int,
    num_non_members: int,
    delta: float,
    alpha: float,
) -> float:
    """Unconditional lower bound on ε from an attack at one threshold, fixed before these trials were seen.

    Args:
        true_positives: members that were called members, of `num_members`.
        num_members: independent trials.
        false_positives: non-members that were called members, of `num_non_members`.
        num_non_members: independent trials.
        delta: of the claim.
        alpha: chance that the bound lies above the truth; half of it for each rate.

    Raises:
        ConfigurationError: counts or probabilities are out of range.
    """
    low, high = _cautious_rates(true_positives, num_members, false_positives, num_non_members, delta, alpha)
    return epsilon_from_rates(low, high, delta)


def gdp_epsilon(
    true_positives: int,
    num_members: int,
    false_positives: int,
    num_non_members: int,
    delta: float,
    alpha: float,
) -> float:
    """`clopper_pearson_epsilon`, conditional on a Gaussian trade-off curve, which makes it tighter."""
    low, high = _cautious_rates(true_positives, num_members, false_positives, num_non_members, delta, alpha)
    if low <= high:
        return 0.0
    return epsilon_of_mu(mu_from_rates(low, high), delta)


def one_run_p_value(num_canaries: int, num_guesses: int, num_correct: int, epsilon: float, delta: float) -> float:
    """How likely so many right guesses are at most, if the run is (ε, δ)-private (theorem 5.2)."""
    accuracy = 1 / (1 + math.exp(-epsilon))
    at_least = binom.sf(np.arange(num_correct + 1) - 1, num_guesses, accuracy)  # P[Bin >= j]
    found = float(at_least[num_correct])
    if delta > 0 and num_correct > 0:
        gaps = at_least[num_correct - 1 :: -1] - at_least[num_correct]  # i = 1 … v
        found += 2 * num_canaries * delta * float((gaps / np.arange(1, num_correct + 1)).max())
    return min(1.0, found)


def one_run_epsilon(num_canaries: int, num_guesses: int, num_correct: int, delta: float, confidence: float) -> float:
    """Unconditional lower bound on ε from one training run.

    Args:
        num_canaries: each was in the data with probability ½, by independent coins.
        num_guesses: how many were guessed, in or out; a number fixed before the run.
        num_correct: of these guesses.
        delta: of the claim.
        confidence: that the bound does not lie above the truth.

    Raises:
        ConfigurationError: counts or probabilities are out of range.
    """
    _check_one_run(num_canaries, num_guesses, num_correct, delta, confidence)
    return _largest(
        lambda epsilon: one_run_p_value(num_canaries, num_guesses, num_correct, epsilon, delta) < 1 - confidence,
        _LARGEST_EPSILON,
    )


def one_run_gdp_epsilon(
    num_canaries: int, num_guesses: int, num_correct: int, delta: float, confidence: float
) -> float:
    """`one_run_epsilon`, conditional on a Gaussian trade-off curve, which makes it tighter."""
    _check_one_run(num_canaries, num_guesses, num_correct, delta, confidence)
    mu = _largest(lambda mu: _too_many_correct(num_canaries, num_guesses, num_correct, mu, 1 - confidence), _LARGEST_MU)
    return epsilon_of_mu(mu, delta)


def one_run_ceiling(num_canaries: int, delta: float, confidence: float) -> float:
    """What `one_run_epsilon` says of an attack that guesses right throughout, at the best number of guesses."""
    counts = {max(1, round(num_canaries * 2 ** (-step / 8))) for step in range(8 * 14)}
    return max(one_run_epsilon(num_canaries, count, count, delta, confidence) for count in counts)


def _too_many_correct(num_canaries: int, num_guesses: int, num_correct: int, mu: float, chance: float) -> bool:
    """Whether so many right guesses have less than this chance under μ-GDP (algorithm 3)."""
    right = chance * num_correct / num_canaries
    wrong = chance * (num_guesses - num_correct) / num_canaries
    for index in range(num_correct - 1, -1, -1):
        blown = max(wrong, float(norm.cdf(norm.ppf(right) - mu)))
        if blown == wrong:
            break  # it stays so
        right, wrong = min(right + index / (num_guesses - index) * (blown - wrong), 1.0), blown
    return right + wrong > num_guesses / num_canaries


def _largest(refuted: Callable[[float], bool], limit: float) -> float:
    """The largest number that is refuted, where smaller ones are too; 0 where none is."""
    if not refuted(0.0):
        return 0.0
    low, high = 0.0, limit
    while high - low > 1e-7:
        middle = (low + high) / 2
        low, high = (middle, high) if refuted(middle) else (low, middle)
    return low


def _cautious_rates(
    true_positives: int, num_members: int, false_positives: int, num_non_members: int, delta: float, alpha: float
) -> tuple[float, float]:
    """Lower end of the true positive rate, upper end of the false one, each at half of alpha."""
    for name, count, total in (
        ("true_positives", true_positives, num_members),
        ("false_positives", false_positives, num_non_members),
    ):
        if total < 1 or not 0 <= count <= total:
            raise ConfigurationError(f"{name} is {count} of {total}; give a count between 0 and at least one trial")
    _check_probabilities(delta=delta, alpha=alpha)
    # One-sided ends at alpha / 2 are those of the two-sided interval at 1 - alpha.
    low, _ = clopper_pearson(true_positives, num_members, 1 - alpha)
    _, high = clopper_pearson(false_positives, num_non_members, 1 - alpha)
    return low, high


def _check_one_run(num_canaries: int, num_guesses: int, num_correct: int, delta: float, confidence: float) -> None:
    if not 0 <= num_correct <= num_guesses <= num_canaries or num_guesses < 1:
        raise ConfigurationError(
            f"{num_correct} correct of {num_guesses} guesses on {num_canaries} canaries is impossible; give "
            "0 <= num_correct <= num_guesses <= num_canaries, and at least one guess"
        )
    _check_probabilities(delta=delta, alpha=1 - confidence)


def _check_probabilities(*, delta: float, alpha: float) -> None:
    if not 0 <= delta < 1:
        raise ConfigurationError(f"delta is {delta}; it must lie from 0 to below 1")
    if not 0 < alpha < 1:
        raise ConfigurationError(f"the chance of error is {alpha}; it must lie between 0 and 1, e.g. 0.05")
