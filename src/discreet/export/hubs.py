"""A folder ready to publish on ModelScope or Hugging Face: weights, configuration, cards in English and Chinese.

What stays behind: settings and paths of the machine that trained, the ledger, keys.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from discreet.auditing.card import read_object
from discreet.errors import ConfigurationError
from discreet.export.evidence import copy_evidence
from discreet.export.hub_readme import Facts, readme
from discreet.export.released import released_state
from discreet.inference.models import shipped_models
from discreet.m2fp import M2FP, load_model
from discreet.m2fp.weights import DESCRIPTION_FILE, WEIGHTS_FILE, ModelInfo
from discreet.training.release import METRICS_FILE, STATEMENT_FILE

Hub = Literal["modelscope", "huggingface"]
MODELSCOPE_WEIGHTS, MODELSCOPE_CONFIGURATION = "pytorch_model.pt", "configuration.json"
HUGGINGFACE_CONFIGURATION = "config.json"
_FEATURES = ["res2", "res3", "res4", "res5"]


@dataclass(frozen=True)
class Published:
    """What was written.

    Args:
        licence: SPDX identifier that the folder states.
        inherited: whether it is that of weights that training started from.
    """

    licence: str
    inherited: bool


def export_hub(source: Path, out: Path, hub: Hub, *, name: str) -> Published:
    """Write a folder for a hub.

    `discreet.load(folder)` reads it. On ModelScope, m2fp-r50 and m2fp-r101 also run in ModelScope's own network:
    tests/equivalence/test_modelscope.py loads such a folder there, and compares answers.

    Args:
        source: a run's folder, or that of shipped weights.
        out: new or empty folder.
        hub: that it is for.
        name: of the model.

    Raises:
        ConfigurationError: `out` is not empty.
        WeightsError: the weights cannot be loaded.
        DataError: the run's statement, metrics or audit are damaged.
    """
    if out.exists() and any(out.iterdir()):
        raise ConfigurationError(f"{out} is not empty; name a new folder")
    model, info = load_model(source)
    statement, metrics = read_object(source / STATEMENT_FILE), read_object(source / METRICS_FILE)
    licence = licence_of(statement, info)
    copy_evidence(source, out, name)
    out.mkdir(parents=True, exist_ok=True)
    for file in (WEIGHTS_FILE, DESCRIPTION_FILE):
        shutil.copy(source / file, out)
    own_network = hub == "modelscope" and not model.shape.is_lite
    if own_network:
        torch.save({"model": released_state(model)}, out / MODELSCOPE_WEIGHTS)
    file, content = (
        (MODELSCOPE_CONFIGURATION, _modelscope(model, info, own_network)) if hub == "modelscope"
        else (HUGGINGFACE_CONFIGURATION, _huggingface(model, info))
    )  # fmt: skip
    (out / file).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    facts = Facts(
        name=name, architecture=model.name, hub=hub, own_network=own_network, labels=info.labels,
        image_size=info.image_size, licence=licence.licence, inherited=licence.inherited, statement=statement,
        metrics=metrics,
    )  # fmt: skip
    (out / "README.md").write_text(readme(facts), encoding="utf-8")
    return licence


def licence_of(statement: dict[str, Any] | None, info: ModelInfo) -> Published:
    """Apache-2.0 for shipped weights and what began with them or with nothing; otherwise that of the released M2FP.

    What others' weights are under is not known here. The released ones may not be used commercially, so the stricter
    is assumed; whoever knows better changes the card.
    """
    ours = {model.sha256 for model in shipped_models().values()}
    starts = [start["sha256"] for start in (statement or {}).get("public_weights", ())]
    known = info.sha256 in ours or (statement is not None and set(starts) <= ours)
    return Published("apache-2.0", inherited=False) if known else Published("cc-by-nc-4.0", inherited=True)


def _modelscope(model: M2FP, info: ModelInfo, own_network: bool) -> dict[str, Any]:
    """configuration.json; what ModelScope's M2FP is built from, where that is the network."""
    found: dict[str, Any] = {"framework": "pytorch", "task": "image-segmentation"}
    if not own_network:
        return found
    shape = model.shape
    classes = [*info.labels.names, *(["Human"] if model.human else [])]
    found["model"] = {
        "type": "m2fp",
        "pretrained": True,
        "backbone": {
            "out_features": _FEATURES, "depth": _depth(model), "num_groups": 1, "width_per_group": 64, "norm": "BN",
            "stem_out_channels": 128, "res2_out_channels": 256, "stride_in_1x1": False, "res4_dilation": 1,
            "res5_dilation": 1, "res5_multi_grid": [1, 1, 1],
        },
        "encoder": {
            "in_features": _FEATURES, "transformer_dropout": 0.0, "transformer_nheads": shape.num_heads,
            "transformer_dim_feedforward": shape.encoder_hidden, "transformer_enc_layers": shape.encoder_layers,
            "conv_dim": shape.width, "mask_dim": shape.width, "transformer_in_features": _FEATURES[1:],
            "common_stride": 4,
        },
        "decoder": {
            "num_classes": model.num_classes, "hidden_dim": shape.width, "num_queries": shape.num_queries,
            "nheads": shape.num_heads, "dim_feedforward": shape.decoder_hidden, "dec_layers": shape.decoder_layers,
            "pre_norm": False, "mask_dim": shape.width, "enforce_input_project": False,
        },
        "classes": classes,
        "num_parsing": len(info.labels),
        "single_human": not model.human,
        "parsing_on": model.human,
        "semantic_on": not model.human,
        "sem_seg_postprocess_before_inference": True,
        "input_single_human": None if model.human else {"sizes": [list(info.image_size)]},
    }  # fmt: skip
    found["pipeline"] = {"type": "image-human-parsing"}
    return found


def _depth(model: M2FP) -> int:
    """Layers of a ResNet: one at the stem, one at the end, three a block."""
    return 2 + 3 * sum(model.shape.backbone_depths)


def _huggingface(model: M2FP, info: ModelInfo) -> dict[str, Any]:
    """config.json: by this the hub knows that a model is there."""
    names = [*info.labels.names, *(["Human"] if model.human else [])]
    return {
        "model_type": "m2fp",
        "architectures": ["M2FP"],
        "library_name": "discreet",
        "preset": model.name,
        "image_size": list(info.image_size),
        "id2label": {str(index): label for index, label in enumerate(names)},
        "label2id": {label: index for index, label in enumerate(names)},
    }
