"""RUN.toml: what is accepted, what is refused, and how."""

from __future__ import annotations

from pathlib import Path

import pytest

from discreet.errors import ConfigurationError
from discreet.toml_settings import checked
from discreet.training.settings import PRIVATE_RECIPE, RunSettings, read_settings

RUN = """
[data]
train = "people:pictures@train"
[privacy]
epsilon = 8.0
[training]
epochs = 3
batch_size = 16
"""


@pytest.fixture
def run_toml(tmp_path: Path) -> Path:
    path = tmp_path / "RUN.toml"
    path.write_text(RUN)
    return path


def test_resolved_settings_survive_a_round_trip(run_toml: Path, tmp_path: Path) -> None:
    settings = read_settings(run_toml)
    again = tmp_path / "again.toml"
    again.write_text(settings.to_toml())
    assert read_settings(again) == settings
    assert read_settings(again).digest() == settings.digest()


def test_overrides_are_read_as_toml_and_bare_words_as_text(run_toml: Path) -> None:
    settings = read_settings(run_toml, ["training.epochs=5", "model.trainable=decoder", "data.evaluate=folder:x@val"])
    assert (settings.training.epochs, settings.model.trainable) == (5, "decoder")
    assert settings.data.evaluate == "folder:x@val"


def test_a_view_is_a_square_or_height_and_width(run_toml: Path, tmp_path: Path) -> None:
    assert read_settings(run_toml, ["training.image_size=96"]).training.canvas == (96, 96)
    settings = read_settings(run_toml, ["training.image_size=[512, 384]", "model.form=single-person"])
    assert (settings.training.canvas, settings.model.human) == ((512, 384), False)
    again = tmp_path / "again.toml"
    again.write_text(settings.to_toml())
    assert read_settings(again) == settings


def test_a_private_run_takes_the_private_recipe_where_nothing_is_said() -> None:
    data = {"train": "folder:pictures"}
    ordinary = checked(RunSettings, {"data": data}, "test")
    private = checked(RunSettings, {"data": data, "privacy": {"epsilon": 8.0}}, "test")
    assert (ordinary.training.learning_rate, private.training.learning_rate) == (4e-4, 1e-3)
    for section, values in PRIVATE_RECIPE.items():
        assert values.items() <= getattr(private, section).model_dump().items()
    said = {"data": data, "privacy": {"epsilon": 8.0, "clipping": "flat"}, "training": {"learning_rate": 5e-3}}
    chosen = checked(RunSettings, said, "test")
    assert chosen.privacy is not None
    assert (chosen.privacy.clipping, chosen.training.learning_rate) == ("flat", 5e-3)
    assert chosen.training.weight_decay == PRIVATE_RECIPE["training"]["weight_decay"]
    assert checked(RunSettings, {"data": data, "privacy": None}, "test") == ordinary


def test_every_setting_changes_the_hash(run_toml: Path) -> None:
    plain = read_settings(run_toml)
    assert read_settings(run_toml, ["training.seed=8"]).digest() != plain.digest()
    assert read_settings(run_toml, ["privacy.max_grad_norm=0.5"]).digest() != plain.digest()


def test_no_private_drops_the_section_and_private_demands_it(run_toml: Path) -> None:
    assert read_settings(run_toml, private=False).privacy is None
    public = run_toml.with_name("public.toml")
    public.write_text('[data]\ntrain = "folder:x"\n')
    assert read_settings(public).privacy is None
    with pytest.raises(ConfigurationError, match=r"no \[privacy\] section"):
        read_settings(public, private=True)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.lerning_rate=1", "did you mean learning_rate"),
        ("trainin.epochs=1", "unknown key"),
        ("privacy.epsilon=0", "greater than 0"),
        ("privacy.epsilon=-1", "greater than 0"),
        ("privacy.epsilon=inf", "finite"),
        ("privacy.noise_multiplier=1.0", "either epsilon or noise_multiplier"),
        ("privacy.delta=1.5", "less than 1"),
        ("training.batch_size=0", "greater than or equal to 1"),
        ("training.micro_batch_size=0", r'at least 1, or "auto" for as many as fit in memory \(given: 0\)'),
        ("training.micro_batch_size=some", 'at least 1, or "auto"'),
        ("training.micro_batch_size=true", 'at least 1, or "auto"'),
        ("training.image_size=16", "each from 32 to 2048 pixels"),
        ("training.image_size=[512]", r"\[height, width\]"),
        ("training.image_size=[512, 9999]", "each from 32 to 2048 pixels"),
        ("model.form=two-person", "model.form"),
        ("model.trainable=everything", "model.trainable"),
        ("epochs", "section.key=value"),
    ],
)
def test_nonsense_is_refused_in_one_line(run_toml: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        read_settings(run_toml, [override])
    assert "\n" not in str(caught.value)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        read_settings(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[data\n")
    with pytest.raises(ConfigurationError, match="not valid TOML"):
        read_settings(broken)


@pytest.mark.parametrize(("name", "unit", "canvas"), [("cihp", "image", (256, 256)), ("lip", "subject", (512, 384))])
def test_the_recipes_are_private_runs(name: str, unit: str, canvas: tuple[int, int]) -> None:
    settings = read_settings(Path(__file__).parents[3] / "recipes" / f"{name}.toml", private=True)
    assert settings.privacy is not None
    assert (settings.privacy.unit, settings.privacy.epsilon) == (unit, 8.0)
    assert (settings.training.canvas, settings.model.human) == (canvas, name == "cihp")
