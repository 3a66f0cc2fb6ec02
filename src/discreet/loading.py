"""`discreet.load`: from a run, a shipped name or an exported folder to something that parses.

Shipped weights live in the package and are pinned by SHA-256 in the table below.
"""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from discreet.errors import DependencyError, WeightsError
from discreet.inference.parser import Parser

# name of a shipped model: SHA-256 of its safetensors file
_SHIPPED = {
    "m2fp-lite": "18f9f20f774e9198fa74d0d4fce776b7677ecce5d471cb5932bd74a637bd353c",
}


@dataclass(frozen=True)
class ShippedModel:
    """Weights inside the package: their folder and the hash they must have."""

    folder: Path
    sha256: str

    def status(self) -> str:
        """ "intact", "missing" or "changed"."""
        path = self.folder / "model.safetensors"
        if not path.exists():
            return "missing"
        return "intact" if hashlib.sha256(path.read_bytes()).hexdigest() == self.sha256 else "changed"


@cache
def shipped_models() -> dict[str, ShippedModel]:
    """The models that come with the package, by name."""
    assets = Path(str(files("discreet") / "assets" / "weights"))
    return {name: ShippedModel(assets / name, sha256) for name, sha256 in _SHIPPED.items()}


def model_folder(model: str | Path) -> Path:
    """The folder of a shipped name, a run, or an exported model.

    Raises:
        WeightsError: no such folder or name, no model in it, or shipped weights that were changed.
    """
    shipped = shipped_models().get(str(model))
    if shipped is not None and not Path(model).exists():
        if shipped.status() != "intact":
            raise WeightsError(f"shipped weights {model} are {shipped.status()}; install the package anew")
        return shipped.folder
    folder = Path(model)
    if not (folder / "model.json").exists():
        known = ", ".join(shipped_models())
        raise WeightsError(f"{model} is neither a folder with a model.json nor a shipped model ({known})")
    return folder


def load(model: str | Path = "m2fp-lite") -> Parser:
    """A parser from a shipped name, a run's folder, or an exported folder.

    Args:
        model: e.g. "m2fp-lite" or "runs/demo/private".

    Raises:
        WeightsError: nothing there, or it was changed since it was written.
        DependencyError: the model needs torch and torch is not installed.
    """
    folder = model_folder(model)
    if importlib.util.find_spec("torch") is None:
        raise DependencyError(f"{model} holds PyTorch weights; pip install 'discreet[train]' to load them")
    from discreet.m2fp.torch_backend import TorchBackend
    from discreet.m2fp.weights import load_model

    network, info = load_model(folder)
    return Parser(TorchBackend(network), labels=info.labels, human=network.human, image_size=info.image_size)
