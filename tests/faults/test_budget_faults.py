"""Faults 25 to 28: budgets that are refunded, passed, misjudged or spent twice."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import pytest
from scipy.stats import norm

from discreet.errors import BudgetError, LedgerError
from discreet.privacy.accountant import Event, epsilon_of, replace_one_epsilon
from discreet.privacy.ledger import Ledger
from discreet.privacy.plan import PrivacyPlan

PLAN = PrivacyPlan.for_noise(noise_multiplier=3.0, num_samples=1000, expected_batch_size=100, num_steps=10)


class Book(Protocol):
    """What a training loop asks of its book."""

    def resume(self) -> int: ...
    def before_release(self, steps: int) -> None: ...
    def epsilon(self) -> float: ...


class LedgerBook:
    """The right one: every process opens the ledger anew."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def resume(self) -> int:
        with Ledger.open(self.path) as ledger:
            return ledger.begin_run("run", ledger.fingerprint([b"a"]), PLAN)

    def before_release(self, steps: int) -> None:
        with Ledger.open(self.path) as ledger:
            ledger.advance("run", steps)

    def epsilon(self) -> float:
        with Ledger.open(self.path) as ledger:
            return ledger.epsilon_spent(ledger.fingerprint([b"a"]), PLAN.delta)


class ForgetfulBook:
    """Fault 25: a resumed run counts from zero."""

    def __init__(self, path: Path) -> None:
        self.steps = 0

    def resume(self) -> int:
        self.steps = 0
        return 0

    def before_release(self, steps: int) -> None:
        self.steps += 1

    def epsilon(self) -> float:
        return epsilon_of(PLAN.event(self.steps), PLAN.delta)


class LateBook(ForgetfulBook):
    """Fault 25: written at checkpoints only; what came between is lost in a crash."""

    def __init__(self, path: Path) -> None:
        self.steps, self.kept = 0, 0

    def resume(self) -> int:
        self.steps = self.kept
        return self.kept

    def before_release(self, steps: int) -> None:
        self.steps = steps
        self.kept = steps - steps % 4


class EndlessBook(LedgerBook):
    """Fault 26: nobody stops at the plan's last step."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.steps = 0

    def before_release(self, steps: int) -> None:
        self.steps = steps

    def epsilon(self) -> float:
        return epsilon_of(PLAN.event(self.steps), PLAN.delta)


def never_shows_less_than_was_released(book: Book) -> bool:
    """A run crashes after 6 and after 7 steps, each time right after a release, and goes on from checkpoint 4."""
    released = 0
    for start, end in ((0, 6), (4, 7), (4, 7)):
        book.resume()
        for step in range(start + 1, end + 1):
            book.before_release(step)
            released = max(released, step)
    book.resume()
    return book.epsilon() == epsilon_of(PLAN.event(released), PLAN.delta)


def stops_at_the_budget(book: Book) -> bool:
    book.resume()
    for step in range(1, 2 * PLAN.num_steps):
        try:
            book.before_release(step)
        except BudgetError:
            return step == PLAN.num_steps + 1 and book.epsilon() == PLAN.epsilon
    return False


def test_fault_25_resuming_refunds(tmp_path: Path) -> None:
    assert never_shows_less_than_was_released(LedgerBook(tmp_path / "ledger"))
    assert not never_shows_less_than_was_released(ForgetfulBook(tmp_path))
    assert not never_shows_less_than_was_released(LateBook(tmp_path))


def test_fault_25_resuming_with_another_key_releases_the_steps_again(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger") as ledger:
        data = ledger.fingerprint([b"a"])
        ledger.begin_run("run", data, PLAN, key_identity="first")
        ledger.advance("run", 5)
        with pytest.raises(LedgerError, match="key_identity"):
            ledger.begin_run("run", data, PLAN, key_identity="second")


def test_fault_26_training_past_the_target(tmp_path: Path) -> None:
    assert stops_at_the_budget(LedgerBook(tmp_path / "right"))
    assert not stops_at_the_budget(EndlessBook(tmp_path / "endless"))


# (noise multiplier, sample rate, steps, δ) → claimed ε
Accounting = Callable[[float, float, int, float], float]


def exact_delta(noise: float, rate: float, epsilon: float) -> float:
    """δ of removing one unit from one sampled Gaussian step, in closed form.

    With it, the density is (1-q)·φ(x) + q·φ(x-1); it passes e^ε·φ(x) beyond one threshold.
    """
    threshold = noise**2 * math.log1p(math.expm1(epsilon) / rate) + 0.5
    without, moved = norm.sf(threshold / noise), norm.sf((threshold - 1) / noise)
    return (1 - rate) * without + rate * moved - math.exp(epsilon) * without


def claims_are_true(account: Accounting) -> bool:
    """The claimed ε holds for one step at once, and for unsampled steps, which are one Gaussian."""
    sampled = all(exact_delta(s, q, account(s, q, 1, 1e-5)) <= 1.0001e-5 for s, q in ((1.0, 0.1), (2.0, 0.5)))
    whole = exact_delta(2.0 / 3.0, 1.0, account(2.0, 1.0, 9, 1e-5)) <= 1.001e-5
    return sampled and whole


def test_fault_27_another_mechanisms_accounting() -> None:
    def right(noise: float, rate: float, steps: int, delta: float) -> float:
        return epsilon_of(Event(noise, rate, steps), delta)

    def central_limit(noise: float, rate: float, steps: int, delta: float) -> float:
        mu = rate * math.sqrt(steps * math.expm1(noise**-2))
        return epsilon_of(Event(1 / mu, 1.0, 1), delta)

    def sampled_although_it_is_not(noise: float, rate: float, steps: int, delta: float) -> float:
        return epsilon_of(Event(noise, rate / 10, steps), delta)

    def by_adding_only(noise: float, rate: float, steps: int, delta: float) -> float:
        """ε of adding one unit, which is smaller than of removing one."""
        noise /= math.sqrt(steps)  # right where nothing is sampled
        low, high = 0.0, 50.0
        while high - low > 1e-9:
            middle = (low + high) / 2
            inside = norm.cdf(noise**2 * math.log(max(1e-300, 1 + math.expm1(-middle) / rate)) + 0.5, 0, noise)
            moved = norm.cdf(noise**2 * math.log(max(1e-300, 1 + math.expm1(-middle) / rate)) - 0.5, 0, noise)
            excess = inside - math.exp(middle) * ((1 - rate) * inside + rate * moved)
            low, high = (middle, high) if excess > delta else (low, middle)
        return high

    assert claims_are_true(right)
    for fault in (central_limit, sampled_although_it_is_not, by_adding_only):
        assert not claims_are_true(fault), fault.__name__


def test_fault_27_the_neighbouring_relation_left_unsaid() -> None:
    """An exchange moves the sum by two sensitivities: the add-or-remove claim is false for it."""

    def holds_for_an_exchange(epsilon: float) -> bool:
        return exact_delta(1.0 / 2, 1.0, epsilon) <= 1.001e-5  # without sampling: twice the distance

    event = Event(1.0, 1.0, 1)
    assert holds_for_an_exchange(replace_one_epsilon(event, 1e-5))
    assert not holds_for_an_exchange(epsilon_of(event, 1e-5))
    assert PLAN.neighbouring_relation == "add_or_remove_one"


# (path, name of the data set, its units) for each run → ε spent on the last one's units
Spending = Callable[[Path, Sequence[tuple[str, list[bytes]]]], float]


def by_units(path: Path, runs: Sequence[tuple[str, list[bytes]]]) -> float:
    with Ledger.open(path) as ledger:
        for number, (name, units) in enumerate(runs):
            ledger.begin_run(f"run {number}", ledger.fingerprint(units), PLAN, spec=name)
            ledger.advance(f"run {number}", PLAN.num_steps)
        return ledger.epsilon_spent(ledger.fingerprint(runs[-1][1]), PLAN.delta)


def renaming_and_adding_refund_nothing(spending: Spending, path: Path) -> bool:
    pictures = [b"one", b"two", b"three"]
    runs = [("folder:a", pictures), ("folder:renamed", pictures), ("folder:a", [*pictures, b"four"])]
    return spending(path, runs) == epsilon_of(PLAN.event(3 * PLAN.num_steps), PLAN.delta)


def test_fault_28_a_budget_spent_twice(tmp_path: Path) -> None:
    def by_name(path: Path, runs: Sequence[tuple[str, list[bytes]]]) -> float:
        count = sum(name == runs[-1][0] for name, _ in runs)
        return epsilon_of(PLAN.event(count * PLAN.num_steps), PLAN.delta)

    def by_the_whole_content(path: Path, runs: Sequence[tuple[str, list[bytes]]]) -> float:
        count = sum(units == runs[-1][1] for _, units in runs)
        return epsilon_of(PLAN.event(count * PLAN.num_steps), PLAN.delta)

    def by_run(path: Path, runs: Sequence[tuple[str, list[bytes]]]) -> float:
        return PLAN.epsilon

    assert renaming_and_adding_refund_nothing(by_units, tmp_path / "ledger")
    for fault in (by_name, by_the_whole_content, by_run):
        assert not renaming_and_adding_refund_nothing(fault, tmp_path / "fault"), fault.__name__


def test_fault_28_a_cap_is_for_all_runs_together(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger") as ledger:
        data = ledger.fingerprint([b"one", b"two"])
        ledger.cap(data, 1.2 * PLAN.epsilon, PLAN.delta)
        ledger.begin_run("first", data, PLAN)
        with pytest.raises(BudgetError, match="cap"):
            ledger.begin_run("second", data, PLAN)
