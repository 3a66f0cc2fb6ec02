"""Metrics on pictures small enough to be worked out by hand; the arithmetic stands in the comments."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from discreet.errors import DataError
from discreet.labels import from_names
from discreet.parsing import ParseResult, Person
from discreet.training.metrics import Metrics, MetricsAccumulator

LABELS = from_names("tiny", ["background", "head", "body", "hat"])
Ids = NDArray[np.uint8]


def ids(*rows: str) -> Ids:
    """A map of ids: one character a pixel, x for ignored."""
    return np.array([[255 if letter == "x" else int(letter) for letter in row] for row in rows], np.uint8)


def prediction(parts: Ids, *persons: tuple[float, Ids]) -> ParseResult:
    found = tuple(Person(score, (0, 0, 1, 1), own > 0, own) for score, own in persons)
    return ParseResult(parts, found, LABELS)


def measure(*pictures: tuple[ParseResult, Ids, Ids | None]) -> Metrics:
    accumulator = MetricsAccumulator(LABELS)
    for found, parts, persons in pictures:
        accumulator.add(found, parts, persons)
    return accumulator.result()


def test_pixels_by_hand() -> None:
    # labelled  0 0 1 1 1 2 2 x     predicted 0 1 1 1 0 2 1 2
    # right: background 1, head 2, body 1; the last pixel is ignored.
    metrics = measure((prediction(ids("01110212")), ids("0011122x"), None))
    assert metrics.pixel_accuracy == pytest.approx(4 / 7)
    # Of 2 background pixels 1 is right, of 3 head 2, of 2 body 1.
    assert metrics.mean_accuracy == pytest.approx((1 / 2 + 2 / 3 + 1 / 2) / 3)
    # background 1 / (2 + 2 − 1), head 2 / (3 + 4 − 2), body 1 / (2 + 1 − 1); hat is nowhere and left out.
    assert metrics.iou == pytest.approx({"background": 1 / 3, "head": 2 / 5, "body": 1 / 2})
    assert metrics.miou == pytest.approx((1 / 3 + 2 / 5 + 1 / 2) / 3)
    assert metrics.num_samples == 1


def test_a_part_seen_where_it_is_not_counts_as_zero() -> None:
    metrics = measure((prediction(ids("0013")), ids("0011"), None))
    assert metrics.iou == pytest.approx({"background": 1.0, "head": 1 / 2, "hat": 0.0})
    assert metrics.miou == pytest.approx(0.5)
    assert metrics.mean_accuracy == pytest.approx((1 + 1 / 2) / 2), "hats are not labelled"


def test_pixels_are_summed_over_pictures_before_the_ratio() -> None:
    # head: right 1 + 1, labelled 1 + 3, predicted 1 + 1: 2 / (4 + 2 − 2).
    # background: right 3 + 1, labelled 3 + 1, predicted 3 + 3: 4 / (4 + 6 − 4).
    metrics = measure((prediction(ids("0001")), ids("0001"), None), (prediction(ids("0001")), ids("0111"), None))
    assert metrics.iou == pytest.approx({"background": 4 / 6, "head": 2 / 4})


def test_persons_by_hand() -> None:
    """Person 1: head 2 pixels, body 4. Person 2: head 2, body 2."""
    parts = ids("11220022", "11220011")
    parts[1, :2] = 2  # person 1: head (0,0)(0,1); body the other six of its block
    persons = ids("11110022", "11110022")
    first = ids("11200000", "22200000")  # head exact: IoU 1; body 4 of 6: IoU 2/3
    second = ids("00000022", "00000002")  # body: both pixels and one more, IoU 2/3; head missed: IoU 0
    metrics = measure((prediction(first + second, (0.9, first), (0.8, second)), parts, persons))
    # Persons: the first has IoU (1 + 2/3) / 2 = 5/6, the second (0 + 2/3) / 2 = 1/3.
    # Thresholds 0.1 to 0.3 both are found: AP 1. From 0.4 to 0.8 only the first, which is the surer:
    # precision 1 up to recall 1/2: AP 1/2. At 0.9 nobody: 0.
    assert metrics.app50 == pytest.approx(0.5)
    assert metrics.appvol == pytest.approx((3 * 1 + 5 * 0.5 + 0) / 9)
    # Heads: one prediction, exact; two labelled: AP 1/2 everywhere.
    # Bodies: two predictions with IoU 2/3: AP 1 up to 0.6, then 0: 6/9 on average.
    assert metrics.apr == pytest.approx((0.5 + 6 / 9) / 2)
    # Person 1 is found at 0.5 with both parts above 0.5: 1. Person 2 is not found: 0.
    assert metrics.pcp50 == pytest.approx(0.5)
    # Outlines: the first covers 6 of 8 pixels, the second 3 of 4: both are found.
    assert metrics.human_ap50 == pytest.approx(1.0)


def test_an_outline_of_wrong_parts_is_a_person_found() -> None:
    parts, persons = ids("1122"), ids("1111")
    swapped, half, less = ids("2211"), ids("2200"), ids("2000")
    assert (measure((prediction(swapped, (0.9, swapped)), parts, persons)).app50) == 0
    found = [measure((prediction(own, (0.9, own)), parts, persons)).human_ap50 for own in (swapped, half, less)]
    assert found == [1.0, 1.0, 0.0], "IoU 1, exactly 1/2, and 1/4"


def test_ignored_pixels_belong_to_no_outline() -> None:
    parts, persons = ids("11xxxx"), ids("111111")
    own = ids("110000")
    assert measure((prediction(own, (0.9, own)), parts, persons)).human_ap50 == 1.0
    wide = ids("111111")
    assert measure((prediction(wide, (0.9, wide)), parts, persons)).human_ap50 == 1.0


def test_one_outline_around_two_persons_finds_one_at_most() -> None:
    parts, persons = ids("111110111"), ids("111110222")
    around = ids("111110111")  # IoU 5/8 with the first, 3/8 with the second
    assert measure((prediction(around, (0.9, around)), parts, persons)).human_ap50 == pytest.approx(0.5)


def test_a_false_alarm_costs_only_if_it_is_surer() -> None:
    parts, persons = ids("1100"), ids("1100")
    right, wrong = ids("1100"), ids("0011")
    after = measure((prediction(right + wrong, (0.9, right), (0.1, wrong)), parts, persons))
    before = measure((prediction(right + wrong, (0.1, right), (0.9, wrong)), parts, persons))
    assert (after.app50, after.apr, after.pcp50, after.human_ap50) == (1.0, 1.0, 1.0, 1.0)
    assert (before.app50, before.apr, before.pcp50, before.human_ap50) == (0.5, 0.5, 1.0, 0.5)


def test_a_person_found_twice_is_one_hit_and_one_false_alarm() -> None:
    # Surest first over two pictures: hit, double, hit. Precision 1, 1/2, 2/3; recall 1/2, 1/2, 1.
    # Envelope: 1 up to recall 1/2, then 2/3: AP = 1/2 + 1/3 = 5/6.
    person = ids("11")
    two = (prediction(person, (0.9, person), (0.8, person)), person, person)
    one = (prediction(person, (0.7, person)), person, person)
    metrics = measure(two, one)
    assert metrics.app50 == pytest.approx(5 / 6)
    assert metrics.human_ap50 == pytest.approx(5 / 6)
    assert metrics.apr == pytest.approx(5 / 6)


def test_pcp_asks_for_more_than_one_half_of_the_part() -> None:
    # head exact, body 1 of 2: IoU exactly 1/2 is not above it. Person IoU 3/4: found, with one of two parts.
    parts, found = ids("1122"), ids("1120")
    assert measure((prediction(found, (0.9, found)), parts, ids("1111"))).pcp50 == pytest.approx(0.5)


def test_parts_without_person_ids_are_one_persons() -> None:
    parts = ids("0112")
    assert measure((prediction(parts, (0.5, parts)), parts, None)).app50 == 1.0
    assert measure((prediction(parts), parts, None)).app50 == 0.0


def test_parts_are_ranked_by_their_own_scores() -> None:
    # Two pictures with a head each; the false head is less sure than the true one, though its person is surer.
    head = ids("10")
    true = Person(0.5, (0, 0, 1, 1), head > 0, head, {1: 0.9})
    false = Person(0.8, (0, 0, 1, 1), head > 0, head, {1: 0.2})
    pictures = [
        (ParseResult(head, (true,), LABELS), head, head),
        (ParseResult(head, (false,), LABELS), ids("02"), ids("01")),
    ]
    # One labelled head, found first: AP 1. One labelled body, never found: AP 0.
    assert measure(*pictures).apr == pytest.approx(0.5)
    assert measure(*pictures).app50 == pytest.approx(1 / 4), "hit after a false alarm, of two persons: 1/2 · 1/2"


def test_persons_in_ignored_places_are_neither_right_nor_wrong() -> None:
    parts, persons = ids("11xx"), ids("1100")
    right, unknown = ids("1100"), ids("0022")
    metrics = measure((prediction(right + unknown, (0.2, right), (0.9, unknown)), parts, persons))
    assert (metrics.app50, metrics.apr, metrics.miou) == (1.0, 1.0, 1.0)


def test_what_is_not_labelled_is_none_not_zero() -> None:
    empty = ids("00")
    metrics = measure((prediction(empty), empty, None))
    assert (metrics.apr, metrics.app50, metrics.appvol, metrics.pcp50, metrics.human_ap50) == (None,) * 5
    assert (metrics.miou, metrics.miou_interval) == (1.0, None)
    nothing = measure((prediction(ids("11")), ids("xx"), None))
    assert (nothing.pixel_accuracy, nothing.miou, nothing.iou) == (None, None, {})
    assert MetricsAccumulator(LABELS).result().num_samples == 0


def test_the_interval_is_of_the_pictures_and_repeats() -> None:
    rng = np.random.default_rng(0)

    def pictures(count: int) -> list[tuple[ParseResult, Ids, None]]:
        found = []
        for _ in range(count):
            parts = rng.integers(0, 3, (6, 6), dtype=np.uint8)
            wrong = rng.random((6, 6)) < rng.random()
            found.append((prediction(np.where(wrong, 0, parts).astype(np.uint8)), parts, None))
        return found

    few = pictures(10)
    first, again = measure(*few), measure(*few)
    assert first.miou_interval == again.miou_interval
    assert first.miou is not None
    assert first.miou_interval is not None
    low, high = first.miou_interval
    assert low < first.miou < high
    many = measure(*pictures(160)).miou_interval
    assert many is not None
    assert many[1] - many[0] < (high - low) / 2, "16 times the pictures: about a quarter of the width"
    same = measure(few[0], few[0], few[0]).miou_interval
    assert same is not None
    assert same[0] == same[1]


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Pictures of one labelled and one predicted pixel class: mIoU over all of them is known."""
    rng = np.random.default_rng(1)
    parts = ids("1111111111")

    def sample() -> tuple[ParseResult, Ids, None]:
        wrong = rng.random(10) < 0.4
        return prediction(np.where(wrong, 255, parts).astype(np.uint8)), parts, None

    covered = 0
    for _ in range(60):
        interval = measure(*(sample() for _ in range(30))).miou_interval
        assert interval is not None
        covered += interval[0] <= 0.6 <= interval[1]
    assert covered >= 50  # 57 expected; fewer than 50 has probability below 0.001


def test_another_size_is_refused() -> None:
    with pytest.raises(DataError, match=r"\(1, 2\).*\(1, 3\)"):
        measure((prediction(ids("00")), ids("000"), None))
    with pytest.raises(DataError):
        measure((prediction(ids("00")), ids("00"), ids("0")))


def test_the_json_has_the_agreed_keys() -> None:
    found = measure((prediction(ids("01")), ids("01"), None)).to_json()
    assert set(found) == {
        "pixel_accuracy", "mean_accuracy", "miou", "miou_interval", "iou", "apr", "app50", "appvol", "pcp50",
        "human_ap50", "num_samples",
    }  # fmt: skip
    assert json.loads(json.dumps(found, allow_nan=False)) == found
