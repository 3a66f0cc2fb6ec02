"""The key layout of the released M2FP: read it, and write it back.

Ours differs in names, and in attention: the released files pack the projections of queries, keys
and values into one tensor, here they are three layers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from discreet.errors import WeightsError
from discreet.m2fp.model import M2FP

# Our names, and the released ones; the first that fits counts.
_RENAMES = tuple(
    (re.compile(ours), released)
    for ours, released in (
        (r"backbone\.(.+)\.conv\.weight", r"backbone.\1.weight"),
        (r"pixel_decoder\.input_proj\.(\d)\.conv\.(\w+)", r"sem_seg_head.pixel_decoder.input_proj.\1.0.\2"),
        (r"pixel_decoder\.input_proj\.(\d)\.norm\.(\w+)", r"sem_seg_head.pixel_decoder.input_proj.\1.1.\2"),
        (r"pixel_decoder\.level_embed\.weight", r"sem_seg_head.pixel_decoder.transformer.level_embed"),
        (
            r"pixel_decoder\.layers\.(\d+)\.attention\.(.+)",
            r"sem_seg_head.pixel_decoder.transformer.encoder.layers.\1.self_attn.\2",
        ),
        (
            r"pixel_decoder\.layers\.(\d+)\.norm\.(\w+)",
            r"sem_seg_head.pixel_decoder.transformer.encoder.layers.\1.norm1.\2",
        ),
        (
            r"pixel_decoder\.layers\.(\d+)\.feed_forward\.norm\.(\w+)",
            r"sem_seg_head.pixel_decoder.transformer.encoder.layers.\1.norm2.\2",
        ),
        (
            r"pixel_decoder\.layers\.(\d+)\.feed_forward\.(.+)",
            r"sem_seg_head.pixel_decoder.transformer.encoder.layers.\1.\2",
        ),
        (r"pixel_decoder\.(adapter_1|layer_1)\.conv\.weight", r"sem_seg_head.pixel_decoder.\1.weight"),
        (r"pixel_decoder\.(.+)", r"sem_seg_head.pixel_decoder.\1"),
        (
            r"query_decoder\.self_attention\.(\d+)\.attention\.(.+)",
            r"sem_seg_head.predictor.transformer_self_attention_layers.\1.self_attn.\2",
        ),
        (
            r"query_decoder\.cross_attention\.(\d+)\.attention\.(.+)",
            r"sem_seg_head.predictor.transformer_cross_attention_layers.\1.multihead_attn.\2",
        ),
        (r"query_decoder\.(self|cross)_attention\.(.+)", r"sem_seg_head.predictor.transformer_\1_attention_layers.\2"),
        (r"query_decoder\.feed_forward\.(.+)", r"sem_seg_head.predictor.transformer_ffn_layers.\1"),
        (r"query_decoder\.(.+)", r"sem_seg_head.predictor.\1"),
    )
)
_PROJECTIONS = re.compile(r"\.(query|key|value)\.(weight|bias)$")
_WRAPPERS = ("state_dict", "model")
_PREFIXES = ("module.", "model.")
# Counts steps of a training that froze the statistics anyway; exports often drop it.
_OPTIONAL = ".num_batches_tracked"


def load_released(model: M2FP, state_dict: Mapping[str, Any]) -> None:
    """Fill a network from the released key layout.

    Taken as well: the same under {"state_dict": …} or {"model": …}, with "module." or "model." before every
    key, and without the norms' step counts.

    Args:
        model: m2fp-r101 or m2fp-r50, built for the classes of the file.
        state_dict: tensors by released name.

    Raises:
        WeightsError: keys or shapes are not those of this network; the model is left as it was.
    """
    layout = released_layout(model)
    state = _unwrap(state_dict)
    own = model.state_dict()
    _refuse_others(model, layout, state, own)
    tensors: dict[str, Tensor] = {}
    for key, names in layout.items():
        if key in state:
            tensors.update(zip(names, state[key].chunk(len(names)) if len(names) > 1 else [state[key]], strict=True))
        else:
            tensors[names[0]] = own[names[0]]
    model.load_state_dict(tensors)


def dump_released(model: M2FP) -> dict[str, Tensor]:
    """Copies of all weights under the released names, in the released order.

    Raises:
        WeightsError: m2fp-lite was never released.
    """
    own = model.state_dict()
    return {key: _pack([own[name] for name in names]) for key, names in released_layout(model).items()}


def released_layout(model: M2FP) -> dict[str, tuple[str, ...]]:
    """For each released key, our tensors that it holds, one after another along the first axis."""
    if model.shape.is_lite:
        raise WeightsError("m2fp-lite has no released layout; use m2fp-r101 or m2fp-r50, or save_model")
    layout: dict[str, tuple[str, ...]] = {}
    for name in model.state_dict():
        key = _released_name(name)
        layout[key] = (*layout.get(key, ()), name)
    return layout


def _released_name(name: str) -> str:
    """The released key that holds one of our tensors."""
    if "attention" in name and not name.startswith("pixel_decoder"):
        name = _PROJECTIONS.sub(r".in_proj_\2", name).replace(".attention.output.", ".attention.out_proj.")
    for ours, released in _RENAMES:
        if ours.fullmatch(name):
            return ours.sub(released, name)
    return name


def _pack(tensors: list[Tensor]) -> Tensor:
    """One tensor as it is, several one after another; always a copy."""
    return torch.cat(tensors) if len(tensors) > 1 else tensors[0].detach().clone()


def _unwrap(state_dict: Mapping[str, Any]) -> Mapping[str, Any]:
    """The tensors themselves, by names without a common wrapper."""
    state = state_dict
    for wrapper in _WRAPPERS:
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError("released weights must be a mapping from names to tensors; give the file's state_dict")
    for prefix in _PREFIXES:
        if state and all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _refuse_others(
    model: M2FP, layout: Mapping[str, tuple[str, ...]], state: Mapping[str, Tensor], own: Mapping[str, Tensor]
) -> None:
    """Name the first keys that are missing, unexpected or of another shape."""
    problems: list[str] = []
    missing = [key for key in layout if key not in state and not key.endswith(_OPTIONAL)]
    unexpected = [key for key in state if key not in layout]
    misshaped = []
    for key, names in layout.items():
        wanted = tuple(own[names[0]].shape)
        if len(names) > 1:
            wanted = (wanted[0] * len(names), *wanted[1:])
        if key in state and tuple(state[key].shape) != wanted:
            misshaped.append(f"{key} is {tuple(state[key].shape)}, not {wanted}")
    for what, found in (("missing", missing), ("unexpected", unexpected), ("of another shape", misshaped)):
        if found:
            problems.append(f"{len(found)} {what} (first: {found[0]})")
    if problems:
        raise WeightsError(
            f"weights do not fit {model.name} with {model.num_classes} classes: {'; '.join(problems)}; "
            f"{_way_out(state)}"
        )


def _way_out(state: Mapping[str, Tensor]) -> str:
    """Which network the weights are of, as far as they tell."""
    head = state.get("sem_seg_head.predictor.class_embed.weight")
    if head is None or head.ndim != 2:
        return "give the state_dict of a released M2FP, whose keys begin with backbone. and sem_seg_head."
    name = "m2fp-r101" if any(key.startswith("backbone.res4.6.") for key in state) else "m2fp-r50"
    return f"they look like build({name!r}, num_classes={len(head) - 1})"
