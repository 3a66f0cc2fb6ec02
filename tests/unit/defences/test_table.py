"""The table says what was planted: losses, shares of the gain, and how sure both are."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from discreet.auditing.result import attack_result
from discreet.defences.cells import Cell
from discreet.defences.page import apart, comparison_html, comparison_markdown, guarantee
from discreet.defences.settings import CompareSettings
from discreet.defences.table import Comparison, tabulate

NUM_PICTURES, NUM_PARTS = 60, 4


def told(name: str, members: NDArray[np.float64]) -> dict[str, Any]:
    """An attack on enough others to speak of a rate at 1 %, as audit.json has it."""
    return json.loads(json.dumps(asdict(attack_result(name, members, np.arange(400.0), 0.95))))


# Of 50 members 20 score above all others, and the rest among them; "loss" sees less.
STRONGEST = told("combined", np.concatenate([np.full(20, 1e3), np.arange(30) * 13.0]))
AUDIT = {
    "attacks": [told("loss", np.arange(50) * 8.0), STRONGEST],
    "answers": [],
    "verdict": "leak found",
    "valid": True,
}


def settings(seeds: tuple[int, ...] = (1,)) -> CompareSettings:
    return CompareSettings.model_validate(
        {
            "title": "planted <counts>",
            "seeds": list(seeds),
            "data": {"train": "folder:a", "evaluate": "folder:b", "public": "folder:c"},
            "base": {},
            "rows": {
                "plain": {"defence": "none"},
                "noisy": {"defence": "output-noise", "of": "plain", "mask_noise": 1.0},
                "private": {"defence": "dp-sgd"},
                "student": {"defence": "distillation", "of": "private"},
                "pupil": {"defence": "distillation", "of": "plain"},
            },
        }
    )


def counts(right: float, seed: int = 0) -> NDArray[np.int64]:
    """Pictures of which about this share of every part is right; which are hard is the same for all."""
    hardness = np.random.default_rng(5).uniform(-0.2, 0.2, (NUM_PICTURES, 1))
    shares = np.clip(right + hardness + np.random.default_rng(seed).normal(0, 0.005, (NUM_PICTURES, 1)), 0, 1)
    labelled = np.full((NUM_PICTURES, NUM_PARTS), 1000)
    found = (shares * labelled).astype(np.int64)
    return np.stack([found, labelled, labelled], 1)


def cell(right: float, seed: int = 0, **more: Any) -> Cell:
    kept = {"pixel_accuracy": right, "train_seconds": 60.0, "epsilon": None, "delta": None, "audit": AUDIT, **more}
    return Cell(counts(right, seed), **kept)


@pytest.fixture
def found() -> Comparison:
    private = {"epsilon": 8.0, "delta": 1e-5}
    cells = {
        "private": [cell(0.7, 2, **private)],
        "plain": [cell(0.8, 1)],
        "noisy": [cell(0.6, 3, train_seconds=0.0)],
        "student": [cell(0.65, 4, **private)],
        "pupil": [cell(0.75, 5)],
    }
    return tabulate(settings(), cell(0.5, 9), cells, dict.fromkeys(cells, 20.0))


def test_rows_stand_in_the_order_of_the_file(found: Comparison) -> None:
    assert [row.name for row in found.rows] == ["plain", "noisy", "private", "student", "pupil"]


def test_a_loss_is_surer_than_what_it_is_the_difference_of(found: Comparison) -> None:
    """Hard pictures are hard for all rows."""
    plain, _, private, *_ = found.rows
    assert plain.loss is None
    assert private.loss is not None
    assert private.loss.value == pytest.approx(plain.miou.value - private.miou.value)
    low, high = private.loss.interval
    assert low < private.loss.value < high
    assert high - low < 0.3 * (private.miou.interval[1] - private.miou.interval[0])


def test_the_share_of_the_gain_that_is_kept(found: Comparison) -> None:
    assert found.start is not None
    plain, _, private, *_ = found.rows
    assert private.recovered is not None
    gained = (private.miou.value - found.start.value) / (plain.miou.value - found.start.value)
    assert private.recovered.value == pytest.approx(gained)
    assert private.recovered.interval[0] < gained < private.recovered.interval[1]
    assert plain.recovered is None


def test_seeds_that_differ_make_intervals_wider() -> None:
    def width(shares: list[float]) -> float:
        cells = {name: [cell(0.8, 1)] * len(shares) for name in settings().rows}
        cells["private"] = [cell(share, seed) for seed, share in enumerate(shares)]
        rows = tabulate(settings(tuple(range(len(shares)))), None, cells, dict.fromkeys(cells, 1.0)).rows
        low, high = rows[2].miou.interval
        return high - low

    assert width([0.5, 0.6, 0.7]) > 1.3 * width([0.6, 0.6, 0.6])


def test_the_strongest_attack_is_shown(found: Comparison) -> None:
    membership = found.rows[0].membership
    assert membership is not None
    assert (membership["name"], membership["auc"]) == ("combined", STRONGEST["auc"])


def test_an_answer_may_be_attacked_most_strongly() -> None:
    """Of 50 members all but one score above all others."""
    answer = told("label map", np.concatenate([np.full(49, 1e3), [0.0]]))
    audit = {**AUDIT, "answers": [answer, told("names", np.arange(50) * 8.0)]}
    cells = {name: [cell(0.8, audit=audit)] for name in settings().rows}
    found = tabulate(settings(), None, cells, dict.fromkeys(cells, 1.0))
    membership = found.rows[0].membership
    assert membership is not None
    assert (membership["name"], membership["auc"]) == ("answer: label map", answer["auc"])
    assert "answer: label map: 0.98" in comparison_markdown(found)


def test_only_what_holds_is_claimed(found: Comparison) -> None:
    plain, noisy, private, student, pupil = (guarantee(row)[0] for row in found.rows)
    assert plain == "none"
    assert noisy.startswith("none, ever")
    assert private == "ε = 8, δ = 1e-05"
    assert student == "ε = 8, δ = 1e-05, that of private"
    assert pupil.startswith("none: its teacher")


def test_a_seed_without_a_guarantee_takes_it_from_its_row() -> None:
    cells = {name: [cell(0.8), cell(0.8)] for name in settings().rows}
    cells["private"] = [cell(0.8, epsilon=8.0, delta=1e-5), cell(0.8)]
    rows = tabulate(settings((1, 2)), None, cells, dict.fromkeys(cells, 1.0)).rows
    assert rows[2].epsilon is None


def test_page_and_markdown_hold_every_row_in_two_languages(found: Comparison) -> None:
    page, text = comparison_html(found), comparison_markdown(found)
    assert "planted &lt;counts&gt;" in page
    assert not any(mark in page for mark in ("<script", "http:", "https:", "src="))
    for row in found.rows:
        assert f">{row.name}</text>" in page
        assert text.count(f"| {row.name} |") == 2
    assert "40.0%<br><small>(26% … 55%)</small>" in page  # Clopper–Pearson of 20 of 50
    assert "没有" in text
    assert "spends more" in page, "an ε of one row is not that of all"
    assert "public start" in page
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1, "a bar too many breaks a table"


def test_without_attacks_and_start_there_is_still_a_table() -> None:
    cells = {name: [cell(0.8, audit=None)] for name in settings().rows}
    found = tabulate(settings(), None, cells, dict.fromkeys(cells, 1.0))
    assert found.start is None
    assert found.rows[1].membership is None
    assert "No row was attacked" in comparison_html(found)


def test_names_in_the_picture_stand_apart() -> None:
    """Rows of almost the same mIoU, one at the lower edge, and names in the order of their points."""
    heights = {"start": 300.0, "a": 100.0, "b": 101.0, "c": 99.0, "far": 200.0, "low": 299.0}
    written = apart(heights, 20.0, 300.0)
    order = sorted(heights, key=heights.__getitem__)
    gaps = np.diff([written[name] for name in order])
    assert gaps.min() >= 17
    assert written["far"] == 200.0  # what has room stays where its point is
    assert min(written.values()) >= 20
    assert max(written.values()) <= 300
