"""[5, 6, 27] with subjects as the unit: who owns several pictures counts once, is drawn once, and is one of N.

Each check holds for what a run by subjects does, and fails where pictures are taken for units somewhere on the way.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from discreet.data import open_spec
from discreet.data.samples import SampleSource
from discreet.data.transforms import AugmentSettings
from discreet.m2fp import M2FP, build, set_trainable
from discreet.privacy import Clipper, PrivacyPlan, RunKey
from discreet.toml_settings import checked
from discreet.training.batches import BatchLoader
from discreet.training.loop import picture_losses
from discreet.training.run import make_plan
from discreet.training.settings import RunSettings
from discreet.training.units import Units, units_of
from tests.e2e.conftest import write_pictures
from tests.equivalence.oracle import norm

MAX_GRAD_NORM = 1e-3  # far below any norm of an untrained network
SUBJECTS = ("anna", "anna", "anna", "ben", "ben", "cleo")

Sums = dict[str, Tensor]
# (pictures, those that are there) → the clipped sum of everybody
Mechanism = Callable[[M2FP, SampleSource, Sequence[int]], Sums]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> SampleSource:
    """Six pictures of three subjects; those of one subject are the same, so that their gradients pull together."""
    folder = write_pictures(tmp_path_factory.mktemp("data") / "train", len(SUBJECTS), subjects=False)
    first = {subject: SUBJECTS.index(subject) for subject in SUBJECTS}
    for index, subject in enumerate(SUBJECTS):
        for kind, suffix in (("images", "jpg"), ("parts", "png"), ("persons", "png")):
            if index != first[subject]:
                shutil.copy(folder / kind / f"{first[subject]:03d}.{suffix}", folder / kind / f"{index:03d}.{suffix}")
    rows = "".join(f"{index:03d},{subject}\n" for index, subject in enumerate(SUBJECTS))
    (folder / "subjects.csv").write_text("name,subject\n" + rows)
    return open_spec(f"folder:{folder}")


@pytest.fixture(scope="module")
def model() -> M2FP:
    """A network of which little trains."""
    network = build("m2fp-lite", 21, seed=0)
    set_trainable(network, "norms-and-biases")
    return network.train()


def summed(model: M2FP, source: SampleSource, units: Units, views: int) -> Sums:
    """All units through loader, network and clipper, as a step does that draws everybody."""
    loader = BatchLoader(source, units, AugmentSettings.of_strength("none", (32, 32)), model, seed=0, views=views)
    with Clipper(model, MAX_GRAD_NORM, views=views) as clipper:
        for unit in range(len(units)):
            batch = loader.load([unit], 0)
            if batch is not None:
                clipper.accumulate(picture_losses(model, batch).reshape(-1, views).mean(1))
        return clipper.take()


def owned(units: Units, present: Sequence[int]) -> Units:
    """Of each unit what is there."""
    return Units(tuple(tuple(picture for picture in pictures if picture in present) for pictures in units.pictures))


def by_subject(model: M2FP, source: SampleSource, present: Sequence[int]) -> Sums:
    """What discreet does: two views of a subject, averaged, are clipped once."""
    return summed(model, source, owned(units_of(source, "subject"), present), views=2)


def by_picture(model: M2FP, source: SampleSource, present: Sequence[int]) -> Sums:
    """Every picture of a subject is clipped by itself."""
    return summed(model, source, owned(units_of(source, "image"), present), views=1)


def view_by_view(model: M2FP, source: SampleSource, present: Sequence[int]) -> Sums:
    """Every view of a subject is clipped by itself."""
    units = owned(units_of(source, "subject"), present)
    loader = BatchLoader(source, units, AugmentSettings.of_strength("none", (32, 32)), model, seed=0, views=2)
    with Clipper(model, MAX_GRAD_NORM) as clipper:
        for unit in range(len(units)):
            batch = loader.load([unit], 0)
            if batch is not None:
                clipper.accumulate(picture_losses(model, batch))
        return clipper.take()


def check_one_subject_moves_the_sum_by_one_norm(mechanism: Mechanism, model: M2FP, source: SampleSource) -> None:
    """Whoever leaves takes all their pictures along."""
    everything = range(len(SUBJECTS))
    whole = mechanism(model, source, everything)
    for subject in sorted(set(SUBJECTS)):
        rest = mechanism(model, source, [index for index in everything if SUBJECTS[index] != subject])
        moved = norm(whole[name] - rest[name] for name in whole)
        assert 0 < moved <= MAX_GRAD_NORM * (1 + 1e-3), f"{subject} moves the sum by {moved:.4g}"


def test_fault_6_pictures_of_one_subject_clipped_one_by_one(model: M2FP, source: SampleSource) -> None:
    check_one_subject_moves_the_sum_by_one_norm(by_subject, model, source)
    for variant in (by_picture, view_by_view):
        with pytest.raises(AssertionError, match="moves the sum"):
            check_one_subject_moves_the_sum_by_one_norm(variant, model, source)


@dataclass(frozen=True)
class Named:
    """As much of a data set as says who its units are: two pictures of each subject."""

    names: Sequence[str]
    subjects: Sequence[str]
    spec: str = "named"

    def __len__(self) -> int:
        return len(self.names)


NUM_SUBJECTS = 20_000
LARGE = Named(
    [f"{index}" for index in range(2 * NUM_SUBJECTS)], [f"subject {index // 2}" for index in range(2 * NUM_SUBJECTS)]
)
SETTINGS = checked(
    RunSettings,
    {
        "data": {"train": "folder:x"},
        "privacy": {"noise_multiplier": 1.0, "unit": "subject"},
        "training": {"batch_size": 500, "epochs": 1},
    },
    "test",
)


def check_accounted_by_subjects(plan: PrivacyPlan | None) -> None:
    """N, q, the steps of an epoch and δ by subjects: δ is a tenth of one over their number."""
    assert plan is not None
    counts = (plan.num_samples, plan.sample_rate, plan.num_steps)
    assert counts == (NUM_SUBJECTS, 500 / NUM_SUBJECTS, 40), "other counts than those of subjects"
    assert plan.delta == pytest.approx(0.1 / NUM_SUBJECTS)
    assert plan.unit == "subject"


def test_fault_27_accounted_by_pictures() -> None:
    check_accounted_by_subjects(make_plan(SETTINGS, len(units_of(LARGE, "subject"))))  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match="other counts than those of subjects"):
        check_accounted_by_subjects(make_plan(SETTINGS, len(units_of(LARGE, "image"))))  # type: ignore[arg-type]


def a_subject_is_drawn_as_often_as_accounted(drawn: Callable[[int], NDArray[np.bool_]]) -> bool:
    """The share of steps in which each of fifty subjects of three pictures takes part, over 400 steps of q = 0.2."""
    share = np.mean([drawn(step) for step in range(400)])
    return bool(abs(share - 0.2) < 4 * np.sqrt(0.2 * 0.8 / (400 * 50)))


def test_fault_27_pictures_are_drawn_where_subjects_are_accounted() -> None:
    def sampler(num_units: int) -> Callable[[int], NDArray[np.int64]]:
        plan = PrivacyPlan.for_noise(
            noise_multiplier=1.0, num_samples=num_units, expected_batch_size=num_units // 5, num_steps=400, delta=1e-3
        )
        return plan.sampler(RunKey.for_tests(5)).batch

    subjects, pictures = sampler(50), sampler(150)

    def by_subject(step: int) -> NDArray[np.bool_]:
        return np.isin(np.arange(50), subjects(step))

    def by_picture(step: int) -> NDArray[np.bool_]:
        return np.isin(np.arange(50), pictures(step) // 3)

    assert a_subject_is_drawn_as_often_as_accounted(by_subject)
    assert not a_subject_is_drawn_as_often_as_accounted(by_picture)


def test_whoever_left_is_nowhere_in_a_step(model: M2FP, source: SampleSource) -> None:
    """A unit that owns nothing is drawn as ever, and adds exactly nothing."""
    units = units_of(source, "subject")
    gone = summed(model, source, units.without([0, 1, 2]), views=2)
    assert all(not bool(torch.any(total)) for total in gone.values())
