"""Runs as the ledger knows them, and what they cost together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from discreet.errors import BudgetError
from discreet.privacy.accountant import Event, epsilon_of
from discreet.privacy.plan import PrivacyPlan, Unit


@dataclass(frozen=True)
class LedgerEntry:
    """One run as the ledger knows it. *Public*, but for the set of units that `root` names.

    Args:
        run_id: the run's name.
        root: names the set of units it read.
        spec: where the data came from, as the user wrote it.
        config_hash: of the resolved configuration.
        plan: None for a run without privacy.
        steps_executed: the high-water mark; written before a step's result can leave.
        closed: whether the run ended: it takes no further step.
        released: whether what it made may have left; a private run's always may.
        key_identity: public name of the run's key, if it was given.
        test_key: the run's key can be guessed: what it made is not private.
        opened_at: UTC.
    """

    run_id: str
    root: str
    spec: str
    config_hash: str
    plan: PrivacyPlan | None
    steps_executed: int
    closed: bool
    released: bool
    key_identity: str | None
    test_key: bool
    opened_at: str

    @property
    def protected(self) -> bool:
        """Whether a plan bounds what it reveals."""
        return self.plan is not None

    def event(self, *, to_the_end: bool = False) -> Event | None:
        """What it cost so far, or what it may cost if it is still open; None without a plan."""
        if self.plan is None:
            return None
        return self.plan.event(self.plan.num_steps if to_the_end and not self.closed else self.steps_executed)

    def to_json(self) -> dict[str, Any]:
        """For `discreet ledger show --json`."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "plan"}
        return {**fields, "plan": None if self.plan is None else self.plan.model_dump(mode="json")}


@dataclass(frozen=True)
class Spent:
    """What a data set has spent, over every run that shares a unit with it.

    Args:
        epsilon: at `delta`; infinite once something unprotected was released, or noise came from a key that can be
            guessed.
        delta: of the statement.
        unit: what it protects: "image" as soon as one of the runs was counted by images.
        num_runs: private runs that were composed.
        num_unprotected: runs without privacy that were not released.
        num_evaluations: un-noised readings of the pictures to evaluate a model.
        notes: sentences that belong to the number.
    """

    epsilon: float
    delta: float
    unit: Unit
    num_runs: int
    num_unprotected: int
    num_evaluations: int
    notes: tuple[str, ...]


def compose(entries: Sequence[LedgerEntry], delta: float, num_evaluations: int = 0) -> Spent:
    """Compose what the runs have done so far."""
    plans = [entry.plan for entry in entries if entry.plan is not None]
    units = {plan.unit for plan in plans}
    unprotected = [entry for entry in entries if not entry.protected]
    released = [entry for entry in unprotected if entry.released]
    notes: list[str] = []
    if len(units) == 2:
        notes.append(
            "Runs by image and by subject are stated together for one image; a run by subject counts as if the "
            "subject's images had been exchanged, which covers one image more or less. For a subject with several "
            "images, the runs by image bound nothing."
        )
    if released:
        notes.append(f"{len(released)} run(s) without privacy were released: nothing bounds what they reveal.")
    if len(unprotected) > len(released):
        notes.append(
            f"{len(unprotected) - len(released)} run(s) without privacy are not counted, because nothing of them was "
            "exported or promoted: keep their folders as you keep the pictures."
        )
    guessable = [entry for entry in entries if entry.test_key and entry.steps_executed]
    if guessable:
        notes.append(f"{len(guessable)} run(s) used a test key: whoever guesses it can undo their noise.")
    if num_evaluations:
        notes.append(f"Models were evaluated on these pictures {num_evaluations} time(s), without noise.")
    epsilon = math.inf if released or guessable else epsilon_of(_events(entries, to_the_end=False), delta)
    unit: Unit = "subject" if units == {"subject"} else "image"
    return Spent(epsilon, delta, unit, len(plans), len(unprotected) - len(released), num_evaluations, tuple(notes))


def refuse_above_cap(entries: Sequence[LedgerEntry], cap: float, delta: float, plan: PrivacyPlan | None = None) -> None:
    """Refuse what would pass the cap: all open runs in full, and beside them a plan that has not begun.

    Raises:
        BudgetError: it would; the message says what is spent and what to do.
    """
    if math.isinf(cap):
        return
    spent = compose(entries, delta).epsilon
    planned = [] if plan is None else [_entry_of(plan)]
    together = math.inf if math.isinf(spent) else epsilon_of(_events([*entries, *planned], to_the_end=True), delta)
    if together > cap:
        raise BudgetError(
            f"the data set's cap is epsilon {cap:g} at delta {delta:g}; {spent:.3f} is spent, and with this run (and "
            f"those still open) it would be {together:.3f}: plan a smaller epsilon, or raise the cap"
        )


def _events(entries: Sequence[LedgerEntry], *, to_the_end: bool) -> list[Event]:
    """The runs' events, stated for one unit: see `compose` on runs by image and by subject together."""
    private = [(entry.plan.unit, entry.event(to_the_end=to_the_end)) for entry in entries if entry.plan is not None]
    mixed = len({unit for unit, _ in private}) == 2
    return [event._replace(replace=mixed and unit == "subject") for unit, event in private if event is not None]


def _entry_of(plan: PrivacyPlan) -> LedgerEntry:
    """A run that has not begun."""
    return LedgerEntry("", "", "", "", plan, 0, False, True, None, False, "")
