"""What runs an exported network: ONNX Runtime, or OpenVINO where it is installed. No torch."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from discreet.errors import DependencyError, WeightsError
from discreet.inference.exported import Exported, Size, read_exported
from discreet.inference.models import exported_folder
from discreet.inference.parser import Parser

Runtime = Literal["auto", "onnx", "openvino"]
Logits = tuple[NDArray[np.float32], NDArray[np.float32]]


def load_exported(model: str | Path, *, runtime: Runtime = "auto", threads: int = 0) -> Parser:
    """A parser from a shipped name or an exported folder.

    Args:
        model: e.g. "m2fp-lite".
        runtime: "auto" takes OpenVINO where it is installed, because it is faster, and ONNX Runtime otherwise.
        threads: 0 leaves it to the runtime.

    Raises:
        WeightsError: nothing there, or it was changed since it was exported.
        DependencyError: the runtime is not installed.
    """
    exported = read_exported(exported_folder(model))
    backend = open_backend(exported, runtime=runtime, threads=threads)
    return Parser(backend, exported.labels, exported.human, exported.image_size, sizes=backend.sizes)


def open_backend(exported: Exported, *, runtime: Runtime = "auto", threads: int = 0) -> SizedBackend:
    """What runs an exported network; arguments as of `load_exported`."""
    open_graph = _open_openvino if _choose(runtime) == "openvino" else _open_onnx
    return SizedBackend(exported.graphs, open_graph, threads)


class _Graph(Protocol):
    """A loaded graph."""

    def __call__(self, image: NDArray[np.uint8], /) -> Logits: ...


class _OpenGraph(Protocol):
    """Loads a graph."""

    def __call__(self, path: Path, threads: int, /) -> _Graph: ...


class SizedBackend:
    """One graph for each size of picture, loaded when it is first needed.

    Args:
        graphs: file of each (height, width).
        open_graph: loads one.
        threads: of each.
    """

    def __init__(self, graphs: Mapping[Size, Path], open_graph: _OpenGraph, threads: int) -> None:
        self._paths = dict(graphs)
        self._open_graph = open_graph
        self._threads = threads
        self._loaded: dict[Size, _Graph] = {}

    def __call__(self, image: NDArray[np.uint8]) -> Logits:
        """uint8 RGB [H, W, 3] of one of the sizes -> class_logits [Q, C+1], mask_logits [Q, h, w].

        Raises:
            WeightsError: there is no graph of that size, or its file cannot be loaded.
        """
        return self.graph(image.shape[0], image.shape[1])(image)

    @property
    def sizes(self) -> tuple[Size, ...]:
        """(height, width) of every graph."""
        return tuple(self._paths)

    def graph(self, height: int, width: int) -> _Graph:
        """The loaded graph of a size."""
        if (height, width) not in self._loaded:
            path = self._paths.get((height, width))
            if path is None:
                known = ", ".join(f"{rows}×{columns}" for rows, columns in self._paths)
                raise WeightsError(f"no graph takes pictures of {height}×{width}; there are {known}: export that size")
            self._loaded[height, width] = self._open_graph(path, self._threads)
        return self._loaded[height, width]


def _choose(runtime: Runtime) -> str:
    """The runtime to use."""
    if runtime != "auto":
        return runtime
    return "openvino" if importlib.util.find_spec("openvino") is not None else "onnx"


def _open_onnx(path: Path, threads: int) -> _Graph:
    """A graph in ONNX Runtime."""
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise DependencyError("onnxruntime is not installed; pip install 'discreet[serve]'") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads may wait by spinning while the network runs; afterwards they would take cores from the next stage.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as problem:
        raise WeightsError(f"{path} cannot be loaded ({type(problem).__name__}); export the network anew") from None

    def run(image: NDArray[np.uint8]) -> Logits:
        classes, masks = session.run(["class_logits", "mask_logits"], {"image": image})
        return np.asarray(classes), np.asarray(masks)

    return run


def _open_openvino(path: Path, threads: int) -> _Graph:
    """A graph in OpenVINO, in float32: half precision would have to prove its accuracy first."""
    # Its Python package would otherwise bring in a reporter of usage; without one it goes on.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ModuleNotFoundError:
        raise DependencyError("openvino is not installed; pip install 'discreet[serve-fast]', or use onnx") from None
    settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": "1"}
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    try:
        compiled = openvino.Core().compile_model(str(path), "CPU", settings)
    except Exception as problem:
        raise WeightsError(f"{path} cannot be loaded ({type(problem).__name__}); export the network anew") from None

    def run(image: NDArray[np.uint8]) -> Logits:
        answer = compiled([image])
        return np.array(answer["class_logits"]), np.array(answer["mask_logits"])

    return run
