"""How well pictures were parsed: pixels, parts of persons, and whole persons.

Ignored pixels (255) count nowhere. What cannot be measured, because nothing of its kind is
labelled, is None, never 0.

- **Pixels**: accuracy; accuracy by part, averaged; IoU by part, averaged (mIoU), with background.
  A part that neither labels nor predictions hold is left out of `iou` and of the averages.
- **APr**: every part of every person is an instance. Average precision by part, averaged over the
  labelled parts and over IoU thresholds 0.1 to 0.9.
- **APp**: persons are instances. The IoU of two persons is the mean IoU of the parts that either has,
  without background. `app50` at threshold 0.5; `appvol` averaged over 0.1 to 0.9.
- **PCP50**: of a labelled person's parts, the share with IoU above 0.5 in the prediction that found
  the person at threshold 0.5; a missed person counts 0. Averaged over persons.
- **Human AP50**: persons are instances, whatever their parts: average precision at IoU 0.5 of whole outlines.

A prediction finds the labelled instance of its picture that it overlaps most, if the IoU reaches the
threshold and no surer prediction found it first. Average precision is the area under the precision
envelope.

Shapes: N pictures, P parts, K predicted persons, G labelled persons, T thresholds.
Source: Hariharan et al., ECCV 2014 (APr); Li et al., arXiv 1705.07206 (APp, PCP).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discreet.errors import DataError
from discreet.labels import IGNORED, LabelSet
from discreet.parsing.results import ParseResult, Person

THRESHOLDS = tuple(k / 10 for k in range(1, 10))
_HALF = THRESHOLDS.index(0.5)
_RESAMPLES = 1000
_SEED = 0  # of the bootstrap: the same pictures give the same interval

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Metrics:
    """What was measured; None where nothing of the kind is labelled. 0 to 1, but for num_samples.

    Args:
        miou_interval: 95 % bootstrap interval over pictures; None for a single picture.
        iou: by part name.
    """

    pixel_accuracy: float | None
    mean_accuracy: float | None
    miou: float | None
    miou_interval: tuple[float, float] | None
    iou: dict[str, float]
    apr: float | None
    app50: float | None
    appvol: float | None
    pcp50: float | None
    human_ap50: float | None
    num_samples: int

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


class MetricsAccumulator:
    """Takes pictures one at a time; keeps counts and scores, never a picture.

    Args:
        label_set: of predictions and labels.
    """

    def __init__(self, label_set: LabelSet) -> None:
        self._labels = label_set
        self._pixels: list[Counts] = []  # a picture: [3, P], pixels right, labelled, predicted
        self._parts = [_Detections() for _ in label_set.names]
        self._persons = _Detections()
        self._outlines = _Detections()
        self._correct_shares: list[float] = []  # a labelled person: its parts found

    def add(self, prediction: ParseResult, parts: NDArray[np.uint8], persons: NDArray[np.uint8] | None) -> None:
        """Compare one picture.

        Args:
            prediction: what was found. *SENSITIVE*
            parts: labels, uint8 [H, W]; 255 is ignored. *SENSITIVE*
            persons: person ids, uint8 [H, W], 0 for nobody; None: all parts are one person's. *SENSITIVE*

        Raises:
            DataError: prediction and labels differ in size.
        """
        if prediction.parts.shape != parts.shape or (persons is not None and persons.shape != parts.shape):
            raise DataError(
                f"a prediction of {prediction.parts.shape} meets labels of {parts.shape}; compare at the picture's size"
            )
        valid = parts != IGNORED
        num_parts = len(self._labels)
        right = parts[valid & (parts == prediction.parts)]
        counted = (right, parts[valid], prediction.parts[valid])
        self._pixels.append(np.stack([np.bincount(ids, minlength=num_parts)[:num_parts] for ids in counted]))
        owners = (valid & (parts > 0)).astype(np.uint8) if persons is None else persons
        self._add_persons(prediction.persons, parts, owners, valid)

    @property
    def pixels(self) -> Counts:
        """Of every picture added: pixels right, labelled and predicted by part, [N, 3, P]. *SENSITIVE*"""
        return np.stack(self._pixels)

    def result(self) -> Metrics:
        """Everything added so far."""
        right, labelled, predicted = np.sum(self._pixels, 0) if self._pixels else np.zeros((3, len(self._labels)), int)
        iou_P = _ratio(right, labelled + predicted - right)
        accuracy = _ratio(right.sum(keepdims=True), labelled.sum(keepdims=True))
        precisions_PT = np.stack([part.average_precisions() for part in self._parts])
        app_T = self._persons.average_precisions()
        return Metrics(
            pixel_accuracy=_mean(accuracy),
            mean_accuracy=_mean(_ratio(right, labelled)),
            miou=_mean(iou_P),
            miou_interval=self._miou_interval(),
            iou={name: float(iou) for name, iou in zip(self._labels.names, iou_P, strict=True) if not np.isnan(iou)},
            apr=_mean(precisions_PT),
            app50=_mean(app_T[_HALF]),
            appvol=_mean(app_T),
            pcp50=_mean(np.array(self._correct_shares)),
            human_ap50=_mean(self._outlines.average_precisions()[_HALF]),
            num_samples=len(self._pixels),
        )

    def _add_persons(
        self,
        found: tuple[Person, ...],
        parts: NDArray[np.uint8],
        owners: NDArray[np.uint8],
        valid: NDArray[np.bool_],
    ) -> None:
        """Match the persons of one picture, and their parts."""
        # Persons seen only where nothing is labelled are neither right nor wrong.
        found = tuple(person for person in found if person.parts[valid].any())
        iou_KGP, found_KP, labelled_GP = _part_ious(found, parts, owners, valid, len(self._labels))
        for part in range(1, len(self._labels)):
            predicted = np.flatnonzero(found_KP[:, part])
            wanted = np.flatnonzero(labelled_GP[:, part])
            scores = np.array([found[k].part_scores.get(part, found[k].score) for k in predicted])
            self._parts[part].add(scores, iou_KGP[predicted][:, wanted, part])
        either_KGP = found_KP[:, None] | labelled_GP[None]
        iou_KG = (iou_KGP * either_KGP).sum(2) / np.maximum(either_KGP.sum(2), 1)
        scores_K = np.array([person.score for person in found])
        matched_K = self._persons.add(scores_K, iou_KG)
        self._outlines.add(scores_K, _outline_ious(found, parts, owners, valid))
        finder = {int(g): k for k, g in enumerate(matched_K[:, _HALF]) if g >= 0}
        for g, labelled_P in enumerate(labelled_GP):
            good_P = iou_KGP[finder[g], g, labelled_P] > 0.5 if g in finder else np.zeros(1)
            self._correct_shares.append(float(np.mean(good_P)))

    def _miou_interval(self) -> tuple[float, float] | None:
        """Percentiles of mIoU over pictures drawn with replacement."""
        num_pictures = len(self._pixels)
        if num_pictures < 2:
            return None
        rng = np.random.default_rng(_SEED)
        times_RN = rng.multinomial(num_pictures, np.full(num_pictures, 1 / num_pictures), _RESAMPLES)
        miou_R = resampled_miou(self.pixels, times_RN)
        if np.isnan(miou_R).all():
            return None
        low, high = np.nanpercentile(miou_R, [2.5, 97.5])
        return float(low), float(high)


def mean_iou(pixels_R3P: Counts) -> Floats:
    """mIoU of each of R sums over pictures [R]: pixels right, labelled and predicted by part; NaN where none is.

    Parts that are neither labelled nor predicted do not count.
    """
    right, labelled, predicted = pixels_R3P[:, 0], pixels_R3P[:, 1], pixels_R3P[:, 2]
    iou_RP = _ratio(right, labelled + predicted - right)
    known_R = (~np.isnan(iou_RP)).sum(1)
    return np.where(known_R > 0, np.nansum(iou_RP, 1) / np.maximum(known_R, 1), np.nan)


def resampled_miou(pixels_N3P: Counts, times_RN: Counts) -> Floats:
    """mIoU of each of R resamples of N pictures [R].

    Args:
        pixels_N3P: of each picture, as of `MetricsAccumulator.pixels`. *SENSITIVE*
        times_RN: how often each picture counts in each resample.
    """
    sums = times_RN @ pixels_N3P.reshape(len(pixels_N3P), -1)
    return mean_iou(sums.reshape(-1, *pixels_N3P.shape[1:]))


class _Detections:
    """Predictions of one kind of instance, and whether each found one, by threshold."""

    def __init__(self) -> None:
        self._scores: list[Floats] = []
        self._found: list[NDArray[np.bool_]] = []
        self._num_labelled = 0

    def add(self, scores_K: Floats, iou_KG: Floats) -> Counts:
        """Match the predictions of one picture; returns which instance each found, [K, T], −1 for none."""
        matched_KT = _match(scores_K, iou_KG)
        self._scores.append(scores_K)
        self._found.append(matched_KT >= 0)
        self._num_labelled += iou_KG.shape[1]
        return matched_KT

    def average_precisions(self) -> Floats:
        """Area under the precision envelope, one a threshold, [T]; NaN where nothing is labelled."""
        if self._num_labelled == 0:
            return np.full(len(THRESHOLDS), np.nan)
        order = np.argsort(-np.concatenate(self._scores), kind="stable")
        hits_KT = np.concatenate(self._found)[order].cumsum(0)
        precision_KT = hits_KT / np.arange(1, len(order) + 1)[:, None]
        envelope_KT = np.maximum.accumulate(precision_KT[::-1], 0)[::-1]
        recall_KT = hits_KT / self._num_labelled
        steps_KT = np.diff(recall_KT, axis=0, prepend=0)
        return (envelope_KT * steps_KT).sum(0)


def _match(scores_K: Floats, iou_KG: Floats) -> Counts:
    """Surest first, each prediction takes the instance it overlaps most: [K, T], −1 where it finds none."""
    matched_KT = np.full((len(scores_K), len(THRESHOLDS)), -1)
    if iou_KG.shape[1] == 0:
        return matched_KT
    taken_GT = np.zeros((iou_KG.shape[1], len(THRESHOLDS)), bool)
    for k in np.argsort(-scores_K, kind="stable"):
        g = int(iou_KG[k].argmax())
        finds_T = (iou_KG[k, g] >= np.array(THRESHOLDS)) & ~taken_GT[g]
        matched_KT[k, finds_T] = g
        taken_GT[g] |= finds_T
    return matched_KT


def _part_ious(
    found: tuple[Person, ...],
    parts: NDArray[np.uint8],
    owners: NDArray[np.uint8],
    valid: NDArray[np.bool_],
    num_parts: int,
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.bool_]]:
    """IoU of each part of each predicted with each labelled person, [K, G, P], and who has which part.

    Background is part of nobody; labelled persons without any part are left out.
    """
    labels = parts[valid].astype(np.int64)
    person_of = owners[valid].astype(np.int64)
    sizes = np.bincount(person_of * num_parts + labels, minlength=256 * num_parts).reshape(256, num_parts)
    sizes[0], sizes[:, 0] = 0, 0
    ids = np.flatnonzero(sizes.any(1))
    labelled_GP = sizes[ids]
    found_KP = np.zeros((len(found), num_parts), np.int64)
    both_KGP = np.zeros((len(found), len(ids), num_parts), np.int64)
    for k, person in enumerate(found):
        theirs = person.parts[valid]
        found_KP[k] = np.bincount(theirs, minlength=num_parts)
        same = theirs == labels
        shared = np.bincount(person_of[same] * num_parts + labels[same], minlength=256 * num_parts)
        both_KGP[k] = shared.reshape(256, num_parts)[ids]
    found_KP[:, 0], both_KGP[..., 0] = 0, 0
    union_KGP = found_KP[:, None] + labelled_GP[None] - both_KGP
    return both_KGP / np.maximum(union_KGP, 1), found_KP > 0, labelled_GP > 0


def _outline_ious(
    found: tuple[Person, ...], parts: NDArray[np.uint8], owners: NDArray[np.uint8], valid: NDArray[np.bool_]
) -> Floats:
    """IoU of each predicted with each labelled person, all parts as one, [K, G]; persons as of `_part_ious`."""
    person_of = np.where(parts > 0, owners, 0)[valid]
    sizes = np.bincount(person_of, minlength=256)
    ids = np.flatnonzero(sizes[1:]) + 1
    found_K = np.array([np.count_nonzero(person.parts[valid]) for person in found])
    both_KG = np.zeros((len(found), len(ids)), np.int64)
    for k, person in enumerate(found):
        both_KG[k] = np.bincount(person_of[person.parts[valid] > 0], minlength=256)[ids]
    return both_KG / (found_K[:, None] + sizes[ids][None] - both_KG)


def _ratio(part: Counts, whole: Counts) -> Floats:
    """part / whole; NaN where the whole is empty."""
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def _mean(values: Floats) -> float | None:
    """Mean of what could be measured; None if nothing could."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None
