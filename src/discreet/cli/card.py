"""`discreet card`: the privacy card of a run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from discreet.cli.output import Output

HELP = "Print the privacy card of a run: what is guaranteed, by which means, and what is not."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A finished run's folder."""
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("--format", choices=("html", "md", "json"), default="md")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there instead of printing")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Read the run's folder; compute nothing."""
    import json

    from discreet.auditing.card import card_html, card_markdown, read_card

    card = read_card(arguments.run)
    if output.as_json or arguments.format == "json":
        text = json.dumps(card, indent=1, ensure_ascii=False) + "\n"
    else:
        text = card_html(card) if arguments.format == "html" else card_markdown(card)
    if arguments.out is not None:
        arguments.out.write_text(text, encoding="utf-8")
        output.line(f"written to {arguments.out}")
        output.result(card)
    elif output.as_json:
        output.result(card)
    else:
        output.line(text.rstrip("\n"))
    return 0
