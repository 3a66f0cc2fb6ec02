"""What a segmentation network betrays of a picture it has learned: one row of numbers a picture.

Every signal is higher where membership is likelier. The trial is the picture: its pixels, parts and persons are
summed up here, and never counted as trials.

Pixel evidence is the logit of the true part's share among all parts' scores at a cell of the mask logits, where a
part's score is the sum over queries of class probability times mask probability (Mask2Former's semantic inference).
Source for structure at boundaries: He and others, ECCV 2020; for logits: Carlini and others, arXiv 2112.03570.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from discreet.auditing.evidence import NAMES, Table
from discreet.data.samples import Sample, SampleSource
from discreet.data.transforms import AugmentSettings, augment, flip
from discreet.labels import IGNORED, LabelSet
from discreet.m2fp import M2FP, losses_by_output, make_targets
from discreet.m2fp.output import MASK_STRIDE

_BAND_CELLS = 2
_BATCH = 8


def signals_of(
    model: M2FP,
    source: SampleSource,
    labels: LabelSet,
    canvas: tuple[int, int],
    *,
    advance: Callable[[], object] = lambda: None,
) -> Table:
    """Signals of every picture, float64 [N, len(NAMES)], each the mean of the picture's and its mirror's. *SENSITIVE*

    Args:
        model: in eval mode afterwards.
        source: labelled pictures. *SENSITIVE*
        labels: of the model.
        canvas: height and width that the network sees.
        advance: called for each picture.
    """
    model.eval()
    fitting = AugmentSettings.of_strength("none", canvas, enlarge=model.human)

    def asked(indices: range) -> Table:
        views = [augment(source[index], np.random.default_rng(0), fitting, labels) for index in indices]
        straight = _signals_of_views(model, views, labels)
        return (straight + _signals_of_views(model, [flip(view, labels) for view in views], labels)) / 2

    rows = np.empty((len(source), len(NAMES)))
    batches = [range(start, min(start + _BATCH, len(source))) for start in range(0, len(source), _BATCH)]
    with _single_threads() as threads:
        for indices, found in zip(batches, threads.map(asked, batches), strict=True):
            rows[indices.start : indices.stop] = found
            for _ in indices:
                advance()
    return rows


@contextmanager
def _single_threads() -> Generator[ThreadPoolExecutor]:
    """As many threads as PyTorch may use, each of which computes alone: a small network leaves no room for more."""
    allowed = torch.get_num_threads()
    threads = ThreadPoolExecutor(allowed, "discreet-asker", torch.set_num_threads, (1,))
    try:
        yield threads
    finally:
        threads.shutdown(cancel_futures=True)  # an interrupted audit ends at once
        torch.set_num_threads(allowed)


@torch.no_grad()
def _signals_of_views(model: M2FP, views: Sequence[Sample], labels: LabelSet) -> Table:
    """Signals of some views, [B, len(NAMES)]."""
    output = model(model.batch([model.normalise(view.image) for view in views]))
    targets = [make_targets(view.parts, view.persons, num_parts=len(labels), human=model.human) for view in views]
    points = [_points_of(view) for view in views]
    losses_BL = losses_by_output(output, targets, points, model.criterion_settings)
    loss_B, matched_B = -losses_BL.sum(1), -losses_BL[:, -1]
    rows = []
    for b, view in enumerate(views):
        scores = _part_scores(output.class_logits[b], output.mask_logits[b], len(labels))
        certainty = output.class_logits[b].log_softmax(1).amax(1).mean()
        rows.append([float(loss_B[b]), float(matched_B[b]), *_of_cells(scores, view), float(certainty)])
    return np.array(rows)


def _part_scores(class_logits: Tensor, mask_logits: Tensor, num_parts: int) -> Tensor:
    """Share of each part at each cell, [C, h, w]."""
    classes = class_logits.softmax(1)[:, :num_parts]
    scores = torch.einsum("qc,qhw->chw", classes, mask_logits.sigmoid())
    return scores / scores.sum(0, keepdim=True).clamp(min=1e-6)


def _of_cells(shares: Tensor, view: Sample) -> list[float]:
    """margin, part, person, boundary, worst, labels, contour, overlap of one picture."""
    wanted = torch.from_numpy(_at_cells(view.parts)).long()
    valid = wanted != IGNORED
    if not bool(valid.any()):
        return [0.0] * 8
    wanted = wanted.where(valid, 0)
    share = shares.gather(0, wanted[None])[0].clamp(1e-6, 1 - 1e-6)
    evidence = share.logit()
    said = shares.argmax(0)
    right = (said == wanted).float()
    band = beside_changes(wanted) & valid
    band = band if bool(band.any()) else valid
    parts = [evidence[(wanted == part) & valid].mean() for part in wanted[valid].unique()]
    people = parts
    if view.persons is not None and view.persons.any():
        owners = torch.from_numpy(_at_cells(view.persons)).long()
        people = [evidence[(owners == person) & valid].mean() for person in owners[owners > 0].unique()] or parts
    lowest = evidence[band].sort().values
    lowest = lowest[: max(1, len(lowest) // 10)]
    return [
        float(value)
        for value in (
            evidence[valid].mean(), min(parts), min(people), evidence[band].mean(), lowest.mean(),
            right[valid].mean(), right[band].mean(), _overlap(said[valid], wanted[valid], len(shares)),
        )
    ]  # fmt: skip


def _overlap(said: Tensor, wanted: Tensor, num_parts: int) -> Tensor:
    """Mean IoU of the parts that are there, or are said to be."""
    both = torch.bincount(wanted[said == wanted], minlength=num_parts)
    either = torch.bincount(wanted, minlength=num_parts) + torch.bincount(said, minlength=num_parts) - both
    return (both[either > 0] / either[either > 0]).mean()


def _at_cells(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The label in the middle of each cell of the mask logits."""
    middle = MASK_STRIDE // 2
    rows, columns = (
        np.minimum(np.arange(-(-side // MASK_STRIDE)) * MASK_STRIDE + middle, side - 1) for side in labels.shape
    )
    return labels[np.ix_(rows, columns)]


def beside_changes(wanted: Tensor) -> Tensor:
    """Cells near one with another label."""
    cells = wanted[None, None].float()
    size = 2 * _BAND_CELLS + 1
    highest = F.max_pool2d(cells, size, 1, _BAND_CELLS)
    lowest = -F.max_pool2d(-cells, size, 1, _BAND_CELLS)
    return (highest != lowest)[0, 0]


def _points_of(view: Sample) -> torch.Generator:
    """The loss looks at the same points of a picture whichever model is asked."""
    return torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(view.image.tobytes()).digest()[:7]))
