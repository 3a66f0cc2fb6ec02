"""Audits of one data set over time: what each found, and whether a release is worse than the one before.

Every release that is audited is one more chance of error. So that all of them together err as seldom as one may, the
k-th gets a share of it that falls as 1/k² (`gates.spent_alpha`).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from discreet.errors import DataError

HISTORY_FILE = "audits.sqlite"
_TABLE = """
CREATE TABLE IF NOT EXISTS audits (
    number INTEGER PRIMARY KEY, series TEXT NOT NULL, run_id TEXT NOT NULL, run TEXT NOT NULL, at TEXT NOT NULL,
    found TEXT NOT NULL
)"""


@dataclass(frozen=True)
class PastAudit:
    """One line of the history. Un-noised: for the owner of the pictures.

    Args:
        run_id, run: of the audited run: its name in the ledger, and its folder's.
        at: when, in UTC.
        found: as of audit.json.
    """

    run_id: str
    run: str
    at: datetime
    found: dict[str, Any]


class History:
    """The audits of all data sets, in one file of the state folder.

    Args:
        path: made where it is missing, closed to others.

    Raises:
        DataError: the file is no history.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        self._path = path
        try:
            with closing(self._open()) as database, database:
                database.execute(_TABLE)
        except sqlite3.DatabaseError as problem:
            raise DataError(f"{path} is no history of audits ({problem}); move it away, and a new one begins") from None

    def of(self, series: str) -> list[PastAudit]:
        """The audits of a data set, the oldest first."""
        with closing(self._open()) as database:
            rows = database.execute(
                "SELECT run_id, run, at, found FROM audits WHERE series = ? ORDER BY number", (series,)
            ).fetchall()
        return [
            PastAudit(run_id, run, datetime.fromisoformat(at), json.loads(found)) for run_id, run, at, found in rows
        ]

    def add(self, series: str, audit: PastAudit) -> None:
        """Remember one more."""
        row = (series, audit.run_id, audit.run, audit.at.isoformat(), json.dumps(audit.found, ensure_ascii=False))
        with closing(self._open()) as database, database:
            database.execute("INSERT INTO audits (series, run_id, run, at, found) VALUES (?, ?, ?, ?, ?)", row)

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=30)


def now() -> datetime:
    """In UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def number_of_release(past: Sequence[PastAudit], run_id: str) -> int:
    """Which of a data set's releases a run is, from 1, in the order of their first audits."""
    releases = list(dict.fromkeys([*(audit.run_id for audit in past), run_id]))
    return releases.index(run_id) + 1


def worse_than_before(past: Sequence[PastAudit], run_id: str, found: dict[str, Any]) -> list[str]:
    """Attacks that do better than on the release before, beyond noise: a sentence each.

    An attack does better beyond noise where the whole interval of its area lies above that of before. Only audits that
    were valid count, and another audit of the same run is no other release.
    """
    before = next((audit for audit in reversed(past) if audit.run_id != run_id and audit.found["valid"]), None)
    if before is None or not found["valid"]:
        return []
    known = {attack["name"]: attack for attack in before.found["attacks"]}
    return [
        f"the attack {attack['name']} does better than on {before.run} (AUC {attack['auc']:.2f}, "
        f"{known[attack['name']]['auc']:.2f} before)"
        for attack in found["attacks"]
        if attack["name"] in known and attack["auc_interval"][0] > known[attack["name"]]["auc_interval"][1]
    ]
