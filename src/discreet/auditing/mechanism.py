"""Does the mechanism do what its plan says? Told from canaries whose gradients are known. No torch.

Each canary is a unit of its own whose clipped gradient is one coordinate, C long; no two share a coordinate. Half of
them are in the data. What the run releases at a canary's coordinate, in units of C, is b + σ·normal for a member, with
a coin b of probability q a step, and σ·normal for the others: each coordinate is a run of the mechanism by itself.

Four questions, each at the confidence asked for:
  - **noise**: the χ² interval of σ from the coordinates of non-members holds the stated σ, and not 0.9 σ;
  - **contribution**: the interval of a member's mean contribution holds q: a unit counts once, and as long as C;
  - **sampling**: coins are independent. The interval of the variance of a member's sum over steps holds
    T·(σ² + q(1−q)), and that of the covariance of its contributions to two steps of one epoch holds 0: where batches
    are cut from a permutation, who came once does not come again, and it is −q². (No canary sees that all batches have
    the same size: each one's coins are independent then, too. The sampler's own tests look at sizes.)
  - **attack**: scored by the exact likelihood ratio, members are told from non-members as well as the mechanism allows,
    and no better: the ε of the Gaussian trade-off curve through the rates' cautious ends is at least 60 % of the stated
    one, and not above it. (Conditional on that family of curves; the unconditional bound is told beside it.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from discreet.auditing.statistics import (
    Interval,
    clopper_pearson,
    epsilon_from_rates,
    mu_from_rates,
    scale_interval,
)
from discreet.privacy.gaussian import epsilon_of_mu

CONFIDENCE = 0.999
LEAST_SHARE = 0.6
SHORT_NOISE = 0.9

Seen = NDArray[np.float64]


@dataclass(frozen=True)
class Stated:
    """What a run says of its mechanism. *Public*

    Args:
        epsilon, delta: of the whole run.
        noise_multiplier: σ over the sensitivity.
        sensitivity_over_norm: the sensitivity over C.
        sample_rate: q.
    """

    epsilon: float
    delta: float
    noise_multiplier: float
    sensitivity_over_norm: float
    sample_rate: float

    @property
    def sigma(self) -> float:
        """Standard deviation of the noise in units of C."""
        return self.noise_multiplier * self.sensitivity_over_norm


@dataclass(frozen=True)
class MechanismVerdict:
    """What the canaries say; intervals at CONFIDENCE.

    Args:
        sigma: interval of the noise's standard deviation, in units of C.
        contribution: interval of a member's mean contribution to a step, in units of C.
        variance: interval of the variance of a member's sum over all steps, over what it should be.
        covariance: interval of the covariance of a member's contributions to two steps of one epoch, in units of C².
        conditional_epsilon: lower bound, if the trade-off curve is a Gaussian one.
        unconditional_epsilon: lower bound, whatever the curve.
        failed: names of the questions that were answered no.
    """

    sigma: Interval
    contribution: Interval
    variance: Interval
    covariance: Interval
    conditional_epsilon: float
    unconditional_epsilon: float
    failed: tuple[str, ...]


def likelihood_ratios(seen: Seen, sigma: float, sample_rate: float) -> NDArray[np.float64]:
    """Σ over steps of log(1 − q + q·exp((z − ½)/σ²)), of each row of [canaries, steps]: the best score there is."""
    return np.logaddexp(
        math.log1p(-sample_rate) if sample_rate < 1 else -math.inf,
        math.log(sample_rate) + (seen - 0.5) / sigma**2,
    ).sum(1)


def judge(members: Seen, others: Seen, stated: Stated, confidence: float = CONFIDENCE) -> MechanismVerdict:
    """Hold what was released at the canaries' coordinates against what was stated.

    Args:
        members: [canaries, steps], of those in the data, in units of C. *SENSITIVE* no more than the release is.
        others: [canaries, steps], of those that are not.
        stated: by the run.
        confidence: of every interval.
    """
    num_steps, q = members.shape[1], stated.sample_rate
    sigma = scale_interval(float(np.square(others).sum()), others.size, confidence)
    sums = members.sum(1)
    contribution = _mean_interval(sums / num_steps, confidence)
    expected = num_steps * (stated.sigma**2 + q * (1 - q))
    spread = scale_interval(float(np.square(sums - sums.mean()).sum()), len(sums) - 1, confidence)
    variance = (spread[0] ** 2 / expected, spread[1] ** 2 / expected)
    covariance = _covariance(members, q, confidence)
    conditional, unconditional = _bounds(members, others, stated, confidence)
    answers = {
        "noise": sigma[0] <= stated.sigma <= sigma[1] and not sigma[0] <= SHORT_NOISE * stated.sigma <= sigma[1],
        "contribution": contribution[0] <= q <= contribution[1],
        "sampling": variance[0] <= 1.0 <= variance[1] and covariance[0] <= 0.0 <= covariance[1],
        "attack": LEAST_SHARE * stated.epsilon <= conditional <= stated.epsilon,
    }
    failed = tuple(name for name, good in answers.items() if not good)
    return MechanismVerdict(sigma, contribution, variance, covariance, conditional, unconditional, failed)


def _covariance(members: Seen, sample_rate: float, confidence: float) -> Interval:
    """Of a member's contributions to two steps of one epoch; all that coins can have where an epoch is one step."""
    num_canaries, num_steps = members.shape
    per_epoch = min(round(1 / sample_rate), num_steps)
    if per_epoch < 2:
        return -1.0, 1.0
    whole = members[:, : num_steps // per_epoch * per_epoch]
    epochs = whole.reshape(num_canaries, -1, per_epoch) - sample_rate
    of_pairs = np.square(epochs.sum(2)) - np.square(epochs).sum(2)
    return _mean_interval(of_pairs.ravel() / (per_epoch * (per_epoch - 1)), confidence)


def _mean_interval(values: NDArray[np.float64], confidence: float) -> Interval:
    """Of the mean that many independent values have."""
    room = float(norm.ppf(0.5 + confidence / 2)) * float(values.std(ddof=1)) / math.sqrt(len(values))
    return float(values.mean()) - room, float(values.mean()) + room


def _bounds(members: Seen, others: Seen, stated: Stated, confidence: float) -> tuple[float, float]:
    """ε from the rates at one threshold, fixed beforehand: conditional on a Gaussian curve, and unconditional."""
    inside, outside = (likelihood_ratios(seen, stated.sigma, stated.sample_rate) for seen in (members, others))
    both = 1 - (1 - confidence) / 2  # two rates, one statement
    low, _ = clopper_pearson(int((inside > 0).sum()), len(inside), both)
    _, high = clopper_pearson(int((outside > 0).sum()), len(outside), both)
    if low <= high:
        return 0.0, 0.0
    return epsilon_of_mu(mu_from_rates(low, high), stated.delta), epsilon_from_rates(low, high, stated.delta)
