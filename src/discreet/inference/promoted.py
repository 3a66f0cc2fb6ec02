"""The signed record of a promotion: which network may be served, and who said so.

promotion.json is written by `discreet promote`, and lies in the folder of the network that it speaks of; its signature
is promotion.json.sig.
"""

from __future__ import annotations

import json
from pathlib import Path

from discreet.errors import WeightsError
from discreet.inference.exported import digest_of

PROMOTION_FILE = "promotion.json"
FORMAT = "discreet promotion 1"


def require_promoted(folder: Path, public_key: Path, record: Path | None = None) -> None:
    """Refuse a network that was not promoted.

    Args:
        folder: of the network.
        public_key: PEM of whoever decides.
        record: by default promotion.json in the folder.

    Raises:
        WeightsError: the record speaks of another network, or of one that was held back.
        ConfigurationError: record, signature or key are missing, or do not belong together.
    """
    from discreet.signing import read_public_key, signed_by

    path = record or folder / PROMOTION_FILE
    content = signed_by(path, read_public_key(public_key))
    try:
        told = json.loads(content)
        if told["format"] != FORMAT:
            raise ValueError(told["format"])
        passed, digest = told["passed"] is True, told["candidate"]["digest"]
    except (ValueError, KeyError, TypeError):
        raise WeightsError(f"{path} is no record of a promotion; make one: discreet promote") from None
    if digest != digest_of(folder):
        raise WeightsError(f"{path} speaks of another network than that of {folder}; promote this one")
    if not passed:
        raise WeightsError(f"{folder} was held back: {path} says which limits it did not meet")
