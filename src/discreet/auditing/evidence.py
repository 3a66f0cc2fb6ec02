"""What an attacker holds: signals by name, in tables with a row a trial. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float64]

NAMES = (
    "loss", "matched", "margin", "part", "person", "boundary", "worst", "labels", "contour", "overlap", "certainty",
)  # fmt: skip
"""
loss: of training, all decoder layers. matched: of the last layer alone, whose queries are matched with the targets.
margin: mean evidence over the picture. part, person: of the part, or person, with the least.
boundary: mean evidence beside a change of parts. worst: the mean of its lowest tenth.
labels, contour: share of cells with the right part, everywhere and beside a change. overlap: mean IoU of the parts that
are there or are said to be. These three are all that a label map shows.
certainty: how far queries are from being undecided, "no object" included.
"""

# What sees only a label map can know these.
LABEL_ONLY = ("labels", "contour", "overlap")


@dataclass(frozen=True)
class ShadowTables:
    """What shadow models say of all trials. *SENSITIVE*

    Args:
        signals: [S, N, len(NAMES)].
        inside: bool [S, N], which trials each shadow learned.
    """

    signals: NDArray[np.float64]
    inside: NDArray[np.bool_]


@dataclass(frozen=True)
class Evidence:
    """What an attacker knows of all trials. *SENSITIVE*

    Args:
        is_member: bool [N]; used to learn on some trials, and to count on others.
        signals: of the audited model, [N, len(NAMES)].
        reference: of the public start, likewise; None where there is none.
        looks: of the pictures and their labels alone, [N, K].
        shadows: of shadow models; None where none were trained.
    """

    is_member: NDArray[np.bool_]
    signals: Table
    reference: Table | None
    looks: Table
    shadows: ShadowTables | None = None

    def of_owners(self, owners: Sequence[object]) -> Evidence:
        """One trial an owner: the mean over the owner's pictures, who are all members or none."""
        _, first, which = np.unique([str(owner) for owner in owners], return_index=True, return_inverse=True)
        counts = np.bincount(which)[:, None]

        def mean(table: Table) -> Table:
            summed = np.zeros((len(first), table.shape[1]))
            np.add.at(summed, which, table)
            return summed / counts

        return replace(
            self,
            is_member=self.is_member[first],
            signals=mean(self.signals),
            reference=None if self.reference is None else mean(self.reference),
            looks=mean(self.looks),
            shadows=self.shadows
            and ShadowTables(np.stack([mean(said) for said in self.shadows.signals]), self.shadows.inside[:, first]),
        )
