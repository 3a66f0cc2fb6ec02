"""What is audited: a model, its public start, and what it claims."""

from __future__ import annotations

from dataclasses import dataclass

from discreet.data.samples import SampleSource
from discreet.labels import LabelSet
from discreet.m2fp import M2FP


@dataclass(frozen=True)
class Audited:
    """What is audited.

    Args:
        model: as released.
        start: its public start, or None.
        labels: of the model.
        canvas: height and width that the network sees.
        epsilon, delta: that are claimed; ε is None where nothing is. *Public*
        unit: "image" or "subject".
        model_sha256: of the weights, where they come from a file.
    """

    model: M2FP
    start: M2FP | None
    labels: LabelSet
    canvas: tuple[int, int]
    epsilon: float | None
    delta: float
    unit: str
    model_sha256: str | None = None


@dataclass(frozen=True)
class Canaries:
    """What bounds from one run need besides members and non-members, which are then the canaries.

    Args:
        num_guesses: fixed before the run.
        rehearsal: other pictures, none of them a canary. *SENSITIVE*
    """

    num_guesses: int
    rehearsal: SampleSource
