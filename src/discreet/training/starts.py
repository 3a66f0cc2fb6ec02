"""The public start of a run: shipped or given weights fitted to the data's parts, or random ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from discreet.errors import WeightsError
from discreet.labels import LabelSet
from discreet.m2fp import M2FP, absorb_statistics, build, load_model, set_activation_checkpointing, set_trainable
from discreet.m2fp.weights import DESCRIPTION_FILE
from discreet.training.run_folder import RUN_FILE, read_record
from discreet.training.settings import RunSettings

# Whose shape follows the classes: fresh where the start told other ones apart.
_CLASS_HEAD = "query_decoder.class_embed"


def lineage_of(folder: Path | None) -> tuple[str, ...]:
    """Run ids that weights come from, oldest first; empty for what no run has made.

    Args:
        folder: of a run, or another that its model.json was copied to; None for random weights.
    """
    if folder is None:
        return ()
    described = json.loads((folder / DESCRIPTION_FILE).read_text(encoding="utf-8"))
    about = described.get("about", {}) | described.get("extra", {})  # of an export, of weights
    if (told := about.get("lineage")) is not None:
        return tuple(str(run_id) for run_id in told)
    # Runs of earlier versions name themselves beside it only.
    return (read_record(folder / RUN_FILE).run_id,) if (folder / RUN_FILE).exists() else ()


def starting_model(
    settings: RunSettings, labels: LabelSet, init: Path | None, note: Callable[[str], object] = lambda text: None
) -> M2FP:
    """The network that a run begins with, its trainable parameters chosen.

    Args:
        settings: names the network and what of it trains. *Public*
        labels: of the data.
        init: a folder with public weights, or None for random ones.
        note: told where not all of the start could be used. *Public*

    Raises:
        WeightsError: the start is another network than the settings name.
    """
    name, seed = settings.model.name, settings.training.seed
    human = settings.model.human
    model = build(name, len(labels) + human, human=human, seed=seed)
    if init is not None:
        start, info = load_model(init)
        if start.name != name:
            raise WeightsError(f"{init} holds {start.name}, the settings name {name}; set model.name = {start.name!r}")
        weights = start.state_dict()
        if info.labels.names != labels.names or start.human != human:
            note(
                f"{init.name} tells other classes apart than this run ({_classes(info.labels, start.human)} there, "
                f"{_classes(labels, human)} here): its class head begins anew"
            )
            fresh = model.state_dict()
            weights = {key: fresh[key] if key.startswith(_CLASS_HEAD) else value for key, value in weights.items()}
        model.load_state_dict(weights)
    if settings.model.absorb_statistics:
        absorb_statistics(model)
    set_trainable(model, settings.model.trainable)
    set_activation_checkpointing(model, settings.training.activation_checkpointing)
    return model


def _classes(labels: LabelSet, human: bool) -> str:
    return f"{len(labels)} parts of {labels.name!r}{' and persons' if human else ''}"
