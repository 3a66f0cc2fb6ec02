"""What attacks rehearse on: a copy of the model, over-fitted to pictures that are no trials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from discreet.auditing.audited import Audited
from discreet.auditing.controls import STEPS, overfitted
from discreet.auditing.evidence import Evidence
from discreet.auditing.pool import MOST_REHEARSAL
from discreet.auditing.signals import signals_of
from discreet.data.samples import SampleSource
from discreet.data.subset import Subset
from discreet.m2fp import M2FP
from discreet.training.surroundings import Progress


@dataclass(frozen=True)
class Rehearsal:
    """A copy that was over-fitted to half of some pictures, and what it says of all of them."""

    copied: M2FP
    source: SampleSource
    evidence: Evidence

    def pairs(self, at_most: int) -> tuple[SampleSource, SampleSource]:
        """Pictures that the copy learned, and others, as many of each."""
        learned, other = (np.flatnonzero(self.evidence.is_member == kind).tolist() for kind in (True, False))
        count = min(len(learned), len(other), at_most)
        return Subset(self.source, learned[:count]), Subset(self.source, other[:count])


def rehearse(audited: Audited, reserved: SampleSource, seed: int, progress: Progress) -> Rehearsal:
    """Over-fit a copy; the model itself is its reference."""
    reserved = Subset(reserved, range(min(len(reserved), MOST_REHEARSAL)))
    is_member = np.random.default_rng([seed, 1]).permutation(len(reserved)) < len(reserved) // 2
    learned = np.flatnonzero(is_member).tolist()
    with progress("over-fit a copy, to be caught", STEPS) as advance:
        copied = overfitted(
            audited.model, reserved, learned, audited.labels, audited.canvas, seed=seed, advance=advance
        )
    after, before = (signals_of(m, reserved, audited.labels, audited.canvas) for m in (copied, audited.model))
    return Rehearsal(copied, reserved, Evidence(is_member, after, before, np.zeros((len(reserved), 1))))
