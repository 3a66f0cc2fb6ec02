"""The ledger: what it charges, what it refuses, what it notices, and that it survives a kill."""

from __future__ import annotations

import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from discreet.errors import BudgetError, LedgerError
from discreet.privacy.accountant import Event, epsilon_of
from discreet.privacy.ledger import Ledger
from discreet.privacy.ledger_store import canonical, record_hash
from discreet.privacy.plan import PrivacyPlan

SIZES = {"num_samples": 1000, "expected_batch_size": 100, "num_steps": 10}
PLAN = PrivacyPlan.for_noise(noise_multiplier=3.0, **SIZES)
BY_SUBJECT = PrivacyPlan.for_noise(noise_multiplier=3.0, unit="subject", **SIZES)
DELTA = PLAN.delta


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger.open(path) as opened:
        yield opened


def units(ledger: Ledger, *names: str) -> list[bytes]:
    return ledger.fingerprint(name.encode() for name in names)


def whole_run(ledger: Ledger, run_id: str, data: list[bytes], plan: PrivacyPlan = PLAN) -> None:
    ledger.begin_run(run_id, data, plan)
    ledger.advance(run_id, plan.num_steps)
    ledger.finish(run_id)


def test_a_run_costs_the_steps_it_executed(ledger: Ledger) -> None:
    data = units(ledger, "a", "b")
    assert ledger.epsilon_spent(data, DELTA) == 0
    assert ledger.begin_run("run", data, PLAN, spec="folder:x@train", config_hash="c0ffee") == 0
    assert ledger.epsilon_spent(data, DELTA) == 0
    ledger.advance("run", 4)
    assert ledger.epsilon_spent(data, DELTA) == epsilon_of(PLAN.event(4), DELTA)
    ledger.advance("run", 10)
    assert ledger.epsilon_spent(data, DELTA) == PLAN.epsilon
    (entry,) = ledger.entries(data)
    assert (entry.steps_executed, entry.closed, entry.spec, entry.plan) == (10, False, "folder:x@train", PLAN)
    assert json.loads(json.dumps(entry.to_json()))["plan"]["noise_multiplier"] == 3.0


def test_a_repeated_step_is_the_same_release(ledger: Ledger) -> None:
    data = units(ledger, "a")
    ledger.begin_run("run", data, PLAN)
    ledger.advance("run", 7)
    head = ledger.head()
    for steps in (7, 3, 7):
        ledger.advance("run", steps)
    assert ledger.head() == head
    assert ledger.steps_executed("run") == 7


def test_the_budget_is_a_hard_stop(ledger: Ledger) -> None:
    ledger.begin_run("run", units(ledger, "a"), PLAN)
    ledger.advance("run", 10)
    with pytest.raises(BudgetError, match="11 of 10"):
        ledger.advance("run", 11)
    assert ledger.steps_executed("run") == 10


def test_a_closed_run_takes_no_further_step(ledger: Ledger) -> None:
    ledger.begin_run("run", units(ledger, "a"), PLAN)
    ledger.advance("run", 5)
    head = ledger.finish("run")
    assert ledger.finish("run") == head
    ledger.advance("run", 5)
    with pytest.raises(LedgerError, match="closed"):
        ledger.advance("run", 6)


def test_sharing_one_unit_shares_the_budget(ledger: Ledger) -> None:
    whole_run(ledger, "first", units(ledger, "a", "b", "c"))
    assert ledger.epsilon_spent(units(ledger, "c", "new", "newer"), DELTA) == PLAN.epsilon
    assert ledger.epsilon_spent(units(ledger, "new", "newer"), DELTA) == 0
    whole_run(ledger, "second", units(ledger, "c", "new"))
    both = epsilon_of(PLAN.event()._replace(num_steps=20), DELTA)
    assert ledger.epsilon_spent(units(ledger, "c"), DELTA) == both
    assert ledger.epsilon_spent(units(ledger, "a", "new"), DELTA) == both
    assert ledger.epsilon_spent(units(ledger, "a"), DELTA) == PLAN.epsilon


def test_runs_compose_by_their_events_not_by_adding(ledger: Ledger) -> None:
    data = units(ledger, "a")
    for k in range(10):
        whole_run(ledger, f"run {k}", data)
    spent = ledger.epsilon_spent(data, DELTA)
    assert 2 * PLAN.epsilon < spent < 5 * PLAN.epsilon
    assert ledger.account(data, DELTA).num_runs == 10


def test_runs_by_image_and_by_subject_are_stated_for_an_image_and_say_so(ledger: Ledger) -> None:
    data = units(ledger, "a")
    whole_run(ledger, "subjects", data, BY_SUBJECT)
    assert ledger.account(data, DELTA).unit == "subject"
    assert ledger.epsilon_spent(data, DELTA) == BY_SUBJECT.epsilon
    whole_run(ledger, "images", data)
    spent = ledger.account(data, DELTA)
    assert spent.unit == "image"
    assert "by image and by subject" in spent.notes[0]
    assert spent.epsilon == epsilon_of([PLAN.event(), BY_SUBJECT.event()._replace(replace=True)], DELTA)
    assert spent.epsilon > epsilon_of([PLAN.event(), BY_SUBJECT.event()], DELTA)


def test_a_cap_refuses_what_would_pass_it_in_full(ledger: Ledger) -> None:
    data = units(ledger, "a", "b")
    two_runs = epsilon_of(PLAN.event(20), DELTA)
    ledger.cap(units(ledger, "b"), two_runs * 1.001, DELTA)
    ledger.begin_run("first", data, PLAN)
    ledger.begin_run("second", data, PLAN)
    for refused in (lambda: ledger.check_allowed(data, PLAN), lambda: ledger.begin_run("third", data, PLAN)):
        with pytest.raises(BudgetError, match="cap"):
            refused()
    assert len(ledger.entries(data)) == 2
    ledger.begin_run("elsewhere", units(ledger, "a"), PLAN)
    ledger.finish("first")  # it ends early: what it did not use is free again
    assert ledger.begin_run("third", data, PLAN) == 0
    assert ledger.cap_of(data) == (two_runs * 1.001, DELTA)


def test_caps_are_checked_and_can_be_lifted(ledger: Ledger) -> None:
    data = units(ledger, "a")
    whole_run(ledger, "run", data)
    for epsilon in (0.0, -1.0, math.nan, PLAN.epsilon / 2):
        with pytest.raises(BudgetError):
            ledger.cap(data, epsilon, DELTA)
    ledger.cap(data, PLAN.epsilon * 1.01, DELTA)
    with pytest.raises(BudgetError):
        ledger.check_allowed(data, PLAN)
    ledger.cap(data, math.inf, DELTA)
    ledger.check_allowed(data, PLAN)
    assert ledger.cap_of(data) is None


def test_a_run_whose_key_can_be_guessed_does_not_begin_where_a_cap_binds(ledger: Ledger) -> None:
    data = units(ledger, "a", "b")
    ledger.cap(units(ledger, "b"), 100 * PLAN.epsilon, DELTA)
    ledger.check_allowed(data, PLAN)
    for refused in (
        lambda: ledger.check_allowed(data, PLAN, test_key=True),
        lambda: ledger.begin_run("guessable", data, PLAN, test_key=True),
    ):
        with pytest.raises(BudgetError, match="test key"):
            refused()
    assert ledger.entries(data) == []
    ledger.cap(units(ledger, "b"), math.inf, DELTA)
    assert ledger.begin_run("guessable", data, PLAN, test_key=True) == 0
    ledger.advance("guessable", 1)
    assert ledger.epsilon_spent(data, DELTA) == math.inf


def test_an_unprotected_run_counts_once_it_is_released(ledger: Ledger) -> None:
    data = units(ledger, "a")
    whole_run(ledger, "private", data)
    assert ledger.begin_unprotected("shadow", data, spec="folder:x") == 0
    ledger.finish("shadow")
    assert ledger.account(data, DELTA).num_unprotected == 1
    assert ledger.epsilon_spent(data, DELTA) == PLAN.epsilon
    assert "1 run(s) without privacy are not counted" in ledger.account(data, DELTA).notes[0]
    ledger.release("shadow")
    ledger.release("shadow")
    assert ledger.epsilon_spent(data, DELTA) == math.inf
    with pytest.raises(LedgerError, match="no privacy plan"):
        ledger.advance("shadow", 1)


def test_a_cap_holds_back_the_release_of_an_unprotected_run(ledger: Ledger) -> None:
    data = units(ledger, "a")
    ledger.cap(data, 100, DELTA)
    ledger.check_allowed(data, None)
    ledger.begin_unprotected("baseline", data)
    with pytest.raises(BudgetError, match="do not release"):
        ledger.release("baseline")


def test_a_key_that_can_be_guessed_bounds_nothing(ledger: Ledger) -> None:
    data = units(ledger, "a")
    ledger.begin_run("run", data, PLAN, test_key=True)
    assert ledger.epsilon_spent(data, DELTA) == 0
    ledger.advance("run", 1)
    assert ledger.epsilon_spent(data, DELTA) == math.inf


@pytest.mark.parametrize("kind", ["without privacy", "test key"])
def test_a_start_that_saw_the_pictures_in_the_open_is_refused(ledger: Ledger, kind: str) -> None:
    seen = units(ledger, "a", "b")
    if kind == "test key":
        ledger.begin_run("first", seen, PLAN, test_key=True)
    else:
        ledger.begin_unprotected("first", seen)
    with pytest.raises(BudgetError, match="first, which learned from some of these pictures"):
        ledger.check_start(["first", "second"], units(ledger, "b", "c"))
    ledger.check_start(["first"], units(ledger, "c"))
    ledger.check_start([], seen)


def test_a_cap_that_is_newer_than_a_run_holds_it_back(ledger: Ledger) -> None:
    data = units(ledger, "a", "b")
    ledger.begin_run("run", data, PLAN)
    ledger.advance("run", 1)
    spent = ledger.epsilon_spent(data, DELTA)
    ledger.cap(data, (spent + PLAN.epsilon) / 2, DELTA)
    with pytest.raises(BudgetError, match="cap"):
        ledger.begin_run("run", data, PLAN)
    ledger.cap(data, PLAN.epsilon * 1.01, DELTA)
    assert ledger.begin_run("run", data, PLAN) == 1


def test_people_who_come_back_on_new_pictures_are_one_account(ledger: Ledger) -> None:
    """Whoever asks by pictures alone sees all that was spent of the people on them."""
    first, second = units(ledger, "a", "b"), units(ledger, "c", "d")
    people = units(ledger, "subject ada", "subject bob")
    whole_run(ledger, "one", [*first, *people], BY_SUBJECT)
    whole_run(ledger, "two", [*second, *people], BY_SUBJECT)
    together = epsilon_of([BY_SUBJECT.event(10)] * 2, DELTA)
    for data in (first, second):
        assert ledger.epsilon_spent(data, DELTA) == pytest.approx(together)
    ledger.cap(first, together * 1.01, DELTA)
    third = [*units(ledger, "e"), *people]
    assert ledger.cap_of(second) is not None
    for data in (third, [*second, *people]):
        with pytest.raises(BudgetError, match="cap"):
            ledger.begin_run("three", data, BY_SUBJECT)


def test_evaluations_are_remembered(ledger: Ledger) -> None:
    data = units(ledger, "a", "b")
    ledger.record_evaluation(data, "folder:x@val")
    spent = ledger.account(units(ledger, "b"), DELTA)
    assert spent.num_evaluations == 1
    assert spent.epsilon == 0
    assert "evaluated" in spent.notes[0]


def test_a_resumed_run_must_be_the_one_that_began(ledger: Ledger) -> None:
    data = units(ledger, "a", "b")
    ledger.begin_run("run", data, PLAN, config_hash="one", key_identity="k1")
    ledger.advance("run", 6)
    assert ledger.begin_run("run", data, PLAN, config_hash="one", key_identity="k1") == 6
    less_noise = PrivacyPlan.for_noise(noise_multiplier=2.0, **SIZES)
    with pytest.raises(LedgerError, match="config_hash"):
        ledger.begin_run("run", data, PLAN, config_hash="two", key_identity="k1")
    with pytest.raises(LedgerError, match="key_identity"):
        ledger.begin_run("run", data, PLAN, config_hash="one", key_identity="k2")
    with pytest.raises(LedgerError, match="plan"):
        ledger.begin_run("run", data, less_noise, config_hash="one", key_identity="k1")
    with pytest.raises(LedgerError, match="root"):
        ledger.begin_run("run", data[:1], PLAN, config_hash="one", key_identity="k1")
    with pytest.raises(LedgerError, match="kind"):
        ledger.begin_unprotected("run", data, config_hash="one")


def test_unknown_runs_and_raw_units_are_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="begin it first"):
        ledger.advance("nobody", 1)
    for raw in ([], [b"a raw picture"]):
        with pytest.raises(LedgerError, match="fingerprint"):
            ledger.begin_run("run", raw, PLAN)


def test_fingerprints_are_keyed_and_lasting(path: Path, tmp_path: Path) -> None:
    with Ledger.open(path) as ledger:
        first = units(ledger, "a")
    with Ledger.open(path) as ledger:
        assert units(ledger, "a") == first
    with Ledger.open(tmp_path / "another" / "ledger") as other:
        assert units(other, "a") != first


def test_files_are_the_owners_and_without_raw_units(path: Path, ledger: Ledger) -> None:
    ledger.begin_run("run", units(ledger, "a raw picture"), PLAN)
    assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}
    assert not any(b"a raw picture" in file.read_bytes() for file in path.parent.iterdir())


def test_another_key_or_none_is_refused(path: Path) -> None:
    Ledger.open(path).close()
    key = path.with_name(path.name + ".key")
    key.write_bytes(bytes(32))
    with pytest.raises(LedgerError, match="not the one"):
        Ledger.open(path)
    key.unlink()
    with pytest.raises(LedgerError, match="missing"):
        Ledger.open(path)


@pytest.mark.parametrize("lost", ["removed", "emptied"])
def test_a_lost_ledger_is_refused_and_not_begun_anew(path: Path, lost: str) -> None:
    assert not Ledger.is_at(path)
    Ledger.open(path).close()
    assert Ledger.is_at(path)
    if lost == "removed":
        path.unlink()
    else:
        path.write_bytes(b"")
    for refused in (Ledger.open, Ledger.is_at):
        with pytest.raises(LedgerError, match=r"bring back ledger\.sqlite from a copy.*would be forgotten"):
            refused(path)
    assert path.exists() == (lost == "emptied")
    path.with_name(path.name + ".key").unlink()
    Ledger.open(path).close()


# Each child dies at the next call that reaches the disk; one child, at last, at none of them.
KILLED_BEGINNINGS = """
import os, pathlib, signal, sys
from discreet.privacy.ledger import Ledger
folder, survived, kill_at = pathlib.Path(sys.argv[1]), False, 0
while not survived:
    kill_at += 1
    path = folder / str(kill_at) / "ledger"
    child = os.fork()
    if child == 0:
        calls = 0
        def count(frame, event, what):
            global calls
            if event.startswith("c_") and what.__name__ in ("mkdir", "open", "write", "link", "unlink", "execute"):
                calls += 1
                if calls == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.setprofile(count)
        Ledger.open(path).close()
        os._exit(0)
    survived = os.waitpid(child, 0)[1] == 0
    with Ledger.open(path) as ledger:
        report, known = ledger.verify(), ledger.fingerprint([b"a"])
    with Ledger.open(path) as ledger:
        assert report.intact and report.num_records == 1 and ledger.fingerprint([b"a"]) == known, kill_at
print(kill_at)
"""


def test_a_beginning_that_was_killed_anywhere_goes_on(tmp_path: Path) -> None:
    words = [sys.executable, "-c", KILLED_BEGINNINGS, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20


BEGINNERS = """
import os, pathlib, sys
from discreet.privacy.ledger import Ledger
for k in range(20):
    path, (told, tell), (wait, go) = pathlib.Path(sys.argv[1]) / str(k) / "ledger", os.pipe(), os.pipe()
    children = []
    for _ in range(6):
        child = os.fork()
        if child == 0:
            os.close(go)
            os.read(wait, 1)
            with Ledger.open(path) as ledger:
                os.write(tell, ledger.fingerprint([b"a"])[0] + ledger.head().hash.encode())
            os._exit(0)
        children.append(child)
    os.close(go)
    assert all(os.waitpid(child, 0)[1] == 0 for child in children)
    found = os.read(told, 6 * 96)
    assert found == found[:96] * 6, found
    for end in (told, tell, wait):
        os.close(end)
"""


def test_processes_that_begin_at_once_begin_one_ledger(tmp_path: Path) -> None:
    words = [sys.executable, "-c", BEGINNERS, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_a_file_that_is_no_ledger_is_refused(path: Path) -> None:
    Ledger.open(path).close()
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(LedgerError, match="cannot be used"):
        Ledger.open(path)


def forge(path: Path, *statements: str) -> None:
    """Change the file as somebody would who knows SQLite."""
    database = sqlite3.connect(path)
    for trigger in ("records_are_never_changed", "records_are_never_deleted"):
        database.execute(f"DROP TRIGGER {trigger}")
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()


def test_the_table_itself_refuses_changes(path: Path, ledger: Ledger) -> None:
    database = sqlite3.connect(path)
    for statement in ("DELETE FROM records", "UPDATE records SET run = 'x'"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            database.execute(statement)
    database.close()


FORGERIES = {
    "altered": ["UPDATE records SET payload = replace(payload, ':9', ':1') WHERE number = 5"],
    "missing": ["DELETE FROM records WHERE number = 4"],
    "follow": [
        "UPDATE records SET number = -number WHERE number IN (4, 5)",
        "UPDATE records SET number = 9 + number WHERE number < 0",
    ],
    "filed": ["UPDATE records SET kind = 'close' WHERE number = 5"],
    "units": ["DELETE FROM units"],
}


@pytest.mark.parametrize("named", FORGERIES)
def test_forgeries_are_noticed_and_stop_new_runs(path: Path, named: str) -> None:
    with Ledger.open(path) as ledger:
        data = units(ledger, "a")
        ledger.begin_run("run", data, PLAN)
        for steps in (4, 8, 9):
            ledger.advance("run", steps)
        assert ledger.verify().intact
    forge(path, *FORGERIES[named])
    with Ledger.open(path) as ledger:
        report = ledger.verify()
        assert not report.intact
        assert named in " ".join(report.problems)
        with pytest.raises(LedgerError, match="damaged"):
            ledger.begin_run("next", data, PLAN)


def test_a_truncated_ledger_is_known_by_a_statements_last_record(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.begin_run("run", units(ledger, "a"), PLAN)
        ledger.advance("run", 9)
        mark = ledger.finish("run")
        assert ledger.verify(mark).intact
        whole_run(ledger, "later", units(ledger, "a"))
        assert ledger.verify(mark).intact
    forge(path, f"DELETE FROM records WHERE number >= {mark.number - 1}")
    with Ledger.open(path) as ledger:
        assert ledger.verify().intact
        assert "missing" in ledger.verify(mark).problems[0]
        ledger.advance("run", 9)
        ledger.finish("run")  # writing it anew, at another time, makes another record
        with pytest.raises(LedgerError, match="statement"):
            ledger.require_intact((mark.number, "0" * 64))


def test_a_chain_forged_with_care_is_known_by_a_statement(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.begin_run("run", units(ledger, "a"), PLAN)
        ledger.advance("run", 9)
        mark = ledger.head()
    database = sqlite3.connect(path)
    number, previous, text = database.execute(
        "SELECT number, previous, payload FROM records ORDER BY number DESC LIMIT 1"
    ).fetchone()
    database.close()
    cheaper = canonical({**json.loads(text), "steps_executed": 1})
    new_hash = record_hash(number, previous, cheaper)
    forge(path, f"UPDATE records SET payload = '{cheaper}', hash = '{new_hash}' WHERE number = {number}")
    with Ledger.open(path) as ledger:
        assert ledger.verify().intact
        assert not ledger.verify(mark).intact


WRITER = """
import pathlib, sys
from discreet.privacy.ledger import Ledger
from discreet.privacy.plan import PrivacyPlan
path, run, steps = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
plan = PrivacyPlan.for_noise(noise_multiplier=3.0, num_samples=1000, expected_batch_size=100, num_steps=100000)
with Ledger.open(path) as ledger:
    ledger.begin_run(run, ledger.fingerprint([b"a"]), plan)
    for step in range(ledger.steps_executed(run) + 1, steps + 1):
        ledger.advance(run, step)
        print(step, flush=True)
"""


def writer(path: Path, run: str, steps: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", WRITER, str(path), run, str(steps)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def test_a_killed_run_never_shows_less_than_was_released(path: Path) -> None:
    released = 0
    for wait_s in (0.02, 0.11):
        process = writer(path, "run", 100_000)
        assert process.stdout is not None
        process.stdout.readline()  # it is under way
        time.sleep(wait_s)
        process.send_signal(signal.SIGKILL)
        printed = process.stdout.read().split("\n")[:-1]  # the last line may be torn
        process.stdout.close()
        process.wait()
        released = int(printed[-1]) if printed else released
        with Ledger.open(path) as ledger:
            assert ledger.verify().intact
            assert released <= ledger.steps_executed("run") <= released + 1
    assert released > 1


def test_two_processes_write_at_once(path: Path) -> None:
    processes = [writer(path, f"run {k}", 40) for k in range(2)]
    for process in processes:
        assert len(process.communicate(timeout=60)[0].split()) == 40
        assert process.returncode == os.EX_OK
    with Ledger.open(path) as ledger:
        assert ledger.verify().intact
        assert [entry.steps_executed for entry in ledger.entries()] == [40, 40]
        expected = epsilon_of(Event(3.0, 0.1, 80), DELTA)
        assert ledger.epsilon_spent(units(ledger, "a"), DELTA) == expected
