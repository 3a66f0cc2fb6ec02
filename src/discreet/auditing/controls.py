"""The positive control: a copy of the audited model that is over-fitted before the attacks' eyes.

An audit that does not see this leak would see none.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from discreet.data.samples import SampleSource
from discreet.data.transforms import AugmentSettings, augment
from discreet.labels import LabelSet
from discreet.m2fp import M2FP, criterion, make_targets, set_trainable

STEPS = 200
_BATCH = 4
_LEARNING_RATE = 1e-3


def overfitted(
    model: M2FP,
    source: SampleSource,
    pictures: Sequence[int],
    labels: LabelSet,
    canvas: tuple[int, int],
    *,
    seed: int = 0,
    advance: Callable[[], object] = lambda: None,
) -> M2FP:
    """A copy that was trained on these pictures alone, over and over, without augmentation or privacy.

    Args:
        model: stays as it is.
        source: labelled pictures. *SENSITIVE*
        pictures: which of them; the copy must never leave the audit.
        labels: of the model.
        canvas: height and width that the network sees.
        seed: of their order.
        advance: called for each of STEPS.
    """
    learner = copy.deepcopy(model)
    set_trainable(learner, "all")
    learner.train()
    fitting = AugmentSettings.of_strength("none", canvas, enlarge=model.human)
    views = [augment(source[index], np.random.default_rng(0), fitting, labels) for index in pictures]
    targets = [make_targets(v.parts, v.persons, num_parts=len(labels), human=model.human) for v in views]
    trained = [parameter for parameter in learner.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=_LEARNING_RATE)
    rng = np.random.default_rng(seed)
    for chosen in islice(_batches(len(views), rng), STEPS):
        images = learner.batch([learner.normalise(views[index].image) for index in chosen])
        generators = [torch.Generator().manual_seed(int(rng.integers(2**62))) for _ in chosen]
        loss = criterion(learner(images), [targets[i] for i in chosen], generators, learner.criterion_settings)
        optimizer.zero_grad()
        loss.mean().backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        advance()
    return learner.eval()


def _batches(count: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Every picture once, in another order each time, without end."""
    while True:
        yield from np.array_split(rng.permutation(count), -(-count // _BATCH))
