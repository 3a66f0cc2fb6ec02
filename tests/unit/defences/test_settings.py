"""COMPARE.toml: what cannot be meant is refused, by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from discreet.defences.settings import read_compare_settings
from discreet.errors import ConfigurationError

SOUND = """
title = "a comparison"
[data]
train = "folder:a"
evaluate = "folder:b"
public = "folder:c"
[base.training]
epochs = 1
[base.privacy]
epsilon = 8.0
delta = 1e-5
[rows.plain]
defence = "none"
[rows.noisy]
defence = "output-noise"
of = "plain"
class_noise = 0.5
[rows.private]
defence = "dp-sgd"
set = { "privacy.epsilon" = 4.0, "model.trainable" = "decoder" }
[rows.student]
defence = "distillation"
of = "private"
"""


def read(tmp_path: Path, text: str):
    (tmp_path / "COMPARE.toml").write_text(text)
    return read_compare_settings(tmp_path / "COMPARE.toml")


def test_rows_become_runs(tmp_path: Path) -> None:
    settings = read(tmp_path, SOUND)
    assert settings.reference == "plain"
    private = settings.run_settings("private", 3, "folder:a")
    assert private.privacy is not None
    assert (private.privacy.epsilon, private.privacy.delta) == (4.0, 1e-5)
    assert (private.model.trainable, private.training.seed, private.data.evaluate) == ("decoder", 3, None)
    for row in ("plain", "student"):
        assert settings.run_settings(row, 3, "folder:a").privacy is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('defence = "none"', 'defence = "magic"', "rows.plain.defence"),
        ('title = "a comparison"', "", "title"),
        ('of = "plain"', 'of = "nobody"', "no row before it"),
        ('of = "plain"', "", "need it"),
        ('defence = "none"', 'defence = "none"\nof = "private"', "others have none"),
        ("class_noise = 0.5", "", "changes nothing"),
        ("class_noise = 0.5", "class_noise = -1.0", "0 or more"),
        ("class_noise = 0.5", "class_noise = 0.5\nmask_noise = nan", "mask_noise.*finite"),
        ("class_noise = 0.5", "class_noise = inf", "class_noise.*finite"),
        ('defence = "none"', 'defence = "none"\nclass_noise = 0.5', "belong to output-noise"),
        ('public = "folder:c"', "", "data.public"),
        ("[rows.plain]", "[rows.Plain_1]", "small letters"),
        ('defence = "none"', 'defence = "dp-sgd"', 'defence = "none"'),
        ('of = "private"', 'of = "noisy"', "no weights of its own"),
        ('of = "private"', 'of = "private"\nseeds = [1, 2]', "seeds that private has not"),
        ('"privacy.epsilon" = 4.0', '"privacy.epsilom" = 4.0', "epsilom"),
        ('"privacy.epsilon" = 4.0', '"epsilon" = 4.0', "section.key"),
        ('defence = "none"', 'defence = "none"\nset = { "privacy.epsilon" = 1.0 }', "no other row may have it"),
        ("epochs = 1", "epochs = -1", "epochs"),
        ("[rows.plain]", '[audit]\nattacks = ["magic"]\n[rows.plain]', "choose among"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in SOUND
    with pytest.raises(ConfigurationError, match=message):
        read(tmp_path, SOUND.replace(old, new))


def test_a_private_row_says_how_private(tmp_path: Path) -> None:
    start, end = SOUND.index("[base.privacy]"), SOUND.index("[rows.plain]")
    with pytest.raises(ConfigurationError, match=r"needs \[base.privacy\]"):
        read(tmp_path, SOUND[:start] + SOUND[end:].replace('"privacy.epsilon" = 4.0, ', ""))


@pytest.mark.parametrize("name", ["thermal", "lip"])
def test_the_recipes_can_be_run(name: str) -> None:
    settings = read_compare_settings(Path(__file__).parents[3] / "recipes" / f"{name}-compare.toml")
    assert {row.defence for row in settings.rows.values()} == {"none", "dp-sgd", "output-noise", "distillation"}


@pytest.mark.parametrize(("name", "attacked"), [("audit-power", True), ("thermal-recipes", False)])
def test_the_recipes_that_measure_can_be_run(name: str, attacked: bool) -> None:
    settings = read_compare_settings(Path(__file__).parents[3] / "recipes" / f"{name}.toml")
    assert (settings.audit is not None) is attacked
    assert {row.defence for row in settings.rows.values()} == {"none", "dp-sgd"}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.toml does not exist"):
        read_compare_settings(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("old", "new", "begun", "changed"),
    [
        ("a comparison", "another title", ["plain", "student"], None),
        ("[rows.student]", '[rows.other]\ndefence = "none"\n[rows.student]', ["plain"], None),
        ("class_noise = 0.5", "class_noise = 0.7", ["plain"], None),
        ("class_noise = 0.5", "class_noise = 0.7", ["plain", "noisy"], "row noisy"),
        ('"privacy.epsilon" = 4.0', '"privacy.epsilon" = 2.0', ["private"], "row private"),
        ('defence = "none"', 'defence = "none"\nset = { "training.epochs" = 2 }', [], "row plain"),
        ("[rows.plain]", '[rows.first]\ndefence = "none"\n[rows.plain]', [], "the row without a defence"),
        ("epochs = 1", "epochs = 2", [], "base"),
        ('"folder:a"', '"folder:z"', [], "data"),
        ('title = "a comparison"', 'title = "a comparison"\naudit = false', [], "audit"),
        ('title = "a comparison"', 'title = "a comparison"\nseeds = [7, 8]', ["plain"], None),
        ('title = "a comparison"', 'title = "a comparison"\nseeds = [8, 7]', ["plain"], "the first seed of row plain"),
    ],
)
def test_what_was_begun_stays(tmp_path: Path, old: str, new: str, begun: list[str], changed: str | None) -> None:
    before = read(tmp_path, SOUND)
    assert read(tmp_path, SOUND.replace(old, new, 1)).changed_since(before, begun) == changed


def test_a_row_that_was_begun_cannot_be_left_out(tmp_path: Path) -> None:
    before = read(tmp_path, SOUND)
    after = read(tmp_path, SOUND[: SOUND.index("[rows.student]")])
    assert after.changed_since(before, ["plain", "student"]) == "row student"
    assert after.changed_since(before, ["plain"]) is None
