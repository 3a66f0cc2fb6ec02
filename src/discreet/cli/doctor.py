"""`discreet doctor`: what this machine has, and what is missing."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
import platform
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from discreet.cli.output import Output

HELP = "Say what this machine has, and what is missing for which verb."

# By extra: what it is for, and what it brings.
_NEEDS = {
    "train": ("train and account", ("torch", "scipy", "safetensors", "dp_accounting", "gdpnum", "cryptography")),
    "export": ("export", ("onnx", "onnxscript")),
    "serve": ("serve", ("onnxruntime", "fastapi", "uvicorn", "python_multipart", "jwt", "limits", "prometheus_client")),
}
_RUNTIMES = {"torch": "torch", "onnx": "onnxruntime", "openvino": "openvino"}
_WITHOUT_EMBREE = "embreex is missing: people are rendered at a third of the speed; pip install 'discreet[people]'"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No options of its own."""


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Print the findings; always exits 0, because a missing part is a warning, not a failure."""
    findings = _findings()
    output.result(findings)
    rows = [(key, _shown(value)) for key, value in findings.items() if key != "warnings"]
    output.table("This machine", ("what", "found"), rows)
    for warning in findings["warnings"]:
        output.line(f"! {warning}")
    if not findings["warnings"]:
        output.line("Nothing is missing.")
    return 0


def _findings() -> dict[str, Any]:
    """The JSON keys of the verb."""
    from discreet.cli.state import is_open_to_others
    from discreet.loading import shipped_models

    warnings = []
    if is_open_to_others():
        warnings.append(
            "others can look into the state folder: chmod 700 it (keys and the ledger in it are closed by themselves)"
        )
    for extra, (purpose, modules) in _NEEDS.items():
        missing = [module for module in modules if not _is_there(module)]
        if missing:
            warnings.append(f"to {purpose}, {', '.join(missing)} is missing: pip install 'discreet[{extra}]'")
    if not _is_there("embreex"):
        warnings.append(_WITHOUT_EMBREE)
    torch_version, device = None, "cpu"
    if _is_there("torch"):
        import torch

        torch_version = torch.__version__
        device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    weights = {name: model.status() for name, model in shipped_models().items()}
    warnings += [f"weights {name}: {status}" for name, status in weights.items() if status != "intact"]
    if platform.system() not in ("Linux", "Darwin"):
        warnings.append(f"{platform.system()} is not supported; use Linux or macOS")
    return {
        "python": platform.python_version(),
        "torch": torch_version,
        "device": device,
        "threads": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "runtimes": [name for name, module in _RUNTIMES.items() if _is_there(module)],
        "weights": weights,
        "packages": {name: _version(name) for name in ("numpy", "dp-accounting", "opacus", "embreex")},
        "warnings": warnings,
    }


def _is_there(module: str) -> bool:
    """Whether a module could be imported; it is not."""
    return importlib.util.find_spec(module) is not None


def _version(distribution: str) -> str | None:
    """Installed version, or None."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _shown(value: object) -> str:
    """One cell of the table."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {entry}" for key, entry in value.items() if entry) or "none"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "not installed" if value is None else str(value)
