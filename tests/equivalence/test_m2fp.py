"""The whole of each network against a loop over single pictures, with equal discrete choices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from discreet.m2fp import (
    M2FP,
    CriterionSettings,
    Decisions,
    Targets,
    build,
    criterion,
    make_targets,
    set_activation_checkpointing,
    set_trainable,
)
from discreet.m2fp.presets import preset
from discreet.privacy import Clipper
from tests.equivalence.oracle import assert_equivalent, differences, gradients_in_batch, single_gradients

NUM_PARTS = 5
HEIGHT, WIDTH = 52, 40  # no multiples of 32
TRAINABLE = ("all", "decoder", "norms-and-biases")
SETTINGS = CriterionSettings(num_points=128)


def randomise(model: M2FP) -> M2FP:
    """Nothing stays at zero, one or a standard statistic: those hide mistakes."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(0, 0.3)
            if name.endswith("running_var"):
                buffer.uniform_(0.7, 1.5)
    return model


@cache
def network(name: str) -> M2FP:
    """m2fp-lite is whole; of the others, one block a stage (r101: two in the third) and fewer layers."""
    torch.manual_seed(5)
    if name == "m2fp-lite":
        return randomise(build(name, NUM_PARTS + 1)).double()
    depths = (1, 1, 2, 1) if name == "m2fp-r101" else (1, 1, 1, 1)
    shape = replace(
        preset(name, NUM_PARTS + 1),
        backbone_depths=depths,
        encoder_layers=1,
        decoder_layers=3,
        num_queries=12,
        encoder_hidden=64,
        decoder_hidden=64,
    )
    return randomise(M2FP(shape)).double()


@dataclass
class Pictures:
    """Made-up pictures with different numbers of people and ignored pixels, and the choices made for them."""

    images: Tensor
    targets: list[Targets]
    decisions: Decisions

    def losses(self, model: M2FP, samples: Sequence[int]) -> Tensor:
        """Of some of the pictures, replaying their choices."""
        chosen = list(samples)
        images = self.images[chosen].to(next(model.parameters()).dtype)
        replayed = self.decisions.select(chosen)
        targets = [self.targets[sample] for sample in chosen]
        return criterion(model(images, replayed), targets, generators(len(chosen)), SETTINGS, decisions=replayed)


def generators(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(k) for k in range(count)]


def pictures(model: M2FP, count: int = 3, seed: int = 0) -> Pictures:
    """Pictures, with the choices that the model makes for all of them at once."""
    rng = np.random.default_rng(seed)
    images = torch.from_numpy(rng.normal(size=(count, 3, HEIGHT, WIDTH)))
    targets = []
    for index in range(count):
        parts = np.zeros((HEIGHT, WIDTH), np.uint8)
        persons = np.zeros((HEIGHT, WIDTH), np.uint8)
        for person in range(index + 1):
            top, left = rng.integers(0, (HEIGHT // 2, WIDTH // 2))
            parts[top : top + 20, left : left + 16] = rng.integers(1, NUM_PARTS, (20, 1)) if index else 1
            persons[top : top + 20, left : left + 16] = person + 1
        parts[: 5 * index] = 255
        targets.append(make_targets(parts, persons, num_parts=NUM_PARTS, human=True))
    decisions = Decisions()
    with torch.no_grad():
        output = model(images.to(next(model.parameters()).dtype), decisions)
        criterion(output, targets, generators(count), SETTINGS, decisions=decisions)
    return Pictures(images, targets, decisions)


@pytest.mark.parametrize("trainable", TRAINABLE)
@pytest.mark.parametrize("name", ["m2fp-lite", "m2fp-r50", "m2fp-r101"])
def test_float64(name: str, trainable: str):
    model = network(name)
    set_trainable(model, trainable)
    given = pictures(model)
    other_style = {"m2fp-lite": "per_layer", "m2fp-r50": "per_layer", "m2fp-r101": "automatic"}[name]
    styles = (other_style,) if trainable == "norms-and-biases" else ("flat",)
    assert_equivalent(model, lambda samples: given.losses(model, samples), 3, tolerance=1e-9, styles=styles)


@pytest.mark.parametrize("name", ["m2fp-lite", "m2fp-r101"])
def test_float32(name: str):
    model = M2FP(network(name).shape)
    model.load_state_dict(network(name).state_dict())
    set_trainable(model, "all")
    norm_errors, sum_errors = [], []
    for seed in range(5):
        given = pictures(model, seed=seed)

        def losses(samples: Sequence[int], given: Pictures = given) -> Tensor:
            return given.losses(model, samples)

        in_batch = gradients_in_batch(model, losses(range(3)))
        assert_equivalent(model, losses, 3, tolerance=1e-4, styles=("flat",), singles=in_batch)
        found = differences(model, losses, 3, "flat", single_gradients(model, losses, 3))
        norm_errors.append(found[0])
        sum_errors.append(found[1])
    assert max(norm_errors) <= 1e-4
    # By itself a picture rounds otherwise. Where a ReLU or a bilinear cell lies within that rounding of its kink,
    # one entry of its gradient jumps, in the plain loop against its own float64 too: in one picture of eight.
    assert sorted(sum_errors)[1] <= 1e-4
    assert max(sum_errors) <= 2e-2


@pytest.mark.parametrize("style", ["flat", "per_layer"])
@pytest.mark.parametrize("name", ["m2fp-lite", "m2fp-r50"])
def test_activation_checkpointing_changes_no_bit_and_keeps_less(name: str, style: str):
    model = network(name)
    set_trainable(model, "all")
    given = pictures(model)
    found, kept = [], []
    for on in (False, True):
        set_activation_checkpointing(model, on)
        tensors: dict[int, int] = {}

        def note(tensor: Tensor, tensors: dict[int, int] = tensors) -> Tensor:
            storage = tensor.untyped_storage()
            tensors[storage.data_ptr()] = storage.nbytes()
            return tensor

        try:
            with Clipper(model, 1.0, style) as clipper:  # pyright: ignore[reportArgumentType]
                # Within a checkpointed part its own hooks are innermost: these see what is kept for the backward pass.
                with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
                    loss_B = given.losses(model, range(3))
                norms_B = clipper.accumulate(loss_B)
                found.append({"norms": norms_B, **clipper.take()})
        finally:
            set_activation_checkpointing(model, False)
        kept.append(sum(tensors.values()) - sum(p.numel() * p.element_size() for p in model.parameters()))
    assert all(bool(value.any()) for value in found[0].values())
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=0)
    assert kept[1] < 0.6 * kept[0]


def test_single_person_form():
    torch.manual_seed(6)
    model = randomise(build("m2fp-lite", NUM_PARTS, human=False)).double()
    set_trainable(model, "decoder")
    images = torch.randn(3, 3, HEIGHT, WIDTH, dtype=torch.float64)
    labels = [make_targets(np.eye(HEIGHT, WIDTH, dtype=np.uint8) * 3, None, num_parts=NUM_PARTS, human=False)] * 3
    given = Pictures(images, labels, Decisions())
    with torch.no_grad():
        criterion(model(given.images, given.decisions), labels, generators(3), SETTINGS, decisions=given.decisions)
    assert_equivalent(model, lambda samples: given.losses(model, samples), 3, tolerance=1e-9, styles=("flat",))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("m2fp-lite", "another picture"),
        ("m2fp-lite", "not a number"),
        ("m2fp-lite", "infinite"),
        ("m2fp-r50", "another picture"),
        ("m2fp-r50", "not a number"),
    ],
)
def test_a_picture_changes_nobody_elses_gradient(name: str, value: str):
    """Only picture 0 differs: norms of the others stay, and so does the sum without picture 0."""
    model = network(name)
    set_trainable(model, "decoder")
    given = pictures(model)
    other = given.images[:1].flip(2) * 3
    if value != "another picture":
        other = other.clone()
        other[0, :, 8, 9] = float("nan" if value == "not a number" else "inf")
    changed = replace(given, images=torch.cat((other, given.images[1:])))
    found_norms, others = [], []
    for batch in (given, changed):
        with Clipper(model, 1.0) as clipper:
            norms = clipper.accumulate(batch.losses(model, range(3)))
            together = clipper.take()
            clipper.accumulate(batch.losses(model, [0]))
            alone = clipper.take()
        found_norms.append(norms)
        others.append({name: total - alone[name] for name, total in together.items()})
    before, after = found_norms
    assert float((before[0] - after[0]).abs()) > 1e-3 or not after[0].isfinite()
    assert bool(after[0].isfinite()) == (value == "another picture")
    torch.testing.assert_close(after[1:], before[1:], rtol=1e-11, atol=0)
    for name, total in others[0].items():
        torch.testing.assert_close(others[1][name], total, rtol=0, atol=1e-11)


@pytest.mark.slow
def test_full_depth():
    """The largest network as it is published, through the tensors that every layer has."""
    torch.manual_seed(7)
    model = build("m2fp-r101", NUM_PARTS + 1).double()
    with torch.no_grad():  # only the zeros: at this depth, more noise would drown the pictures
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.02)
    set_trainable(model, "norms-and-biases")
    given = pictures(model, count=2)
    assert_equivalent(model, lambda samples: given.losses(model, samples), 2, tolerance=1e-9, styles=("flat",))
