"""`discreet data`: check a data set, or count its pixels by part."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from discreet.cli.output import Output

HELP = (
    "check: read every file of a data set and name each that is missing, unreadable or inconsistent; "
    "stats: count pixels by part. Both speak of private pictures without noise: keep what they print."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One word for what to do, and the data set."""
    parser.add_argument("what", choices=("check", "stats"))
    parser.add_argument(
        "spec",
        metavar="SPEC",
        help="KIND:PATH, KIND one of cihp, lip, atr, pascal, mhp, hf, folder, people; with @train or @val for a split",
    )
    parser.add_argument(
        "--subject-pattern",
        metavar="REGEX",
        help="check: takes subjects from names of pictures, as data.subject_pattern in training, e.g. '^(\\d+)_'",
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Read everything once, with progress; `check` exits 1 where it found a problem."""
    from discreet.errors import UsageError

    if arguments.what == "check":
        return _check(arguments.spec, arguments.subject_pattern, output)
    if arguments.subject_pattern is not None:
        raise UsageError("--subject-pattern is for check: stats counts pixels, whoever they show; leave it out")
    return _stats(arguments.spec, output)


def _check(spec: str, subject_pattern: str | None, output: Output) -> int:
    """List all problems."""
    from discreet.data.check import check_source

    with ExitStack() as bars:
        report = check_source(
            spec,
            subject_pattern=subject_pattern,
            begin=lambda total: bars.enter_context(output.progress("check", total)),
        )
    output.result(report.to_json())
    for found in report.problems:  # lines, not a table: paths stay whole, to be copied
        output.line(f"{found.file}: {found.what}")
    parts = f", {len(report.label_set)} parts ({report.label_set.name})" if report.label_set else ""
    subjects = f", {report.num_subjects} subjects" if report.num_subjects else ""
    verdict = f"{len(report.problems)} problems" if report.problems else "no problems"
    output.line(f"{spec}: {report.num_samples} pictures{subjects}{parts}; {verdict}")
    return 1 if report.problems else 0


def _stats(spec: str, output: Output) -> int:
    """Count pixels by part."""
    from discreet.data.check import data_stats

    with ExitStack() as bars:
        stats = data_stats(spec, begin=lambda total: bars.enter_context(output.progress("count", total)))
    output.result(stats.to_json())
    total = max(sum(stats.pixels.values()), 1)
    rows = [(name, f"{pixels:,}", f"{pixels / total:.2%}") for name, pixels in stats.pixels.items()]
    output.table(f"{spec}: {stats.num_samples} pictures", ("part", "pixels", "share"), rows)
    output.line(f"ignored: {stats.ignored:,} pixels")
    for line in stats.lost:
        output.line(f"in these labels, {line}")
    return 0
