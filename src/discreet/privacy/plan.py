"""The privacy plan: one frozen configuration from which sampler, noise and accounting come.

They cannot disagree, because none of them can be built from anything else. Never loads torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal, Self, cast, get_args

from pydantic import BaseModel, ConfigDict, model_validator

from discreet.errors import PlanError
from discreet.privacy.accountant import (
    SMALLEST_DELTA,
    Event,
    coarse_epsilon,
    epsilon_of,
    mu_of,
    renyi_epsilon,
)

if TYPE_CHECKING:
    from discreet.privacy.keys import RunKey
    from discreet.privacy.noise import GaussianNoise
    from discreet.privacy.sampling import PoissonSampler

Unit = Literal["image", "subject"]
Clipping = Literal["flat", "per_layer", "automatic"]
SMALLEST_TARGET, LARGEST_TARGET = 0.01, 100.0
LARGEST_NOISE = 1e6
MOST_UNITS = 10**11  # 0.1 over more is a δ finer than SMALLEST_DELTA


class PrivacyPlan(BaseModel):
    """What a private run will do, and so what it will cost.

    **Guarantees**: everything that decides the privacy of a run is here; ε follows from it
    and is not a field. A plan that makes no sense cannot be built.

    Args:
        unit: what is protected: one image, or one subject with all of their images.
        num_samples: number of units in the data set. *Public.*
        expected_batch_size: units a step draws on average, and the divisor of every step. *Public.*
        num_steps: steps of the whole run.
        max_grad_norm: 2-norm to which each unit's gradient is clipped.
        noise_multiplier: standard deviation of the noise over the sensitivity.
        delta: the δ at which ε is stated.
        clipping: one norm for all parameters, one for each layer, or normalised gradients.

    Raises:
        PlanError: a value is missing, unknown, or out of its range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: Unit = "image"
    neighbouring_relation: Literal["add_or_remove_one"] = "add_or_remove_one"
    num_samples: int
    expected_batch_size: int
    num_steps: int
    max_grad_norm: float = 1.0
    noise_multiplier: float
    delta: float
    clipping: Clipping = "flat"

    @model_validator(mode="before")
    @classmethod
    def _refuse_nonsense(cls, values: Any) -> Any:
        """Check raw values, before a bool or a string could become a number."""
        missing = [n for n, field in cls.model_fields.items() if field.is_required() and n not in values]
        unknown = [name for name in values if name not in cls.model_fields]
        if missing:
            raise PlanError(f"the plan lacks {', '.join(missing)}; give a value for each")
        if unknown:
            raise PlanError(f"a plan has no {', '.join(unknown)}; it has {', '.join(cls.model_fields)}")
        checked = dict(values)
        checked["num_samples"] = _number_of_units(values["num_samples"])
        for name in ("expected_batch_size", "num_steps"):
            checked[name] = _positive_integer(name, values[name])
        for name in ("max_grad_norm", "noise_multiplier"):
            checked[name] = _positive_number(name, values.get(name, 1.0))
        checked["delta"] = _check_delta(values["delta"], checked["num_samples"])
        _check_batch(checked["expected_batch_size"], checked["num_samples"])
        for name, allowed in (("unit", get_args(Unit)), ("clipping", get_args(Clipping))):
            if name in values and values[name] not in allowed:
                raise PlanError(f"{name} is {values[name]!r}; choose one of {', '.join(allowed)}")
        if values.get("neighbouring_relation", "add_or_remove_one") != "add_or_remove_one":
            raise PlanError("neighbouring_relation is always add_or_remove_one; leave it out")
        return checked

    @classmethod
    def for_noise(
        cls,
        *,
        noise_multiplier: float,
        num_samples: int,
        expected_batch_size: int,
        num_steps: int | None = None,
        epochs: float | None = None,
        delta: float | None = None,
        max_grad_norm: float = 1.0,
        unit: Unit = "image",
        clipping: Clipping = "flat",
    ) -> Self:
        """A plan with this noise; give num_steps or epochs. δ is `default_delta` if left out."""
        if _positive_number("noise_multiplier", noise_multiplier) > LARGEST_NOISE:
            raise PlanError(
                f"noise_multiplier is {noise_multiplier:g}; it must lie above 0 and be at most {LARGEST_NOISE:g}: "
                "nothing is learned under more"
            )
        num_samples = _number_of_units(num_samples)
        return cls(
            unit=unit,
            num_samples=num_samples,
            expected_batch_size=expected_batch_size,
            num_steps=_steps(num_steps, epochs, num_samples, expected_batch_size),
            max_grad_norm=max_grad_norm,
            noise_multiplier=noise_multiplier,
            delta=default_delta(num_samples) if delta is None else delta,
            clipping=clipping,
        )

    @classmethod
    def for_target(
        cls,
        *,
        epsilon: float,
        num_samples: int,
        expected_batch_size: int,
        num_steps: int | None = None,
        epochs: float | None = None,
        delta: float | None = None,
        max_grad_norm: float = 1.0,
        unit: Unit = "image",
        clipping: Clipping = "flat",
    ) -> Self:
        """The plan with the least noise whose ε is at most `epsilon` (and within 0.5 % of it)."""
        target = _positive_number("epsilon", epsilon)
        if target > LARGEST_TARGET:
            raise PlanError(f"epsilon is {epsilon}; above {LARGEST_TARGET:g} nothing is protected: use --no-private")
        if target < SMALLEST_TARGET:
            raise PlanError(
                f"epsilon is {epsilon}; less than {SMALLEST_TARGET:g} is finer than the accounting: raise it"
            )
        # a first plan checks everything else before time goes into the search
        draft = cls.for_noise(
            noise_multiplier=1.0,
            num_samples=num_samples,
            expected_batch_size=expected_batch_size,
            num_steps=num_steps,
            epochs=epochs,
            delta=delta,
            max_grad_norm=max_grad_norm,
            unit=unit,
            clipping=clipping,
        )
        noise = smallest_noise_multiplier(target, draft.delta, draft.sample_rate, draft.num_steps)
        return cls.model_validate({**draft.model_dump(), "noise_multiplier": noise})

    @property
    def sample_rate(self) -> float:
        """The probability with which each unit enters each step."""
        return self.expected_batch_size / self.num_samples

    def event(self, num_steps: int | None = None) -> Event:
        """What the accountant is told of `num_steps` steps (of all, if left out)."""
        return Event(self.noise_multiplier, self.sample_rate, self.num_steps if num_steps is None else num_steps)

    @cached_property
    def epsilon(self) -> float:
        """The ε of the whole run at the plan's δ."""
        return epsilon_of(self.event(), self.delta)

    @cached_property
    def mu(self) -> float:
        """The smallest Gaussian-DP parameter that covers the whole run, and its ε; see `accountant.mu_of`."""
        return mu_of(self.event(), self.delta)

    def sampler(self, key: RunKey) -> PoissonSampler:
        """The sampler that was accounted for."""
        from discreet.privacy.sampling import PoissonSampler

        return PoissonSampler(key, self.num_samples, self.sample_rate)

    def noise(self, key: RunKey, sensitivity: float) -> GaussianNoise:
        """The noise that was accounted for, for the sensitivity that the clipper states."""
        from discreet.privacy.noise import GaussianNoise

        if not sensitivity >= self.max_grad_norm:
            raise PlanError(
                f"sensitivity is {sensitivity}, below max_grad_norm {self.max_grad_norm}; ask the clipper for its own"
            )
        return GaussianNoise(key, self.noise_multiplier, sensitivity, self.expected_batch_size)


def check_sizes(num_samples: int, epochs: float) -> None:
    """Refuse a data set or a training of no size, before anything is computed from them."""
    _number_of_units(num_samples)
    _positive_number("epochs", epochs)


def num_steps_for(epochs: float, num_samples: int, batch_size: int) -> int:
    """floor(epochs · num_samples / batch_size), epochs as they are written in decimals; refused when it is zero."""
    epochs = _positive_number("epochs", epochs)
    num_samples = _number_of_units(num_samples)
    batch_size = _positive_integer("batch size", batch_size)
    _check_batch(batch_size, num_samples)
    # Not in binary: 2.3 epochs of 100 units by 10 would be 22 steps.
    num_steps = math.floor(Fraction(repr(epochs)) * num_samples / batch_size)
    if num_steps < 1:
        raise PlanError(f"{epochs:g} epochs of {num_samples} units make no whole batch of {batch_size}; train longer")
    return num_steps


def default_delta(num_units: int) -> float:
    """min(1e-5, 0.1 / num_units): well below one unit's share."""
    return min(1e-5, 0.1 / _number_of_units(num_units))


def smallest_noise_multiplier(epsilon: float, delta: float, sample_rate: float, num_steps: int) -> float:
    """The least noise with ε at most `epsilon`: searched on a coarse grid, proved on the fine one.

    The noise is rounded up to four decimals (to five digits from 10 on).
    """

    def cost(noise: float) -> float:
        return epsilon_of(Event(noise, sample_rate, num_steps), delta)

    def coarse_cost(noise: float) -> float:
        return coarse_epsilon(Event(noise, sample_rate, num_steps), delta)

    start = _noise_by_renyi(epsilon, delta, sample_rate, num_steps)
    noise = _solve(coarse_cost, epsilon, start)
    if cost(noise) < 0.998 * epsilon:  # many tiny steps: the coarse grid asks for too much noise
        noise = _solve(cost, epsilon, noise)
    while cost(noise) > epsilon:
        noise = _round_up(noise * (1 + 1e-6))
    return noise


def _solve(cost: Callable[[float], float], epsilon: float, start: float) -> float:
    """Where a falling cost meets epsilon, looking outwards from `start`; rounded up."""
    from scipy.optimize import brentq  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType] -- scipy has none

    @lru_cache
    def excess(log_noise: float) -> float:
        return math.log(max(cost(math.exp(log_noise)), 1e-9) / epsilon)

    low = high = math.log(start)
    while excess(low) <= 0:
        low, high = low - 0.1, low
    while excess(high) > 0:
        low, high = high, high + 0.1
    root = cast(float, brentq(excess, low, high, xtol=1e-5))
    return _round_up(math.exp(root))


def _round_up(noise: float) -> float:
    """The next number of four decimals, or of five digits from 10 on."""
    per_unit = 10 ** (4 - max(0, math.floor(math.log10(noise))))
    return math.ceil(noise * per_unit) / per_unit


def _noise_by_renyi(epsilon: float, delta: float, sample_rate: float, num_steps: int) -> float:
    """About the noise that is needed, in a few milliseconds a try."""
    low, high = 0.01, 1e5
    if renyi_epsilon(Event(high, sample_rate, num_steps), delta) > max(epsilon, 0.02):
        raise PlanError(
            f"epsilon {epsilon} is out of reach: not even a noise_multiplier of {high:g} gives it; train less"
        )
    while high / low > 1.05:
        middle = math.sqrt(low * high)
        enough = renyi_epsilon(Event(middle, sample_rate, num_steps), delta) <= epsilon
        low, high = (low, middle) if enough else (middle, high)
    return high


def _steps(num_steps: int | None, epochs: float | None, num_samples: int, batch_size: int) -> int:
    """num_steps as given, or from epochs; exactly one of the two."""
    if num_steps is not None and epochs is None:
        return num_steps
    if epochs is not None and num_steps is None:
        return num_steps_for(epochs, num_samples, batch_size)
    raise PlanError(f"num_steps is {num_steps} and epochs is {epochs}; give exactly one of them")


def _number_of_units(value: object) -> int:
    """A number of units so small that a δ well below one over it can be accounted for."""
    number = _positive_integer("num_samples", value)
    if number > MOST_UNITS:
        raise PlanError(
            f"num_samples is {number}; at most {MOST_UNITS:,} can be accounted for: delta must lie well below one over "
            f"it, and is resolved from {SMALLEST_DELTA:g} on"
        )
    return number


def _positive_integer(name: str, value: object) -> int:
    """A whole number above 0; a bool is no number."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise PlanError(f"{name} is {value!r}; it must be a whole number of at least 1")
    number = int(value)  # pyright: ignore[reportArgumentType] -- it has __index__
    if number < 1:
        raise PlanError(f"{name} is {number}; it must be a whole number of at least 1")
    return number


def _positive_number(name: str, value: object) -> float:
    """A finite number above 0; a bool or a string is no number."""
    if isinstance(value, bool) or not (hasattr(value, "__float__") or hasattr(value, "__index__")):
        raise PlanError(f"{name} is {value!r}; it must be a finite number above 0")
    number = float(value)  # pyright: ignore[reportArgumentType] -- it has __float__ or __index__
    if not (math.isfinite(number) and number > 0):
        raise PlanError(f"{name} is {number}; it must be a finite number above 0")
    return number


def _check_delta(value: object, num_samples: int) -> float:
    """δ above the numerical floor and below 1/N: at 1/N, publishing one unit outright would pass."""
    delta = _positive_number("delta", value)
    if not SMALLEST_DELTA <= delta < 1 / num_samples:
        raise PlanError(
            f"delta is {delta:g}; it must lie from {SMALLEST_DELTA:g} to below 1/{num_samples} = {1 / num_samples:.3g} "
            f"(one over the number of units); {default_delta(num_samples):.3g} is a sensible choice"
        )
    return delta


def _check_batch(expected_batch_size: int, num_samples: int) -> None:
    """No batch above the data set."""
    if expected_batch_size > num_samples:
        raise PlanError(
            f"expected_batch_size is {expected_batch_size}, above the {num_samples} units of the data set; "
            f"choose at most {num_samples}"
        )
