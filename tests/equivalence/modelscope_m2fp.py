"""Answers a picture by ModelScope's own M2FP with weights from a file; a process of its own.

    python modelscope_m2fp.py WEIGHTS.pth DEPTH NUM_CLASSES IMAGES.npy ANSWERS.npz
    python modelscope_m2fp.py FOLDER IMAGES.npy ANSWERS.npz

The second form is what users do: `Model.from_pretrained(FOLDER)`, and persons and parts of each picture.

Its compiled deformable attention (mmcv) is replaced by plain PyTorch, as published: Deformable DETR, arXiv 2010.04159,
equation 3. What it imports and M2FP does not use (timm, torchvision) is replaced by nothing.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

UNUSED = ("timm", "torchvision")


class Nothing(types.ModuleType):
    """A module in which every name is a class that nobody makes."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return torch.nn.Identity


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds what is not used, and mmcv."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: Any = None) -> Any:
        known = fullname.split(".")[0] in (*UNUSED, "mmcv")
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True) if known else None

    def create_module(self, spec: Any) -> types.ModuleType:
        return Nothing(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        if module.__name__ == "mmcv.ops.multi_scale_deform_attn":
            module.multi_scale_deformable_attn_pytorch = deformable_attention
            module.MultiScaleDeformableAttnFunction = Compiled


def deformable_attention(value: Tensor, shapes: Tensor, locations: Tensor, weights: Tensor) -> Tensor:
    """value [B, sum(h w), M, D], locations [B, Q, M, L, P, 2] in 0 to 1, weights [B, Q, M, L, P] -> [B, Q, M D]."""
    batch, _, heads, width = value.shape
    queries = locations.shape[1]
    sampled = []
    for level, part in enumerate(value.split([int(h * w) for h, w in shapes], 1)):
        height, length = (int(side) for side in shapes[level])
        grid = part.permute(0, 2, 3, 1).reshape(batch * heads, width, height, length)
        places = (2 * locations[:, :, :, level] - 1).transpose(1, 2).flatten(0, 1)
        sampled.append(F.grid_sample(grid, places, mode="bilinear", padding_mode="zeros", align_corners=False))
    values = torch.stack(sampled, 3).flatten(3)
    shares = weights.transpose(1, 2).reshape(batch * heads, 1, queries, -1)
    return (values * shares).sum(3).view(batch, heads * width, queries).transpose(1, 2)


class Compiled:
    """In place of the compiled function."""

    @staticmethod
    def apply(value: Tensor, shapes: Tensor, starts: Tensor, locations: Tensor, weights: Tensor, step: int) -> Tensor:
        return deformable_attention(value, shapes, locations, weights)


def from_weights(weights: str, depth: str, num_classes: str, images: str, answers: str) -> None:
    """Build as published, load every key, answer."""
    from modelscope.models.cv.image_human_parsing.m2fp_net import M2FP

    features = ["res2", "res3", "res4", "res5"]
    model = M2FP(
        ".",
        backbone={
            "out_features": features, "depth": int(depth), "num_groups": 1, "width_per_group": 64, "norm": "BN",
            "stem_out_channels": 128, "res2_out_channels": 256, "stride_in_1x1": False, "res4_dilation": 1,
            "res5_dilation": 1, "res5_multi_grid": [1, 1, 1],
        },
        encoder={
            "in_features": features, "transformer_dropout": 0.0, "transformer_nheads": 8,
            "transformer_dim_feedforward": 1024, "transformer_enc_layers": 6, "conv_dim": 256, "mask_dim": 256,
            "transformer_in_features": features[1:], "common_stride": 4,
        },
        decoder={
            "num_classes": int(num_classes), "hidden_dim": 256, "num_queries": 100, "nheads": 8,
            "dim_feedforward": 2048, "dec_layers": 9, "pre_norm": False, "mask_dim": 256,
            "enforce_input_project": False,
        },
        pretrained=False,
    )  # fmt: skip
    model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True), strict=True)
    model.eval()
    with torch.inference_mode():
        said = model.sem_seg_head(model.backbone(torch.from_numpy(np.load(images))))
    np.savez(answers, classes=said["pred_logits"].numpy(), masks=said["pred_masks"].numpy())


def from_folder(folder: str, images: str, answers: str) -> None:
    """Built by configuration.json, with pytorch_model.pt. images: RGB, 0 to 255."""
    from modelscope.models.base import Model

    model = Model.from_pretrained(folder, device="cpu").eval()
    pictures = torch.from_numpy(np.load(images))
    given = [{"image": image, "height": image.shape[1], "width": image.shape[2]} for image in pictures]
    with torch.inference_mode():
        said = model.forward({"batched_inputs": given})
        found = model.postprocess(said)["eval_result"]
    persons = sum(len(one["parsing"]["human_outputs"]) for one in found)
    classes, masks = said["outputs"]["pred_logits"].numpy(), said["outputs"]["pred_masks"].numpy()
    np.savez(answers, classes=classes, masks=masks, persons=persons, names=model.classes)


if __name__ == "__main__":
    sys.meta_path.append(Finder())
    from modelscope.utils import import_utils

    import_utils.requires = lambda *_: None
    (from_folder if len(sys.argv) == 4 else from_weights)(*sys.argv[1:])
