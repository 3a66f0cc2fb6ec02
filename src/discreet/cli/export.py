"""`discreet export`: a trained network for other runtimes, or for whoever runs the released M2FP."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from discreet.cli.output import Output

HELP = (
    "Write a run's network for other runtimes: one graph for each size of picture, which share one file of weights. "
    "Each is compared with PyTorch before it counts."
)
DEFAULT_SIDE_PX = 256


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, the kind, and sizes."""
    parser.add_argument("model", metavar="RUN", help="a run's folder, or a shipped name")
    parser.add_argument(
        "--to", required=True, choices=("onnx", "openvino", "web", "m2fp", "modelscope", "huggingface"),
        help="onnx and openvino: five shapes, compared in that runtime; web: one square, for browsers; m2fp: weights "
        "under the keys of the released M2FP, for whoever runs that; modelscope and huggingface: a folder ready to "
        "publish",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    parser.add_argument(
        "--side", type=int, metavar="PX",
        help="side of the square that has as many pixels as each canvas; larger is finer and slower "
        f"(default: the size of training, at least {DEFAULT_SIDE_PX})",
    )  # fmt: skip


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Export, compare, say how near it is."""
    from discreet.cli.state import note_leaving
    from discreet.errors import DependencyError, UsageError
    from discreet.inference.models import model_folder

    if arguments.side is not None and not 32 <= arguments.side <= 2048:
        raise UsageError(f"--side is {arguments.side}; 32 to 2048 pixels are allowed")
    if arguments.to in ("m2fp", "modelscope", "huggingface"):
        if arguments.side is not None:
            raise UsageError(f"--side is for graphs; --to {arguments.to} writes weights, which fit any size")
        return _released(arguments, output) if arguments.to == "m2fp" else _hub(arguments, output)

    try:
        from discreet.export.folder import export_network, sizes_around
        from discreet.m2fp.weights import load_model
    except ModuleNotFoundError as missing:
        raise DependencyError(f"{missing.name} is not installed; pip install 'discreet[export]'") from None
    folder = model_folder(arguments.model)
    _, info = load_model(folder)
    note_leaving(folder)
    side = arguments.side or max(DEFAULT_SIDE_PX, (info.image_size[0] * info.image_size[1]) ** 0.5)
    sizes = sizes_around(side, (1.0,)) if arguments.to == "web" else sizes_around(side)
    with output.progress("export", len(sizes)) as advance:
        parity = export_network(
            folder, arguments.out, name=folder.resolve().name, sizes=sizes, advance=advance,
            runtime="openvino" if arguments.to == "openvino" else "onnx",
        )  # fmt: skip
    files = sorted(path.name for path in arguments.out.iterdir())
    described = [
        {"height": entry.size[0], "width": entry.size[1], "largest_difference": entry.largest_difference}
        for entry in parity
    ]
    output.result({"files": files, "parity": described})
    rows = [(f"{entry.size[0]}×{entry.size[1]}", f"{entry.largest_difference:.1e}") for entry in parity]
    output.table(f"Exported into {arguments.out}", ("size", "farthest from PyTorch"), rows)
    return 0


def _released(arguments: argparse.Namespace, output: Output) -> int:
    """Weights under released keys, read back and compared."""
    from discreet.cli.state import note_leaving
    from discreet.export.released import export_released
    from discreet.inference.models import model_folder

    folder = model_folder(arguments.model)
    note_leaving(folder)
    difference = export_released(folder, arguments.out, name=folder.resolve().name)
    files = sorted(path.name for path in arguments.out.iterdir())
    output.result({"files": files, "parity": [{"largest_difference": difference}]})
    output.line(f"{arguments.out} holds {', '.join(files)}; read back, no logit is farther off than {difference:.1e}")
    return 0


def _hub(arguments: argparse.Namespace, output: Output) -> int:
    """A folder to publish; says under which licence."""
    from discreet.cli.state import note_leaving
    from discreet.export.hubs import export_hub
    from discreet.inference.models import model_folder

    folder = model_folder(arguments.model)
    note_leaving(folder)
    published = export_hub(folder, arguments.out, arguments.to, name=folder.resolve().name)
    files = sorted(path.name for path in arguments.out.iterdir())
    output.result({"files": files, "parity": [], "licence": published.licence})
    output.line(f"{arguments.out} holds {', '.join(files)}; look at README.md, then publish it")
    if published.inherited:
        output.line(
            "licence: CC BY-NC 4.0, because training may have started from the released M2FP; the weights inherit that"
        )
    return 0
