"""Signals of pictures: what they mean, and what they do not depend on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from discreet.auditing.evidence import NAMES
from discreet.auditing.looks import looks_of
from discreet.auditing.signals import _overlap, _part_scores, beside_changes, signals_of
from discreet.data import open_spec
from discreet.data.samples import SampleSource
from discreet.labels import CIHP
from discreet.m2fp import M2FP, build
from tests.e2e.conftest import write_pictures


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> SampleSource:
    folder = tmp_path_factory.mktemp("pictures")
    write_pictures(folder / "train", 3)
    return open_spec(f"folder:{folder}@train")


@pytest.fixture(scope="module")
def model() -> M2FP:
    return build("m2fp-lite", len(CIHP) + 1, seed=0)


def test_each_picture_has_its_own_row_whatever_it_is_asked_with(source: SampleSource, model: M2FP) -> None:
    together = signals_of(model, source, CIHP, (64, 64))
    assert together.shape == (3, len(NAMES))
    assert np.isfinite(together).all()

    class Last:
        spec, label_set, names, subjects = source.spec, source.label_set, source.names[2:], source.subjects[2:]

        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> object:
            return source[2]

    alone = signals_of(model, Last(), CIHP, (64, 64))  # type: ignore[arg-type]
    np.testing.assert_allclose(alone[0], together[2], rtol=1e-3, atol=1e-3)


def test_right_answers_are_evidence() -> None:
    class_logits = torch.full((2, 4), -9.0)
    class_logits[0, 1] = class_logits[1, 2] = 9.0  # query 0 says part 1, query 1 part 2; the last class is no object
    mask_logits = torch.full((2, 2, 2), -9.0)
    mask_logits[0, :, 0] = mask_logits[1, :, 1] = 9.0
    shares = _part_scores(class_logits, mask_logits, 3)
    assert shares.argmax(0).tolist() == [[1, 2], [1, 2]]
    np.testing.assert_allclose(shares.sum(0).numpy(), 1, rtol=1e-5)
    # No object is no part.
    class_logits[0] = torch.tensor([-9.0, -9.0, -9.0, 9.0])
    assert _part_scores(class_logits, mask_logits, 3)[1].max() < 0.5


def test_the_overlap_is_that_of_parts_there_or_said_to_be() -> None:
    wanted, said = torch.tensor([0, 0, 0, 0, 1, 1]), torch.tensor([0, 0, 0, 2, 1, 0])
    # Background 3 of 5, part 1 one of two, part 2 none of one; part 3 is not asked about.
    assert float(_overlap(said, wanted, 4)) == pytest.approx((3 / 5 + 1 / 2 + 0) / 3)
    assert float(_overlap(wanted, wanted, 4)) == 1


def test_the_band_lies_beside_changes() -> None:
    wanted = torch.zeros(9, 9, dtype=torch.long)
    wanted[:, 6:] = 3
    assert beside_changes(wanted)[0].tolist() == [False] * 4 + [True] * 4 + [False]


def test_looks_need_no_model(source: SampleSource) -> None:
    looks = [looks_of(source[index], CIHP) for index in range(3)]
    assert {len(row) for row in looks} == {12 + len(CIHP)}
    assert len({row.tobytes() for row in looks}) == 3
