"""`discreet demo`: the whole way, from pictures to a private model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from discreet.cli.output import Output

HELP = "Fine-tune a public start on a private data set, with and without privacy, and show what came out."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """About ten minutes on two cores."""
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), metavar="DIR")
    parser.add_argument("--photographs", type=Path, metavar="DIR", help="also parse the pictures in this folder")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Run the demo and print its table."""
    from discreet.demo.story import COLUMNS, tell

    rows = [row.cells() for row in tell(arguments.out, arguments.photographs, output.progress)]
    output.result({"rows": [dict(zip(COLUMNS, row, strict=True)) for row in rows]})
    output.table("Held-out pictures of the private style", COLUMNS, rows)
    output.line(f"Pictures, curve and privacy statement: {arguments.out / 'report.html'}")
    return 0
