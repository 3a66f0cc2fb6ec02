"""Lower bounds on ε from an attack's scores, each with its ceiling. No torch.

A threshold that is chosen on the trials it is tested on reports leaks that are not there: with the best of 25, a fifth
of all audits of harmless models would. So the trials are halved by lot; one half chooses, the other one counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discreet.auditing.curves import Scores, at_threshold
from discreet.auditing.statistics import (
    clopper_pearson_epsilon,
    gdp_epsilon,
    one_run_epsilon,
    one_run_gdp_epsilon,
)

GAUSSIAN = "the trade-off curve is a Gaussian one"
_NUM_THRESHOLDS = 25


@dataclass(frozen=True)
class Bound:
    """What an attack shows of ε at least.

    Args:
        method: how it was found.
        conditional: on what; empty for a bound that always holds.
        epsilon_lower_bound: at the confidence asked for.
        epsilon_ceiling: what a perfect attack would have shown with as many trials.
    """

    method: str
    conditional: str
    epsilon_lower_bound: float
    epsilon_ceiling: float


def bounds_of(members: Scores, non_members: Scores, delta: float, alpha: float, seed: int) -> list[Bound]:
    """Clopper–Pearson, and Gaussian.

    Args:
        members: scores of independent trials, at least two. *SENSITIVE*
        non_members: likewise.
        delta: of the claim.
        alpha: chance that a bound lies above the truth.
        seed: of the halving.
    """
    rng = np.random.default_rng(seed)
    choose_in, count_in = _halves(members, rng)
    choose_out, count_out = _halves(non_members, rng)
    threshold = _best_threshold(choose_in, choose_out, delta, alpha)
    seen = at_threshold(count_in, count_out, threshold, 1 - alpha)
    counts = (seen.true_positives, seen.num_members, seen.false_positives, seen.num_non_members)
    perfect = (seen.num_members, seen.num_members, 0, seen.num_non_members)
    return [
        Bound(name, conditional, find(*counts, delta, alpha), find(*perfect, delta, alpha))
        for name, conditional, find in (
            ("Clopper–Pearson", "", clopper_pearson_epsilon),
            ("Gaussian", GAUSSIAN, gdp_epsilon),
        )
    ]


def one_run_bounds(
    scores: Scores, is_inside: NDArray[np.bool_], num_guesses: int, delta: float, alpha: float
) -> list[Bound]:
    """Bounds from canaries that coins of ½ let in: the surest are guessed "in", the least sure "out".

    Args:
        scores: of all canaries, found without looking at the coins. *SENSITIVE*
        is_inside: how the coins fell. *SENSITIVE*
        num_guesses: fixed before the run; half of them "in".
        delta: of the claim.
        alpha: chance that a bound lies above the truth.
    """
    order = np.argsort(scores, kind="stable")
    half = num_guesses // 2
    correct = int(is_inside[order[len(order) - half :]].sum() + (~is_inside[order[:half]]).sum())
    return [
        Bound(name, conditional, find(len(scores), 2 * half, correct, delta, 1 - alpha),
              find(len(scores), 2 * half, 2 * half, delta, 1 - alpha))
        for name, conditional, find in (
            ("one run, canaries", "", one_run_epsilon),
            ("one run, canaries, Gaussian", GAUSSIAN, one_run_gdp_epsilon),
        )
    ]  # fmt: skip


def _best_threshold(members: Scores, non_members: Scores, delta: float, alpha: float) -> float:
    """Of evenly spread ones, the one with the largest bound; the middle where none bounds anything."""
    everything = np.concatenate([members, non_members])
    thresholds = np.quantile(everything, np.linspace(0.02, 0.98, _NUM_THRESHOLDS))
    found = []
    for threshold in thresholds:
        seen = at_threshold(members, non_members, float(threshold), 1 - alpha)
        counts = (seen.true_positives, seen.num_members, seen.false_positives, seen.num_non_members)
        found.append(gdp_epsilon(*counts, delta, alpha))
    best = int(np.argmax(found)) if max(found) > 0 else len(thresholds) // 2
    return float(thresholds[best])


def _halves(scores: Scores, rng: np.random.Generator) -> tuple[Scores, Scores]:
    """Two halves by lot."""
    order = rng.permutation(len(scores))
    middle = len(scores) // 2
    return scores[order[:middle]], scores[order[middle:]]
