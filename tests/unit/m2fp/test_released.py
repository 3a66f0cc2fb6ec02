from pathlib import Path

import pytest
import torch
from torch import Tensor

from discreet.errors import WeightsError
from discreet.m2fp import M2FP, build, dump_released, load_released
from m2fp.support import fill, small, small_model

KEYS = Path(__file__).parents[2] / "golden" / "m2fp_released_keys.txt"


def published_layout() -> list[tuple[str, str]]:
    return [tuple(line.split("\t")) for line in KEYS.read_text().splitlines()]  # pyright: ignore[reportReturnType]


def released(name: str = "m2fp-r50") -> tuple[M2FP, dict[str, Tensor]]:
    model = small_model(name)
    return model, dump_released(model)


def assert_same(one: M2FP, other: M2FP) -> None:
    for (key, value), expected in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(value, expected), key


def test_whole_network_there_and_back():
    """Every key and shape of the released network, in its order; filled weights and statistics survive."""
    model = build("m2fp-r101", 21)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.uniform_(0.5, 1.5) if tensor.is_floating_point() else tensor.zero_()
    state = dump_released(model)
    assert [(key, str(tuple(tensor.shape))) for key, tensor in state.items()] == published_layout()
    counts = [tensor for key, tensor in state.items() if key.endswith("num_batches_tracked")]
    assert len(counts) == 106
    assert all(count.dtype == torch.int64 and count == 0 for count in counts)
    with torch.device("meta"):
        other = build("m2fp-r101", 21)
    other = other.to_empty(device="cpu")
    load_released(other, state)
    assert_same(other, model)


def test_other_presets_have_the_same_layout():
    with torch.device("meta"):
        smaller, single = build("m2fp-r50", 21), build("m2fp-r101", 20, human=False)
    extra = [f"backbone.res4.{block}." for block in range(6, 23)]
    assert list(dump_released(smaller)) == [k for k, _ in published_layout() if not k.startswith(tuple(extra))]
    head = {f"sem_seg_head.predictor.class_embed.{kind}" for kind in ("weight", "bias")}
    shapes = {key: str(tuple(tensor.shape)) for key, tensor in dump_released(single).items()}
    assert {key for key, shape in published_layout() if shapes[key] != shape} == head


def test_packed_projections_are_query_key_value():
    model, state = released()
    block = model.query_decoder.cross_attention[1].attention
    packed = state["sem_seg_head.predictor.transformer_cross_attention_layers.1.multihead_attn.in_proj_weight"]
    assert packed.shape == (768, 256)
    assert torch.equal(packed[:256], block.query.weight)
    assert torch.equal(packed[256:512], block.key.weight)
    assert torch.equal(packed[512:], block.value.weight)


def test_dump_is_a_copy():
    model, state = released()
    before = model.query_decoder.class_embed.weight.detach().clone()
    state["sem_seg_head.predictor.class_embed.weight"].zero_()
    assert torch.equal(model.query_decoder.class_embed.weight, before)


@pytest.mark.parametrize("form", ["plain", "prefixed", "twice prefixed", "wrapped", "no step counts"])
def test_forms_that_are_taken(form: str):
    model, state = released()
    given = {
        "plain": state,
        "prefixed": {f"model.{key}": tensor for key, tensor in state.items()},
        "twice prefixed": {f"module.model.{key}": tensor for key, tensor in state.items()},
        "wrapped": {"epoch": 3, "state_dict": state},
        "no step counts": {k: tensor for k, tensor in state.items() if not k.endswith("num_batches_tracked")},
    }[form]
    other = M2FP(small("m2fp-r50")).double()
    load_released(other, given)
    assert_same(other, model)


def test_others_are_refused_and_named():
    model, state = released()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    head = "sem_seg_head.predictor.class_embed"
    missing = {key: tensor for key, tensor in state.items() if not key.startswith("sem_seg_head.predictor.query")}
    misshaped = {**state, f"{head}.weight": torch.zeros(22, 256), f"{head}.bias": torch.zeros(22)}
    for given, message in (
        (missing, r"2 missing \(first: sem_seg_head.predictor.query_feat.weight\)"),
        ({**state, "criterion.empty_weight": torch.zeros(7)}, r"1 unexpected \(first: criterion.empty_weight\)"),
        (misshaped, r"2 of another shape .*\(22, 256\), not \(7, 256\).*num_classes=21"),
        ({"weights": torch.zeros(1)}, "give the state_dict of a released M2FP"),
        ({"state_dict": [1]}, "must be a mapping from names to tensors"),
    ):
        with pytest.raises(WeightsError, match=message):
            load_released(model, given)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_another_depth_is_named():
    deep = fill(M2FP(small("m2fp-r101", backbone_depths=(1, 1, 7, 1))))
    with pytest.raises(WeightsError, match=r"build\('m2fp-r101', num_classes=6\)"):
        load_released(M2FP(small("m2fp-r50")), dump_released(deep))


def test_lite_has_no_released_layout():
    with pytest.raises(WeightsError, match="no released layout"):
        dump_released(M2FP(small("m2fp-lite")))
