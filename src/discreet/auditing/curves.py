"""How well scores tell members from non-members: the curve, the area under it, and points on it. No torch.

A score is higher where membership is likelier. Scores are of independent trials (pictures, or subjects), not of pixels.

Sources: DeLong, DeLong and Clarke-Pearson, Biometrics 1988; Carlini and others, arXiv 2112.03570 (what to report).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm, rankdata

from discreet.auditing.statistics import Interval, clopper_pearson

Scores = NDArray[np.float64]

# No false positive among N shows a rate of 3/N at best, at 95 %.
RULE_OF_THREE = 3


@dataclass(frozen=True)
class OperatingPoint:
    """The attack at one threshold. Counts, and exact intervals of both rates.

    Args:
        false_positive_rate: that was asked for; at most so many non-members lie above the threshold.
        true_positives, num_members: members above it.
        false_positives, num_non_members: non-members above it.
        true_positive_interval, false_positive_interval: Clopper–Pearson.
    """

    false_positive_rate: float
    true_positives: int
    num_members: int
    false_positives: int
    num_non_members: int
    true_positive_interval: Interval
    false_positive_interval: Interval

    @property
    def true_positive_rate(self) -> float:
        """As counted."""
        return self.true_positives / self.num_members


def area_under_curve(members: Scores, non_members: Scores, confidence: float) -> tuple[float, Interval]:
    """AUC and its interval, by DeLong on the logit, which keeps to its confidence with few trials; ties count half.

    Where the scores separate completely, nothing varies and DeLong's interval is empty: there the interval is that of
    a rate without a miss among the fewer of the two.
    """
    num_in, num_out = len(members), len(non_members)
    ranks = rankdata(np.concatenate([members, non_members]))
    beaten_in = (ranks[:num_in] - rankdata(members)) / num_out  # of each member: share of non-members below it
    beaten_out = 1 - (ranks[num_in:] - rankdata(non_members)) / num_in
    area = float(beaten_in.mean())
    variance = float(beaten_in.var(ddof=1) / num_in + beaten_out.var(ddof=1) / num_out)
    if variance == 0.0:
        fewer = min(num_in, num_out)
        low, high = clopper_pearson(round(area * fewer), fewer, confidence)
        return area, (low, high)
    room = float(norm.ppf(0.5 + confidence / 2)) * math.sqrt(variance) / (area * (1 - area))
    return area, (float(expit(logit(area) - room)), float(expit(logit(area) + room)))


def supports(false_positive_rate: float, num_non_members: int) -> bool:
    """Whether so many non-members can show a rate as low as this."""
    return false_positive_rate * num_non_members >= RULE_OF_THREE


def operating_point(
    members: Scores, non_members: Scores, false_positive_rate: float, confidence: float
) -> OperatingPoint | None:
    """The attack where at most this share of non-members is above the threshold; None where too few could show it."""
    if not supports(false_positive_rate, len(non_members)):
        return None
    allowed = int(false_positive_rate * len(non_members))
    threshold = np.sort(non_members)[::-1][allowed]
    return at_threshold(members, non_members, float(threshold), confidence, false_positive_rate)


def at_threshold(
    members: Scores, non_members: Scores, threshold: float, confidence: float, false_positive_rate: float = math.nan
) -> OperatingPoint:
    """The attack that calls members all that score above a threshold."""
    hits, alarms = int((members > threshold).sum()), int((non_members > threshold).sum())
    return OperatingPoint(
        false_positive_rate,
        hits,
        len(members),
        alarms,
        len(non_members),
        clopper_pearson(hits, len(members), confidence),
        clopper_pearson(alarms, len(non_members), confidence),
    )


def curve(members: Scores, non_members: Scores) -> tuple[Scores, Scores]:
    """The ROC: false and true positive rates at every threshold, from (0, 0) to (1, 1)."""
    thresholds = np.unique(np.concatenate([members, non_members]))[::-1]
    above = [
        (1 - np.searchsorted(np.sort(scores), thresholds, "left") / len(scores)) for scores in (non_members, members)
    ]
    return np.concatenate([[0.0], above[0]]), np.concatenate([[0.0], above[1]])


def gaussian_curve(false_positive_rates: Scores, mu: float) -> Scores:
    """The best true positive rates that μ-GDP allows."""
    return norm.cdf(norm.ppf(false_positive_rates) + mu)
