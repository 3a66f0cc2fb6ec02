"""What a mechanism costs in privacy, by the privacy loss distributions (PLD) of dp-accounting.

Neighbouring data sets differ by adding or removing one unit, unless a name says replace.
Discretisation is pessimistic: every number is an upper bound. Never loads torch.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from discreet.errors import PlanError

if TYPE_CHECKING:
    from discreet.privacy.plan import PrivacyPlan

SMALLEST_DELTA = 1e-12  # finer than this, rounding inside the convolutions would speak
MU_DELTA_FLOOR = 1e-10  # mu covers the PLD wherever δ is at least this
_INTERVAL = 1e-4  # dp-accounting's own default, so that anyone can repeat the numbers
_RENYI_ORDERS = (*range(2, 33), 64, 128, 256, 512, 1024)
_CURVE_POINTS = 200


class Event(NamedTuple):
    """`num_steps` steps, each a Gaussian sum over a Poisson sample.

    Args:
        noise_multiplier: standard deviation over sensitivity.
        sample_rate: probability of each unit to be in a step.
        num_steps: how many.
        replace: whether neighbours exchange one unit instead of adding or removing it.
    """

    noise_multiplier: float
    sample_rate: float
    num_steps: int
    replace: bool = False


Events = Event | Sequence[Event]


def accountant_name() -> str:
    """The accountant and its version, as statements cite it."""
    return f"dp-accounting {version('dp-accounting')} PLD"


def epsilon_of(events: Events, delta: float) -> float:
    """The ε at `delta` of all events together; 0 for none.

    Raises:
        PlanError: δ is not in [1e-12, 1), or the noise is next to none.
    """
    return _epsilon(_merge(events), check_delta(delta))


def delta_of(events: Events, epsilon: float) -> float:
    """The smallest δ at which all events together are (epsilon, δ)-private."""
    merged = _merge(events)
    if not merged:
        return 0.0
    return float(_distribution(merged, _interval(merged)).get_delta_for_epsilon(float(epsilon)))


def coarse_epsilon(events: Events, delta: float) -> float:
    """`epsilon_of` on a five times coarser grid, five times quicker: to search and to draw, never to claim."""
    merged = _merge(events)
    if not merged:
        return 0.0
    return float(_distribution(merged, 5 * _interval(merged)).get_epsilon_for_delta(check_delta(delta)))


def replace_one_epsilon(event: Event, delta: float) -> float:
    """The ε if neighbours *exchanged* one unit: an extra for statements, never the claim."""
    return epsilon_of(event._replace(replace=True), delta)


def epsilon_curve(plan: PrivacyPlan, points: int = 20) -> list[tuple[int, float]]:
    """(step, ε once that many steps are done) at about `points` steps; the last is the plan's own ε."""
    steps = sorted({max(1, round(plan.num_steps * k / points)) for k in range(1, points)} - {plan.num_steps})
    curve = [(step, min(coarse_epsilon(plan.event(step), plan.delta), plan.epsilon)) for step in steps]
    return [*curve, (plan.num_steps, plan.epsilon)]


def mu_of(events: Events) -> float:
    """The smallest μ whose Gaussian mechanism is nowhere more private than the events.

    A μ covers the PLD where δ_μ(ε) ≥ δ(ε) for every ε ≥ 0, δ(ε) being the worse of adding
    and removing (which settles ε < 0 as well). It is computed wherever δ ≥ 1e-10; no
    central limit is involved. Source: arXiv 1905.02383, corollary 2.13; 2503.10945.
    """
    return _mu(_merge(events))


def mu_regret(events: Events) -> float:
    """How far μ's trade-off curve lies from the PLD's own, at the worst place (arXiv 2503.10945)."""
    from gdpnum.converter import PLDConverter, get_worst_case_regret

    merged = _merge(events)
    if not merged:
        return 0.0
    converter: Any = PLDConverter(_distribution(merged, _interval(merged)))
    regret: Any = get_worst_case_regret(converter.alphas_symm, converter.betas_symm, mu_of(events))
    return float(regret)


def attacker_tpr(events: Events, false_positive_rate: float) -> float:
    """The best true positive rate of any membership attack at that false positive rate.

    Each (ε, δ) bounds it by δ + e^ε·FPR and by 1 - e^-ε·(1 - δ - FPR); the least of all
    bounds is the PLD's trade-off curve. Source: arXiv 1905.02383, proposition 2.4.
    """
    if not 0 <= false_positive_rate <= 1:
        raise PlanError(f"false_positive_rate is {false_positive_rate}; it must lie from 0 to 1")
    epsilons, deltas = privacy_curve(events)
    low_end = deltas + np.exp(np.minimum(epsilons, 700.0)) * false_positive_rate
    high_end = 1 - np.exp(-epsilons) * (1 - deltas - false_positive_rate)
    return float(min(low_end.min(), high_end.min(), 1.0))


def privacy_curve(events: Events) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(ε, δ) from ε = 0 to where δ is 1e-10: ascending ε, the worse of adding and removing."""
    return _curve(_merge(events))


def check_delta(delta: float) -> float:
    """Refuse a δ that is no probability, or that is finer than the accounting resolves."""
    if not SMALLEST_DELTA <= delta < 1:
        raise PlanError(f"delta is {delta}; it must lie from {SMALLEST_DELTA} to below 1 (1e-5 is a common choice)")
    return float(delta)


def _merge(events: Events) -> tuple[Event, ...]:
    """Equal steps in one event: a run in ten parts costs what it costs in one."""
    counts: Counter[tuple[float, float, bool]] = Counter()
    for event in [events] if isinstance(events, Event) else events:
        counts[event.noise_multiplier, event.sample_rate, event.replace] += event.num_steps
    return tuple(Event(sigma, rate, n, replace) for (sigma, rate, replace), n in sorted(counts.items()) if n > 0)


@lru_cache(maxsize=1024)
def _epsilon(events: tuple[Event, ...], delta: float) -> float:
    """ε of merged events."""
    if not events:
        return 0.0
    return float(_distribution(events, _interval(events)).get_epsilon_for_delta(delta))


@lru_cache(maxsize=8)
def _distribution(events: tuple[Event, ...], interval: float) -> Any:
    """The privacy loss distribution of merged events on a grid; `Any`: dp-accounting has no stubs."""
    from dp_accounting import NeighboringRelation  # pyright: ignore[reportMissingTypeStubs] -- it has none
    from dp_accounting.pld import privacy_loss_distribution as pld  # pyright: ignore[reportMissingTypeStubs]

    total: Any = None
    for event in events:
        one_step: Any = pld.from_gaussian_mechanism(
            event.noise_multiplier,
            sampling_prob=event.sample_rate,
            value_discretization_interval=interval,
            neighboring_relation=getattr(NeighboringRelation, "REPLACE_ONE" if event.replace else "ADD_OR_REMOVE_ONE"),
        )
        steps = one_step.self_compose(event.num_steps) if event.num_steps > 1 else one_step
        total = steps if total is None else total.compose(steps)
    return total


@lru_cache(maxsize=1024)
def _interval(events: tuple[Event, ...]) -> float:
    """The grid of the privacy loss: 1e-4, coarser where ε is above 100, finer where it must be.

    A grid of h adds about h²/4 to each step's mean loss and variance, so T·h²/4 to a run's,
    which is held to 1e-4·ε. An exact power of ten, so that anyone can repeat the number.
    """
    epsilon = renyi_epsilon(events, 1e-6)
    if not epsilon < 1e6:
        raise PlanError("noise_multiplier is so small that epsilon passes a million; raise it, or use --no-private")
    coarsest = _INTERVAL * max(1.0, epsilon / 100)
    finest = math.sqrt(4e-4 * epsilon / sum(event.num_steps for event in events))
    return 10.0 ** math.floor(math.log10(max(min(coarsest, finest), 1e-6)) + 1e-9)


def renyi_epsilon(events: Events, delta: float) -> float:
    """A quick upper bound of ε, a tenth or so too high: to choose grids and brackets, never to claim."""
    from dp_accounting.rdp import RdpAccountant  # pyright: ignore[reportMissingTypeStubs] -- it has none

    logger = logging.getLogger("absl")
    was_disabled, logger.disabled = logger.disabled, True  # it remarks on orders that do not converge
    try:
        return _renyi_epsilon(RdpAccountant(_RENYI_ORDERS), _merge(events), delta)
    finally:
        logger.disabled = was_disabled


def _renyi_epsilon(accountant: Any, events: tuple[Event, ...], delta: float) -> float:
    """`renyi_epsilon` by an accountant of dp-accounting's."""
    import dp_accounting  # pyright: ignore[reportMissingTypeStubs] -- it has none

    for event in events:
        # exchanging a unit moves the sum by at most twice the sensitivity
        gaussian: Any = dp_accounting.GaussianDpEvent(event.noise_multiplier / (2 if event.replace else 1))
        step: Any = dp_accounting.PoissonSampledDpEvent(event.sample_rate, gaussian)
        accountant.compose(step, event.num_steps)
    return float(accountant.get_epsilon(delta))


@lru_cache(maxsize=64)
def _curve(events: tuple[Event, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """`privacy_curve` of merged events."""
    if not events:
        return np.zeros(1), np.zeros(1)
    distribution = _distribution(events, _interval(events))
    epsilons = np.linspace(0.0, _epsilon(events, MU_DELTA_FLOOR), _CURVE_POINTS)
    # one by one: dp-accounting's own loop over many ε overflows beyond ε = 709
    deltas = np.array([distribution.get_delta_for_epsilon(float(epsilon)) for epsilon in epsilons])
    return epsilons, np.minimum(deltas, 1.0)


@lru_cache(maxsize=64)
def _mu(events: tuple[Event, ...]) -> float:
    """`mu_of` merged events, by bisection."""
    if not events:
        return 0.0
    epsilons, deltas = _curve(events)
    deltas = np.minimum(deltas, 1 - SMALLEST_DELTA)  # where δ rounds to 1, no μ would reach it
    low, high = 0.0, 1.0
    while not (gaussian_delta(high, epsilons) >= deltas).all():
        low, high = high, 2 * high
    while high - low > 1e-7 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if (gaussian_delta(middle, epsilons) >= deltas).all() else (middle, high)
    return high * (1 + 1e-5)  # between the points of the curve the excess is of second order


def gaussian_delta(mu: float, epsilons: NDArray[np.float64]) -> NDArray[np.float64]:
    """δ_μ(ε) of a Gaussian mechanism: Φ(-ε/μ + μ/2) - e^ε·Φ(-ε/μ - μ/2)."""
    from scipy.special import log_ndtr  # pyright: ignore[reportMissingTypeStubs] -- scipy has none

    centre = -epsilons / mu
    upper: Any = np.exp(log_ndtr(centre + mu / 2))
    lower: Any = np.exp(epsilons + log_ndtr(centre - mu / 2))
    return np.asarray(upper - lower, np.float64)
