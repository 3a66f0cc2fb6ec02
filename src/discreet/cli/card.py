"""`discreet card`: the privacy card of a run, signed where a key is given."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from discreet.cli.output import Output

HELP = (
    "Print the privacy card of a run: what is guaranteed, by which means, and what is not. With --key it is signed; "
    "--verify tells whether a signed card is as it was."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A finished run's folder, or a signed card."""
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder; with --verify, the file of a card")
    parser.add_argument("--format", choices=("html", "md", "json"), default="md")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there instead of printing")
    parser.add_argument(
        "--key", type=Path, metavar="FILE", help="private Ed25519 key, PEM: writes FILE.sig beside --out"
    )
    parser.add_argument("--verify", type=Path, metavar="FILE", help="public key, PEM: is this card as it was signed?")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Read the run's folder; compute nothing."""
    from discreet.auditing.card import read_card
    from discreet.errors import UsageError

    if arguments.verify is not None:
        return _verify(arguments, output)
    if arguments.key is not None and arguments.out is None:
        raise UsageError("--key signs a file; name it with --out")
    card = read_card(arguments.run)
    text = _written(card, arguments.format)
    if arguments.out is None:
        output.result(card)
        output.line(text.rstrip("\n"))
        return 0
    key = None if arguments.key is None else _signing_key(arguments.key)  # before anything is written
    arguments.out.write_text(text, encoding="utf-8")
    output.line(f"written to {arguments.out}")
    if key is not None:
        output.line(_signed(arguments.out, key))
    output.result(card)
    return 0


def _written(card: dict[str, Any], form: str) -> str:
    """The card in one of its forms."""
    import json

    from discreet.auditing.card import card_html, card_markdown

    if form == "json":
        return json.dumps(card, indent=1, ensure_ascii=False) + "\n"
    return card_html(card) if form == "html" else card_markdown(card)


def _signing_key(path: Path) -> Ed25519PrivateKey:
    """The key that signs."""
    from discreet.signing import load_signing_key

    return load_signing_key(path)


def _signed(card: Path, key: Ed25519PrivateKey) -> str:
    """Sign a card; says by whom."""
    from discreet.signing import fingerprint, sign_file

    beside = sign_file(card, key)
    return f"signed in {beside}, by the key with the SHA-256 fingerprint {fingerprint(key.public_key())}"


def _verify(arguments: argparse.Namespace, output: Output) -> int:
    """Refuse a card that is not what was signed."""
    from discreet.signing import fingerprint, read_public_key, signed_by

    key = read_public_key(arguments.verify)
    signed_by(arguments.run, key)
    output.result({"intact": True, "signed_by": fingerprint(key)})
    output.line(f"{arguments.run} is as it was signed, by the key with the SHA-256 fingerprint {fingerprint(key)}")
    return 0
