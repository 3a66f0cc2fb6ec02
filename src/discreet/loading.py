"""`discreet.load`: from a run, a shipped name or an exported folder to something that parses."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from discreet.errors import DependencyError
from discreet.inference.exported import is_exported
from discreet.inference.models import model_folder, shipped_models
from discreet.inference.parser import Parser
from discreet.inference.runtime import load_exported


def load(model: str | Path = "m2fp-lite") -> Parser:
    """A parser from a shipped name, a run's folder, or an exported folder.

    A shipped name is run by ONNX Runtime or OpenVINO where one is installed, and by PyTorch otherwise.

    Args:
        model: e.g. "m2fp-lite" or "runs/demo/private".

    Raises:
        WeightsError: nothing there, or it was changed since it was written.
        DependencyError: the model needs something that is not installed.
    """
    folder = model_folder(model)
    shipped = any(folder == entry.folder for entry in shipped_models().values())
    if is_exported(folder) or (shipped and _installed("onnxruntime", "openvino")):
        return load_exported(model)
    if not _installed("torch"):
        raise DependencyError(f"{model} holds PyTorch weights; pip install 'discreet[train]' to load them")
    from discreet.m2fp.torch_backend import TorchBackend
    from discreet.m2fp.weights import load_model

    network, info = load_model(folder)
    return Parser(TorchBackend(network), labels=info.labels, human=network.human, image_size=info.image_size)


def _installed(*packages: str) -> bool:
    """Whether one of them is."""
    return any(importlib.util.find_spec(package) is not None for package in packages)
