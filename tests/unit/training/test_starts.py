"""The public start of a run."""

from __future__ import annotations

import pytest
import torch

from discreet.inference.models import start_folder
from discreet.labels import CIHP, label_set
from discreet.m2fp import load_model, merge_adapters
from discreet.m2fp.layers import FrozenBatchNorm2d
from discreet.training.settings import RunSettings
from discreet.training.starts import starting_model


def settings(**model: object) -> RunSettings:
    return RunSettings.model_validate({"data": {"train": "people:x"}, "model": model})


@pytest.mark.parametrize("trainable", ["all", "low-rank"])
@pytest.mark.parametrize("absorbed", [True, False])
def test_a_run_begins_with_the_function_of_its_start(trainable: str, absorbed: bool) -> None:
    folder = start_folder("m2fp-lite")
    assert folder is not None
    given, _ = load_model(folder)
    model = starting_model(settings(trainable=trainable, absorb_statistics=absorbed), CIHP, folder)
    merge_adapters(model)
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted, found = given.eval()(images), model.eval()(images)
    torch.testing.assert_close(found.mask_logits, wanted.mask_logits, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found.class_logits, wanted.class_logits, rtol=1e-3, atol=1e-3)
    norms = [part for part in model.modules() if isinstance(part, FrozenBatchNorm2d)]
    assert (min(float((norm.running_var + norm.eps).min()) for norm in norms) > 0.999) == absorbed


def test_a_class_head_that_begins_anew_is_told() -> None:
    told: list[str] = []
    folder = start_folder("m2fp-lite")
    starting_model(settings(), CIHP, folder, told.append)
    assert told == []
    starting_model(settings(), label_set("lip"), folder, told.append)
    starting_model(settings(form="single-person"), CIHP, folder, told.append)
    same, single = told
    assert "20 parts of 'cihp' and persons there, 20 parts of 'lip' and persons here" in same
    assert "and persons there, 20 parts of 'cihp' here" in single
    assert "class head begins anew" in single
