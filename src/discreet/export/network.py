"""A trained network as ONNX: one graph for each size of picture, all of them sharing one file of weights.

Sizes are fixed, because a graph that claims to take any size has one baked in. A graph takes the picture as it is,
uint8 RGB [H, W, 3], and normalises it itself; it answers class_logits [Q, C+1] and mask_logits [Q, h, w], float32.
"""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from discreet.m2fp import M2FP

OPSET = 18
WEIGHTS_FILE = "weights.bin"
# Smaller tensors stay in their graph.
SHARED_FROM_BYTES = 1024
ALIGNMENT_BYTES = 64


class _Whole(nn.Module):
    """From a picture to logits, without a batch."""

    def __init__(self, model: M2FP) -> None:
        super().__init__()
        self.model = model
        mean, std = model.shape.normalisation
        self.mean = torch.tensor(mean)
        self.scale = 1.0 / torch.tensor(std)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        pixels = (image.float() - self.mean) * self.scale
        classes, masks = self.model.infer(pixels.permute(2, 0, 1)[None])
        return classes[0], masks[0]


class SharedWeights:
    """One file of weights for several graphs; the same numbers are written once.

    What float16 holds exactly, as it does the shipped weights, is written so, and widened when a graph is loaded.
    """

    def __init__(self) -> None:
        self._content = bytearray()
        self._places: dict[bytes, tuple[int, int]] = {}

    def place(self, array: NDArray[np.generic]) -> tuple[int, int]:
        """Offset and length of an array's bytes in the file."""
        data = array.tobytes()
        digest = hashlib.sha256(data).digest()
        if digest not in self._places:
            self._content += bytes(-len(self._content) % ALIGNMENT_BYTES)
            self._places[digest] = (len(self._content), len(data))
            self._content += data
        return self._places[digest]

    def content(self) -> bytes:
        """Of the file."""
        return bytes(self._content)


def to_graph(model: M2FP, size: tuple[int, int], weights: SharedWeights) -> onnx.ModelProto:
    """The network as a graph for pictures of one size.

    Args:
        model: in evaluation mode.
        size: height and width, in pixels.
        weights: takes the large tensors.
    """
    image = torch.zeros(*size, 3, dtype=torch.uint8)
    # The exporter on itself, and on torchvision, which nothing here needs.
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _Whole(model).eval(), (image,), dynamo=True, opset_version=OPSET, input_names=["image"],
            output_names=["class_logits", "mask_logits"], verbose=False, optimize=True,
        )  # fmt: skip
    assert program is not None
    graph = program.model_proto
    _share_weights(graph, weights)
    graph.producer_name, graph.producer_version = "discreet", ""
    graph.graph.doc_string = graph.doc_string = ""
    for node in graph.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    del graph.metadata_props[:], graph.graph.metadata_props[:], graph.graph.value_info[:]
    return graph


def save_graph(graph: onnx.ModelProto, path: Path) -> str:
    """Write a graph; its SHA-256."""
    content = graph.SerializeToString()
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def _share_weights(graph: onnx.ModelProto, weights: SharedWeights) -> None:
    """Move large tensors out of the graph."""
    kept: list[TensorProto] = []
    widened: list[onnx.NodeProto] = []
    for tensor in graph.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.nbytes < SHARED_FROM_BYTES:
            kept.append(tensor)
            continue
        narrow = _exactly_narrow(array)
        name = tensor.name if narrow is None else f"{tensor.name}.narrow"
        kept.append(_external(name, array if narrow is None else narrow, weights))
        if narrow is not None:
            widened.append(helper.make_node("Cast", [name], [tensor.name], to=TensorProto.FLOAT))
    nodes = [*widened, *graph.graph.node]
    del graph.graph.initializer[:], graph.graph.node[:]
    graph.graph.initializer.extend(kept)
    graph.graph.node.extend(nodes)


def _exactly_narrow(array: NDArray[np.generic]) -> NDArray[np.float16] | None:
    """The same numbers in float16, if float16 has them all."""
    if array.dtype != np.float32:
        return None
    with np.errstate(over="ignore"):
        narrow = array.astype(np.float16)
    return narrow if np.array_equal(narrow.astype(np.float32), array) else None


def _external(name: str, array: NDArray[np.generic], weights: SharedWeights) -> TensorProto:
    """A tensor whose numbers lie in the shared file."""
    offset, length = weights.place(array)
    tensor = TensorProto(
        name=name, dims=array.shape, data_type=helper.np_dtype_to_tensor_dtype(array.dtype),
        data_location=TensorProto.EXTERNAL,
    )  # fmt: skip
    for key, value in _entries(offset, length):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return tensor


def _entries(offset: int, length: int) -> Iterable[tuple[str, str]]:
    """Where ONNX finds it."""
    return (("location", WEIGHTS_FILE), ("offset", str(offset)), ("length", str(length)))
