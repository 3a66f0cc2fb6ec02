"""Writes m2fp_outputs.json: what two independent implementations make of the same weights.

Run it by hand, with the package and the two others importable:

    pip install --target REFERENCE --no-deps efficientnet_lite_pytorch==0.1.0
    pip install --target REFERENCE transformers==5.23.0
    PYTHONPATH=tests/unit:REFERENCE python tests/golden/make_m2fp_outputs.py

Weights and inputs follow from names (`m2fp.support.numbers`), so the tests need neither of them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import torch
from efficientnet_lite_pytorch import EfficientNet  # pyright: ignore[reportMissingImports]
from m2fp.reference import CHANNELS, SIZES, backbone_images, levels, lite_backbone, pixel_decoder, query_decoder, read
from m2fp.support import fill
from torch import nn
from transformers import Mask2FormerConfig  # pyright: ignore[reportMissingImports]
from transformers.models.mask2former import modeling_mask2former as reference  # pyright: ignore[reportMissingImports]

_TO_PACKAGE = (
    (r"stem\.conv", "_conv_stem"),
    (r"stem\.norm", "_bn0"),
    (r"blocks", "_blocks"),
    (r"expand\.conv", "_expand_conv"),
    (r"expand\.norm", "_bn0"),
    (r"depthwise\.conv", "_depthwise_conv"),
    (r"depthwise\.norm", "_bn1"),
    (r"project\.conv", "_project_conv"),
    (r"project\.norm", "_bn2"),
)
_TO_TRANSFORMERS = (
    (r"input_proj\.(\d)\.conv", r"input_projections.\1.0"),
    (r"input_proj\.(\d)\.norm", r"input_projections.\1.1"),
    (r"^level_embed\.weight$", "level_embed"),
    (r"^layers\.(\d+)\.attention", r"encoder.layers.\1.self_attn"),
    (r"^layers\.(\d+)\.norm", r"encoder.layers.\1.self_attn_layer_norm"),
    (r"^layers\.(\d+)\.feed_forward\.norm", r"encoder.layers.\1.final_layer_norm"),
    (r"^layers\.(\d+)\.feed_forward\.linear(\d)", r"encoder.layers.\1.fc\2"),
    (r"^mask_features", "mask_projection"),
    (r"^(adapter_1|layer_1)\.conv", r"\1.0"),
    (r"^(adapter_1|layer_1)\.norm", r"\1.1"),
    (r"^query_feat", "queries_features"),
    (r"^query_embed", "queries_embedder"),
    (r"^decoder_norm", "decoder.layernorm"),
    (r"^mask_embed\.layers\.(\d)", r"decoder.mask_predictor.mask_embedder.\1.0"),
    (r"^self_attention\.(\d+)\.attention\.query", r"decoder.layers.\1.self_attn.q_proj"),
    (r"^self_attention\.(\d+)\.attention\.key", r"decoder.layers.\1.self_attn.k_proj"),
    (r"^self_attention\.(\d+)\.attention\.value", r"decoder.layers.\1.self_attn.v_proj"),
    (r"^self_attention\.(\d+)\.attention\.output", r"decoder.layers.\1.self_attn.out_proj"),
    (r"^cross_attention\.(\d+)\.attention\.output", r"decoder.layers.\1.cross_attn.out_proj"),
    (r"^(self|cross)_attention\.(\d+)\.norm", r"decoder.layers.\2.\1_attn_layer_norm"),
    (r"^feed_forward\.(\d+)\.norm", r"decoder.layers.\1.final_layer_norm"),
    (r"^feed_forward\.(\d+)\.linear(\d)", r"decoder.layers.\1.fc\2"),
)


def renamed(module: nn.Module, table: tuple[tuple[str, str], ...]) -> dict[str, torch.Tensor]:
    """Our filled weights under another's names."""
    state = {}
    for name, tensor in fill(module).state_dict().items():
        for ours, theirs in table:
            name = re.sub(ours, theirs, name)
        state[name] = tensor
    return state


def lite_outputs() -> list[list[float]]:
    """Features of the reference EfficientNet-Lite0, at strides 4 to 32."""
    package = EfficientNet.from_name("efficientnet-lite0", image_size=None).double().eval()
    missing = package.load_state_dict(renamed(lite_backbone(), _TO_PACKAGE), strict=False).missing_keys
    assert all(key.startswith(("_conv_head", "_bn1", "_fc")) for key in missing), missing
    features = package._swish(package._bn0(package._conv_stem(backbone_images())))
    outputs = []
    for index, block in enumerate(package._blocks):
        features = block(features)
        if index in (2, 4, 10, 15):
            outputs.append(read(features))
    return outputs


def mask2former_outputs() -> tuple[list[list[float]], list[list[float]]]:
    """Pixel decoder features, and masks before the first layer of the query decoder and after each."""
    config = Mask2FormerConfig(
        feature_size=SIZES["width"], mask_feature_size=SIZES["width"], hidden_dim=SIZES["width"],
        encoder_feedforward_dim=SIZES["hidden"], encoder_layers=SIZES["encoder_layers"],
        decoder_layers=SIZES["decoder_layers"] + 1, num_attention_heads=SIZES["heads"], dropout=0.0,
        dim_feedforward=SIZES["hidden"], num_queries=SIZES["queries"], pre_norm=False,
        feature_strides=[4, 8, 16, 32], common_stride=4,
    )  # fmt: skip
    pixels = reference.Mask2FormerPixelDecoder(config, list(CHANNELS)).double().eval()
    pixels.load_state_dict(renamed(pixel_decoder(), _TO_TRANSFORMERS))
    found = pixels(levels(), output_hidden_states=False)
    queries = reference.Mask2FormerTransformerModule(SIZES["width"], config).double().eval()
    state = renamed(query_decoder(), _TO_TRANSFORMERS)
    state["level_embed.weight"] = state.pop("level_embed")
    for layer in range(SIZES["decoder_layers"]):
        for kind in ("weight", "bias"):
            parts = [f"cross_attention.{layer}.attention.{part}.{kind}" for part in ("query", "key", "value")]
            state[f"decoder.layers.{layer}.cross_attn.in_proj_{kind}"] = torch.cat([state.pop(part) for part in parts])
    state = {key: tensor for key, tensor in state.items() if not key.startswith("class_embed")}
    queries.load_state_dict(state)
    masks = queries(list(found.multi_scale_features), found.mask_features).masks_queries_logits
    return [read(map_) for map_ in (found.mask_features, *found.multi_scale_features)], [read(m) for m in masks]


if __name__ == "__main__":
    with torch.no_grad():
        pixel_features, query_masks = mask2former_outputs()
        content = {
            "source": "efficientnet_lite_pytorch 0.1.0 and transformers 5.23.0, float64",
            "lite_backbone": lite_outputs(),
            "pixel_decoder": pixel_features,
            "query_decoder": query_masks,
        }
    Path(__file__).with_name("m2fp_outputs.json").write_text(json.dumps(content, indent=1) + "\n")
