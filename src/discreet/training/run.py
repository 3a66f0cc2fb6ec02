"""A whole run, in order: data read, plan made, network tried, steps taken, model and statement released.

Nothing is written before the settings, the data and the plan are known to be sound. What is
released lies in the run's folder; keys and checkpoints lie in the state folder and go at the end.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor, nn

from discreet.data import open_spec
from discreet.data.files import FileSource
from discreet.data.samples import SampleSource, require_subjects
from discreet.errors import ConfigurationError, RankError
from discreet.m2fp import M2FP, criterion, make_targets, merge_adapters
from discreet.privacy.cross_check import require_agreement
from discreet.privacy.isolation import check_isolation
from discreet.privacy.keys import KEY_FILE, RunKey
from discreet.privacy.ledger import Ledger
from discreet.privacy.plan import PrivacyPlan, default_delta, num_steps_for
from discreet.privacy.statement import RunFacts
from discreet.training.batches import probe_picture
from discreet.training.course import Course, Prepared
from discreet.training.devices import find_device
from discreet.training.planted import plant, read_planted
from discreet.training.private_data import picture_bytes, subject_bytes
from discreet.training.release import release_metrics, release_model, release_statement
from discreet.training.run_folder import (
    RUN_FILE,
    RunRecord,
    check_folder,
    open_run,
    private_folder,
    read_record,
    remove_private_folder,
    write_record,
)
from discreet.training.settings import RunSettings
from discreet.training.starts import lineage_of, starting_model
from discreet.training.surroundings import Surroundings
from discreet.training.trials import check_held_out
from discreet.training.units import units_of

PROBE_SIZE_PX = 64
LEDGER_FILE = "ledger.sqlite"


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
    if around.ranks.leads:  # now, not when every picture was read
        check_folder(out, settings, resume=resume, num_processes=around.ranks.size)
    run = _prepare(settings, around)
    work = _lead if around.ranks.leads else _follow
    done, private = work(settings, out, around, run, resume)
    return Outcome(
        run.plan.epsilon if run.plan and private else None,
        run.plan.delta if run.plan and private else None,
        done,
        run.total_steps,
        round(time.monotonic() - started, 2),
    )


def _lead(settings: RunSettings, out: Path, around: Surroundings, run: Prepared, resume: bool) -> tuple[int, bool]:
    """All of a run but its preparation; returns the finished steps, and whether its guarantee holds."""
    book = around.state / LEDGER_FILE
    if not Ledger.is_at(book):
        around.note(
            "a new ledger begins in the state folder. Where these pictures were trained on before, what they spent is "
            "in another; bring that one here first, or name its folder in DISCREET_STATE"
        )
    with Ledger.open(book) as ledger:
        with around.progress("read every picture once", len(run.source)) as advance:
            contents = picture_bytes(run.source, advance=advance)
            fingerprints = ledger.fingerprint(chain(contents, _subjects(settings, run.source)))
        check_held_out(settings, ledger, fingerprints, around.progress)
        if run.plan is not None:
            ledger.check_start(run.lineage, fingerprints)
        if not resume:
            ledger.check_allowed(fingerprints, run.plan, test_key=around.test_seed is not None)
        record = open_run(out, settings, resume=resume, num_processes=around.ranks.size)
        key = None if record.complete else _enter(ledger, record, fingerprints, run, around)
        private = _is_private(ledger, record.run_id)
        if settings.training.canaries and not record.complete:
            plant(around.state, record.run_id, len(run.units), settings.training.canaries, around.test_seed)
        around.ranks.told({"record": asdict(record), "private": private, "alike": _alike(settings, run)})
        done = run.total_steps
        if not record.complete:
            taken = _with_canaries(around, run, record)
            done, sensitivity = Course(settings, out, around, taken, record, key, ledger).take()
            if done == run.total_steps:
                _release(settings, out, around, run, record, ledger, sensitivity)
        if done == run.total_steps:
            _forget(around.state, record.run_id)
        return done, private


def _follow(settings: RunSettings, out: Path, around: Surroundings, run: Prepared, resume: bool) -> tuple[int, bool]:
    """This process's share of the steps, as the leader tells; the same of all else is the leader's."""
    news = around.ranks.told()
    if news["alike"] != _alike(settings, run):
        raise RankError(
            "this process has other settings, another plan or other pictures than the one that leads; give all of them "
            "the same RUN.toml and the same data"
        )
    record, done = RunRecord(**news["record"]), run.total_steps
    if not record.complete:
        key = None if run.plan is None else RunKey.load(private_folder(around.state, record.run_id))
        run = _with_canaries(around, run, record)
        done, _ = Course(settings, out, around, run, record, key, ledger=None).take()
    return done, news["private"]


def _with_canaries(around: Surroundings, run: Prepared, record: RunRecord) -> Prepared:
    """Without the units that coins have left out."""
    planted = read_planted(around.state, record.run_id)
    if planted is None:
        return run
    return replace(run, units=run.units.without(planted.outside))


def _alike(settings: RunSettings, run: Prepared) -> list[str]:
    """What processes of one run must agree on: each takes its part of the units and of the noise by these.
    *SENSITIVE*: a hash of names."""
    units = hashlib.sha256(repr((list(run.source.names), run.units.pictures)).encode()).hexdigest()
    said = settings.model_dump_json(exclude={"data": True, "training": {"threads", "device"}})
    return [said, "" if run.plan is None else run.plan.model_dump_json(), units]


def _subjects(settings: RunSettings, source: SampleSource) -> list[bytes]:
    """Of every picture, where subjects are the unit."""
    if settings.privacy is None or settings.privacy.unit != "subject":
        return []
    return subject_bytes(require_subjects(source))


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
        images = model.batch([model.normalise(image) for image, _ in pictures]).double()
        targets = [make_targets(parts, None, num_parts=num_parts, human=model.human) for _, parts in pictures]
        generators = [torch.Generator().manual_seed(probe) for probe in probes]
        return criterion(network(images), targets, generators, model.criterion_settings)

    check_isolation(model, probe_loss, max_grad_norm=plan.max_grad_norm, style=plan.clipping)


def _prepare(settings: RunSettings, around: Surroundings) -> Prepared:
    """Open the data, make the plan, build the network and try it."""
    data = settings.data
    source = open_spec(data.train, subject_pattern=data.subject_pattern, shared_pictures=data.shared_pictures)
    _tell_losses(source, around)
    if data.evaluate is not None:
        held_out = open_spec(data.evaluate)  # now, not when everything is spent
        _tell_losses(held_out, around)
        if held_out.label_set != source.label_set:
            raise ConfigurationError(
                f"data.evaluate ({data.evaluate}) has other parts than data.train; ?labels=NAME at the end of either "
                "shows it in others"
            )
    units = units_of(source, settings.privacy.unit if settings.privacy else "image")
    plan = make_plan(settings, len(units))
    training = settings.training
    num_steps = num_steps_for(training.epochs, len(units), training.batch_size)
    if training.canaries > len(units):
        raise ConfigurationError(
            f"training.canaries is {training.canaries}, and there are {len(units)} units; plant fewer"
        )
    note = around.note if around.ranks.leads else lambda text: None
    model = starting_model(settings, source.label_set, around.init, note)
    if plan is not None and around.ranks.leads:
        require_agreement(plan)
        with around.progress("try the network on made-up pictures", 1) as advance:
            try_isolation(model, plan, len(source.label_set))
            advance()
    model.to(find_device(training.device, around.ranks.on_machine))
    lineage = tuple(dict.fromkeys((*lineage_of(around.init), *around.teachers)))
    return Prepared(source, units, plan, num_steps, training.trials, model, lineage)


def _tell_losses(source: FileSource, around: Surroundings) -> None:
    """What other labels than a set's own lose of it."""
    losses = source.translation.losses() if source.translation else ()
    if losses and around.ranks.leads:
        around.note(f"{source.spec}: in these labels, {'; '.join(losses)}")


def _enter(
    ledger: Ledger, record: RunRecord, fingerprints: Sequence[bytes], run: Prepared, around: Surroundings
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


def _release(
    settings: RunSettings,
    out: Path,
    around: Surroundings,
    run: Prepared,
    record: RunRecord,
    ledger: Ledger,
    sensitivity: float,
) -> None:
    """Close the ledger's entry, then let out weights, metrics and statement."""
    merge_adapters(run.model.to("cpu"))
    labels = run.source.label_set
    private = _is_private(ledger, record.run_id)
    head = ledger.finish(record.run_id)
    lineage = [*run.lineage, record.run_id]
    model_sha256 = release_model(out, run.model, labels, settings, private=private, lineage=lineage)
    release_metrics(out, run.model, labels, settings, ledger, record.run_id, around.progress)
    facts = RunFacts(
        steps_executed=ledger.steps_executed(record.run_id) if run.plan else run.total_steps,
        sensitivity=sensitivity,
        test_key=run.plan is not None and not private,
        views=settings.training.augmentation_multiplicity,
        config_hash=record.config_hash,
        model_sha256=model_sha256,
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
