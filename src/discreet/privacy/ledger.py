"""The ledger: what every data set has spent, over all runs and for as long as the file lives.

A data set is known by keyed hashes of its units, so that renaming it or adding a picture
refunds nothing: runs that share any unit share the budget. Records are only ever appended;
each carries the hash of the one before, and each run's statement carries the last number
and hash, so that an altered, lost, moved or truncated record is noticed. Never loads torch.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from discreet.errors import BudgetError, LedgerError
from discreet.privacy.accountant import check_delta
from discreet.privacy.ledger_entries import LedgerEntry, Spent, compose, refuse_above_cap
from discreet.privacy.ledger_reading import LedgerReading
from discreet.privacy.ledger_store import Head, RecordStore
from discreet.privacy.plan import PrivacyPlan
from discreet.privacy.secret_files import read_secret, write_secret

_KEY_BYTES = 32
_DIGEST_BYTES = 32


@dataclass(frozen=True)
class LedgerReport:
    """What a verification found; intact when there are no problems."""

    intact: bool
    num_records: int
    head: Head
    problems: tuple[str, ...]


class Ledger:
    """The book of one state folder; open it with `Ledger.open`, close it or use it in `with`.

    **Guarantees**: a step is on the disk before `advance` returns; a crash leaves whole
    records only; two processes may write at once; a run is never charged for less than it
    did, nor twice for the same step.
    """

    def __init__(self, store: RecordStore, key: bytes) -> None:
        self._store = store
        self._reading = LedgerReading(store)
        self._key = key

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the ledger at `path`, or begin one there; its key lies beside it.

        A beginning goes in this order: the file with its tables, the key, the first record. So whatever
        interrupts it, the next one goes on; and a key without a file says that the ledger was lost.

        Raises:
            LedgerError: it is lost or no ledger, or its key is missing, another one, or readable by others.
        """
        cls.is_at(path)
        store = RecordStore(path)
        try:
            with store.writing():
                begins = store.head() is None
                key = _key_beside(path, begins=begins)
                check = hmac.new(key, b"ledger", hashlib.sha256).hexdigest()[:16]
                if begins:
                    store.append("genesis", "", {"key_check": check})
            genesis = store.records("genesis")
            if not genesis or genesis[0].payload["key_check"] != check:
                raise LedgerError(
                    f"the key beside {path} is not the one this ledger began with; bring back the right one"
                )
        except BaseException:
            store.close()
            raise
        return cls(store, key)

    @staticmethod
    def is_at(path: Path) -> bool:
        """Is a ledger there? One that is lost must not look like a budget that nobody spent.

        Raises:
            LedgerError: it was there, says its key.
        """
        key_path = _key_path(path)
        began = key_path.exists()  # asked first: another process may begin the ledger, file before key
        if path.exists() and path.stat().st_size:
            return True
        if began:
            raise LedgerError(
                f"{path} is lost: its key is there, so it was. DISCREET_STATE says where the ledger is; bring back "
                f"{path.name} from a copy. Where nothing was ever trained with this folder, remove {key_path.name} to "
                "begin anew: all that was spent, and every cap, would be forgotten"
            )
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._store.close()

    def fingerprint(self, units: Iterable[bytes]) -> list[bytes]:
        """Keyed hashes (HMAC-SHA256) of units, in their order; *SENSITIVE*: they tell who has which picture.

        Give each picture's pixels, so that another file format is still the same picture.
        Where subjects are known, give their identifiers too: then a subject who comes back
        on new pictures is recognised.
        """
        return [hmac.new(self._key, unit, hashlib.sha256).digest() for unit in units]

    def check_allowed(self, fingerprints: Sequence[bytes], plan: PrivacyPlan | None, *, test_key: bool = False) -> None:
        """Refuse now what `begin_run` would refuse, without writing anything.

        Raises:
            BudgetError: a cap would be passed, as any is by a key that can be guessed. A run without privacy is only
                held back at its release.
            LedgerError: the ledger is damaged.
        """
        self.require_intact()
        _check_fingerprints(fingerprints)
        if plan is None:
            return
        cap = self.cap_of(fingerprints) if test_key else None
        if cap is not None:
            raise BudgetError(
                f"the data set's cap is epsilon {cap[0]:g}, and a run with a test key has none that holds: train "
                "without it, or try it on other pictures"
            )
        self._refuse_above_caps(fingerprints, plan)

    def check_start(self, lineage: Sequence[str], fingerprints: Sequence[bytes]) -> None:
        """Refuse weights that learned from any of these units in the open: noise on top of them guarantees nothing.

        Args:
            lineage: run ids that the weights come from.
            fingerprints: of the units that are to be protected.

        Raises:
            BudgetError: one of these runs had no privacy, or a key that can be guessed.
        """
        for entry in self.entries(fingerprints):
            if entry.run_id in lineage and (not entry.protected or entry.test_key):
                raise BudgetError(
                    f"the start comes from run {entry.run_id}, which learned from some of these pictures without "
                    "privacy: no epsilon would hold; start from weights that never saw them"
                )

    def begin_run(
        self,
        run_id: str,
        fingerprints: Sequence[bytes],
        plan: PrivacyPlan,
        *,
        spec: str = "",
        config_hash: str = "",
        key_identity: str | None = None,
        test_key: bool = False,
    ) -> int:
        """Enter a private run before its first step; returns the steps it has already done.

        A run that is resumed is entered again with the same arguments, which adds nothing.

        Args:
            run_id: unique in this ledger.
            fingerprints: of every unit of the data set.
            plan: the whole run's.
            spec: where the data came from.
            config_hash: of the resolved configuration.
            key_identity: `RunKey.identity`. With it, a run whose key was lost cannot go on under
                another key, which would release the same steps twice and charge them once.
            test_key: `RunKey.is_test`.

        Raises:
            BudgetError: together with all that shares a unit, the full run would pass a cap.
            LedgerError: the name is taken by another run, or the ledger is damaged.
        """
        about: dict[str, Any] = {
            "plan": plan.model_dump(mode="json"),
            "spec": spec,
            "config_hash": config_hash,
            "key_identity": key_identity,
            "test_key": test_key,
        }
        return self._begin("open", run_id, fingerprints, about, plan)

    def begin_unprotected(
        self, run_id: str, fingerprints: Sequence[bytes], *, spec: str = "", config_hash: str = ""
    ) -> int:
        """Enter a run without privacy (a baseline, a shadow model): not released until `release` says so."""
        return self._begin("unprotected", run_id, fingerprints, {"spec": spec, "config_hash": config_hash}, None)

    def advance(self, run_id: str, steps_executed: int) -> None:
        """Write, before anything of them can leave, that this many steps will have been done.

        A number that was reached before adds nothing: a repeated step is the same release.

        Raises:
            BudgetError: more steps than the plan has. This is the hard stop.
            LedgerError: the run is unknown, without privacy, or closed.
        """
        with self._store.writing():
            entry = self._reading.entry(run_id)
            if entry.plan is None:
                raise LedgerError(f"run {run_id} has no privacy plan: it has no steps to enter")
            if steps_executed > entry.plan.num_steps:
                raise BudgetError(
                    f"run {run_id} asks for step {steps_executed} of {entry.plan.num_steps}: its budget is spent; "
                    "plan a new run"
                )
            if steps_executed <= entry.steps_executed:
                return
            if entry.closed:
                raise LedgerError(f"run {run_id} is closed after {entry.steps_executed} steps; begin a new run")
            self._store.append("step", run_id, {"steps_executed": steps_executed})

    def finish(self, run_id: str) -> Head:
        """Close a run (again, if need be); returns the record that its statement carries."""
        with self._store.writing():
            entry = self._reading.entry(run_id)
            if not entry.closed:
                return self._store.append("close", run_id, {"steps_executed": entry.steps_executed})
        closing = self._store.records("close", run_id)[0]
        return Head(closing.number, closing.hash)

    def release(self, run_id: str) -> None:
        """Enter that something made without privacy leaves: the data set's ε is infinite from now on.

        Raises:
            BudgetError: a cap forbids it.
        """
        with self._store.writing():
            entry = self._reading.entry(run_id)
            if entry.protected or entry.released:
                return
            for cap in self._reading.caps(self._reading.roots_beside(entry.root)):
                if not math.isinf(cap.epsilon):
                    raise BudgetError(
                        f"run {run_id} has no privacy and its data set is capped at epsilon {cap.epsilon:g}: "
                        "do not release it, or lift the cap"
                    )
            self._store.append("release", run_id, {})

    def record_evaluation(self, fingerprints: Sequence[bytes], spec: str, *, run_id: str = "") -> None:
        """Enter an un-noised reading of pictures: evaluating a model on them."""
        _check_fingerprints(fingerprints)
        with self._store.writing():
            self._store.append("evaluation", run_id, {"root": self._store.add_units(fingerprints), "spec": spec})

    def cap(self, fingerprints: Sequence[bytes], epsilon: float, delta: float) -> None:
        """Set the most that these units may ever spend; infinity lifts the cap. The newest counts.

        Raises:
            BudgetError: ε is not above 0, or that much is already spent.
        """
        _check_fingerprints(fingerprints)
        check_delta(delta)
        if not epsilon > 0:
            raise BudgetError(f"epsilon is {epsilon}; a cap must lie above 0 (infinity lifts it)")
        with self._store.writing():
            spent = self.account(fingerprints, delta).epsilon
            if spent > epsilon:
                raise BudgetError(f"epsilon {spent:.3f} is spent already; a cap of {epsilon:g} could not be kept")
            root = self._store.add_units(fingerprints)
            limit = None if math.isinf(epsilon) else epsilon
            self._store.append("cap", "", {"root": root, "epsilon": limit, "delta": delta})

    def cap_of(self, fingerprints: Sequence[bytes]) -> tuple[float, float] | None:
        """(ε, δ) of the lowest cap that binds any of these units; None without one."""
        _check_fingerprints(fingerprints)
        caps = [(cap.epsilon, cap.delta) for cap in self._reading.caps(self._reading.roots_on(fingerprints))]
        return min((cap for cap in caps if not math.isinf(cap[0])), default=None)

    def epsilon_spent(self, fingerprints: Sequence[bytes], delta: float) -> float:
        """The ε at `delta` of all executed steps that share any unit with these, composed by PLD."""
        return self.account(fingerprints, delta).epsilon

    def account(self, fingerprints: Sequence[bytes], delta: float) -> Spent:
        """`epsilon_spent` with all that belongs to the number."""
        _check_fingerprints(fingerprints)
        roots = self._reading.roots_on(fingerprints)
        evaluations = [record for record in self._store.records("evaluation") if record.payload["root"] in roots]
        return compose(self._reading.entries(roots), check_delta(delta), len(evaluations))

    def entries(self, fingerprints: Sequence[bytes] | None = None) -> list[LedgerEntry]:
        """The runs that share any unit with these; all runs, if left out."""
        return self._reading.entries(None if fingerprints is None else self._reading.roots_on(fingerprints))

    def steps_executed(self, run_id: str) -> int:
        """A run's high-water mark."""
        return self._reading.entry(run_id).steps_executed

    def head(self) -> Head:
        """The last record, for statements to carry."""
        head = self._store.head()
        if head is None:
            raise LedgerError("the ledger has lost all of its records; bring back a copy")
        return head

    def verify(self, expected: Head | tuple[int, str] | None = None) -> LedgerReport:
        """Look for altered, deleted, moved and (against a statement's last record) truncated records."""
        problems = self._store.problems(None if expected is None else Head(*expected))
        head = self._store.head()
        if head is None:
            return LedgerReport(False, 0, Head(0, ""), (*problems, "there is no record at all"))
        return LedgerReport(not problems, head.number, head, tuple(problems))

    def require_intact(self, expected: Head | tuple[int, str] | None = None) -> None:
        """`verify`, and refuse a damaged ledger.

        Raises:
            LedgerError: names the first problem.
        """
        report = self.verify(expected)
        if not report.intact:
            raise LedgerError(f"the ledger is damaged: {report.problems[0]}; bring back a copy from before")

    def _begin(
        self, kind: str, run_id: str, fingerprints: Sequence[bytes], about: dict[str, Any], plan: PrivacyPlan | None
    ) -> int:
        """Enter a run of either kind, unless it is there already and the same."""
        self.require_intact()
        _check_fingerprints(fingerprints)
        with self._store.writing():
            root = self._store.add_units(fingerprints)
            known = [*self._store.records("open", run_id), *self._store.records("unprotected", run_id)]
            if not known:
                self.check_allowed(fingerprints, plan, test_key=bool(about.get("test_key")))
                self._store.append(kind, run_id, {"root": root, **about})
                return 0
            payload = known[0].payload
            changed = [name for name, value in {"kind": kind, "root": root, **about}.items() if payload[name] != value]
            if changed:
                raise LedgerError(
                    f"run {run_id} is in the ledger with another {', '.join(changed)}; resume it as it began, "
                    "or begin a new run"
                )
            entry = self._reading.entry(run_id)
            if plan is not None and not entry.closed:
                self._refuse_above_caps(fingerprints, None)  # a cap may be newer than the run
            return entry.steps_executed

    def _refuse_above_caps(self, fingerprints: Sequence[bytes], plan: PrivacyPlan | None) -> None:
        """Refuse what open runs, and a plan that has not begun, would pass of any cap on these units."""
        for cap in self._reading.caps(self._reading.roots_on(fingerprints)):
            entries = self._reading.entries(self._reading.roots_beside(cap.root))
            refuse_above_cap(entries, cap.epsilon, cap.delta, plan)


def _check_fingerprints(fingerprints: Sequence[bytes]) -> None:
    """Refuse what `fingerprint` did not make: a raw picture would never match anything."""
    if not fingerprints or any(len(fingerprint) != _DIGEST_BYTES for fingerprint in fingerprints):
        raise LedgerError(
            "the ledger knows units by their fingerprints: give the list from Ledger.fingerprint, not empty"
        )


def _key_path(path: Path) -> Path:
    """Where the key of the ledger at `path` lies."""
    return path.with_name(path.name + ".key")


def _key_beside(path: Path, *, begins: bool) -> bytes:
    """The ledger's own key, made with the ledger."""
    key_path = _key_path(path)
    if begins:
        with suppress(FileExistsError):  # the beginning goes on where it was interrupted
            write_secret(key_path, secrets.token_bytes(_KEY_BYTES))
    key = read_secret(key_path, LedgerError)
    if len(key) != _KEY_BYTES:
        raise LedgerError(f"{key_path} is not a whole key; bring back a copy")
    return key
