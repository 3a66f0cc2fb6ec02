"""The training loop: the same for private and ordinary runs, for first starts and resumed ones.

Order of a private step: the ledger writes it down, then its gradient is released, applied, and
(every so often) kept in a checkpoint. A step repeated after a crash starts from the same
checkpoint with the same key, so it is the same release and is charged once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from discreet.m2fp import M2FP, criterion
from discreet.training.batches import Batch, BatchLoader
from discreet.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from discreet.training.devices import Precision, computing_in
from discreet.training.gradients import StepGradients
from discreet.training.optimization import Optimization
from discreet.training.settings import RunSettings

CHECKPOINT_FILE = "checkpoint.safetensors"


class StepRecord(Protocol):
    """Who is told of a step before anything derived from it can leave (the ledger, or nobody)."""

    def __call__(self, step: int) -> None: ...


Losses = Callable[[M2FP, Batch], Tensor]


def picture_losses(model: M2FP, batch: Batch, precision: Precision = "float32") -> Tensor:
    """The criterion's loss of each picture, [B]; layers compute in the given precision."""
    with computing_in(precision, batch.images.device):
        output = model(batch.images)
    return criterion(output, batch.targets, batch.generators, model.criterion_settings)


@dataclass(frozen=True)
class LoopHooks:
    """What the loop tells and asks the outside.

    Args:
        before_release: given the number of steps that will have been released.
        after_step: given the number of finished steps and how many of them are new; for progress.
        should_stop: asked after each step; True saves a checkpoint and ends the loop.
        keeps_checkpoints: whether this process writes them; of several that train together, one does.
    """

    before_release: StepRecord
    after_step: Callable[[int, int], object] = lambda step, n: None
    should_stop: Callable[[], bool] = lambda: False
    keeps_checkpoints: bool = True


def run_steps(
    model: M2FP,
    loader: BatchLoader,
    gradients: StepGradients,
    settings: RunSettings,
    num_steps: int,
    folder: Path,
    hooks: LoopHooks,
    *,
    first_step: int = 0,
    losses: Losses | None = None,
) -> int:
    """Train from the last checkpoint, or from the start, up to `num_steps`.

    On return the model carries the moving average if all steps are done.

    Args:
        model: with its trainable parameters chosen.
        loader: pictures by unit and step.
        gradients: private or ordinary.
        settings: of the run. *Public*
        num_steps: the whole run's, of the plan; never exceeded. *Public*
        folder: where checkpoints lie, in the state folder.
        hooks: ledger, progress, interruption.
        first_step: where this training begins in a plan of several: sampling and noise go by steps of the plan.
        losses: of a batch's pictures, each by its picture alone; the criterion's, in the settings' precision.

    Returns:
        number of finished steps; less than `num_steps` only when asked to stop.

    Raises:
        CheckpointError: the checkpoint is damaged or of another configuration.
        BudgetError: the ledger does not allow the step.
    """
    micro_batch_size = settings.training.micro_batch_size
    assert micro_batch_size != "auto", "a number is found before the first step"
    losses = losses or partial(picture_losses, precision=settings.training.precision)
    optimization = Optimization(model, settings.training, num_steps, gradients.noise_variance)
    config_hash = settings.digest()
    earlier = read_checkpoint(folder / CHECKPOINT_FILE, config_hash)
    done = 0
    if earlier is not None:
        optimization.restore(earlier.tensors)
        done = earlier.step
        hooks.after_step(done, done)
    model.train()
    while done < num_steps:
        last = done + 1 == num_steps
        gradients.rescale(optimization.scales())
        accumulate_step(model, loader, gradients, first_step + done, micro_batch_size, last=last, losses=losses)
        hooks.before_release(done + 1)
        optimization.step(gradients.finish(first_step + done), done)
        done += 1
        stopping = done < num_steps and hooks.should_stop()
        due = stopping or done == num_steps or done % settings.training.checkpoint_every == 0
        if due and hooks.keeps_checkpoints:
            write_checkpoint(folder / CHECKPOINT_FILE, Checkpoint(done, config_hash, optimization.state()))
        hooks.after_step(done, 1)
        if stopping:
            return done
    optimization.use_average()
    return done


def accumulate_step(
    model: M2FP,
    loader: BatchLoader,
    gradients: StepGradients,
    step: int,
    micro_batch_size: int,
    *,
    last: bool = True,
    losses: Losses = picture_losses,
) -> None:
    """Bring the pictures of one step through the model, a micro-batch at a time; there may be none.

    A unit's views stay together: their losses are averaged before anything is clipped.

    While the network computes, the next micro-batch is read: at the end of a step that is not the
    `last`, the first of the next step. Which pictures those are follows from the run's key alone.
    """
    size = max(micro_batch_size // loader.views, 1)
    coming = [(units, step) for units in micro_batches(gradients.units(step), size)]
    num_batches = len(coming)
    if not last:
        coming += [(units, step + 1) for units in islice(micro_batches(gradients.units(step + 1), size), 1)]
    for index, (units, _) in enumerate(coming[:num_batches]):
        batch = loader.load(units, step)
        if index + 1 < len(coming):
            loader.expect(*coming[index + 1])
        if batch is None:
            continue
        loss_R = losses(model, batch)
        gradients.add(loss_R if loader.views == 1 else loss_R.reshape(-1, loader.views).mean(1))


def micro_batches(units: NDArray[np.int64], size: int) -> Iterator[list[int]]:
    """Every unit of one step's batch exactly once, in ascending order, up to `size` at a time."""
    ordered = np.sort(units)
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size].tolist()
