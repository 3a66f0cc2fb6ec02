"""The models that come with the package, pinned by hash: PyTorch weights for training, ONNX for everything else."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from discreet.errors import WeightsError
from discreet.inference.exported import digest_of

# name of a shipped model: SHA-256 of its safetensors file, and of the model.json of its exported folder
_SHIPPED = {
    "m2fp-lite": (
        "b8c39d22e45ef220085c63deb15f81edcf2d54b7dc47ef9834f64333ea196383",
        "da0b4b1f7e86b099ace417f1215a59f2bfb896440bfdf8e7935ad5311454b13b",
    ),
    "m2fp-lite-imagenet": (
        "e3cf7a08d82f886145d70e84e73e56b160674e02da5acd5ee5b3080c6a1ef22d",
        "19f1b076531f816ff23d8a4dfe71c8cf7f7afc6d23a23294a6f28b517d2cce11",
    ),
}


@dataclass(frozen=True)
class ShippedModel:
    """A model inside the package.

    Args:
        folder: of its PyTorch weights.
        sha256: that these must have.
        exported: folder of its ONNX form.
        exported_sha256: that its model.json must have; that one holds the hashes of the rest.
    """

    folder: Path
    sha256: str
    exported: Path
    exported_sha256: str

    def status(self) -> str:
        """ "intact", "missing" or "changed", of the PyTorch weights."""
        return _status(self.folder / "model.safetensors", self.sha256)

    def exported_status(self) -> str:
        """ "intact", "missing" or "changed", of the ONNX form."""
        return _status(self.exported / "model.json", self.exported_sha256)


@cache
def shipped_models() -> dict[str, ShippedModel]:
    """The models that come with the package, by name."""
    assets = Path(str(files("discreet") / "assets"))
    return {
        name: ShippedModel(assets / "weights" / name, weights, assets / "exported" / name, exported)
        for name, (weights, exported) in _SHIPPED.items()
    }


def model_folder(model: str | Path) -> Path:
    """The folder of a shipped name's PyTorch weights, of a run, or of an exported model.

    Raises:
        WeightsError: no such folder or name, no model in it, or shipped weights that were changed.
    """
    shipped = _shipped(model)
    if shipped is not None:
        _require_intact(model, shipped.status())
        return shipped.folder
    if not isinstance(model, str | Path):
        raise WeightsError(f"a model is a shipped name or a folder, not {type(model).__name__}; give one of them")
    folder = Path(model)
    if not (folder / "model.json").exists():
        known = ", ".join(shipped_models())
        raise WeightsError(f"{model} is neither a folder with a model.json nor a shipped model ({known})")
    return folder


def start_folder(init: str | Path | None) -> Path | None:
    """The folder of a run's `model.init`; None where it starts from random weights.

    Raises:
        WeightsError: as of `model_folder`.
    """
    return None if init in (None, "none") else model_folder(init)


def exported_folder(model: str | Path) -> Path:
    """The folder of a shipped name's exported form, or an exported folder.

    Raises:
        WeightsError: as of `model_folder`.
    """
    shipped = _shipped(model)
    if shipped is None:
        return model_folder(model)
    _require_intact(model, shipped.exported_status())
    return shipped.exported


def model_digest(model: str | Path) -> str:
    """SHA-256 that says which exported network answers."""
    return digest_of(exported_folder(model))


def web_folder(name: str) -> Path:
    """What the page needs of a shipped model to run it in the browser: its exported folder."""
    return exported_folder(name)


def _shipped(model: str | Path) -> ShippedModel | None:
    """The shipped model of a name, if it is one."""
    # A folder of that name here is ./NAME or a Path: weights that nobody pinned never answer to a pinned name.
    if isinstance(model, Path) and model.exists():
        return None
    return shipped_models().get(str(model))


def _require_intact(model: str | Path, status: str) -> None:
    """Refuse what is not what was shipped."""
    if status != "intact":
        raise WeightsError(f"shipped weights {model} are {status}; install the package anew")


def _status(path: Path, sha256: str) -> str:
    """Of one pinned file."""
    if not path.exists():
        return "missing"
    return "intact" if hashlib.sha256(path.read_bytes()).hexdigest() == sha256 else "changed"
