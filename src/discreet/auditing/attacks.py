"""Membership attacks: from tables of signals to one score a trial. Those with shadow models are in `shadow_attacks`.
No torch.

An attack is handed what is known of the trials, and a *rehearsal*: the same of a copy of the model that was over-fitted
to pictures which are no trials. Weights that an attack learns, it learns on the rehearsal, or on a half of the trials
that it then leaves out of the count: scores that are learned across folds of the trials they are counted on are not
independent, and raise too many alarms about harmless models. "quantile" alone has folds: it learns what is usual for
non-members, and not what tells members from them. Scores are higher where membership is likelier.

Sources: Yeom and others, arXiv 1709.01604 (loss); Watson and others, arXiv 2111.08440 (calibration by a reference
model); Bertran and others, arXiv 2307.03694 (quantile); Choquette-Choo and others, arXiv 2007.14321 (labels only);
Shokri and others, arXiv 1610.05820 (learning the attack on a model of one's own).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from discreet.auditing.curves import Scores
from discreet.auditing.evidence import LABEL_ONLY, NAMES, Evidence, ShadowTables, Table
from discreet.auditing.shadow_attacks import lira, lira_offline, rmia
from discreet.errors import ConfigurationError

_FOLDS = 5
_RIDGE = 1e-2


@dataclass(frozen=True)
class Scored:
    """What an attack says of each trial.

    Args:
        scores: [N].
        counted: bool [N]; the others were learned from.
    """

    scores: Scores
    counted: NDArray[np.bool_]

    def split(self, is_member: NDArray[np.bool_]) -> tuple[Scores, Scores]:
        """Counted scores of members, and of non-members."""
        return self.scores[self.counted & is_member], self.scores[self.counted & ~is_member]


def _loss(evidence: Evidence, rehearsal: Evidence) -> Scored:
    """The negative training loss."""
    return _all(evidence.signals[:, NAMES.index("loss")])


def _calibrated(evidence: Evidence, rehearsal: Evidence) -> Scored:
    """How much smaller the loss became in training: hard pictures are hard for the start, too."""
    loss = evidence.signals[:, NAMES.index("loss")]
    return _all(loss if evidence.reference is None else loss - evidence.reference[:, NAMES.index("loss")])


def _quantile(evidence: Evidence, rehearsal: Evidence) -> Scored:
    """How unusual the loss is for a non-member that looks like this."""
    inputs = evidence.looks if evidence.reference is None else np.hstack([evidence.looks, evidence.reference])
    return _all(residuals(inputs, evidence.signals[:, NAMES.index("loss")], ~evidence.is_member))


def _label_only(evidence: Evidence, rehearsal: Evidence) -> Scored:
    """All that a label map tells, as it told in the rehearsal."""
    return rehearsed(evidence, rehearsal, [NAMES.index(name) for name in LABEL_ONLY])


def _combined(evidence: Evidence, rehearsal: Evidence) -> Scored:
    """All signals together, as they told in the rehearsal."""
    return rehearsed(evidence, rehearsal)


def _supervised(evidence: Evidence, rehearsal: Evidence) -> Scored:
    """All signals together, by one who knows half of the members already."""
    return learned_on_half(_grown(evidence), evidence.is_member)


def _with_shadows(score: Callable[[Table, ShadowTables], Scores]) -> Attack:
    """An attack that needs shadow models."""

    def attack(evidence: Evidence, rehearsal: Evidence) -> Scored:
        assert evidence.shadows is not None, "the choice of attacks said so"
        return _all(score(evidence.signals, evidence.shadows))

    return attack


Attack = Callable[[Evidence, Evidence], Scored]
ATTACKS: Mapping[str, Attack] = {
    "loss": _loss,
    "calibrated": _calibrated,
    "quantile": _quantile,
    "label-only": _label_only,
    "combined": _combined,
    "supervised": _supervised,
    "lira": _with_shadows(lira),
    "lira-offline": _with_shadows(lira_offline),
    "rmia": _with_shadows(rmia),
}
NEED_SHADOWS = ("lira", "lira-offline", "rmia")

# These never look at who of the trials is a member: bounds are counted from one of them, also against coins. The best
# first, as measured (docs/results/audit-power); without a public start, "calibrated" is "loss".
BLIND_TO_COINS = ("lira", "calibrated", "combined", "label-only", "loss", "lira-offline", "rmia")
BLIND_WITHOUT_START = ("lira", "combined", "label-only", "loss", "lira-offline", "rmia", "calibrated")


def chosen_attacks(names: str | None, *, shadows: bool = False) -> list[str]:
    """Names from a list like "loss,combined"; all that can be done where there is none.

    Bounds on ε are counted from an attack that never looks at who is a member: where none of these is one, "loss" is
    added.

    Raises:
        ConfigurationError: one is unknown, or needs shadow models where there are none, or none needs those there are.
    """
    able = [name for name in ATTACKS if shadows or name not in NEED_SHADOWS]
    wanted = able if names is None else [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in ATTACKS]
    if unknown or not wanted:
        raise ConfigurationError(f"attack {', '.join(unknown) or 'list'} is unknown; choose among {', '.join(ATTACKS)}")
    if not shadows and set(wanted) & set(NEED_SHADOWS):
        raise ConfigurationError(f"{', '.join(NEED_SHADOWS)} need shadow models; train some with --shadows 16")
    if shadows and not set(wanted) & set(NEED_SHADOWS):
        raise ConfigurationError(f"--shadows is of use to {', '.join(NEED_SHADOWS)} only; choose one, or leave it out")
    blind = [] if set(wanted) & set(BLIND_TO_COINS) else ["loss"]
    return list(dict.fromkeys([*wanted, *blind]))


def learned_on_half(table: Table, is_member: NDArray[np.bool_]) -> Scored:
    """Discriminant scores, learned on one half of the trials by lot, counted on the other."""
    learned = np.zeros(len(table), np.bool_)
    for kind in (True, False):
        trials = np.random.default_rng(0).permutation(np.flatnonzero(is_member == kind))
        learned[trials[: len(trials) // 2]] = True
    score = _discriminant(table[learned], is_member[learned])
    return Scored(score(table), ~learned)


def rehearsed(evidence: Evidence, rehearsal: Evidence, columns: Sequence[int] | None = None) -> Scored:
    """Discriminant scores of some signals, or of all, learned on the rehearsal."""
    if evidence.reference is None:
        rehearsal = replace(rehearsal, reference=None)
    chosen = range(evidence.signals.shape[1]) if columns is None else columns
    score = _discriminant(_grown(rehearsal)[:, chosen], rehearsal.is_member)
    return _all(score(_grown(evidence)[:, chosen]))


def residuals(inputs: Table, values: Scores, usable: NDArray[np.bool_]) -> Scores:
    """How far each value lies above what usable trials of other folds predict for it, in their spread."""
    found = np.empty(len(values))
    for held_out in _folds(usable):
        known = usable & ~held_out
        mean, scale = _moments(inputs[known])
        design = np.hstack([(inputs - mean) / scale, np.ones((len(inputs), 1))])
        gram = design[known].T @ design[known] + _RIDGE * known.sum() * np.eye(design.shape[1])
        predicted = design @ np.linalg.solve(gram, design[known].T @ values[known])
        spread = float((values - predicted)[known].std()) or 1.0
        found[held_out] = ((values - predicted) / spread)[held_out]
    return found


def _all(scores: Scores) -> Scored:
    """Every trial counts."""
    return Scored(scores, np.ones(len(scores), np.bool_))


def _grown(evidence: Evidence) -> Table:
    """Signals, by how much each grew since the start where that is known."""
    return evidence.signals if evidence.reference is None else evidence.signals - evidence.reference


def _folds(usable: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Masks that together hold every trial once, each with its share of usable ones."""
    number = np.empty(len(usable), np.int64)
    for kind in (True, False):
        trials = np.flatnonzero(usable == kind)
        number[np.random.default_rng(0).permutation(trials)] = np.arange(len(trials)) % _FOLDS
    return [number == fold for fold in range(_FOLDS)]


def _discriminant(table: Table, is_member: NDArray[np.bool_]) -> Callable[[Table], Scores]:
    """Fisher's linear discriminant: standardised columns, the covariance within members and within the others."""
    mean, scale = _moments(table)
    standard = (table - mean) / scale
    inside, outside = standard[is_member], standard[~is_member]
    within = (np.cov(inside.T) + np.cov(outside.T)).reshape(table.shape[1], -1) / 2
    ridge = _RIDGE * max(float(np.trace(within)) / len(within), 1e-9)
    weights = np.linalg.solve(within + ridge * np.eye(len(within)), inside.mean(0) - outside.mean(0))
    return lambda other: ((other - mean) / scale) @ weights


def _moments(table: Table) -> tuple[Scores, Scores]:
    """Mean and scale of each column; a constant one has scale 1."""
    scale = table.std(0)
    return table.mean(0), np.where(scale > 1e-12, scale, 1.0)
