"""Two ways to the gradient of a step, behind one shape: private, and ordinary.

Each says which units a step sees, takes their losses micro-batch by micro-batch, and gives one
gradient a parameter at the end. The training loop does not know which one it runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from discreet.privacy.clipping import Clipper
from discreet.privacy.keys import RunKey
from discreet.privacy.plan import PrivacyPlan
from discreet.training.ranks import ALONE, Ranks


class StepGradients(Protocol):
    """The gradient of one step after another."""

    @property
    def sensitivity(self) -> float:
        """The most one unit can move a step's sum; 0 where nothing is bounded. *Public*"""
        ...

    @property
    def noise_variance(self) -> float:
        """Of each number that `finish` returns under equal scales; 0 where there is no noise. *Public*"""
        ...

    def units(self, step: int) -> NDArray[np.int64]:
        """Unit indices of this process's part of the step's batch; may be empty. *SENSITIVE*"""
        ...

    def rescale(self, scales: Mapping[str, float]) -> None:
        """How the next step shares its room under the clipping norm; see `Clipper.rescale`. *Public*"""
        ...

    def add(self, loss_B: Tensor) -> None:
        """Take the losses of one micro-batch, float [B]. *SENSITIVE*"""
        ...

    def finish(self, step: int) -> Mapping[str, Tensor]:
        """The step's gradient by parameter name; starts anew."""
        ...

    def discard(self) -> None:
        """Forget what was added since the last `finish`."""
        ...

    def close(self) -> None:
        """Leave the module as it was."""
        ...


class PrivateGradients:
    """Poisson batch, per-sample clipping, one Gaussian noise, a fixed public divisor.

    **Guarantees** What `finish` returns is the subsampled Gaussian mechanism of `plan` at that
    step: the same bits whenever the same step is repeated with the same key and samples.

    Args:
        module: trainable parameters are those that require gradients.
        plan: yields sampler, clipper and noise, which therefore agree. *Public*
        key: of this run. *SENSITIVE*
        views: pictures of each unit that the module sees in a step; see `Clipper`. *Public*
        ranks: the processes that share each step: one draw is split, one noise is added.
    """

    def __init__(
        self, module: nn.Module, plan: PrivacyPlan, key: RunKey, *, views: int = 1, ranks: Ranks = ALONE
    ) -> None:
        self._ranks = ranks
        self._clipper = Clipper(module, plan.max_grad_norm, plan.clipping, views=views)
        self._sampler = plan.sampler(key)
        self._noise = plan.noise(key, self.sensitivity)
        self._scales: Mapping[str, float] = {}

    @property
    def sensitivity(self) -> float:
        """The clipper's own."""
        return self._clipper.sensitivity

    @property
    def noise_variance(self) -> float:
        """As the noise was made."""
        return (self._noise.standard_deviation / self._noise.divisor) ** 2

    def rescale(self, scales: Mapping[str, float]) -> None:
        """Scaled, clipped, noised, and scaled back: noise is smaller where scales are larger."""
        self._clipper.rescale(scales)
        self._scales = scales

    def units(self, step: int) -> NDArray[np.int64]:
        """Of the Poisson batch of the step; may be empty, and the step still happens. *SENSITIVE*"""
        return self._ranks.share_of(self._sampler.batch(step))

    def add(self, loss_B: Tensor) -> None:
        """Clip and add. *SENSITIVE*"""
        self._clipper.accumulate(loss_B)

    def finish(self, step: int) -> Mapping[str, Tensor]:
        """(clipped sum + noise) / expected batch size: a release, no longer sensitive."""
        sums = self._ranks.sum(self._clipper.take())
        own = self._noise.privatise({name: sums[name] for name in self._ranks.names_of(sums)}, step)
        # Each name is released by one process; the others add zero.
        released = self._ranks.sum(
            {
                name: own[name] if name in own else torch.zeros_like(part, dtype=torch.float32)
                for name, part in sums.items()
            }
        )
        scales = self._scales
        return {name: told / scales[name] if name in scales else told for name, told in released.items()}

    def discard(self) -> None:
        """The clipped sum so far is dropped."""
        self._clipper.take()

    def close(self) -> None:
        """Detach the clipper."""
        self._clipper.close()


class PlainGradients:
    """Shuffled batches of one size and the mean gradient: ordinary training, no guarantee.

    Args:
        module: trainable parameters are those that require gradients.
        num_units: size of the data set.
        batch_size: units a step.
        seed: of the shuffling.
        ranks: the processes that share each step.
    """

    def __init__(self, module: nn.Module, num_units: int, batch_size: int, seed: int, *, ranks: Ranks = ALONE) -> None:
        self._ranks = ranks
        self._parameters = {name: p for name, p in module.named_parameters() if p.requires_grad}
        self._num_units = num_units
        self._batch_size = min(batch_size, num_units)
        self._seed = seed

    @property
    def sensitivity(self) -> float:
        """Nothing is bounded."""
        return 0.0

    @property
    def noise_variance(self) -> float:
        """Nothing is added."""
        return 0.0

    def rescale(self, scales: Mapping[str, float]) -> None:
        """Without a norm to share nothing changes."""

    def units(self, step: int) -> NDArray[np.int64]:
        """Of the step's slice of its epoch's permutation."""
        steps_per_epoch = self._num_units // self._batch_size
        epoch, position = divmod(step, steps_per_epoch)
        order = np.random.default_rng([self._seed, epoch]).permutation(self._num_units)
        return self._ranks.share_of(order[position * self._batch_size : (position + 1) * self._batch_size])

    def add(self, loss_B: Tensor) -> None:
        """One ordinary backward pass."""
        (loss_B.sum() / self._batch_size).backward()

    def finish(self, step: int) -> Mapping[str, Tensor]:
        """The mean gradient."""
        gradients = {
            name: torch.zeros_like(p) if p.grad is None else p.grad
            for name, p in self._parameters.items()
            # A process without a share has no gradient where the others have one.
            if p.grad is not None or self._ranks.size > 1
        }
        self.discard()
        return self._ranks.sum(gradients)

    def discard(self) -> None:
        """Gradients of an unfinished step are dropped."""
        for parameter in self._parameters.values():
            parameter.grad = None

    def close(self) -> None:
        """Nothing is attached."""
        self.discard()
