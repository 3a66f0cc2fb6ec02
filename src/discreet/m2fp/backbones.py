"""Backbones: from pictures to features at strides 4, 8, 16 and 32.

Norm statistics are frozen public numbers. The sides of the pictures are multiples of 32.

Shapes: B pictures, D channels, H W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from discreet.m2fp.layers import Chain, ConvNorm, FrozenBatchNorm2d

STRIDES = (4, 8, 16, 32)


def _conv_norm(inputs: int, outputs: int, kernel: int, stride: int = 1) -> ConvNorm:
    """Padded by half the kernel, as ResNet has it."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return ConvNorm(conv, FrozenBatchNorm2d(outputs))


class DeepStem(nn.Module):
    """Three 3×3 convolutions and a max-pool, as in DeepLab: stride 4."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _conv_norm(3, 64, 3, stride=2)
        self.conv2 = _conv_norm(64, 64, 3)
        self.conv3 = _conv_norm(64, 128, 3)

    def forward(self, images_B3HW: Tensor) -> Tensor:
        features = images_B3HW
        for conv in (self.conv1, self.conv2, self.conv3):
            features = F.relu(conv(features))
        return F.max_pool2d(features, kernel_size=3, stride=2, padding=1)


class Bottleneck(nn.Module):
    """1×1, 3×3 (which carries the stride), 1×1, and a shortcut."""

    def __init__(self, inputs: int, width: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.shortcut = _conv_norm(inputs, outputs, 1, stride) if inputs != outputs else None
        self.conv1 = _conv_norm(inputs, width, 1)
        self.conv2 = _conv_norm(width, width, 3, stride)
        self.conv3 = _conv_norm(width, outputs, 1)

    def forward(self, features_BDHW: Tensor) -> Tensor:
        kept = features_BDHW if self.shortcut is None else self.shortcut(features_BDHW)
        inner = F.relu(self.conv2(F.relu(self.conv1(features_BDHW))))
        return F.relu(self.conv3(inner) + kept)


class ResNet(Chain):
    """ResNet with a deep stem and bottleneck blocks; [3, 4, 23, 3] is ResNet-101."""

    channels = (256, 512, 1024, 2048)

    def __init__(self, depths: Sequence[int]) -> None:
        super().__init__()
        self.stem = DeepStem()
        inputs = 128
        for stage, (depth, outputs) in enumerate(zip(depths, self.channels, strict=True)):
            blocks = []
            for block in range(depth):
                stride = 2 if block == 0 and stage > 0 else 1
                blocks.append(Bottleneck(inputs, outputs // 4, outputs, stride))
                inputs = outputs
            self.add_module(f"res{stage + 2}", nn.Sequential(*blocks))

    def forward(self, images_B3HW: Tensor) -> list[Tensor]:
        features = self.run(self.stem, images_B3HW)
        outputs = []
        for stage in range(len(self.channels)):
            for block in self.get_submodule(f"res{stage + 2}").children():
                features = self.run(block, features)
            outputs.append(features)
        return outputs


# EfficientNet-Lite0: blocks in the stage, kernel, stride, expansion, channels.
_LITE0_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_LITE0_EPS = 1e-3


def _lite_conv(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> ConvNorm:
    """A convolution padded as TensorFlow does: strided ones get their padding from `_pad_same`."""
    padding = kernel // 2 if stride == 1 else 0
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return ConvNorm(conv, FrozenBatchNorm2d(outputs, eps=_LITE0_EPS))


def _pad_same(features_BDHW: Tensor, kernel: int) -> Tensor:
    """TensorFlow's padding before a convolution of stride 2 on even sides: the odd cell goes right and bottom."""
    before, after = (kernel - 2) // 2, (kernel - 1) // 2
    return F.pad(features_BDHW, (before, after, before, after))


class InvertedBottleneck(nn.Module):
    """1×1 up, a depthwise convolution, 1×1 down, and the input again where shapes agree."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = inputs * expansion
        self.kernel, self.stride = kernel, stride
        self.has_shortcut = stride == 1 and inputs == outputs
        self.expand = _lite_conv(inputs, width) if expansion > 1 else None
        self.depthwise = _lite_conv(width, width, kernel, stride, groups=width)
        self.project = _lite_conv(width, outputs)

    def forward(self, features_BDHW: Tensor) -> Tensor:
        inner = features_BDHW if self.expand is None else F.relu6(self.expand(features_BDHW))
        if self.stride == 2:
            inner = _pad_same(inner, self.kernel)
        inner = self.project(F.relu6(self.depthwise(inner)))
        return features_BDHW + inner if self.has_shortcut else inner


class EfficientNetLite0(Chain):
    """EfficientNet-Lite0 without its classifier: ReLU6, no squeeze-and-excitation."""

    channels = (24, 40, 112, 320)

    def __init__(self) -> None:
        super().__init__()
        self.stem = _lite_conv(3, 32, kernel=3, stride=2)
        blocks, inputs = [], 32
        for depth, kernel, stride, expansion, outputs in _LITE0_STAGES:
            for block in range(depth):
                blocks.append(InvertedBottleneck(inputs, outputs, kernel, stride if block == 0 else 1, expansion))
                inputs = outputs
        self.blocks = nn.ModuleList(blocks)
        # The last block before each change of stride.
        self._outputs = (2, 4, 10, 15)

    def forward(self, images_B3HW: Tensor) -> list[Tensor]:
        features = F.relu6(self.stem(_pad_same(images_B3HW, kernel=3)))
        outputs = []
        for index, block in enumerate(self.blocks):
            features = self.run(block, features)
            if index in self._outputs:
                outputs.append(features)
        return outputs
