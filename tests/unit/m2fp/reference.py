"""Small modules whose outputs were also computed by independent implementations (tests/golden)."""

from __future__ import annotations

import json
from pathlib import Path

from torch import Tensor, nn

from discreet.m2fp.backbones import EfficientNetLite0
from discreet.m2fp.pixel_decoder import DeformablePixelDecoder
from discreet.m2fp.query_decoder import QueryDecoder
from m2fp.support import fill, numbers

CHANNELS = (8, 16, 24, 32)
SIZES = {"width": 64, "hidden": 96, "heads": 8, "encoder_layers": 2, "decoder_layers": 4, "queries": 7}
GOLDEN = Path(__file__).parents[2] / "golden" / "m2fp_outputs.json"


def golden(what: str) -> list[list[float]]:
    """What the other implementation read at a few places."""
    return json.loads(GOLDEN.read_text())[what]


def read(tensor: Tensor) -> list[float]:
    """Mean, mean square, and six values spread over a tensor."""
    flat = tensor.detach().flatten()
    places = [k * (len(flat) - 1) // 5 for k in range(6)]
    return [float(flat.mean()), float(flat.square().mean()), *(float(flat[place]) for place in places)]


def lite_backbone() -> nn.Module:
    return fill(EfficientNetLite0().double().eval())


def backbone_images() -> Tensor:
    """Two pictures of 96×64."""
    return numbers("images", (2, 3, 96, 64)) * 2


def pixel_decoder() -> DeformablePixelDecoder:
    decoder = DeformablePixelDecoder(
        CHANNELS, SIZES["width"], SIZES["encoder_layers"], SIZES["heads"], num_points=4, width_hidden=SIZES["hidden"]
    )
    return fill(decoder.double())


def query_decoder() -> QueryDecoder:
    decoder = QueryDecoder(
        SIZES["width"], SIZES["queries"], SIZES["decoder_layers"], SIZES["heads"], SIZES["hidden"], num_classes=6
    )
    return fill(decoder.double())


def levels() -> list[Tensor]:
    """Backbone features of two pictures of 96×64."""
    sizes = ((24, 16), (12, 8), (6, 4), (3, 2))
    return [numbers(f"level {k}", (2, CHANNELS[k], *size)) for k, size in enumerate(sizes)]
