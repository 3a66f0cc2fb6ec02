"""A second opinion on ε: the PRV accountant of Opacus, which shares no code with ours.

Apart from the accountant because Opacus loads torch.
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from discreet.errors import PlanError
from discreet.privacy.plan import SMALLEST_TARGET

if TYPE_CHECKING:
    from discreet.privacy.plan import PrivacyPlan

TOLERANCE = 0.02
_ABSOLUTE_ERROR = 0.01  # what PRV is allowed to add on top of the true ε


def cross_check(plan: PrivacyPlan) -> float | None:
    """The plan's ε by Opacus' PRV accountant; None where torch or Opacus is not installed.

    Raises:
        PlanError: ε is finer than it resolves.
    """
    if find_spec("torch") is None or find_spec("opacus") is None:
        return None
    if plan.epsilon < SMALLEST_TARGET:
        raise PlanError(
            f"noise_multiplier is {plan.noise_multiplier:g}, which makes epsilon {plan.epsilon:.2g}; less than "
            f"{SMALLEST_TARGET:g} is finer than the accounting: lower it, or give epsilon"
        )
    error = min(_ABSOLUTE_ERROR, plan.epsilon / 100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Opacus warns of its own imports, and of orders it merely brackets with
        from opacus.accountants import PRVAccountant  # pyright: ignore[reportMissingTypeStubs] -- it has none

        accountant: Any = PRVAccountant()
        accountant.history = [(plan.noise_multiplier, plan.sample_rate, plan.num_steps)]
        return float(accountant.get_epsilon(plan.delta, eps_error=error))


def require_agreement(plan: PrivacyPlan) -> float | None:
    """`cross_check`, and refuse a plan on whose ε the two accountants disagree by more than 2 %.

    Raises:
        PlanError: they disagree: one of them is wrong here, and nothing may be claimed.
    """
    second = cross_check(plan)
    if second is not None and abs(second - plan.epsilon) > TOLERANCE * plan.epsilon:
        raise PlanError(
            f"two accountants disagree: epsilon is {plan.epsilon:.4f} by PLD and {second:.4f} by PRV, "
            f"more than {TOLERANCE:.0%} apart; change the plan, and report these numbers to the project"
        )
    return second
