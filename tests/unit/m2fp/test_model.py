from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from discreet.errors import ConfigurationError, WeightsError
from discreet.m2fp import M2FP, PIXEL_MEAN, PIXEL_STD, Decisions, build, set_trainable
from discreet.m2fp.presets import Architecture, preset
from discreet.m2fp.torch_backend import TorchBackend
from m2fp.support import NUM_PARTS, small, small_model

KINDS = (nn.Linear, nn.Conv2d, nn.GroupNorm, nn.LayerNorm, nn.BatchNorm2d, nn.Embedding)
# Without its depth, m2fp-r101 is m2fp-r50.
NAMES = ("m2fp-r50", "m2fp-lite")


def on_paper(name: str, num_classes: int, *, human: bool = True) -> M2FP:
    """A whole network without memory for its weights."""
    with torch.device("meta"):
        return build(name, num_classes, human=human)


def num_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_published_number_of_parameters():
    model = on_paper("m2fp-r101", 21)
    assert num_parameters(model) == 63_124_118
    assert round(num_parameters(model.backbone) / 1e6, 1) == 42.6
    assert round(num_parameters(model.pixel_decoder) / 1e6, 1) == 6.0
    assert round(num_parameters(model.query_decoder) / 1e6, 1) == 14.5


def test_number_of_parameters_of_the_others():
    assert num_parameters(on_paper("m2fp-r101", 20, human=False)) == 63_124_118 - 257
    # 17 blocks fewer than ResNet-101 in the fourth stage, of 1 117 184 parameters each.
    assert num_parameters(on_paper("m2fp-r50", 21)) == 63_124_118 - 17 * 1_117_184
    assert num_parameters(on_paper("m2fp-lite", 21)) == 4_157_974


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("height", "width"), [(70, 50), (64, 96), (33, 31)])
def test_shapes_of_any_size(name: str, height: int, width: int):
    model = small_model(name).float()
    with torch.no_grad():
        output = model(torch.randn(2, 3, height, width))
    rows, columns = -(-height // 4), -(-width // 4)
    assert output.class_logits.shape == (2, 12, NUM_PARTS + 2)
    assert output.mask_logits.shape == (2, 12, rows, columns)
    assert [(classes.shape, masks.shape) for classes, masks in output.auxiliary] == [
        (output.class_logits.shape, output.mask_logits.shape)
    ] * 3
    assert all(bool(tensor.isfinite().all()) for pair in output.outputs() for tensor in pair)


@pytest.mark.parametrize("name", NAMES)
def test_padding_goes_right_and_bottom_and_is_cut_off(name: str):
    model = small_model(name)
    images = torch.randn(1, 3, 70, 50, dtype=torch.float64)
    padded = torch.zeros(1, 3, 96, 64, dtype=torch.float64)
    padded[:, :, :70, :50] = images
    with torch.no_grad():
        found, expected = model(images), model(padded)
    assert torch.equal(found.class_logits, expected.class_logits)
    assert torch.equal(found.mask_logits, expected.mask_logits[:, :, :18, :13])


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_where_the_clipper_sees_it(name: str):
    """Six layer kinds with their own forward, called with one tensor whose leading axis is the picture."""
    model = small_model(name)
    calls: dict[str, int] = {}

    def listener(layer_name: str) -> Callable[..., None]:
        def listen(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            calls[layer_name] = calls.get(layer_name, 0) + 1
            assert len(inputs) == 1
            assert inputs[0].shape[0] == output.shape[0] == 3, layer_name

        return listen

    for layer_name, layer in model.named_modules():
        if not list(layer.parameters(recurse=False)):
            continue
        kind = next(kind for kind in KINDS if isinstance(layer, kind))
        assert type(layer).forward is kind.forward, layer_name
        layer.register_forward_hook(listener(layer_name))
    model(torch.randn(3, 3, 40, 40, dtype=torch.float64))
    assert calls.pop("query_decoder.class_embed") == calls.pop("query_decoder.decoder_norm") == 4
    assert {calls.pop(f"query_decoder.mask_embed.layers.{k}") for k in range(3)} == {4}
    assert set(calls.values()) == {1}


@pytest.mark.parametrize("name", NAMES)
def test_pictures_do_not_meet(name: str):
    model, decisions = small_model(name), Decisions()
    images = torch.randn(3, 3, 40, 56, dtype=torch.float64)
    with torch.no_grad():
        together = model(images, decisions)
        for b in range(3):
            alone = model(images[b : b + 1], decisions.select(b))
            for (classes, masks), (one_classes, one_masks) in zip(together.outputs(), alone.outputs(), strict=True):
                torch.testing.assert_close(one_classes[0], classes[b], rtol=0, atol=1e-11)
                torch.testing.assert_close(one_masks[0], masks[b], rtol=0, atol=1e-11)


def test_training_mode_changes_nothing():
    model = small_model("m2fp-lite")
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with torch.no_grad():
        trained, evaluated = model.train()(images), model.eval()(images)
    assert torch.equal(trained.mask_logits, evaluated.mask_logits)
    assert torch.equal(trained.class_logits, evaluated.class_logits)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_seed_decides_the_weights_and_leaves_the_global_state():
    state = torch.random.get_rng_state()
    one, same, other = (build("m2fp-lite", 3, seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not torch.equal(one["query_decoder.class_embed.weight"], other["query_decoder.class_embed.weight"])


def test_trainable_sets():
    model = M2FP(small("m2fp-r50"))

    def trainable() -> set[str]:
        return {name for name, parameter in model.named_parameters() if parameter.requires_grad}

    everything = {name for name, _ in model.named_parameters()}
    set_trainable(model, "decoder")
    assert trainable() == {name for name in everything if not name.startswith("backbone.")}
    set_trainable(model, "norms-and-biases")
    tiny = trainable()
    assert {name for name in tiny if name.endswith(".weight") and "norm" not in name} == {
        "query_decoder.class_embed.weight"
    }
    assert {name for name in everything if name.endswith(".bias")} <= tiny
    assert "backbone.res3.0.conv1.norm.weight" in tiny
    set_trainable(model, "all")
    assert trainable() == everything
    with pytest.raises(ConfigurationError, match="'heads' is unknown; use one of all, decoder"):
        set_trainable(model, "heads")


def test_normalise():
    image = np.full((2, 3, 3), 255, np.uint8)
    image[0, 1] = (10, 20, 30)
    image.flags.writeable = False  # as a decoded picture may be
    found = M2FP(small("m2fp-r50")).normalise(image)
    assert found.shape == (3, 2, 3)
    expected = [(value - mean) / std for value, mean, std in zip((10, 20, 30), PIXEL_MEAN, PIXEL_STD, strict=True)]
    assert found[:, 0, 1].tolist() == pytest.approx(expected)
    # The ImageNet weights of EfficientNet-Lite0 were trained on (value − 127) / 128.
    assert M2FP(small("m2fp-lite")).normalise(image)[:, 1, 0].tolist() == [1.0, 1.0, 1.0]


def test_backend_answers_in_numpy():
    backend = TorchBackend(small_model("m2fp-lite"))
    classes, masks = backend(np.zeros((48, 40, 3), np.uint8))
    assert (classes.dtype, classes.shape) == (np.float32, (12, NUM_PARTS + 2))
    assert (masks.dtype, masks.shape) == (np.float32, (12, 12, 10))


@pytest.mark.parametrize("name", NAMES)
def test_architecture_survives_json(name: str):
    shape = small(name)
    assert Architecture.from_dict(M2FP(shape).architecture()) == shape
    with pytest.raises(WeightsError, match="not one that this version knows"):
        Architecture.from_dict({**shape.to_dict(), "dropout": 0.1})


def test_single_person_form():
    model = build("m2fp-lite", 20, human=False, seed=0)
    assert (model.name, model.num_classes, model.human) == ("m2fp-lite", 20, False)
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 32, 32)).class_logits.shape == (1, 50, 21)


def test_bad_requests():
    with pytest.raises(ConfigurationError, match="unknown network 'm2fp-r18'; known are m2fp-r101"):
        preset("m2fp-r18", 21)
    with pytest.raises(ConfigurationError, match="num_classes 1 is out of range; 2 to 255"):
        preset("m2fp-lite", 1, human=False)
    model = M2FP(small("m2fp-lite"))
    for shape in ((3, 32, 32), (1, 4, 32, 32), (0, 3, 32, 32)):
        with pytest.raises(ConfigurationError, match="give a batch"):
            model(torch.zeros(shape))
