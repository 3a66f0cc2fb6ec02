"""SPECs: what is understood, and what each misunderstanding is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from discreet.data import check_source, open_spec
from discreet.errors import ConfigurationError, DataError


@pytest.mark.parametrize("spec", ["", "folder", "folder:", ":data", "cihp:@train"])
def test_another_form_is_refused_with_an_example(spec: str) -> None:
    with pytest.raises(ConfigurationError, match="cihp:data/CIHP@train"):
        open_spec(spec)


@pytest.mark.parametrize("options", ["?order=schp", "?colour=red", "?", "?labels"])
def test_options_that_are_none_are_refused(options: str) -> None:
    with pytest.raises(ConfigurationError):
        open_spec(f"cihp:data@train{options}")


@pytest.mark.parametrize("options", ["", "?order=cdcl"])
def test_the_order_of_pascal_is_never_guessed(options: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"order=m2fp where id 1 is Lower-arm, or \?order=schp"):
        open_spec(f"pascal:{tmp_path}@train{options}")


def test_unknown_kinds_and_splits_name_the_known_ones() -> None:
    with pytest.raises(
        ConfigurationError, match="unknown kind 'coco'; known are cihp, lip, atr, pascal, mhp, hf, folder, people"
    ):
        open_spec("coco:data")
    with pytest.raises(ConfigurationError, match="the split is 'test'; choose train or val"):
        open_spec("folder:data@test")


def test_a_missing_split_is_a_problem_of_the_data(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="val does not exist"):
        open_spec(f"folder:{tmp_path}@val")
    with pytest.raises(ConfigurationError, match="names no split"):
        open_spec(f"lip:{tmp_path}")


def test_an_at_sign_further_up_belongs_to_the_path(tmp_path: Path) -> None:
    folder = tmp_path / "me@home" / "set"
    with pytest.raises(DataError, match="me@home/set does not exist"):
        open_spec(f"folder:{folder}")


def test_the_check_reports_a_set_that_cannot_be_opened(tmp_path: Path) -> None:
    report = check_source(f"people:{tmp_path / 'nothing'}")
    assert report.to_json() == {
        "num_samples": 0,
        "num_subjects": None,
        "label_set": None,
        "problems": [{"file": f"people:{tmp_path / 'nothing'}", "what": report.problems[0].what}],
    }
