"""What the ledger's records say: which runs and caps bear on which units.

A set of units is known by its root. Whatever shares a unit shares the budget; where runs protect subjects, so do runs
on other pictures of the same people.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from discreet.errors import LedgerError
from discreet.privacy.ledger_entries import LedgerEntry
from discreet.privacy.ledger_store import Record, RecordStore
from discreet.privacy.plan import PrivacyPlan


@dataclass(frozen=True)
class Cap:
    """The most that a set of units may spend; ε is infinite where a cap was lifted."""

    root: str
    epsilon: float
    delta: float


class LedgerReading:
    """Runs, caps and the sets of units they bear on, from the records as they are at the moment."""

    def __init__(self, store: RecordStore) -> None:
        self._store = store

    def entry(self, run_id: str) -> LedgerEntry:
        """One run.

        Raises:
            LedgerError: no such run was begun.
        """
        for kind in ("open", "unprotected"):
            begun = self._store.last(kind, run_id)
            if begun is not None:
                return self._entry_from(begun)
        raise LedgerError(f"run {run_id} is not in the ledger; begin it first")

    def entries(self, roots: set[str] | None) -> list[LedgerEntry]:
        """Runs on any of these sets of units, or all runs; oldest first."""
        begun = [*self._store.records("open"), *self._store.records("unprotected")]
        chosen = [record for record in begun if roots is None or record.payload["root"] in roots]
        return [self._entry_from(record) for record in sorted(chosen, key=lambda record: record.number)]

    def caps(self, roots: set[str]) -> list[Cap]:
        """The newest cap of each of these sets of units that has one."""
        newest = {record.payload["root"]: record.payload for record in self._store.records("cap")}
        return [
            # JSON has no infinity.
            Cap(root, math.inf if cap["epsilon"] is None else float(cap["epsilon"]), float(cap["delta"]))
            for root, cap in newest.items()
            if root in roots
        ]

    def roots_on(self, fingerprints: Sequence[bytes]) -> set[str]:
        """The sets of units that share the budget of these units."""
        return self._with_subjects(self._store.roots_sharing(fingerprints))

    def roots_beside(self, root: str) -> set[str]:
        """The sets of units that share the budget of this one, itself among them."""
        return self._with_subjects(self._store.roots_sharing_with(root))

    def _with_subjects(self, roots: set[str]) -> set[str]:
        """These sets; where runs on them protect subjects, the runs on other pictures of the same people; and what
        shares a picture with those."""
        for _ in range(2):
            by_subject = {e.root for e in self.entries(roots) if e.plan is not None and e.plan.unit == "subject"}
            roots = roots.union(*(self._store.roots_sharing_with(root) for root in by_subject))
        return roots

    def _entry_from(self, begun: Record) -> LedgerEntry:
        """A run, from the record that began it and the newest of those that followed."""
        payload = begun.payload
        run_id = payload["run"]
        step = self._store.last("step", run_id)
        private = payload["kind"] == "open"
        return LedgerEntry(
            run_id=run_id,
            root=payload["root"],
            spec=payload["spec"],
            config_hash=payload["config_hash"],
            plan=PrivacyPlan.model_validate(payload["plan"]) if private else None,
            steps_executed=0 if step is None else step.payload["steps_executed"],
            closed=self._store.last("close", run_id) is not None,
            released=private or self._store.last("release", run_id) is not None,
            key_identity=payload.get("key_identity"),
            test_key=payload.get("test_key", False),
            opened_at=payload["time"],
        )
