"""Shadow models: the run's own recipe, again and again, on halves of the trials drawn by lot.

What the audited model says of a picture is then compared with what models say that learned it, and models that did not.
Each shadow is a training like the run's: same network, start, steps, clipping and noise. Nothing of them leaves the
state folder but tables of signals, and these go when the audit is over.

Source: Carlini and others, arXiv 2112.03570, section V.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import as_completed
from contextlib import closing
from dataclasses import dataclass
from multiprocessing import active_children
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from discreet.auditing.evidence import NAMES, ShadowTables, Table
from discreet.auditing.signals import signals_of
from discreet.data.samples import SampleSource, require_subjects
from discreet.data.transforms import AugmentSettings
from discreet.errors import ConfigurationError
from discreet.m2fp import merge_adapters
from discreet.privacy.keys import KEY_FILE, RunKey
from discreet.privacy.plan import num_steps_for
from discreet.processes import process_pool
from discreet.training.batches import BatchLoader
from discreet.training.devices import find_device
from discreet.training.gradients import PlainGradients, PrivateGradients, StepGradients
from discreet.training.loop import LoopHooks, run_steps
from discreet.training.run import make_plan
from discreet.training.settings import RunSettings
from discreet.training.starts import starting_model
from discreet.training.units import Units, units_of

LEAST_SHADOWS = 4
Engine = Literal["processes", "ray"]
ENGINES: tuple[str, ...] = get_args(Engine)


@dataclass(frozen=True)
class ShadowRecipe:
    """How shadow models are made.

    Args:
        settings: of the audited run.
        init: folder of its public start, or None.
        folder: where finished and begun shadows lie; closed to others.
        count: how many; even, so that each trial is in half of them.
        jobs: how many at once.
        engine: "processes" of this machine, or "ray": a cluster that is already there, or one on this machine.
    """

    settings: RunSettings
    init: Path | None
    folder: Path
    count: int
    jobs: int = 1
    engine: Engine = "processes"

    def __post_init__(self) -> None:
        if self.count < LEAST_SHADOWS or self.count % 2:
            raise ConfigurationError(
                f"{self.count} shadow models: give an even number of at least {LEAST_SHADOWS}, so that every picture "
                "is in half of them"
            )
        if self.jobs < 1:
            raise ConfigurationError(f"{self.jobs} jobs at once; give at least 1")
        if self.engine not in ENGINES:
            raise ConfigurationError(f"engine {self.engine!r} is unknown; use one of {', '.join(ENGINES)}")


@dataclass(frozen=True)
class _Shadow:
    """One training, as a process is told of it. *SENSITIVE*"""

    recipe: ShadowRecipe
    pool: SampleSource
    canvas: tuple[int, int]
    inside: tuple[int, ...]
    number: int
    threads: int

    @property
    def work(self) -> Path:
        """Its key and checkpoints."""
        return self.recipe.folder / f"shadow-{self.number}"

    @property
    def table(self) -> Path:
        """What it said, when it is finished."""
        return self.recipe.folder / f"shadow-{self.number}.npy"


def shadow_tables(
    recipe: ShadowRecipe,
    pool: SampleSource,
    canvas: tuple[int, int],
    unit: str,
    *,
    seed: int,
    advance: Callable[[], object] = lambda: None,
) -> ShadowTables:
    """Train what is not trained yet, and ask every shadow about every picture of the pool.

    Args:
        recipe: how.
        pool: all trials. *SENSITIVE*
        canvas: height and width that the network sees.
        unit: "image" or "subject": what is in a shadow, or not, as a whole.
        seed: of the halves.
        advance: called for each shadow, also for one that was finished before.
    """
    inside = halves(_owners(pool, unit), recipe.count, seed)
    _claim(recipe, pool, inside)
    threads = recipe.settings.training.threads or max(1, (os.cpu_count() or 1) // recipe.jobs)
    shadows = [
        _Shadow(recipe, pool, canvas, tuple(np.flatnonzero(row).tolist()), number, threads)
        for number, row in enumerate(inside)
    ]
    missing = [shadow for shadow in shadows if not shadow.table.exists()]
    for _ in range(len(shadows) - len(missing)):
        advance()
    with closing(_trained(missing, recipe)) as finished:
        for shadow, said in finished:
            _keep(shadow, said)
            advance()
    return ShadowTables(np.stack([np.load(shadow.table, allow_pickle=False) for shadow in shadows]), inside)


def forget(recipe: ShadowRecipe) -> None:
    """Remove every trace of the shadows."""
    shutil.rmtree(recipe.folder, ignore_errors=True)


def halves(owners: Sequence[str], count: int, seed: int) -> NDArray[np.bool_]:
    """Who is in which shadow, bool [count, N]: each owner, with all pictures, in exactly half of them."""
    _, which = np.unique(np.asarray(owners), return_inverse=True)
    ranks = np.random.default_rng([seed, 2]).random((count, int(which.max()) + 1)).argsort(0).argsort(0)
    return (ranks < count // 2)[:, which]


def _owners(pool: SampleSource, unit: str) -> Sequence[str]:
    """Whose each picture is."""
    return [str(index) for index in range(len(pool))] if unit == "image" else require_subjects(pool)


def _claim(recipe: ShadowRecipe, pool: SampleSource, inside: NDArray[np.bool_]) -> None:
    """Shadows of another question that lie in the folder are of no use to this one."""
    about = [recipe.settings.digest(), list(pool.names), NAMES, hashlib.sha256(inside.tobytes()).hexdigest()]
    digest = hashlib.sha256(json.dumps(about).encode()).hexdigest()
    note = recipe.folder / "about"
    if note.exists() and note.read_text() != digest:
        forget(recipe)
    recipe.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    note.write_text(digest)


def _keep(shadow: _Shadow, said: Table) -> None:
    """The table whole, or not at all."""
    partial = shadow.table.with_suffix(".partial")
    with partial.open("wb") as stream:
        np.save(stream, said)
    partial.replace(shadow.table)


def _trained(shadows: Sequence[_Shadow], recipe: ShadowRecipe) -> Generator[tuple[_Shadow, Table]]:
    """Each shadow with what it said, as they finish; closed early, it stops those that are being trained."""
    if recipe.engine == "ray":
        yield from _trained_by_ray(shadows, recipe)
        return
    others = set(active_children())
    with process_pool(recipe.jobs) as processes:
        waiting = {processes.submit(train_shadow, shadow): shadow for shadow in shadows}
        try:
            for done in as_completed(waiting):
                yield waiting[done], done.result()
        except BaseException:
            processes.shutdown(wait=False, cancel_futures=True)
            for child in set(active_children()) - others:
                child.terminate()
            raise


def _trained_by_ray(shadows: Sequence[_Shadow], recipe: ShadowRecipe) -> Generator[tuple[_Shadow, Table]]:
    """The same by a Ray cluster: the one at RAY_ADDRESS, or one on this machine."""
    try:
        import ray
    except ImportError:
        raise ConfigurationError('the engine "ray" needs Ray: pip install "discreet[ray]"') from None
    started = not ray.is_initialized()
    if started:
        num_cpus = None if os.environ.get("RAY_ADDRESS") else recipe.jobs
        ray.init(num_cpus=num_cpus, include_dashboard=False, log_to_driver=False)
    try:
        task = ray.remote(train_shadow)
        waiting = {task.remote(shadow): shadow for shadow in shadows}
        while waiting:
            (done,), _ = ray.wait(list(waiting), num_returns=1)
            yield waiting.pop(done), ray.get(done)
    finally:
        if started:
            ray.shutdown()


def train_shadow(shadow: _Shadow) -> Table:
    """One shadow's signals of every picture of the pool. *SENSITIVE*

    Its checkpoints lie with whoever trains it, maybe on another machine. They go when the signals are there; after a
    failure they stay, and the next try goes on from them.
    """
    torch.set_num_threads(shadow.threads)
    shadow.work.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings, pool = _fitted(shadow), shadow.pool
    model = starting_model(settings, pool.label_set, shadow.recipe.init).to(find_device(settings.training.device))
    training, privacy = settings.training, settings.privacy
    units = _units(shadow)
    gradients = _gradients(settings, model, units, shadow)
    augmentation = AugmentSettings.of_strength(training.augmentation, training.canvas, enlarge=settings.model.human)
    loader = BatchLoader(
        pool, units, augmentation, model, seed=training.seed + shadow.number, views=training.augmentation_multiplicity
    )
    steps = num_steps_for(training.epochs, len(units), training.batch_size)
    try:
        run_steps(model, loader, gradients, settings, steps, shadow.work, LoopHooks(lambda step: None))
    finally:
        loader.close()
        gradients.close()
    if privacy is not None:
        RunKey.load(shadow.work).destroy()
    merge_adapters(model.to("cpu"))
    said = signals_of(model, pool, pool.label_set, shadow.canvas)
    shutil.rmtree(shadow.work)
    return said


def _units(shadow: _Shadow) -> Units:
    """Those of the pool that are in the shadow."""
    privacy = shadow.recipe.settings.privacy
    inside = set(shadow.inside)
    pictures = units_of(shadow.pool, "image" if privacy is None else privacy.unit).pictures
    return Units(tuple(owned for owned in pictures if inside.issuperset(owned)))


def _fitted(shadow: _Shadow) -> RunSettings:
    """The run's settings, for so many units: one training, no canaries, batches no larger than the set."""
    settings = shadow.recipe.settings
    training = settings.training
    changed = {
        "trials": 1,
        "canaries": 0,
        "threads": None,
        "batch_size": min(training.batch_size, len(_units(shadow))),
        "micro_batch_size": 8 if training.micro_batch_size == "auto" else training.micro_batch_size,
    }
    return settings.model_copy(update={"training": training.model_copy(update=changed)})


def _gradients(settings: RunSettings, model: torch.nn.Module, units: Units, shadow: _Shadow) -> StepGradients:
    """As the run's; a private one under a key of the shadow's own."""
    training = settings.training
    plan = make_plan(settings, len(units))
    if plan is None:
        return PlainGradients(model, len(units), training.batch_size, training.seed + shadow.number)
    begun = (shadow.work / KEY_FILE).exists()
    key = RunKey.load(shadow.work) if begun else RunKey.create(shadow.work)
    return PrivateGradients(model, plan, key, views=training.augmentation_multiplicity)
