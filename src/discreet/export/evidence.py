"""What is known of a network goes with it: its privacy statement, and its last audit."""

from __future__ import annotations

import shutil
from pathlib import Path

from discreet.auditing.card import AUDIT_FILE
from discreet.training.release import STATEMENT_FILE

AUDIT_PLACE = Path("audit") / AUDIT_FILE


def copy_evidence(source: Path, out: Path) -> list[Path]:
    """Copy statement and audit, where a run's folder has them.

    Args:
        source: a run's folder.
        out: of what was made from it.

    Returns:
        What was copied, seen from `out`.
    """
    found = [name for name in (Path(STATEMENT_FILE), AUDIT_PLACE) if (source / name).exists()]
    for name in found:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / name, out / name)
    return found
