"""The recipes of public weights are what their tool reads, and name styles and starts that there are."""

from __future__ import annotations

import tomllib
from pathlib import Path

import ablate_public as ablations
import make_public_weights as tool
import pytest
from pydantic import ValidationError

from discreet.data.people import STYLES
from discreet.inference.models import shipped_models

ROOT = Path(__file__).parents[3]
RECIPES = sorted((ROOT / "recipes").glob("public-lite*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_read(path: Path) -> None:
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    recipe = tool.Recipe.model_validate(content)
    assert {wanted.style for wanted in (*recipe.train, *recipe.evaluate)} <= set(STYLES)
    assert {wanted.seed for wanted in recipe.train}.isdisjoint(wanted.seed for wanted in recipe.evaluate)
    assert recipe.start is None or recipe.start in shipped_models()
    with pytest.raises(ValidationError):
        tool.Recipe.model_validate(content | {"stagges": []})


def test_an_arm_of_the_ablations_changes_one_thing() -> None:
    recipe = ablations.Ablations.model_validate(
        tomllib.loads((ROOT / "recipes" / "public-ablations.toml").read_text(encoding="utf-8"))
    )
    assert {wanted.seed for wanted in recipe.train}.isdisjoint(wanted.seed for wanted in recipe.evaluate)
    base = recipe.arms[0]
    assert base == ablations.Arm(name=base.name)
    for number, arm in enumerate(recipe.arms[1:], 1):
        changed = [
            sum(value != getattr(earlier, key) for key, value in arm if key != "name")
            for earlier in recipe.arms[:number]
        ]
        assert min(changed) == 1, f"{arm.name}: from the first arm, or another before it"
        stage = ablations.stage_of(arm, recipe, num_pictures := 1000)
        assert int(stage.settings.epochs * num_pictures // stage.settings.batch_size) == recipe.steps
    with pytest.raises(ValidationError):
        ablations.Arm.model_validate({"name": "none", "befor_places": False})
