"""Shadow models, trained for real: by processes, by Ray, interrupted, with and without privacy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from discreet.auditing.evidence import NAMES, ShadowTables
from discreet.auditing.shadows import ShadowRecipe, _Shadow, forget, shadow_tables, train_shadow
from discreet.data import open_spec
from discreet.data.samples import Sample, SampleSource
from discreet.data.subset import Subset
from discreet.errors import ConfigurationError, DataError
from discreet.training.loop import CHECKPOINT_FILE
from discreet.training.settings import RunSettings, read_settings
from tests.e2e.conftest import RUN_TOML, SIZE_PX, write_pictures

COUNT = 4


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> SampleSource:
    """Twelve pictures of six people."""
    return open_spec(f"folder:{write_pictures(tmp_path_factory.mktemp('pool') / 'all', 12)}")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, start: Path) -> RunSettings:
    """Of a run that learns much from few pictures."""
    path = tmp_path_factory.mktemp("settings") / "RUN.toml"
    path.write_text(RUN_TOML.format(data="nowhere", init=start))
    learns = ["model.trainable=all", "training.epochs=10", "training.learning_rate=2e-3", "training.ema_decay=0.5"]
    return read_settings(path, [*learns, "training.augmentation=none", "training.weight_decay=0.0"])


@pytest.fixture
def recipe(tmp_path: Path, start: Path, settings: RunSettings) -> Callable[..., ShadowRecipe]:
    """Shadows of that run without its privacy, unless changed."""

    def make(**changed: object) -> ShadowRecipe:
        plain = settings.model_copy(update={"privacy": None})
        given = {"settings": plain, "init": start, "folder": tmp_path / "shadows", "count": COUNT, "jobs": 2}
        return ShadowRecipe(**{**given, **changed})  # pyright: ignore[reportArgumentType]

    return make


@pytest.fixture(scope="module")
def told(
    pool: SampleSource, settings: RunSettings, start: Path, tmp_path_factory: pytest.TempPathFactory
) -> ShadowTables:
    """What shadows without privacy say, trained by two processes."""
    plain = settings.model_copy(update={"privacy": None})
    made = ShadowRecipe(plain, start, tmp_path_factory.mktemp("processes"), COUNT, jobs=2)
    return shadow_tables(made, pool, (SIZE_PX, SIZE_PX), "image", seed=1)


def test_shadows_know_what_they_learned(pool: SampleSource, told: ShadowTables) -> None:
    assert told.signals.shape == (COUNT, len(pool), len(NAMES))
    assert (told.inside.sum(0) == COUNT / 2).all()
    loss = told.signals[..., NAMES.index("loss")]
    growth = [loss[told.inside[:, n], n].mean() - loss[~told.inside[:, n], n].mean() for n in range(len(pool))]
    assert np.mean(growth) > 2 * np.std(growth) / len(growth) ** 0.5 > 0


def shorter(settings: RunSettings, epochs: float) -> RunSettings:
    return settings.model_copy(update={"training": settings.training.model_copy(update={"epochs": epochs})})


def test_interrupted_shadows_go_on_and_others_start_anew(
    pool: SampleSource, recipe: Callable[..., ShadowRecipe], settings: RunSettings
) -> None:
    finished: list[int] = []

    def interrupt() -> None:
        finished.append(1)
        raise KeyboardInterrupt

    one = recipe(settings=shorter(settings, epochs=1), jobs=1)
    with pytest.raises(KeyboardInterrupt):
        shadow_tables(one, pool, (SIZE_PX, SIZE_PX), "image", seed=1, advance=interrupt)
    tables = {path: path.stat().st_mtime_ns for path in one.folder.glob("*.npy")}
    assert len(tables) == 1
    assert not list(one.folder.glob("shadow-0/*")), "of a finished one nothing but its table stays"
    shown: list[int] = []
    told = shadow_tables(one, pool, (SIZE_PX, SIZE_PX), "image", seed=1, advance=lambda: shown.append(1))
    assert len(shown) == COUNT
    assert all(path.stat().st_mtime_ns == then for path, then in tables.items()), "it was not trained again"
    again = shadow_tables(one, pool, (SIZE_PX, SIZE_PX), "image", seed=1)
    np.testing.assert_array_equal(again.signals, told.signals)
    with pytest.raises(KeyboardInterrupt):
        shadow_tables(one, pool, (SIZE_PX, SIZE_PX), "image", seed=2, advance=interrupt)
    assert len(list(one.folder.glob("*.npy"))) == 1, "other halves, other shadows"
    forget(one)
    assert not one.folder.exists()


class Unreadable(Subset):
    """A source whose last picture is damaged: training on others gets through, and signals fail."""

    def __getitem__(self, index: int) -> Sample:
        if index == len(self) - 1:
            raise DataError("the last picture is damaged")
        return super().__getitem__(index)


def test_a_worker_keeps_checkpoints_only_until_its_shadow_is_finished(
    pool: SampleSource, recipe: Callable[..., ShadowRecipe], settings: RunSettings
) -> None:
    """Nobody else may see the worker's disk, so that it cleans up itself."""
    one = recipe(settings=shorter(settings, epochs=1))
    damaged = Unreadable(pool, range(len(pool)))
    shadow = _Shadow(one, damaged, (SIZE_PX, SIZE_PX), tuple(range(len(pool) // 2)), number=0, threads=1)
    with pytest.raises(DataError, match="the last picture"):
        train_shadow(shadow)
    checkpoint = shadow.work / CHECKPOINT_FILE
    assert checkpoint.exists(), "the next try goes on from it"
    train_shadow(replace(shadow, pool=pool))
    assert not list(one.folder.iterdir())


def test_private_shadows_of_subjects(pool: SampleSource, recipe: Callable[..., ShadowRecipe], settings: RunSettings):
    assert settings.privacy is not None
    of_subjects = settings.model_copy(update={"privacy": settings.privacy.model_copy(update={"unit": "subject"})})
    private = recipe(settings=shorter(of_subjects, epochs=2))
    told = shadow_tables(private, pool, (SIZE_PX, SIZE_PX), "subject", seed=1)
    for subject in set(pool.subjects):
        pictures = [index for index, whose in enumerate(pool.subjects) if whose == subject]
        assert len({tuple(told.inside[:, picture]) for picture in pictures}) == 1
    assert not list(private.folder.rglob("*.key")), "keys are destroyed"
    assert np.isfinite(told.signals).all()


def test_ray_trains_the_same(pool: SampleSource, recipe: Callable[..., ShadowRecipe], told: ShadowTables) -> None:
    """A Ray of two workers on this machine."""
    by_ray = shadow_tables(recipe(engine="ray"), pool, (SIZE_PX, SIZE_PX), "image", seed=1)
    np.testing.assert_array_equal(by_ray.inside, told.inside)
    np.testing.assert_allclose(by_ray.signals, told.signals, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"count": 5}, "an even number"), ({"count": 2}, "at least 4"), ({"jobs": 0}, "at least 1"),
     ({"engine": "dask"}, "processes, ray")],
)  # fmt: skip
def test_recipes_that_cannot_be_meant(
    wrong: dict[str, object], message: str, recipe: Callable[..., ShadowRecipe]
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        recipe(**wrong)
