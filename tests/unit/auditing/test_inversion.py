"""Inversion finds a picture that a network remembers, and does not find what it does not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from discreet.auditing.inversion import (
    Attacker,
    InversionPlan,
    Reconstruction,
    gap_of,
    identities,
    inversion,
    num_searches,
    reconstructions,
    similarity,
)
from discreet.auditing.statistics import paired_p_value, success_with_prior
from discreet.data.samples import Sample, SampleSource
from discreet.errors import ConfigurationError
from discreet.labels import from_names
from discreet.m2fp import M2FP, M2FPOutput, build
from discreet.m2fp.output import MASK_STRIDE

CELL, PAIRS, STEPS = 8, 10, 60
SIDE = 4 * CELL
NUM_CLASSES = 3
LABELS = from_names("two parts", ["background", "coat"])


class Pictures(SampleSource):
    """Pictures of one coat each, which hangs where no other does."""

    def __init__(self, seed: int) -> None:
        self.spec, self.label_set = f"made up {seed}", LABELS
        rng = np.random.default_rng(seed)
        self.images = rng.integers(0, 256, (PAIRS, 4, 4, 3), np.uint8).repeat(CELL, 1).repeat(CELL, 2)
        self.parts = rng.integers(0, 2, (PAIRS, 4, 4), np.uint8).repeat(CELL, 1).repeat(CELL, 2)
        self.subjects = [None] * PAIRS
        self.names = [f"{seed}-{index}" for index in range(PAIRS)]

    def __len__(self) -> int:
        return PAIRS

    def __getitem__(self, index: int) -> Sample:
        return Sample(self.names[index], self.images[index], self.parts[index], self.parts[index], None)


class Remembering(M2FP):
    """The planted leak: knows pictures by heart, and parses another as it would the one that it resembles."""

    def __init__(self, pictures: Pictures) -> None:
        super().__init__(build("m2fp-lite", NUM_CLASSES).shape)
        self.learned = torch.stack([self.normalise(image) for image in pictures.images])
        coat = torch.from_numpy(pictures.parts[:, ::MASK_STRIDE, ::MASK_STRIDE]).float()
        self.masks = torch.stack([1 - coat, coat, coat], 1)

    def forward(self, images_B3HW: torch.Tensor, decisions: object = None) -> M2FPOutput:
        distance = (images_B3HW[:, None] - self.learned).square().mean((2, 3, 4))
        resembled = (-5 * distance).softmax(1)
        masks = torch.einsum("bk,kqhw->bqhw", resembled, self.masks)
        classes = 10 * torch.eye(3, NUM_CLASSES + 1).expand(len(images_B3HW), -1, -1)
        return M2FPOutput(classes, 10 * masks - 5)


def attacker(learned: int) -> Attacker:
    """A model that knows some pictures by heart, and a start that knows others."""
    return Attacker(Remembering(Pictures(learned)), Remembering(Pictures(9)), LABELS, (SIDE, SIDE))


def drawn_from(learned: int) -> NDArray[np.float64]:
    return reconstructions(attacker(learned), (Pictures(1), Pictures(2)), STEPS)[2]


def test_what_a_network_remembers_is_drawn_back() -> None:
    gap = gap_of(drawn_from(1), seed=0)
    assert gap.members > gap.controls + 0.1
    assert gap.p_value < 0.01 < gap.p_value_worse


def test_what_it_remembers_of_others_is_no_leak_of_these() -> None:
    gap = gap_of(drawn_from(3), seed=0)
    assert min(gap.p_value, gap.p_value_worse) > 0.01


def test_a_real_network_is_searched_the_same_way_each_time() -> None:
    model = build("m2fp-lite", NUM_CLASSES, seed=1)
    twice = Attacker(model, model, LABELS, (SIDE, SIDE))
    members, _, gains = reconstructions(twice, (Pictures(1), Pictures(2)), 3)
    assert gains.tolist() == np.zeros((2, PAIRS)).tolist()
    assert members[0].drawn.std() > 0


def test_an_inversion_says_what_was_tried() -> None:
    done = []
    sources = Pictures(1), Pictures(2)
    found = inversion(
        InversionPlan(PAIRS, colours, STEPS), attacker(1), attacker(1), sources, sources, mu=1.0, alpha=0.02, seed=0,
        advance=lambda: done.append(None),
    )  # fmt: skip
    assert len(done) == 8 * PAIRS == 2 * num_searches(attacker(1), sources)
    assert found.leaks
    assert not found.is_broken
    assert found.positive_control == found.similarity, "the same models and pictures"
    told = found.to_json()
    assert told["leaks"]
    assert told["num_pairs"] == PAIRS
    assert not {"members", "controls"} & set(told), "pictures stay here"


def colours(image: NDArray[np.uint8]) -> NDArray[np.float64] | None:
    """An encoder that knows people by their mean colour, mirrored or not."""
    return image.mean((0, 1)) if image.std() > 0 else None


def kinds(members: NDArray[np.uint8], controls: NDArray[np.uint8]) -> tuple[list[Reconstruction], list[Reconstruction]]:
    """Members and controls of which these were drawn."""
    return tuple(
        [Reconstruction(truth, image) for truth, image in zip(Pictures(seed).images, drawn, strict=True)]
        for seed, drawn in ((1, members), (2, controls))
    )


def test_who_is_drawn_back_is_recognised() -> None:
    members, controls = kinds(Pictures(1).images, Pictures(5).images)
    found = identities(members, controls, colours, mu=1.0, seed=0)
    assert found.clean_top_1 == 1
    assert found.gap is not None
    assert found.gap.members == 1
    assert found.gap.controls < 0.5
    assert found.gap.p_value < 0.01
    assert found.gallery == 2 * PAIRS
    assert found.allowed == pytest.approx(0.2595, abs=1e-4), "Φ(Φ⁻¹(0.05) + 1)"


def test_an_encoder_that_knows_nobody_says_nothing() -> None:
    members, controls = kinds(Pictures(1).images, Pictures(5).images)
    found = identities(members, controls, lambda image: np.zeros(3), mu=None, seed=0)
    assert found.clean_top_1 < 0.8
    assert found.gap is None
    assert found.allowed is None


def test_no_face_is_nobody() -> None:
    grey = np.full((PAIRS, SIDE, SIDE, 3), 128, np.uint8)
    members, controls = kinds(grey, grey)
    found = identities(members, controls, colours, mu=None, seed=0)
    assert found.gap is not None
    assert found.gap.members == found.gap.controls == 0


def test_similarity_is_one_for_the_same_and_small_for_another() -> None:
    one, other = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    assert similarity(one, one) == pytest.approx(1)
    assert abs(similarity(one, other)) < 0.05
    darker = (one * 0.8).astype(np.uint8)
    assert 0.8 < similarity(one, darker) < 1
    assert similarity(one, darker) == pytest.approx(similarity(darker, one))


def test_pairs_raise_no_more_alarms_than_they_may() -> None:
    """400 harmless inversions at 5 %; pictures that are taken for pairs of their own raise more."""
    alarms = mistaken = 0
    for seed in range(400):
        rng = np.random.default_rng([6, seed])
        differences = rng.standard_t(3, 20)
        alarms += paired_p_value(differences, seed) < 0.05
        mistaken += paired_p_value(np.repeat(differences, 4), seed) < 0.05
    assert alarms <= 31 < mistaken


def test_a_prior_of_half_under_gaussian_privacy() -> None:
    assert success_with_prior(0.5, 0.0) == 0.5
    assert success_with_prior(0.5, 1.0) == pytest.approx(0.8413, abs=1e-4)


def test_too_few_pairs_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least 10"):
        InversionPlan(9)
