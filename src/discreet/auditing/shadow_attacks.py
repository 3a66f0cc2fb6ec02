"""Membership attacks with shadow models: from tables of signals to one score a trial. No torch.

Scores are higher where membership is likelier. None of these looks at who of the trials is a member.

Shapes: S shadows, N trials, K signals.
"""

from __future__ import annotations

import numpy as np

from discreet.auditing.curves import Scores
from discreet.auditing.evidence import NAMES, ShadowTables, Table

_RIDGE = 1e-3


def lira(signals: Table, shadows: ShadowTables) -> Scores:
    """The likelihood ratio of all signals together: as of models that learned the trial, over those that did not.

    Each trial has two means of its own; the covariance is that of all, because few shadows cannot tell one for each.
    For the same reason the difference of a trial's means is drawn towards that of all, as far as it looks like chance.

    Source: LiRA, Carlini and others, arXiv 2112.03570, sections V and VI; shrinkage after arXiv 2603.11799.
    """
    inside, outside = _mean(shadows, within=True), _mean(shadows, within=False)
    means = np.where(shadows.inside[..., None], inside, outside)
    residuals = shadows.signals - means
    freedom = max(residuals.shape[0] * residuals.shape[1] - 2 * residuals.shape[1], 1)
    covariance = np.einsum("snk,snl->kl", residuals, residuals) / freedom
    # In these coordinates every signal varies by one between models that learned alike.
    whiten = np.linalg.inv(np.linalg.cholesky(covariance + _RIDGE * np.diag(np.maximum(np.diag(covariance), 1e-12)))).T
    counts = shadows.inside.sum(0)[:, None]
    shift = _shrunk((inside - outside) @ whiten, 1 / counts + 1 / (len(shadows.inside) - counts))
    middle = (inside + outside) / 2 @ whiten
    return ((signals @ whiten - middle) * shift).sum(1)


def lira_offline(signals: Table, shadows: ShadowTables) -> Scores:
    """How far the loss lies above what models say that did not learn the trial, in their spread.

    Source: LiRA, Carlini and others, arXiv 2112.03570, section V-C, with one spread for all trials.
    """
    loss = NAMES.index("loss")
    outside = _mean(shadows, within=False)[:, loss]
    residuals = (shadows.signals[..., loss] - outside)[~shadows.inside]
    return (signals[:, loss] - outside) / max(float(residuals.std()), 1e-12)


def rmia(signals: Table, shadows: ShadowTables) -> Scores:
    """How much likelier the true parts are than under models that learned the trial or did not, half each.

    The likelihood of a picture is that of its mean margin. Compared with a population at γ = 1 the order of trials is
    that of this ratio, so that the population itself is not needed.

    Source: RMIA, Zarifzadeh and others, arXiv 2312.03262, equation 4.
    """
    margin = NAMES.index("margin")
    likelihood = _sigmoid(shadows.signals[..., margin])[..., None]
    of_models = ShadowTables(likelihood, shadows.inside)
    expected = (_mean(of_models, within=True) + _mean(of_models, within=False))[:, 0] / 2
    return np.log(_sigmoid(signals[:, margin])) - np.log(expected)


def _mean(shadows: ShadowTables, *, within: bool) -> Table:
    """Of each trial's signals, over the shadows that learned it, or did not: [N, K]."""
    chosen = (shadows.inside if within else ~shadows.inside)[..., None]
    return (shadows.signals * chosen).sum(0) / chosen.sum(0)


def _shrunk(shift: Table, variance: Table) -> Table:
    """Differences [N, K], each measured with a variance [N, 1], drawn towards the mean of all."""
    mean = shift.mean(0)
    real = np.maximum(((shift - mean) ** 2 - variance).mean(0), 0.0)
    return mean + (shift - mean) * real / (real + variance)


def _sigmoid(values: Scores) -> Scores:
    return 1 / (1 + np.exp(-np.clip(values, -500, 500)))
