"""M2FP: Mask2Former whose queries find the background, the parts of every person, and every person.

Shapes: B pictures, Q queries, C classes, H W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from discreet.errors import ConfigurationError
from discreet.m2fp.backbones import STRIDES, EfficientNetLite0, ResNet
from discreet.m2fp.criterion import CriterionSettings
from discreet.m2fp.decisions import Decisions
from discreet.m2fp.layers import Chain, ConvNorm
from discreet.m2fp.low_rank import add_adapters
from discreet.m2fp.output import MASK_STRIDE, M2FPOutput
from discreet.m2fp.pixel_decoder import DeformablePixelDecoder, LitePixelDecoder, PixelFeatures
from discreet.m2fp.presets import Architecture, criterion_settings, preset
from discreet.m2fp.query_decoder import QueryDecoder

Trainable = Literal["all", "decoder", "low-rank", "norms-and-biases"]

_NUM_POINTS = 4
_CLASS_HEAD = "query_decoder.class_embed"
_NORMS = (nn.GroupNorm, nn.LayerNorm, nn.BatchNorm2d)


class M2FP(nn.Module):
    """Backbone, pixel decoder, query decoder. The same arithmetic in training and evaluation mode.

    **Guarantees** Row b of every output is a function of images[b] alone. Every parameter lives in a
    Linear, Conv2d, GroupNorm, LayerNorm, BatchNorm2d (frozen statistics) or Embedding, which is only
    called with the picture as leading axis.
    """

    def __init__(self, shape: Architecture) -> None:
        super().__init__()
        self.shape = shape
        if shape.is_lite:
            self.backbone = EfficientNetLite0()
            self.pixel_decoder = LitePixelDecoder(
                self.backbone.channels, shape.width, shape.num_heads, shape.encoder_hidden
            )
        else:
            self.backbone = ResNet(shape.backbone_depths)
            self.pixel_decoder = DeformablePixelDecoder(
                self.backbone.channels,
                shape.width,
                shape.encoder_layers,
                shape.num_heads,
                _NUM_POINTS,
                shape.encoder_hidden,
            )
        self.query_decoder = QueryDecoder(
            shape.width,
            shape.num_queries,
            shape.decoder_layers,
            shape.num_heads,
            shape.decoder_hidden,
            shape.num_classes,
        )

    @property
    def name(self) -> str:
        """Of the preset."""
        return self.shape.name

    @property
    def num_classes(self) -> int:
        """Parts with background, and Human if `human`; without "no object"."""
        return self.shape.num_classes

    @property
    def human(self) -> bool:
        """Whether whole persons are a class, the last one."""
        return self.shape.human

    @property
    def criterion_settings(self) -> CriterionSettings:
        """What this network trains with."""
        return criterion_settings(self.shape.name)

    def batch(self, images: Sequence[Tensor] | Tensor) -> Tensor:
        """Normalised pictures of one size as a batch, [B, 3, H, W], laid out in memory as this network is fastest.

        Depthwise kernels are where channels lie side by side; ResNets do not care.
        """
        layout = torch.channels_last if self.shape.is_lite else torch.contiguous_format
        whole = images if isinstance(images, Tensor) else torch.stack(list(images))
        return whole.contiguous(memory_format=layout)

    def batch_of(self, pictures: Sequence[NDArray[np.uint8]], device: torch.device | str = "cpu") -> Tensor:
        """Pictures of one size, uint8 RGB [H, W, 3], as this network eats them: `batch` of `normalise`, on a device."""
        return self.batch(self._normalised(torch.from_numpy(np.stack(pictures)).to(device)).permute(0, 3, 1, 2))

    def architecture(self) -> dict[str, Any]:
        """What rebuilds this network, for a JSON file."""
        return self.shape.to_dict()

    def normalise(self, image: NDArray[np.uint8]) -> Tensor:
        """A picture, uint8 RGB [H, W, 3], as the network eats it: float32 [3, H, W]."""
        return self._normalised(torch.from_numpy(np.array(image))).permute(2, 0, 1).contiguous()

    def _normalised(self, pixels: Tensor) -> Tensor:
        """Colours in the last axis, 0 to 255, as float32 with the mean and spread that the network is used to."""
        mean, std = (torch.tensor(values, device=pixels.device) for values in self.shape.normalisation)
        return (pixels.float() - mean) / std

    def forward(self, images_B3HW: Tensor, decisions: Decisions | None = None) -> M2FPOutput:
        """Classes and masks of every query.

        Args:
            images_B3HW: normalised; sides need not be multiples of 32.
            decisions: record or replay attention masks.

        Raises:
            ConfigurationError: not a batch of RGB pictures, or decisions of another batch size.
        """
        _check_images(images_B3HW)
        if decisions is not None and decisions.attention_masks:
            decisions.check_batch(len(images_B3HW))
        outputs = self.query_decoder(self._features(images_B3HW), decisions)
        *auxiliary, final = [(classes, _cut(masks, images_B3HW)) for classes, masks in outputs]
        return M2FPOutput(*final, auxiliary=auxiliary)

    def infer(self, images_B3HW: Tensor) -> tuple[Tensor, Tensor]:
        """class_logits [B, Q, C+1] and mask_logits [B, Q, H/4, W/4] as of `forward`, sooner: nothing to train on."""
        _check_images(images_B3HW)
        classes, masks = self.query_decoder.final(self._features(images_B3HW))
        return classes, _cut(masks, images_B3HW)

    def _features(self, images_B3HW: Tensor) -> PixelFeatures:
        """Of pictures padded to whole cells of the coarsest level."""
        height, width = images_B3HW.shape[2:]
        coarsest = STRIDES[-1]
        return self.pixel_decoder(self.backbone(F.pad(images_B3HW, (0, -width % coarsest, 0, -height % coarsest))))


def _check_images(images_B3HW: Tensor) -> None:
    """Refuse what is no batch of pictures."""
    if images_B3HW.ndim != 4 or images_B3HW.shape[1] != 3 or 0 in images_B3HW.shape:
        raise ConfigurationError(
            f"images of shape {tuple(images_B3HW.shape)}; give a batch [B, 3, H, W] of at least one RGB picture"
        )


def _cut(masks_BQHW: Tensor, images_B3HW: Tensor) -> Tensor:
    """Masks without the padding's."""
    height, width = images_B3HW.shape[2:]
    return masks_BQHW[:, :, : -(-height // MASK_STRIDE), : -(-width // MASK_STRIDE)]


def build(name: str, num_classes: int, *, human: bool = True, seed: int | None = None) -> M2FP:
    """A network with random weights.

    Args:
        name: "m2fp-r101" as published, "m2fp-r50", or "m2fp-lite" for CPUs. *Public*
        num_classes: parts with background, and one more for Human if `human`: CIHP 21, LIP 20. *Public*
        human: multi-person, with whole persons as the last class; False for the single-person form.
        seed: of the weights; the global random state is then left alone.

    Raises:
        ConfigurationError: unknown name, or too few classes.
    """
    shape = preset(name, num_classes, human=human)
    if seed is None:
        return M2FP(shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return M2FP(shape)


def set_trainable(model: M2FP, what: Trainable | str) -> None:
    """Choose what trains: everything, the two decoders, adapters and the class head, or norms, biases and class head.

    "low-rank" adds the adapters, in place; `merge_adapters` takes them away again.

    Raises:
        ConfigurationError: unknown choice.
    """
    if what not in get_args(Trainable):
        raise ConfigurationError(f"trainable {what!r} is unknown; use one of {', '.join(get_args(Trainable))}")
    if what == "low-rank":
        add_adapters(model, keep=_CLASS_HEAD)
    for name, layer in model.named_modules():
        for key, parameter in layer.named_parameters(recurse=False):
            chosen = {
                "all": True,
                "decoder": not name.startswith("backbone"),
                "low-rank": name.endswith((".down", ".up")) or name == _CLASS_HEAD,
                "norms-and-biases": isinstance(layer, _NORMS) or key == "bias" or name == _CLASS_HEAD,
            }
            parameter.requires_grad_(chosen[what])


def absorb_statistics(model: M2FP) -> None:
    """Take statistics of frozen norms into the weights before them, in place: the same function, other gradients.

    Before adapters are added. See `ConvNorm.absorb_statistics`.
    """
    for part in model.modules():
        if isinstance(part, ConvNorm):
            part.absorb_statistics()


def set_activation_checkpointing(model: M2FP, on: bool) -> None:
    """Whether backbone and pixel decoder compute again in the backward pass what they otherwise keep until then."""
    for part in model.modules():
        if isinstance(part, Chain):
            part.activation_checkpointing = on
