"""`discreet compare`: defences side by side, in one table."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from discreet.cli.output import Output

HELP = (
    "Train, measure and attack the same network under several defences, and draw one table. Stopped at any moment, the "
    "same command goes on. Pictures are read without noise, and the ledger notes it."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is compared, and where to."""
    parser.add_argument("settings", type=Path, metavar="COMPARE.toml", help="see docs/compare.md, and recipes/")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder, or that of before")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="rows at once, sharing the cores")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Compare, write the table in three forms, and print it."""
    import json

    from discreet.cli.state import state_folder
    from discreet.defences.compare import compare
    from discreet.defences.page import comparison_html, comparison_markdown, guarantee
    from discreet.defences.settings import read_compare_settings
    from discreet.errors import ConfigurationError
    from discreet.training.run_folder import write_text

    if arguments.jobs < 1:
        raise ConfigurationError(f"--jobs is {arguments.jobs}; give at least 1")
    settings = read_compare_settings(arguments.settings)
    found = compare(settings, arguments.out, state_folder(), jobs=arguments.jobs, progress=output.progress)
    told = found.to_json()
    write_text(arguments.out / "table.json", json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    write_text(arguments.out / "table.md", comparison_markdown(found))
    write_text(arguments.out / "report.html", comparison_html(found))
    output.result(told)
    output.table(
        found.title,
        ("row", "guarantee", "mIoU", "lost", "attack's AUC", "ms"),
        [
            (
                row.name,
                guarantee(row)[0],
                f"{100 * row.miou.value:.1f}",
                "–" if row.loss is None else f"{100 * row.loss.value:.1f}",
                "–" if row.membership is None else f"{row.membership['auc']:.2f}",
                f"{row.latency_ms:.0f}",
            )
            for row in found.rows
        ],
    )
    output.line(f"{arguments.out / 'report.html'} shows it")
    return 0
