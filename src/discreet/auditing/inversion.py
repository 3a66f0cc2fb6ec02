"""Model inversion: can a picture be drawn back from the model and the picture's labels?

For members and for controls alike, an input is sought that the network parses as the true labels say: the same start,
the same steps, the same side information. How like the truth the result is means nothing by itself, because labels give
outlines away; only members that come out better than controls are a leak.

Source: Fredrikson and others, CCS 2015; feature statistics as a prior: Yin and others, arXiv 1912.08795.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from discreet.auditing.statistics import paired_p_value, success_with_prior
from discreet.data.samples import Sample, SampleSource
from discreet.data.transforms import AugmentSettings, augment
from discreet.errors import ConfigurationError
from discreet.labels import LabelSet
from discreet.m2fp import M2FP, criterion, make_targets
from discreet.m2fp.output import M2FPOutput

# uint8 RGB [H, W, 3] to a vector, or None where it sees no face.
FaceEncoder = Callable[[NDArray[np.uint8]], NDArray[np.float64] | None]

STEPS = 60
LEAST_PAIRS = 10
# An encoder that cannot tell clean pictures apart cannot say that a drawn one is unlike.
LEAST_CLEAN_TOP_1 = 0.8
# Pairs to look at.
_EXAMPLES = 6
_LEARNING_RATE = 0.02
# Sides of the cells that pictures are painted with.
_CELLS_PX = (32, 16, 8, 4)
_SMOOTHNESS, _STATISTICS = 10.0, 0.3
_BATCH = 8
_SSIM_WINDOW = 7


@dataclass(frozen=True)
class InversionPlan:
    """What is to be tried.

    Args:
        num_pairs: of a member and a control, drawn by lot.
        encode: recognises faces, independently of the model; None where identities are not asked for.
        steps: of each search.

    Raises:
        ConfigurationError: too few pairs to show anything.
    """

    num_pairs: int
    encode: FaceEncoder | None = None
    steps: int = STEPS

    def __post_init__(self) -> None:
        if self.num_pairs < LEAST_PAIRS:
            raise ConfigurationError(
                f"{self.num_pairs} pairs show nothing about inversion; try at least {LEAST_PAIRS}, better 50"
            )

    @property
    def num_gates(self) -> int:
        """Statements that it may err in."""
        return 1 if self.encode is None else 2


@dataclass(frozen=True)
class Reconstruction:
    """A picture and what was drawn of it, uint8 RGB [H, W, 3] both. *SENSITIVE*"""

    truth: NDArray[np.uint8]
    drawn: NDArray[np.uint8]


@dataclass(frozen=True)
class Gap:
    """What members have over the controls they are paired with.

    Args:
        members, controls: mean of each.
        p_value: of members being no better, by permutation of each pair.
        p_value_worse: of members being no worse.
    """

    members: float
    controls: float
    p_value: float
    p_value_worse: float


@dataclass(frozen=True)
class Identity:
    """Who is recognised in what was drawn, among everybody.

    Args:
        clean_top_1: share recognised in what the network was shown itself: the most that inversion could reach.
        gap: share of members and of controls recognised; None where the encoder is not good enough to say.
        gallery: people to choose from.
        allowed: share that the claimed ε allows; None without a claim.
    """

    clean_top_1: float
    gap: Gap | None
    gallery: int
    allowed: float | None


@dataclass(frozen=True)
class Inversion:
    """What was found. Un-noised: for the owner of the pictures.

    Args:
        num_pairs: of a member and a control.
        steps: of each search.
        similarity: structural similarity to the truth, over what the reference gives where there is one.
        absolute: structural similarity itself, of members and of controls.
        positive_control: `similarity` for pictures that an over-fitted copy learned, and others.
        alpha: chance of error of each statement.
        identity: None without an encoder.
        members, controls: examples. *SENSITIVE*
    """

    num_pairs: int
    steps: int
    similarity: Gap
    absolute: tuple[float, float]
    positive_control: Gap
    alpha: float
    identity: Identity | None = None
    members: list[Reconstruction] = field(default_factory=list)
    controls: list[Reconstruction] = field(default_factory=list)

    @property
    def gaps(self) -> list[Gap]:
        """All that were tested."""
        more = [] if self.identity is None or self.identity.gap is None else [self.identity.gap]
        return [self.similarity, *more]

    @property
    def leaks(self) -> bool:
        """Whether members come out better, significantly."""
        return any(gap.p_value < self.alpha / 2 for gap in self.gaps)

    def to_json(self) -> dict[str, Any]:
        """All but pictures."""
        found = asdict(replace(self, members=[], controls=[]))
        del found["members"], found["controls"]
        return {**found, "leaks": self.leaks}

    @property
    def is_broken(self) -> bool:
        """Whether members come out worse, significantly."""
        return any(gap.p_value_worse < self.alpha / 2 for gap in self.gaps)


@dataclass(frozen=True)
class Attacker:
    """Whom inversion is tried with.

    Args:
        model: searched through.
        reference: that never saw the pictures, or None.
        labels, canvas: of both.
    """

    model: M2FP
    reference: M2FP | None
    labels: LabelSet
    canvas: tuple[int, int]


def inversion(
    plan: InversionPlan,
    attacker: Attacker,
    copied: Attacker,
    pairs: tuple[SampleSource, SampleSource],
    rehearsed: tuple[SampleSource, SampleSource],
    *,
    mu: float | None,
    alpha: float,
    seed: int,
    advance: Callable[[], object] = lambda: None,
) -> Inversion:
    """Try it with the audited model, and with a copy that must leak if anything does.

    Args:
        plan: what to try.
        attacker: with the audited model.
        copied: with a copy that was over-fitted.
        pairs: members and controls, as many of each. *SENSITIVE*
        rehearsed: pictures that the copy learned, and others, as many of each. *SENSITIVE*
        mu: of the claim, or None.
        alpha: chance of error of each statement.
        seed: of permutations.
        advance: called `num_searches` times.
    """
    members, controls, gains = reconstructions(attacker, pairs, plan.steps, advance)
    _, _, control_gains = reconstructions(copied, rehearsed, plan.steps, advance)
    similar = [float(np.mean([similarity(one.drawn, one.truth) for one in kind])) for kind in (members, controls)]
    return Inversion(
        num_pairs=len(members),
        steps=plan.steps,
        similarity=gap_of(gains, seed),
        absolute=(similar[0], similar[1]),
        positive_control=gap_of(control_gains, seed),
        alpha=alpha,
        identity=None if plan.encode is None else identities(members, controls, plan.encode, mu, seed),
        members=members[:_EXAMPLES],
        controls=controls[:_EXAMPLES],
    )


def num_searches(attacker: Attacker, sources: Sequence[SampleSource]) -> int:
    """How many pictures are searched for."""
    return (1 if attacker.reference is None else 2) * sum(map(len, sources))


def reconstructions(
    attacker: Attacker,
    pairs: tuple[SampleSource, SampleSource],
    steps: int = STEPS,
    advance: Callable[[], object] = lambda: None,
) -> tuple[list[Reconstruction], list[Reconstruction], NDArray[np.float64]]:
    """Draw members and controls; what similarity to the truth float64 [2, N] the model gives over its reference."""
    fitting = AugmentSettings.of_strength("none", attacker.canvas, enlarge=attacker.model.human)
    drawn, gained = [], []
    for source in pairs:
        views = [augment(source[i], np.random.default_rng(0), fitting, attacker.labels) for i in range(len(source))]
        truths = [view.image for view in views]
        found = _drawn(attacker.model, views, attacker.labels, steps, advance)
        gains = np.array([similarity(*both) for both in zip(found, truths, strict=True)])
        if attacker.reference is not None:
            known = _drawn(attacker.reference, views, attacker.labels, steps, advance)
            gains -= [similarity(*both) for both in zip(known, truths, strict=True)]
        drawn.append([Reconstruction(*both) for both in zip(truths, found, strict=True)])
        gained.append(gains)
    return drawn[0], drawn[1], np.stack(gained)


def gap_of(pairs: NDArray[np.float64], seed: int) -> Gap:
    """Of values float64 [2, N], members first."""
    return Gap(
        members=float(pairs[0].mean()),
        controls=float(pairs[1].mean()),
        p_value=paired_p_value(pairs[0] - pairs[1], seed),
        p_value_worse=paired_p_value(pairs[1] - pairs[0], seed),
    )


def similarity(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Structural similarity, -1 to 1, mean over pixels and colours.

    Source: Wang and others, 2004, with uniform windows.
    """

    def smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return uniform_filter(values, _SSIM_WINDOW, axes=(0, 1))

    x, y = one.astype(np.float64), other.astype(np.float64)
    mean_x, mean_y = smooth(x), smooth(y)
    var_x, var_y, both = smooth(x * x) - mean_x**2, smooth(y * y) - mean_y**2, smooth(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return float(
        ((2 * mean_x * mean_y + c1) * (2 * both + c2) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))).mean()
    )


def identities(
    members: Sequence[Reconstruction],
    controls: Sequence[Reconstruction],
    encode: FaceEncoder,
    mu: float | None,
    seed: int,
) -> Identity:
    """Recognise everybody who was drawn among the mirrored truths.

    Args:
        members, controls: as many of each. *SENSITIVE*
        encode: independent of the model.
        mu: of the claim, or None.
        seed: of permutations.
    """
    everybody = [*members, *controls]
    gallery = [encode(np.ascontiguousarray(one.truth[:, ::-1])) for one in everybody]
    clean = _recognised([one.truth for one in everybody], gallery, encode)
    gap = None
    if clean.mean() >= LEAST_CLEAN_TOP_1:
        gap = gap_of(_recognised([one.drawn for one in everybody], gallery, encode).reshape(2, -1), seed)
    allowed = None if mu is None else success_with_prior(1 / len(gallery), mu)
    return Identity(float(clean.mean()), gap, len(gallery), allowed)


def _recognised(
    pictures: Sequence[NDArray[np.uint8]], gallery: Sequence[NDArray[np.float64] | None], encode: FaceEncoder
) -> NDArray[np.float64]:
    """1 where the nearest of the gallery is the right one, else 0; no face is not recognised."""
    known = [(position, face) for position, face in enumerate(gallery) if face is not None]
    found = np.zeros(len(pictures))
    for index, picture in enumerate(pictures):
        code = encode(picture)
        if code is not None and known:
            nearest = int(np.argmin([np.linalg.norm(code - face) for _, face in known]))
            found[index] = known[nearest][0] == index
    return found


def _drawn(
    model: M2FP, views: Sequence[Sample], labels: LabelSet, steps: int, advance: Callable[[], object]
) -> list[NDArray[np.uint8]]:
    """What each view's labels make the network imagine."""
    model.eval()
    pictures: list[NDArray[np.uint8]] = []
    for start in range(0, len(views), _BATCH):
        some = views[start : start + _BATCH]
        pixels = _searched(model, some, labels, steps)
        pictures += [_as_picture(model, one) for one in pixels]
        for _ in some:
            advance()
    return pictures


def _searched(model: M2FP, views: Sequence[Sample], labels: LabelSet, steps: int) -> Tensor:
    """Normalised inputs [B, 3, H, W] that minimise the loss, from the mean colour.

    They are sums of smooth layers, because free pixels end as noise that fools the network and shows nothing.
    """
    size = views[0].parts.shape
    lowest, highest = (model.normalise(np.full((1, 1, 3), v, np.uint8)).reshape(3, 1, 1) for v in (0, 255))
    targets = [make_targets(view.parts, view.persons, num_parts=len(labels), human=model.human) for view in views]
    layers = [
        torch.zeros(len(views), 3, -(-size[0] // cell) + 1, -(-size[1] // cell) + 1, requires_grad=True)
        for cell in _CELLS_PX
    ]
    optimizer = torch.optim.Adam(layers, lr=_LEARNING_RATE)
    with _watched_norms(model) as statistics:
        for step in range(steps):
            statistics.clear()
            pixels = _painted(layers, size, lowest, highest)
            points = [torch.Generator().manual_seed(step) for _ in views]
            output = model(pixels)
            last = M2FPOutput(output.class_logits, output.mask_logits)
            loss_B = criterion(last, targets, points, model.criterion_settings)
            across, down = pixels.diff(dim=3).abs().mean((1, 2, 3)), pixels.diff(dim=2).abs().mean((1, 2, 3))
            prior_B = torch.stack(statistics).mean(0) if statistics else torch.zeros(len(views))
            total = (loss_B + _SMOOTHNESS * (across + down) + _STATISTICS * prior_B).sum()
            for layer, gradient in zip(layers, torch.autograd.grad(total, layers), strict=True):
                layer.grad = gradient
            optimizer.step()
    return _painted(layers, size, lowest, highest).detach()


def _painted(layers: Sequence[Tensor], size: tuple[int, ...], lowest: Tensor, highest: Tensor) -> Tensor:
    """The sum of layers, each enlarged, in the range of pixels."""
    whole = sum(F.interpolate(layer, size, mode="bilinear", align_corners=True) for layer in layers)
    # Zero is the mean colour.
    middle, half = (highest + lowest) / 2, (highest - lowest) / 2
    return middle + half * torch.tanh((whole - middle) / half)


@contextmanager
def _watched_norms(model: M2FP) -> Iterator[list[Tensor]]:
    """How far each picture's features are from the backbone's statistics: [B] a norm and call."""
    found: list[Tensor] = []

    def note(norm: nn.Module, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.running_var + norm.eps
        mean, variance = inputs[0].mean((2, 3)), inputs[0].var((2, 3), unbiased=False)
        off = (mean - norm.running_mean) ** 2 / scale + ((variance + norm.eps) / scale).log() ** 2
        found.append(off.mean(1))

    hooks = [module.register_forward_hook(note) for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def _as_picture(model: M2FP, pixels_3HW: Tensor) -> NDArray[np.uint8]:
    """uint8 RGB [H, W, 3]."""
    mean, std = (torch.tensor(values)[:, None, None] for values in model.shape.normalisation)
    return (pixels_3HW * std + mean).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
