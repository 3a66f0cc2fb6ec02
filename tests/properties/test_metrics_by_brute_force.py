"""The metrics against a second implementation that knows only sets of pixels, lists and loops."""

from __future__ import annotations

import itertools
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from discreet.labels import from_names
from discreet.parsing import ParseResult, Person
from discreet.training.metrics import MetricsAccumulator

LABELS = from_names("tiny", ["background", "head", "body", "hat"])
PARTS = range(1, 4)
Ids = NDArray[np.uint8]
Picture = tuple[ParseResult, Ids, Ids]
Pixels = frozenset[tuple[int, int]]


def random_picture(rng: np.random.Generator) -> Picture:
    """Labels in blocks, and a prediction that shifts, swaps and forgets some of them."""
    height, width = int(rng.integers(3, 8)), int(rng.integers(4, 9))
    parts = np.kron(rng.integers(0, 4, (height, width)), np.ones((2, 2))).astype(np.uint8)
    persons = np.repeat(np.kron(rng.integers(0, 4, (1, width)), np.ones((1, 2))), 2 * height, 0).astype(np.uint8)
    predicted = np.where(rng.random(parts.shape) < rng.choice([0.0, 0.2, 0.6]), rng.integers(0, 4), parts)
    parts[rng.random(parts.shape) < 0.05] = 255
    predicted = predicted.astype(np.uint8) % 4
    found = []
    for number in range(1, int(rng.integers(1, 6))):
        mask = np.roll(persons, int(rng.integers(0, 2)), 1) == number % 4
        own = np.where(mask, predicted, 0).astype(np.uint8)
        scores = {part: float(rng.random()) for part in PARTS if (own == part).any()}
        found.append(Person(float(rng.random()), (0, 0, 1, 1), mask, own, scores))
    return ParseResult(predicted, tuple(found), LABELS), parts, persons


def pixels(mask: NDArray[np.bool_]) -> Pixels:
    return frozenset((int(y), int(x)) for y, x in zip(*np.nonzero(mask), strict=True))


def iou(one: Pixels, other: Pixels) -> float:
    return len(one & other) / len(one | other) if one | other else 0.0


def average_precision(
    predictions: list[tuple[float, int, dict[int, float]]], labelled: set[tuple[int, int]], threshold: float
) -> float:
    """Area under the envelope, over the whole data set at once: predictions are (score, picture, IoU by instance)."""
    taken: set[tuple[int, int]] = set()
    hits: list[bool] = []
    for _, picture, overlaps in sorted(predictions, key=lambda entry: -entry[0]):
        best = max(overlaps, key=lambda instance: overlaps[instance], default=None)
        hit = best is not None and overlaps[best] >= threshold and (picture, best) not in taken
        if hit and best is not None:
            taken.add((picture, best))
        hits.append(hit)
    area = 0.0
    for rank, hit in enumerate(hits):
        if hit:
            area += max(sum(hits[: end + 1]) / (end + 1) for end in range(rank, len(hits))) / len(labelled)
    return area


def brute_force(pictures: list[Picture]) -> dict[str, float | None]:
    valid = [parts != 255 for _, parts, _ in pictures]
    people = [
        {
            int(person): {part: pixels((persons == person) & (parts == part)) for part in PARTS}
            for person in np.unique(persons)
            if person > 0 and ((persons == person) & (parts > 0) & (parts != 255)).any()
        }
        for _, parts, persons in pictures
    ]
    found = [
        [
            (person, {part: pixels((person.parts == part) & ok) for part in PARTS})
            for person in result.persons
            if (person.parts[ok] > 0).any()
        ]
        for (result, _, _), ok in zip(pictures, valid, strict=True)
    ]

    def person_iou(one: dict[int, Pixels], other: dict[int, Pixels]) -> float:
        ious = [iou(one[part], other[part]) for part in PARTS if one[part] or other[part]]
        return sum(ious) / len(ious)

    thresholds = [k / 10 for k in range(1, 10)]
    labelled = {(n, g) for n, there in enumerate(people) for g in there}
    predictions = [
        (person.score, n, {g: person_iou(own, people[n][g]) for g in people[n]})
        for n, there in enumerate(found)
        for person, own in there
    ]
    app = [average_precision(predictions, labelled, at) for at in thresholds] if labelled else []

    def outline(parts: dict[int, Pixels]) -> Pixels:
        return frozenset().union(*(parts[part] for part in PARTS))

    outlines = [
        (person.score, n, {g: iou(outline(own), outline(people[n][g])) for g in people[n]})
        for n, there in enumerate(found)
        for person, own in there
    ]

    apr: list[float] = []
    for part in PARTS:
        instances = sorted((n, g) for n, there in enumerate(people) for g in there if there[g][part])
        candidates = [
            (
                person.part_scores[part],
                n,
                {g: iou(own[part], people[n][g][part]) for g in people[n] if (n, g) in instances},
            )
            for n, there in enumerate(found)
            for person, own in there
            if own[part]
        ]
        if instances:
            apr += [average_precision(candidates, set(instances), at) for at in thresholds]

    shares: list[float] = []
    for n, there in enumerate(people):
        finder: dict[int, dict[int, Pixels]] = {}
        for _, own in sorted(found[n], key=lambda entry: -entry[0].score):
            best = max(there, key=lambda g: person_iou(own, there[g]), default=None)
            if best is not None and best not in finder and person_iou(own, there[best]) >= 0.5:
                finder[best] = own
        for g, parts in there.items():
            own_parts = [part for part in PARTS if parts[part]]
            right = [g in finder and iou(finder[g][part], parts[part]) > 0.5 for part in own_parts]
            shares.append(sum(right) / len(right))

    confusion = dict.fromkeys(itertools.product(range(4), repeat=2), 0)
    for (result, parts, _), ok in zip(pictures, valid, strict=True):
        for y, x in pixels(ok):
            confusion[int(parts[y, x]), int(result.parts[y, x])] += 1
    ious, recalls = [], []
    for part in range(4):
        row = sum(confusion[part, other] for other in range(4))
        union = row + sum(confusion[other, part] for other in range(4)) - confusion[part, part]
        ious += [confusion[part, part] / union] if union else []
        recalls += [confusion[part, part] / row] if row else []

    def mean(values: list[float]) -> float | None:
        return sum(values) / len(values) if values else None

    return {
        "pixel_accuracy": sum(confusion[part, part] for part in range(4)) / sum(confusion.values()),
        "mean_accuracy": mean(recalls),
        "miou": mean(ious),
        "apr": mean(apr),
        "app50": app[4] if app else None,
        "appvol": mean(app),
        "pcp50": mean(shares),
        "human_ap50": average_precision(outlines, labelled, 0.5) if labelled else None,
    }


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_two_implementations_agree(seed: int, num_pictures: int) -> None:
    rng = np.random.default_rng(seed)
    pictures = [random_picture(rng) for _ in range(num_pictures)]
    accumulator = MetricsAccumulator(LABELS)
    for result, parts, persons in pictures:
        accumulator.add(result, parts, persons)
    metrics = accumulator.result().to_json()
    for name, expected in brute_force(pictures).items():
        if expected is None:
            assert metrics[name] is None, name
        else:
            assert math.isclose(metrics[name], expected, abs_tol=1e-9), (name, metrics[name], expected)
