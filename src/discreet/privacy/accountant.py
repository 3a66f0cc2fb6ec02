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
MU_RATE_FLOOR = 1e-10  # mu covers the trade-off curve where both error rates are at least this
_INTERVAL = 1e-4  # dp-accounting's own default, so that anyone can repeat the numbers
_RENYI_ORDERS = (*range(2, 33), 64, 128, 256, 512, 1024)


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


def mu_of(events: Events, delta: float) -> float:
    """The smallest μ whose Gaussian mechanism is nowhere more private than the events, nor than their ε at `delta`.

    Compared on the trade-off curve itself, at every corner of the PLD's and in both
    directions (adding, removing), wherever both error rates of the attacker are at least
    1e-10; no central limit is involved. Without that floor μ would say little: far enough
    out, any sampled mechanism looks as if it sampled everything. A large ε is told of further
    out than that, and is covered by itself.
    Source: arXiv 1905.02383, definition 2.6; 2503.10945.
    """
    from discreet.privacy.gaussian import mu_of_epsilon

    epsilon = epsilon_of(events, delta)
    return max(_mu(_merge(events)), mu_of_epsilon(epsilon, delta) if epsilon > 0 else 0.0)


def mu_regret(events: Events, delta: float) -> float:
    """How far μ's trade-off curve lies from the PLD's own, at the worst place (arXiv 2503.10945)."""
    from gdpnum.converter import get_worst_case_regret

    merged = _merge(events)
    if not merged:
        return 0.0
    # gdpnum's own curve of a PLD mixes two discretisations and falls below the true one where
    # sampling makes them differ; only its regret is used, on the curve computed here
    alphas = np.unique(np.append(np.geomspace(1e-12, 1, 4000), np.linspace(0, 1, 4001)))
    regret: Any = get_worst_case_regret(alphas, 1 - _best_tpr(merged, alphas), mu_of(events, delta))
    return float(regret)


def attacker_tpr(events: Events, false_positive_rate: float) -> float:
    """The best true positive rate of any membership attack at that false positive rate: from the PLD, not from μ."""
    if not 0 <= false_positive_rate <= 1:
        raise PlanError(f"false_positive_rate is {false_positive_rate}; it must lie from 0 to 1")
    return float(_best_tpr(_merge(events), np.array([false_positive_rate]))[0])


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
    except ZeroDivisionError:  # so little noise that its square is 0
        return math.inf
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


def _best_tpr(events: tuple[Event, ...], rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """The best true positive rates at these false positive rates, the worse of removing and adding."""
    if not events:
        return rates
    removing, adding = _likely_side(events)
    best = np.zeros_like(rates)
    for (fpr, tpr), (other_fpr, other_tpr) in ((removing, adding), (adding, removing)):
        # beyond loss 0 the curve is the other direction's, with the two errors changing places
        whole_fpr, whole_tpr = np.append(fpr, 1 - other_tpr[::-1]), np.append(tpr, 1 - other_fpr[::-1])
        best = np.maximum(best, np.interp(rates, whole_fpr, whole_tpr))
    return np.minimum(best, 1.0)


@lru_cache(maxsize=16)
def _likely_side(events: tuple[Event, ...]) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """(false, true positive rates) of the tests "loss above x" for x ≥ 0, ascending; for removing and for adding.

    dp-accounting has no public way to these numbers, which gdpnum takes from the same places.
    """
    distribution = _distribution(events, _interval(events))
    sides: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    for pmf in (distribution._pmf_remove, distribution._pmf_add):
        dense = pmf.to_dense_pmf()
        losses = (np.arange(int(dense.size)) + int(dense._lower_loss)) * float(dense._discretization)
        first = int(np.searchsorted(losses, 0.0))
        falling, probabilities = losses[first:][::-1], np.maximum(dense._probs[first:][::-1], 0.0)
        certain = float(dense._infinity_mass)
        fpr = np.append(0.0, np.cumsum(probabilities * np.exp(-falling)))
        tpr = np.append(certain, certain + np.cumsum(probabilities))
        sides.append((np.minimum(fpr, 1.0), np.minimum(tpr, 1.0)))
    return sides


@lru_cache(maxsize=64)
def _mu(events: tuple[Event, ...]) -> float:
    """`mu_of` merged events, whatever their ε: a test of rates (α, τ) needs μ = Φ⁻¹(1-α) - Φ⁻¹(1-τ) at least."""
    from scipy.special import ndtri  # pyright: ignore[reportMissingTypeStubs] -- scipy has none

    if not events:
        return 0.0
    needed = [0.0]
    for fpr, tpr in _likely_side(events):
        seen = (fpr >= MU_RATE_FLOOR) & (tpr <= 1 - MU_RATE_FLOOR)
        # between corners the curve enters what is seen at the floor, next to certain where there is hardly any noise
        alphas = np.append(fpr[seen], MU_RATE_FLOOR)
        powers = np.append(tpr[seen], min(float(np.interp(MU_RATE_FLOOR, fpr, tpr)), 1 - MU_RATE_FLOOR))
        needed.append(float(np.max(ndtri(powers) - ndtri(alphas))))
    return max(needed)
