"""A whole run, in order: data read, plan made, network tried, steps taken, model and statement released.

Nothing is written before the settings, the data and the plan are known to be sound. What is
released lies in the run's folder; keys and checkpoints lie in the state folder and go at the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from discreet.data import open_spec
from discreet.data.samples import SampleSource, require_subjects
from discreet.data.transforms import AugmentSettings
from discreet.m2fp import M2FP, criterion, make_targets, merge_adapters
from discreet.privacy.cross_check import require_agreement
from discreet.privacy.isolation import check_isolation
from discreet.privacy.keys import KEY_FILE, RunKey
from discreet.privacy.ledger import Ledger
from discreet.privacy.plan import PrivacyPlan, default_delta, num_steps_for
from discreet.privacy.statement import RunFacts
from discreet.training.batches import BatchLoader, Units, probe_picture, units_of
from discreet.training.gradients import PlainGradients, PrivateGradients, StepGradients
from discreet.training.loop import LoopHooks, run_steps
from discreet.training.micro_batch import measured_micro_batch
from discreet.training.private_data import picture_bytes
from discreet.training.release import (
    evaluated,
    note_evaluation,
    release_metrics,
    release_model,
    release_statement,
)
from discreet.training.run_folder import (
    RUN_FILE,
    RunRecord,
    open_run,
    private_folder,
    read_record,
    remove_private_folder,
    write_record,
)
from discreet.training.settings import RunSettings
from discreet.training.starts import starting_model
from discreet.training.trials import Contest, check_choosable, learning_rates, with_learning_rate

PROBE_SIZE_PX = 64
LEDGER_FILE = "ledger.sqlite"


class Progress(Protocol):
    """Shows a bar: (description, total, done) → advance(n, **shown)."""

    def __call__(self, description: str, total: int, done: int = 0) -> AbstractContextManager[Callable[..., None]]: ...


@contextmanager
def silent(description: str, total: int, done: int = 0) -> Generator[Callable[..., None]]:
    """No bar."""
    yield lambda n=1, **shown: None


@dataclass(frozen=True)
class Surroundings:
    """What a run needs besides its settings.

    Args:
        state: the state folder; never handed out.
        init: folder of the public start, or None for random weights.
        progress: shows bars.
        should_stop: asked after each step.
        test_seed: a key that anyone can guess instead of a secret one; the run is then not private.
    """

    state: Path
    init: Path | None = None
    progress: Progress = silent
    should_stop: Callable[[], bool] = lambda: False
    test_seed: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of a run. ε and δ are None where nothing is guaranteed. *Public*"""

    epsilon: float | None
    delta: float | None
    num_steps: int
    planned_steps: int
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether all steps were taken and the model released."""
        return self.num_steps == self.planned_steps


@dataclass(frozen=True)
class _Prepared:
    """Everything that was found sound before anything was written."""

    source: SampleSource
    units: Units
    plan: PrivacyPlan | None
    num_steps: int  # of one trial
    trials: int
    model: M2FP

    @property
    def total_steps(self) -> int:
        """Of all trials together: what the plan and the ledger count."""
        return self.num_steps * self.trials


def train(settings: RunSettings, out: Path, around: Surroundings, *, resume: bool = False) -> Outcome:
    """Train and release into `out`, or go on with the run there.

    **Guarantees** For a private run, everything in `out` together is one (ε, δ) release with
    respect to the plan's unit. Interrupted and resumed any number of times, the run spends what
    an uninterrupted one does.

    Args:
        settings: resolved. *Public*
        out: the run's folder; new or empty, unless resumed.
        around: state folder, start, progress, interruption.
        resume: go on with the run in `out`.

    Raises:
        DiscreetError: settings, data, plan, network or budget do not allow the run; nothing was written.
    """
    started = time.monotonic()
    if settings.training.threads is not None:
        torch.set_num_threads(settings.training.threads)
    run = _prepare(settings, around)
    with Ledger.open(around.state / LEDGER_FILE) as ledger:
        with around.progress("read every picture once", len(run.source)) as advance:
            contents = picture_bytes(run.source, advance=advance)
            fingerprints = ledger.fingerprint(chain(contents, _subject_names(settings, run.source)))
        if not resume:
            check_choosable(settings, ledger, fingerprints)
            ledger.check_allowed(fingerprints, run.plan)
        record = open_run(out, settings, resume=resume)
        done = run.total_steps
        if not record.complete:
            key = _enter(ledger, record, fingerprints, run, around)
            done, sensitivity = _run_trials(settings, out, around, run, record, ledger, key)
            if done == run.total_steps:
                _release(settings, out, around, run, record, ledger, sensitivity)
        if done == run.total_steps:
            _forget(around.state, record.run_id)
        private = run.plan if _is_private(ledger, record.run_id) else None
    return Outcome(
        private.epsilon if private else None,
        private.delta if private else None,
        done,
        run.total_steps,
        round(time.monotonic() - started, 2),
    )


def _subject_names(settings: RunSettings, source: SampleSource) -> list[bytes]:
    """Where subjects are the unit, one who comes back on new pictures is recognised."""
    if settings.privacy is None or settings.privacy.unit != "subject":
        return []
    return [f"subject {subject}".encode() for subject in sorted(set(require_subjects(source)))]


def make_plan(settings: RunSettings, num_units: int) -> PrivacyPlan | None:
    """The plan that the settings ask for; None for an ordinary run.

    Raises:
        PlanError: the settings and the size of the data set make no sensible plan.
    """
    privacy, training = settings.privacy, settings.training
    if privacy is None:
        return None
    sizes = {
        "num_samples": num_units,
        "expected_batch_size": training.batch_size,
        "num_steps": training.trials * num_steps_for(training.epochs, num_units, training.batch_size),
        "delta": default_delta(num_units) if privacy.delta is None else privacy.delta,
        "max_grad_norm": privacy.max_grad_norm,
        "unit": privacy.unit,
        "clipping": privacy.clipping,
    }
    if privacy.epsilon is not None:
        return PrivacyPlan.for_target(epsilon=privacy.epsilon, **sizes)
    assert privacy.noise_multiplier is not None, "the settings demand one of the two"
    return PrivacyPlan.for_noise(noise_multiplier=privacy.noise_multiplier, **sizes)


def try_isolation(model: M2FP, plan: PrivacyPlan, num_parts: int) -> None:
    """Bring made-up pictures through the network, the criterion and the clipper: do they stay apart?

    Raises:
        IsolationError: one picture influences another.
    """

    def probe_loss(network: nn.Module, probes: Sequence[int]) -> Tensor:
        pictures = [probe_picture(probe, PROBE_SIZE_PX, num_parts) for probe in probes]
        images = torch.stack([model.normalise(image) for image, _ in pictures]).double()
        targets = [make_targets(parts, None, num_parts=num_parts, human=model.human) for _, parts in pictures]
        generators = [torch.Generator().manual_seed(probe) for probe in probes]
        return criterion(network(images), targets, generators, model.criterion_settings)

    check_isolation(model, probe_loss, max_grad_norm=plan.max_grad_norm, style=plan.clipping)


def _prepare(settings: RunSettings, around: Surroundings) -> _Prepared:
    """Open the data, make the plan, build the network and try it."""
    data = settings.data
    source = open_spec(data.train, subject_pattern=data.subject_pattern, shared_pictures=data.shared_pictures)
    units = units_of(source, settings.privacy.unit if settings.privacy else "image")
    plan = make_plan(settings, len(units))
    training = settings.training
    num_steps = num_steps_for(training.epochs, len(units), training.batch_size)
    model = starting_model(settings, source.label_set, around.init)
    if plan is not None:
        require_agreement(plan)
        with around.progress("try the network on made-up pictures", 1) as advance:
            try_isolation(model, plan, len(source.label_set))
            advance()
    return _Prepared(source, units, plan, num_steps, training.trials, model)


def _enter(
    ledger: Ledger, record: RunRecord, fingerprints: Sequence[bytes], run: _Prepared, around: Surroundings
) -> RunKey | None:
    """Write the run into the ledger, if it is not there yet; returns its key, None for an ordinary run."""
    about = {"spec": run.source.spec, "config_hash": record.config_hash}
    if run.plan is None:
        ledger.begin_unprotected(record.run_id, fingerprints, **about)
        return None
    folder = private_folder(around.state, record.run_id)
    known = (folder / KEY_FILE).exists()
    key = RunKey.load(folder) if known else RunKey.create(folder, test_seed=around.test_seed)
    ledger.begin_run(record.run_id, fingerprints, run.plan, **about, key_identity=key.identity, test_key=key.is_test)
    return key


def _run_trials(
    settings: RunSettings,
    out: Path,
    around: Surroundings,
    run: _Prepared,
    record: RunRecord,
    ledger: Ledger,
    key: RunKey | None,
) -> tuple[int, float]:
    """Train once, or once at each learning rate; the model is then the best. Returns what `_take_steps` does."""
    if run.trials == 1:
        return _take_steps(settings, out, around, run, record, ledger, key)
    assert settings.data.evaluate is not None, "trials were found choosable"
    start = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    note_evaluation(settings.data.evaluate, ledger, record.run_id)
    contest, sensitivity = Contest(), 0.0
    for trial, learning_rate in enumerate(learning_rates(settings)):
        run.model.load_state_dict(start)
        of_trial = with_learning_rate(settings, learning_rate)
        done, sensitivity = _take_steps(of_trial, out, around, run, record, ledger, key, trial=trial)
        if done < (trial + 1) * run.num_steps:
            return done, sensitivity
        metrics = evaluated(run.model, run.source.label_set, settings, settings.data.evaluate, around.progress)
        contest.enter(learning_rate, metrics.miou or 0.0, run.model.state_dict())
    run.model.load_state_dict(contest.winner)
    contest.write(out)
    return run.total_steps, sensitivity


def _take_steps(
    settings: RunSettings,
    out: Path,
    around: Surroundings,
    run: _Prepared,
    record: RunRecord,
    ledger: Ledger,
    key: RunKey | None,
    *,
    trial: int = 0,
) -> tuple[int, float]:
    """Run the loop; returns how many steps of the plan are done, and the sensitivity that the noise covered."""
    folder, of_all = private_folder(around.state, record.run_id), ""
    if run.trials > 1:
        folder, of_all = folder / f"trial-{trial}", f" (trial {trial + 1} of {run.trials})"
        folder.mkdir(exist_ok=True, mode=0o700)
    first = trial * run.num_steps
    training = settings.training
    augmentation = AugmentSettings.of_strength(training.augmentation, training.canvas, enlarge=settings.model.human)
    views = training.augmentation_multiplicity
    loader = BatchLoader(run.source, run.units, augmentation, run.model, seed=training.seed, views=views)
    gradients: StepGradients
    if run.plan is None or key is None:
        gradients = PlainGradients(run.model, len(run.units), training.batch_size, training.seed)
    else:
        gradients = PrivateGradients(run.model, run.plan, key, views=views)
    shown_epsilon = _epsilon_by_step(run.plan)
    try:
        settings = _with_micro_batch(settings, out, around, run, record, gradients)
        with around.progress(f"train{of_all}", run.num_steps) as advance:
            hooks = LoopHooks(
                before_release=lambda step: None if run.plan is None else ledger.advance(record.run_id, first + step),
                after_step=lambda step, n: advance(n, **shown_epsilon(first + step)),
                should_stop=around.should_stop,
            )
            done = run_steps(run.model, loader, gradients, settings, run.num_steps, folder, hooks, first_step=first)
            return first + done, gradients.sensitivity
    finally:
        loader.close()
        gradients.close()


def _with_micro_batch(
    settings: RunSettings, out: Path, around: Surroundings, run: _Prepared, record: RunRecord, gradients: StepGradients
) -> RunSettings:
    """The settings with a number for "auto": the one that the run began with, or the largest that fits."""
    training = settings.training
    if training.micro_batch_size != "auto":
        return settings
    found = read_record(out / RUN_FILE).micro_batch_size
    if found is None:
        with around.progress("find the largest micro-batch", 1) as advance:
            found = measured_micro_batch(
                run.model, gradients, training.canvas, len(run.source.label_set),
                at_most=training.batch_size, views=training.augmentation_multiplicity,
            )  # fmt: skip
            advance(1, pictures=found)
        write_record(out, replace(record, micro_batch_size=found))
    return settings.model_copy(update={"training": training.model_copy(update={"micro_batch_size": found})})


def _release(
    settings: RunSettings,
    out: Path,
    around: Surroundings,
    run: _Prepared,
    record: RunRecord,
    ledger: Ledger,
    sensitivity: float,
) -> None:
    """Close the ledger's entry, then let out weights, metrics and statement."""
    merge_adapters(run.model)
    labels = run.source.label_set
    private = _is_private(ledger, record.run_id)
    head = ledger.finish(record.run_id)
    release_model(out, run.model, labels, settings, private=private)
    release_metrics(out, run.model, labels, settings, ledger, record.run_id, around.progress)
    facts = RunFacts(
        steps_executed=ledger.steps_executed(record.run_id) if run.plan else run.total_steps,
        sensitivity=sensitivity,
        test_key=run.plan is not None and not private,
        config_hash=record.config_hash,
        ledger=head,
    )
    release_statement(out, settings, run.plan, facts, around.init)
    write_record(out, replace(read_record(out / RUN_FILE), complete=True))


def _is_private(ledger: Ledger, run_id: str) -> bool:
    """As the ledger has it: a run begun with a test key stays one, however it is resumed."""
    return any(e.run_id == run_id and e.protected and not e.test_key for e in ledger.entries())


def _forget(state: Path, run_id: str) -> None:
    """Destroy the key and the checkpoints of a complete run."""
    folder = private_folder(state, run_id)
    if (folder / KEY_FILE).exists():
        RunKey.load(folder).destroy()
    remove_private_folder(state, run_id)


def _epsilon_by_step(plan: PrivacyPlan | None) -> Callable[[int], dict[str, str]]:
    """What a bar shows of ε after a step: never less than was spent."""
    if plan is None:
        return lambda step: {}
    from discreet.privacy.accountant import epsilon_curve

    curve = epsilon_curve(plan, points=20)

    def shown(step: int) -> dict[str, str]:
        return {"ε ≤": f"{next(epsilon for reached, epsilon in curve if reached >= step):.2f}"}

    return shown
