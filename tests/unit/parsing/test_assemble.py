"""Queries to parts and persons: small cases by hand, and the formula pixel by pixel."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from discreet.errors import WeightsError
from discreet.labels import LabelSet, from_names
from discreet.parsing import Frame, assemble, semantic_map
from discreet.parsing.frame import resize

LABELS = from_names("tiny", ["background", "head", "body"])
HUMAN, NOTHING = 3, 4  # classes: background, head, body, Human, no object
SURE = 20.0
Map = NDArray[np.float32]


def whole(size: int) -> Frame:
    """The picture fills its canvas."""
    return Frame(size, size, size, size, 0, 0, size, size)


def queries(*found: tuple[int, NDArray[np.bool_]], num_classes: int = 5, probability: float = 1.0) -> tuple[Map, Map]:
    """Logits that say each (class, mask); the masks are sure."""
    class_logits = np.full((len(found), num_classes), -SURE, np.float32)
    for query, (label, _) in enumerate(found):
        class_logits[query, label] = np.log(probability)
        class_logits[query, -1] = np.log(max(1 - probability, 1e-9))
    masks = np.stack([mask for _, mask in found])
    return class_logits, np.where(masks, SURE, -SURE).astype(np.float32)


def box(size: int, top: int, left: int, bottom: int, right: int) -> NDArray[np.bool_]:
    mask = np.zeros((size, size), bool)
    mask[top:bottom, left:right] = True
    return mask


def two_people(size: int = 8) -> tuple[Map, Map]:
    """Heads in rows 0–1, bodies in rows 2–5, in columns 0–2 and 5–7."""
    heads = box(size, 0, 0, 2, 3) | box(size, 0, 5, 2, 8)
    bodies = box(size, 2, 0, 6, 3) | box(size, 2, 5, 6, 8)
    return queries(
        (0, ~(heads | bodies)), (1, heads), (2, bodies), (HUMAN, box(size, 0, 0, 6, 3)), (HUMAN, box(size, 0, 5, 6, 8))
    )


def test_two_people_and_their_parts() -> None:
    result = assemble(*two_people(), human=True, labels=LABELS, frame=whole(8))
    expected = np.zeros((8, 8), np.uint8)
    expected[0:2, [0, 1, 2, 5, 6, 7]], expected[2:6, [0, 1, 2, 5, 6, 7]] = 1, 2
    np.testing.assert_array_equal(result.parts, expected)
    assert sorted(person.box for person in result.persons) == [(0, 0, 3, 6), (5, 0, 8, 6)]
    for person in result.persons:
        assert person.score == pytest.approx(1.0, abs=1e-5)
        np.testing.assert_array_equal(person.parts, np.where(person.mask, expected, 0))
        assert set(person.part_scores) == {1, 2}
    assert result.summary() == {
        "width": 8,
        "height": 8,
        "persons": [{"score": 1.0, "box": list(person.box), "parts": ["head", "body"]} for person in result.persons],
        "parts": {"head": 12, "body": 24},
    }


def test_a_persons_score_is_the_mean_of_its_parts_times_the_humans() -> None:
    # One person: a head of probability 0.9 over 4 pixels, a body of 0.5 over 12, a Human of 0.8; masks are sure.
    head, body = box(4, 0, 0, 1, 4), box(4, 1, 0, 4, 4)
    logits = [queries((1, head), probability=0.9), queries((2, body), probability=0.5)]
    logits.append(queries((HUMAN, head | body), probability=0.8))
    classes, masks = (np.concatenate(kind) for kind in zip(*logits, strict=True))
    (person,) = assemble(classes, masks, human=True, labels=LABELS, frame=whole(4)).persons
    assert person.part_scores == pytest.approx({1: 0.8 * 0.9, 2: 0.8 * 0.5}, abs=1e-4)
    assert person.score == pytest.approx((0.72 + 0.40) / 2, abs=1e-4)  # 0.56


def test_humans_at_or_below_the_threshold_are_left_out() -> None:
    head = box(4, 0, 0, 2, 4)
    logits = [queries((1, head)), queries((HUMAN, head), probability=0.3)]
    classes, masks = (np.concatenate(kind) for kind in zip(*logits, strict=True))
    found = [
        len(assemble(classes, masks, human=True, labels=LABELS, frame=whole(4), human_threshold=at).persons)
        for at in (0.1, 0.29, 0.31)
    ]
    assert found == [1, 1, 0]


def test_one_person_seen_twice_is_one_person() -> None:
    # The second Human covers 10 of the first one's 12 pixels: IoU 0.83.
    head = box(4, 0, 0, 3, 4)
    smaller = head.copy()
    smaller[0, :2] = False
    result = assemble(*queries((1, head), (HUMAN, head), (HUMAN, smaller)), human=True, labels=LABELS, frame=whole(4))
    assert [person.box for person in result.persons] == [(0, 0, 4, 3)]


def test_a_contested_pixel_goes_to_the_surer_human() -> None:
    # Two Humans of 3 columns share one column: IoU 0.2. The left one is surer and takes it.
    left, right = box(6, 0, 0, 6, 3), box(6, 0, 2, 6, 5)
    logits = [queries((1, left | right)), queries((HUMAN, left), probability=0.9)]
    logits.append(queries((HUMAN, right), probability=0.6))
    classes, masks = (np.concatenate(kind) for kind in zip(*logits, strict=True))
    first, second = assemble(classes, masks, human=True, labels=LABELS, frame=whole(6)).persons
    assert (first.box, second.box) == ((0, 0, 3, 6), (3, 0, 5, 6))
    assert not (first.mask & second.mask).any()


def test_a_human_mostly_inside_a_surer_one_is_dropped() -> None:
    # 4 of its 6 pixels belong to the larger one; IoU is only 4 / 26.
    large, small = box(6, 0, 0, 6, 4), box(6, 0, 2, 2, 5)
    logits = [queries((1, large | small)), queries((HUMAN, large)), queries((HUMAN, small), probability=0.5)]
    classes, masks = (np.concatenate(kind) for kind in zip(*logits, strict=True))
    persons = assemble(classes, masks, human=True, labels=LABELS, frame=whole(6)).persons
    assert [person.box for person in persons] == [(0, 0, 4, 6)]


def test_a_person_is_its_parts_not_the_background_a_human_covers() -> None:
    head = box(6, 1, 1, 3, 3)
    found = queries((0, ~head), (1, head), (HUMAN, box(6, 0, 0, 6, 6)))
    (person,) = assemble(*found, human=True, labels=LABELS, frame=whole(6)).persons
    assert person.box == (1, 1, 3, 3)
    np.testing.assert_array_equal(person.mask, head)


def test_a_human_without_parts_is_nobody() -> None:
    anything = box(4, 0, 0, 2, 2)
    result = assemble(*queries((0, ~anything), (HUMAN, anything)), human=True, labels=LABELS, frame=whole(4))
    assert result.persons == ()
    assert not result.parts.any()


def test_without_humans_all_parts_are_one_persons() -> None:
    found = queries((0, box(6, 3, 0, 6, 6)), (1, box(6, 0, 0, 1, 6)), (2, box(6, 1, 0, 3, 6)), num_classes=4)
    (person,) = assemble(*found, human=False, labels=LABELS, frame=whole(6)).persons
    assert person.box == (0, 0, 6, 3)
    assert person.score == pytest.approx(1.0, abs=1e-5)
    nobody = assemble(*queries((0, box(6, 0, 0, 6, 6)), num_classes=4), human=False, labels=LABELS, frame=whole(6))
    assert nobody.persons == ()


def test_the_part_map_follows_the_formula_pixel_by_pixel() -> None:
    rng = np.random.default_rng(3)
    num_queries, size = 19, 6
    classes = rng.normal(size=(num_queries, 5)).astype(np.float32)
    masks = (rng.normal(size=(num_queries, size, size)) * 3).astype(np.float32)
    expected = np.zeros((size, size), np.uint8)
    for y in range(size):
        for x in range(size):
            scores = [0.0, 0.0, 0.0]
            for query in range(num_queries):
                powers = [float(np.exp(value)) for value in classes[query]]
                sigmoid = 1 / (1 + float(np.exp(-masks[query, y, x])))
                for part in range(3):  # neither Human nor no object
                    scores[part] += powers[part] / sum(powers) * sigmoid
            expected[y, x] = scores.index(max(scores))
    found = semantic_map(classes, masks, num_parts=3, human=True, frame=whole(size))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(assemble(classes, masks, human=True, labels=LABELS, frame=whole(size)).parts, found)


def test_extreme_logits_are_no_trouble() -> None:
    classes = np.array([[1e4, -1e4, 0, 0, 0], [-1e4, 1e4, 0, 0, 0]], np.float32)
    masks = np.stack([np.full((4, 4), -1e4), np.full((4, 4), 1e4)]).astype(np.float32)
    assert (semantic_map(classes, masks, num_parts=3, human=True, frame=whole(4)) == 1).all()


def test_a_picture_behind_padding_is_parsed_at_its_own_size() -> None:
    # A 20 × 40 picture on a 32 × 32 canvas: rows 8 to 23. The head is its left half; padding says body.
    frame = Frame(
        height=20, width=40, canvas_height=32, canvas_width=32, top=8, left=0, inner_height=16, inner_width=32
    )
    head = box(8, 2, 0, 6, 4)  # mask logits are a quarter as fine as the canvas
    background = box(8, 2, 4, 6, 8)
    found = queries((0, background), (1, head), (2, ~(head | background)))
    parts = semantic_map(*found, num_parts=3, human=True, frame=frame)
    assert parts.shape == (20, 40)
    assert (parts[3:17, :19] == 1).all()
    assert (parts[3:17, 21:] == 0).all()


@pytest.mark.parametrize(("human", "num_classes"), [(True, 4), (False, 5)])
def test_a_network_of_other_classes_is_refused(human: bool, num_classes: int) -> None:
    labels: LabelSet = LABELS
    logits = np.zeros((2, num_classes), np.float32)
    with pytest.raises(WeightsError, match=f"{num_classes} classes"):
        assemble(logits, np.zeros((2, 4, 4), np.float32), human=human, labels=labels, frame=whole(4))


@pytest.mark.parametrize(("height", "width", "side"), [(33, 47, 16), (64, 40, 32), (5, 7, 16), (100, 3, 24)])
def test_every_part_is_weighed_wherever_it_can_win(height: int, width: int, side: int) -> None:
    """Parts are only looked at where they can win; the answer is that of looking at all of them everywhere."""
    rng = np.random.default_rng(height)
    num_parts, num_queries = 9, 14
    class_logits = (rng.normal(size=(num_queries, num_parts + 1)) * 1.5).astype(np.float32)
    mask_logits = (rng.normal(size=(num_queries, side // 4 + 1, side // 4 + 1)) * 6).astype(np.float32)
    frame = Frame(height, width, side, side, 0, 0, side, side)
    found = semantic_map(class_logits, mask_logits, num_parts=num_parts, human=False, frame=frame)

    powers = np.exp(class_logits.astype(np.float64))
    probabilities = (powers / powers.sum(1, keepdims=True))[:, :-1]
    rows, columns = min(side, height), min(side, width)
    masks = 1 / (1 + np.exp(-frame.invert(mask_logits, rows, columns).astype(np.float64)))
    scores = resize(np.einsum("qp,qrc->prc", probabilities, masks), height, width)
    surest = np.sort(scores, axis=0)
    clear = surest[-1] - surest[-2] > 1e-4
    assert clear.mean() > 0.95
    np.testing.assert_array_equal(found[clear], scores.argmax(0)[clear])
    assert len(np.unique(found)) > 1


_CPU_SECONDS_AFTER_A_PICTURE = """
import time
import numpy as np
from discreet.labels import label_set
from discreet.parsing import Frame, assemble

labels = label_set("cihp")
classes = np.random.default_rng(0).normal(size=(100, len(labels) + 2)).astype(np.float32)
masks = np.random.default_rng(1).normal(size=(100, 64, 64)).astype(np.float32)
assemble(classes, masks, human=True, labels=labels, frame=Frame(256, 256, 256, 256, 0, 0, 256, 256))
started = time.process_time()
time.sleep(0.1)
print(time.process_time() - started)
"""


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="on one core NumPy has one thread")
def test_no_thread_goes_on_when_a_picture_is_done() -> None:
    """Threads of NumPy's products would spin for a while, on cores that the network of the next picture wants."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    command = [sys.executable, "-c", _CPU_SECONDS_AFTER_A_PICTURE]
    spent = min(
        float(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)
        for _ in range(2)
    )
    assert spent < 0.01
