"""What a picture and its labels look like, without any model: what a blind baseline goes by. No torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from discreet.data.samples import Sample
from discreet.labels import IGNORED, LabelSet


def looks_of(sample: Sample, labels: LabelSet) -> NDArray[np.float64]:
    """Size, light, colours, sharpness, how much of each part, how many persons. *SENSITIVE*"""
    image = sample.image.astype(np.float64) / 255
    height, width = sample.parts.shape
    grey = image.mean(2)
    valid = sample.parts != IGNORED
    shares = np.bincount(sample.parts[valid], minlength=len(labels))[: len(labels)] / max(int(valid.sum()), 1)
    num_persons = 0 if sample.persons is None else len(np.unique(sample.persons[sample.persons > 0]))
    return np.concatenate(
        [
            [np.log(height), np.log(width), num_persons, valid.mean()],
            image.mean((0, 1)),
            image.std((0, 1)),
            [np.abs(np.diff(grey, axis=0)).mean(), np.abs(np.diff(grey, axis=1)).mean()],
            shares,
        ]
    )
