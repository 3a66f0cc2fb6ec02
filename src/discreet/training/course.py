"""All steps of a run, by one process or by several: one training, or one at each learning rate of its trials."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from discreet.data.samples import SampleSource
from discreet.data.transforms import AugmentSettings
from discreet.m2fp import M2FP
from discreet.privacy.keys import RunKey
from discreet.privacy.ledger import Ledger
from discreet.privacy.plan import PrivacyPlan
from discreet.training.batches import BatchLoader
from discreet.training.devices import num_reading_processes
from discreet.training.gradients import PlainGradients, PrivateGradients, StepGradients
from discreet.training.loop import LoopHooks, run_steps
from discreet.training.micro_batch import measured_micro_batch
from discreet.training.release import evaluated, note_evaluation
from discreet.training.run_folder import RUN_FILE, RunRecord, private_folder, read_record, write_record
from discreet.training.settings import RunSettings
from discreet.training.surroundings import Surroundings
from discreet.training.trials import Contest, learning_rates, with_learning_rate
from discreet.training.units import Units


@dataclass(frozen=True)
class Prepared:
    """Everything that was found sound before anything was written.

    Args:
        source: the pictures.
        units: who owns them.
        plan: None for an ordinary run.
        num_steps: of one trial.
        trials: how many.
        model: at its start.
        lineage: run ids that its start comes from.
    """

    source: SampleSource
    units: Units
    plan: PrivacyPlan | None
    num_steps: int
    trials: int
    model: M2FP
    lineage: tuple[str, ...] = ()

    @property
    def total_steps(self) -> int:
        """Of all trials together: what the plan and the ledger count."""
        return self.num_steps * self.trials


@dataclass(frozen=True)
class Course:
    """What takes the steps.

    Args:
        settings: of the run.
        out: its folder.
        around: state folder, progress, interruption, processes.
        run: data, plan and model.
        record: its name.
        key: None for an ordinary run.
        ledger: the leader's; the other processes have none, and neither charge nor write anything.
    """

    settings: RunSettings
    out: Path
    around: Surroundings
    run: Prepared
    record: RunRecord
    key: RunKey | None
    ledger: Ledger | None

    def take(self) -> tuple[int, float]:
        """Train once, or once at each learning rate; the leader's model is then the best.

        Returns:
            how many steps of the plan are done, and the sensitivity that the noise covered.
        """
        taken = self._steps(self.settings) if self.run.trials == 1 else self._trials()
        # Nobody may still look for a checkpoint when the leader removes them.
        self.around.ranks.any(False)
        return taken

    def _trials(self) -> tuple[int, float]:
        """One training after the other, each from the same start."""
        run, spec = self.run, self.settings.data.evaluate
        assert spec is not None, "trials were found choosable"
        start = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
        if self.ledger is not None:
            note_evaluation(spec, self.ledger, self.record.run_id)
        contest, sensitivity = Contest(), 0.0
        for trial, learning_rate in enumerate(learning_rates(self.settings)):
            run.model.load_state_dict(start)
            done, sensitivity = self._steps(with_learning_rate(self.settings, learning_rate), trial)
            if done < (trial + 1) * run.num_steps:
                return done, sensitivity
            if self.ledger is not None:
                metrics = evaluated(run.model, run.source.label_set, self.settings, spec, self.around.progress)
                contest.enter(learning_rate, metrics.miou or 0.0, run.model.state_dict())
        if self.ledger is not None:
            run.model.load_state_dict(contest.winner)
            contest.write(self.out)
        return run.total_steps, sensitivity

    def _steps(self, settings: RunSettings, trial: int = 0) -> tuple[int, float]:
        """Run the loop once; returns what `take` does."""
        run = self.run
        folder, of_all = private_folder(self.around.state, self.record.run_id), ""
        if run.trials > 1:
            folder, of_all = folder / f"trial-{trial}", f" (trial {trial + 1} of {run.trials})"
            folder.mkdir(exist_ok=True, mode=0o700)
        first = trial * run.num_steps
        training = settings.training
        augmentation = AugmentSettings.of_strength(training.augmentation, training.canvas, enlarge=settings.model.human)
        views = training.augmentation_multiplicity
        device = next(run.model.parameters()).device
        loader = BatchLoader(
            run.source, run.units, augmentation, run.model, seed=training.seed, views=views,
            num_processes=num_reading_processes(device, self.around.ranks.on_this_machine),
        )  # fmt: skip
        gradients = self._gradients(settings)
        shown_epsilon = _epsilon_by_step(run.plan)
        try:
            settings = self._with_micro_batch(settings, gradients)
            with self.around.progress(f"train{of_all}", run.num_steps) as advance:
                hooks = LoopHooks(
                    before_release=lambda step: self._charge(first + step),
                    after_step=lambda step, n: advance(n, **shown_epsilon(first + step)),
                    should_stop=lambda: self.around.ranks.any(self.around.should_stop()),
                    keeps_checkpoints=self.around.ranks.leads,
                )
                done = run_steps(run.model, loader, gradients, settings, run.num_steps, folder, hooks, first_step=first)
                return first + done, gradients.sensitivity
        finally:
            loader.close()
            gradients.close()

    def _gradients(self, settings: RunSettings) -> StepGradients:
        """Private where there is a plan."""
        run, training, ranks = self.run, settings.training, self.around.ranks
        if run.plan is None or self.key is None:
            return PlainGradients(run.model, len(run.units), training.batch_size, training.seed, ranks=ranks)
        views = training.augmentation_multiplicity
        return PrivateGradients(run.model, run.plan, self.key, views=views, ranks=ranks)

    def _charge(self, steps: int) -> None:
        """Write down that this many steps of the plan will have been released."""
        if self.ledger is not None and self.run.plan is not None:
            self.ledger.advance(self.record.run_id, steps)

    def _with_micro_batch(self, settings: RunSettings, gradients: StepGradients) -> RunSettings:
        """The settings with a number for "auto": the one that the run began with, or the largest that fits."""
        training, ranks = settings.training, self.around.ranks
        if training.micro_batch_size != "auto":
            return settings
        found: int | None = None
        if ranks.leads:
            found = read_record(self.out / RUN_FILE).micro_batch_size
            if found is None:
                with self.around.progress("find the largest micro-batch", 1) as advance:
                    found = measured_micro_batch(
                        self.run.model, gradients, training.canvas, len(self.run.source.label_set),
                        at_most=training.batch_size, views=training.augmentation_multiplicity,
                        sharing=ranks.on_this_machine, precision=training.precision,
                    )  # fmt: skip
                    advance(1, pictures=found)
                write_record(self.out, replace(self.record, micro_batch_size=found))
        found = ranks.told(found)
        return settings.model_copy(update={"training": training.model_copy(update={"micro_batch_size": found})})


def _epsilon_by_step(plan: PrivacyPlan | None) -> Callable[[int], dict[str, str]]:
    """What a bar shows of ε after a step: never less than was spent."""
    if plan is None:
        return lambda step: {}
    from discreet.privacy.accountant import epsilon_curve

    curve = epsilon_curve(plan, points=20)

    def shown(step: int) -> dict[str, str]:
        return {"ε ≤": f"{next(epsilon for reached, epsilon in curve if reached >= step):.2f}"}

    return shown
