"""What is known of a network goes with it: its privacy statement, its last audit, and the card that tells both."""

from __future__ import annotations

import shutil
from pathlib import Path

from discreet.auditing.card import AUDIT_FILE, card_html, card_markdown, read_card
from discreet.training.release import STATEMENT_FILE

AUDIT_PLACE = Path("audit") / AUDIT_FILE
# Quality was measured without noise, and an export need not tell it.
_NO_UTILITY = ["not part of an export's card; the run's folder has it"]


def copy_evidence(source: Path, out: Path, name: str) -> None:
    """Copy statement and audit, where a run's folder has them, and write the card, where there is a statement.

    Args:
        source: a run's folder.
        out: of what was made from it; made if it is not there.
        name: of the model, for the card.

    Raises:
        DataError: the run's statement, metrics or audit are damaged; nothing was written.
    """
    card = None
    if (source / STATEMENT_FILE).exists():
        card = {**read_card(source), "run": name, "utility": _NO_UTILITY}
    for file in (Path(STATEMENT_FILE), AUDIT_PLACE):
        if (source / file).exists():
            (out / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / file, out / file)
    if card is not None:
        (out / "privacy-card.md").write_text(card_markdown(card), encoding="utf-8")
        (out / "privacy-card.html").write_text(card_html(card), encoding="utf-8")
