import json

import pytest
import torch

from discreet.errors import WeightsError
from discreet.labels import CIHP, LIP, LabelSet, from_names
from discreet.m2fp import M2FP, build, load_model, save_model
from m2fp.support import small, small_model

LABELS = from_names("mine", ["Background", "Head", "Left-arm", "Right-arm", "Rest"], [(2, 3)])


@pytest.fixture(scope="module")
def model() -> M2FP:
    return small_model("m2fp-lite").float()


def test_there_and_back(model: M2FP, tmp_path):
    digest = save_model(tmp_path / "new" / "folder", model, LABELS, image_size=(96, 96), extra={"note": "α"})
    loaded, info = load_model(tmp_path / "new" / "folder")
    assert loaded.shape == model.shape
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in model.state_dict().items())
    assert (info.labels, info.image_size, info.sha256, info.extra) == (LABELS, (96, 96), digest, {"note": "α"})
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == ["model.json", "model.safetensors"]


@pytest.mark.parametrize(("labels", "num_classes", "human"), [(CIHP, 21, True), (LIP, 20, False)])
def test_known_labels_are_kept_by_name(labels: LabelSet, num_classes: int, human: bool, tmp_path):
    save_model(tmp_path, build("m2fp-lite", num_classes, human=human, seed=0), labels, image_size=(64, 64))
    description = json.loads((tmp_path / "model.json").read_text())
    assert description["label_set"] == labels.name
    assert description["normalisation"] == {"mean": [127.0] * 3, "std": [128.0] * 3}
    loaded, info = load_model(tmp_path)
    assert (info.labels, loaded.human, loaded.num_classes) == (labels, human, num_classes)


def test_half_precision_is_widened(model: M2FP, tmp_path):
    save_model(tmp_path, model, LABELS, image_size=(96, 96), dtype="float16")
    assert (tmp_path / "model.safetensors").stat().st_size < 2.2 * sum(p.numel() for p in model.parameters())
    loaded, _ = load_model(tmp_path)
    for key, value in model.state_dict().items():
        found = loaded.state_dict()[key]
        assert found.dtype == value.dtype
        assert torch.equal(found, value.half().float() if value.is_floating_point() else value)


def test_half_precision_refuses_what_does_not_fit(tmp_path):
    large = M2FP(small("m2fp-lite"))
    with torch.no_grad():
        large.query_decoder.class_embed.bias.fill_(1e6)
    with pytest.raises(WeightsError, match=r"class_embed.bias holds numbers beyond the range of float16"):
        save_model(tmp_path, large, LABELS, image_size=(96, 96), dtype="float16")
    assert not list(tmp_path.iterdir())


def test_labels_must_fit(model: M2FP, tmp_path):
    with pytest.raises(WeightsError, match="'cihp' has 20 parts, the model 5"):
        save_model(tmp_path, model, CIHP, image_size=(96, 96))


def test_changed_weights_are_refused(model: M2FP, tmp_path):
    save_model(tmp_path, model, LABELS, image_size=(96, 96))
    path = tmp_path / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=r"was changed: its SHA-256 is"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "does not describe a model of format 1"),
        ({"sha256": None}, "was changed"),
        ({"label_set": "nobody"}, "unknown label set 'nobody'"),
        ({"label_set": {"name": "x"}}, "holds no model that this version can load"),
        ({"architecture": {"name": "m2fp-lite"}}, "not one that this version knows"),
    ],
)
def test_other_descriptions_are_refused(model: M2FP, tmp_path, change: dict, message: str):
    save_model(tmp_path, model, LABELS, image_size=(96, 96))
    path = tmp_path / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(WeightsError, match=message):
        load_model(tmp_path)


def test_weights_of_another_network_are_refused(model: M2FP, tmp_path):
    save_model(tmp_path, model, LABELS, image_size=(96, 96))
    path = tmp_path / "model.json"
    description = json.loads(path.read_text())
    description["architecture"]["num_queries"] += 1
    path.write_text(json.dumps(description))
    with pytest.raises(WeightsError, match="holds no model that this version can load") as caught:
        load_model(tmp_path)
    assert "\n" not in str(caught.value)


def test_missing_and_broken_files(model: M2FP, tmp_path):
    with pytest.raises(WeightsError, match="is missing; give the folder of a saved model"):
        load_model(tmp_path)
    save_model(tmp_path, model, LABELS, image_size=(96, 96))
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match="copy the whole folder"):
        load_model(tmp_path)
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(WeightsError, match="is not JSON"):
        load_model(tmp_path)
