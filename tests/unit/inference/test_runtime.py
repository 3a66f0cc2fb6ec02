"""Exported networks: the shipped one is what PyTorch says, and nothing that was changed is run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from discreet.errors import WeightsError
from discreet.inference.exported import digest_of, read_exported
from discreet.inference.models import exported_folder, model_digest, model_folder, shipped_models
from discreet.inference.parser import Parser, alike, best_canvas
from discreet.inference.runtime import load_exported, open_backend
from discreet.m2fp.torch_backend import TorchBackend
from discreet.m2fp.weights import load_model

ASSETS = Path(__file__).parents[2] / "assets"
RUNTIMES = ("onnx", "openvino")


@pytest.fixture(scope="module")
def in_torch() -> TorchBackend:
    return TorchBackend(load_model(model_folder("m2fp-lite"))[0])


def picture() -> np.ndarray:
    return np.asarray(Image.open(ASSETS / "people.jpg").convert("RGB"))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_size_says_what_pytorch_says(in_torch: TorchBackend, runtime: str) -> None:
    exported = read_exported(exported_folder("m2fp-lite"))
    backend = open_backend(exported, runtime=runtime, threads=1)  # type: ignore[arg-type]
    assert len(backend.sizes) >= 5
    for size in backend.sizes:
        canvas = np.asarray(Image.fromarray(picture()).resize((size[1], size[0])))
        for found, wanted in zip(backend(canvas), in_torch(canvas), strict=True):
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, wanted, atol=5e-3)
        one, other = (
            Parser(run, exported.labels, exported.human, size).parse(picture()).parts for run in (backend, in_torch)
        )
        assert (one == other).mean() > 0.999, size


def test_the_shipped_export_was_made_from_the_shipped_weights() -> None:
    for name, shipped in shipped_models().items():
        assert shipped.status() == shipped.exported_status() == "intact"
        again = f"run: discreet export {name} --to onnx --out src/discreet/assets/exported/{name}"
        assert read_exported(shipped.exported).made_from == shipped.sha256, again
        assert read_exported(shipped.exported).name == name


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    shutil.copytree(exported_folder("m2fp-lite"), tmp_path / "copied")
    return tmp_path / "copied"


def test_a_folder_here_does_not_answer_to_a_shipped_name(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever starts a service in a downloaded folder gets the weights that are pinned."""
    copied.rename(tmp_path / "m2fp-lite")
    monkeypatch.chdir(tmp_path)
    assert exported_folder("m2fp-lite") == shipped_models()["m2fp-lite"].exported
    assert exported_folder("./m2fp-lite") == Path("m2fp-lite")


def test_an_exported_folder_is_loaded_from_anywhere(copied: Path) -> None:
    parser = load_exported(copied, runtime="onnx", threads=1)
    shipped = load_exported("m2fp-lite", runtime="onnx", threads=1)
    assert (parser.parse(picture()).parts == shipped.parse(picture()).parts).all()
    assert model_digest(copied) == digest_of(copied) == model_digest("m2fp-lite")


@pytest.mark.parametrize("name", ["weights.bin", "network-256x256.onnx"])
def test_a_changed_or_missing_file_is_refused(copied: Path, name: str) -> None:
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / name).write_bytes(content)
    with pytest.raises(WeightsError, match="was changed"):
        load_exported(copied)
    (copied / name).unlink()
    with pytest.raises(WeightsError, match="is missing"):
        load_exported(copied)


def test_what_is_no_export_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="discreet export"):
        load_exported(model_folder("m2fp-lite"))
    with pytest.raises(WeightsError, match="neither a folder"):
        load_exported(tmp_path)
    (tmp_path / "model.json").write_text(json.dumps({"format": "discreet exported 1", "weights": {}}))
    with pytest.raises(WeightsError, match="not of this version"):
        load_exported(tmp_path)


def test_another_size_is_refused_with_those_that_there_are() -> None:
    backend = open_backend(read_exported(exported_folder("m2fp-lite")), runtime="onnx")
    with pytest.raises(WeightsError, match="256×256"):
        backend(np.zeros((100, 100, 3), np.uint8))


def test_a_picture_goes_where_it_leaves_least_empty() -> None:
    canvases = [(256, 256), (224, 288), (288, 224), (192, 352), (352, 192)]
    assert best_canvas(500, 500, canvases) == (256, 256)
    assert best_canvas(600, 800, canvases) == (224, 288)
    assert best_canvas(800, 600, canvases) == (288, 224)
    assert best_canvas(1080, 1920, canvases) == (192, 352)
    assert best_canvas(4000, 100, canvases) == (352, 192)
    assert alike([*canvases, (512, 512)], (256, 256)) == canvases


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_no_torch_and_no_reporter_of_usage(runtime: str) -> None:
    code = (
        "import sys; from discreet.inference.runtime import load_exported; import numpy as np;"
        f"load_exported('m2fp-lite', runtime='{runtime}').parse(np.zeros((64, 64, 3), np.uint8));"
        "print([name for name in ('torch', 'onnx', 'openvino_telemetry') if sys.modules.get(name)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_shipped_name_may_be_a_path_unless_a_folder_has_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = shipped_models()["m2fp-lite"]
    assert model_folder(Path("m2fp-lite")) == shipped.folder
    assert exported_folder(Path("m2fp-lite")) == shipped.exported
    (tmp_path / "m2fp-lite").mkdir()
    (tmp_path / "m2fp-lite" / "model.json").touch()
    assert model_folder(Path("m2fp-lite")) == exported_folder(Path("m2fp-lite")) == Path("m2fp-lite")
    assert model_folder("m2fp-lite") == shipped.folder


def test_no_model_at_all_is_refused() -> None:
    with pytest.raises(WeightsError, match="not NoneType; give one of them"):
        model_folder(None)  # pyright: ignore[reportArgumentType] -- what it is to refuse
