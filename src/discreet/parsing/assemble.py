"""From queries to parts and persons.

Every query says a class (a part, the background, in multi-person networks also a whole Human, or
no object) and a mask. Parts: class probabilities times masks, summed over queries; the largest
wins. Persons: Human queries, of which the surer takes a contested pixel; their parts are read
off the part map.

Shapes: Q queries, C classes without no-object, P parts, K persons, h w of mask logits, H W of the
picture.
Source: Cheng et al., Masked-attention Mask Transformer, arXiv 2112.01527, section 3; M2FP for the
three kinds of query and for a person's score (mean of its parts' scores times the Human's).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from discreet.errors import WeightsError
from discreet.labels import LabelSet
from discreet.parsing.frame import Frame, Map, resize, resized_positions
from discreet.parsing.results import ParseResult, Person, box_around

HUMAN_THRESHOLD = 0.1  # as published
DUPLICATE_IOU = 0.5
# A person who loses more than this share of its parts to surer ones was one of them, seen twice.
LARGEST_LOSS = 0.5
_ROWS_AT_ONCE = 32  # bounds memory, and stays in the processor's cache
_ROUNDING = 1e-5


def assemble(
    class_logits_QC: Map,
    mask_logits_Qhw: Map,
    *,
    human: bool,
    labels: LabelSet,
    frame: Frame,
    image: NDArray[np.uint8] | None = None,
    human_threshold: float = HUMAN_THRESHOLD,
) -> ParseResult:
    """Parts and persons of one picture.

    Args:
        class_logits_QC: [Q, C+1]; the last is no object, and with `human` the one before it Human.
        mask_logits_Qhw: [Q, h, w] of the whole canvas.
        human: whether whole persons are among the classes. Otherwise all parts are one person's.
        labels: its parts are the first classes.
        frame: where the picture lies on the canvas.
        image: kept in the result, uint8 [H, W, 3].
        human_threshold: persons must be surer than this.

    Raises:
        WeightsError: the network has another number of classes than the labels ask for.
    """
    probabilities_QC = _probabilities(class_logits_QC, len(labels), human)
    parts, confidence = _parts(probabilities_QC[:, : len(labels)], mask_logits_Qhw, frame)
    if human:
        owners, human_scores = _owners(
            probabilities_QC[:, len(labels)], mask_logits_Qhw, frame, human_threshold, figure=parts > 0
        )
    else:
        owners, human_scores = (parts > 0).astype(np.uint8), [1.0]
    persons = (
        _person(owners == number, score, parts, confidence) for number, score in enumerate(human_scores, start=1)
    )
    found = sorted((person for person in persons if person is not None), key=lambda person: -person.score)
    return ParseResult(parts, tuple(found), labels, image)


def semantic_map(
    class_logits_QC: Map, mask_logits_Qhw: Map, *, num_parts: int, human: bool, frame: Frame
) -> NDArray[np.uint8]:
    """Part ids alone, uint8 [H, W]; arguments as of `assemble`."""
    probabilities_QC = _probabilities(class_logits_QC, num_parts, human)
    return _parts(probabilities_QC[:, :num_parts], mask_logits_Qhw, frame)[0]


def _probabilities(class_logits_QC: Map, num_parts: int, human: bool) -> Map:
    """Softmax over the classes and no object; no object is left out: [Q, C]."""
    wanted = num_parts + human + 1
    if class_logits_QC.shape[-1] != wanted:
        raise WeightsError(
            f"the network tells {class_logits_QC.shape[-1]} classes apart, these labels need {wanted} with no object"
            f"{' and Human' if human else ''}; load the weights with the labels they were trained on"
        )
    powers = np.exp(class_logits_QC - class_logits_QC.max(-1, keepdims=True))
    return (powers / powers.sum(-1, keepdims=True))[:, :-1]


def _parts(probabilities_QP: Map, mask_logits_Qhw: Map, frame: Frame) -> tuple[NDArray[np.uint8], Map]:
    """The winning part of each pixel, and how sure it is, 0 to 1: two [H, W]."""
    scores_Prc = _scores(probabilities_QP, mask_logits_Qhw, frame)
    winner = np.zeros((frame.height, frame.width), np.uint8)
    best = np.full((frame.height, frame.width), -np.inf, np.float32)
    for part, where in _contested(scores_Prc, frame):  # one part at a time: pictures can be large
        scores = resize(scores_Prc[part], frame.height, frame.width, *where)
        np.copyto(winner[where], part, where=scores > best[where])
        np.maximum(best[where], scores, out=best[where])
    return winner, np.minimum(best, 1.0)


def _contested(scores_Prc: Map, frame: Frame) -> Iterator[tuple[int, tuple[slice, slice]]]:
    """The parts that can win a pixel, each with a rectangle of the picture that holds all those pixels.

    Between four neighbours no interpolated score is above their highest, and that of the winner not below their
    lowest; so a part whose highest is below the lowest of another wins nothing there.
    """
    lowest_rc = _of_neighbours(scores_Prc, np.minimum).max(0)
    possible_Prc = _of_neighbours(scores_Prc, np.maximum) >= lowest_rc - _ROUNDING
    height, width = scores_Prc.shape[1:]
    above = np.floor(resized_positions(height, frame.height))
    left = np.floor(resized_positions(width, frame.width))
    for part, possible_rc in enumerate(possible_Prc):
        if possible_rc.any():
            x0, y0, x1, y1 = box_around(possible_rc)
            yield part, (_between(above, y0, y1), _between(left, x0, x1))


def _of_neighbours(scores_Prc: Map, of_two: np.ufunc) -> Map:
    """A ufunc over each sample and those after it in both directions; at the far edges there are none."""
    answer = scores_Prc.copy()
    of_two(answer[:, :-1], scores_Prc[:, 1:], out=answer[:, :-1])
    of_two(answer[:, :, :-1], answer[:, :, 1:].copy(), out=answer[:, :, :-1])
    return answer


def _between(before: NDArray[np.float64], start: int, end: int) -> slice:
    """The pixels whose sample before them is one from `start` to `end`."""
    return slice(int(np.searchsorted(before, start)), int(np.searchsorted(before, end)))


def _scores(probabilities_QP: Map, mask_logits_Qhw: Map, frame: Frame) -> Map:
    """Probabilities times masks, summed over queries: [P, r, c] on the grid of `_masks`."""
    rows, columns = _grid(frame)
    probabilities_PQ = np.ascontiguousarray(probabilities_QP.T)
    scores_Prc = np.empty((len(probabilities_PQ), rows, columns), np.float32)
    for start in range(0, rows, _ROWS_AT_ONCE):
        some = slice(start, start + _ROWS_AT_ONCE)
        masks_Qrc = _masks(mask_logits_Qhw, frame, some)
        with _linear_algebra().limit(limits=1, user_api="blas"):
            summed = probabilities_PQ @ masks_Qrc.reshape(len(masks_Qrc), -1)
        scores_Prc[:, some] = summed.reshape(len(summed), -1, columns)
    return scores_Prc


@cache
def _linear_algebra() -> ThreadpoolController:
    """NumPy's: its threads go on spinning after a product, on cores that the network of the next picture wants."""
    return ThreadpoolController()


def _masks(mask_logits_Qhw: Map, frame: Frame, rows: slice = slice(None)) -> Map:
    """Sigmoid masks of the picture alone: [Q, r, c], as fine as the canvas showed it but never finer than it is."""
    halves = frame.invert(mask_logits_Qhw, *_grid(frame), rows)
    halves *= np.float32(0.5)
    np.tanh(halves, out=halves)  # unlike exp, it overflows nowhere
    halves *= np.float32(0.5)
    halves += np.float32(0.5)
    return halves


def _grid(frame: Frame) -> tuple[int, int]:
    """Height and width at which masks are added up."""
    return min(frame.inner_height, frame.height), min(frame.inner_width, frame.width)


def _owners(
    human_probabilities_Q: Map, mask_logits_Qhw: Map, frame: Frame, threshold: float, *, figure: NDArray[np.bool_]
) -> tuple[NDArray[np.uint16], list[float]]:
    """Which Human each pixel of the figure belongs to, from 1, 0 for none, [H, W]; and how sure each Human is."""
    candidates = np.flatnonzero(human_probabilities_Q > threshold)
    masks_Krc = _masks(mask_logits_Qhw[candidates], frame)
    scores_K = human_probabilities_Q[candidates] * _mean_inside(masks_Krc)
    surest_first = [int(k) for k in np.argsort(-scores_K, kind="stable") if scores_K[k] > threshold]
    kept = _without_duplicates(masks_Krc > 0.5, surest_first)

    owners = np.zeros((frame.height, frame.width), np.uint16)
    claims = np.zeros(owners.shape, np.float32)
    sizes = [0]
    for number, k in enumerate(kept, start=1):
        mask_HW = resize(masks_Krc[k], frame.height, frame.width)
        inside_HW = (mask_HW > 0.5) & figure
        claim_HW = np.where(inside_HW, mask_HW * scores_K[k], 0)
        sizes.append(int(inside_HW.sum()))
        owners[claim_HW > claims] = number
        np.maximum(claims, claim_HW, out=claims)
    left = np.bincount(owners.ravel(), minlength=len(sizes))
    doubtful = np.flatnonzero(left < (1 - LARGEST_LOSS) * np.array(sizes))
    owners[np.isin(owners, doubtful)] = 0
    return owners, [float(scores_K[k]) for k in kept]


def _mean_inside(masks_Krc: Map) -> Map:
    """Mean of each mask where it is above one half; 0 where it nowhere is: [K]."""
    inside_Krc = masks_Krc > 0.5
    return (masks_Krc * inside_Krc).sum((1, 2)) / np.maximum(inside_Krc.sum((1, 2)), 1)


def _without_duplicates(masks_Krc: NDArray[np.bool_], surest_first: list[int]) -> list[int]:
    """The masks that overlap no surer one too much."""
    kept: list[int] = []
    for k in surest_first:
        overlaps = ((masks_Krc[k] & masks_Krc[o]).sum() / (masks_Krc[k] | masks_Krc[o]).sum() for o in kept)
        if all(overlap <= DUPLICATE_IOU for overlap in overlaps):
            kept.append(k)
    return kept


def _person(mask: NDArray[np.bool_], human_score: float, parts: NDArray[np.uint8], confidence: Map) -> Person | None:
    """A person from its pixels; None where no part is among them."""
    own = parts * mask
    pixels = own[mask]
    sizes = np.bincount(pixels, minlength=256)
    sums = np.bincount(pixels, weights=confidence[mask], minlength=256)
    found = [int(part) for part in np.flatnonzero(sizes) if part > 0]
    if not found:
        return None
    part_scores = {part: human_score * float(sums[part] / sizes[part]) for part in found}
    return Person(sum(part_scores.values()) / len(found), box_around(mask), mask, own, part_scores)
