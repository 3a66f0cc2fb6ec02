"""What a verb says: data to stdout, progress and errors to stderr.

With --json stdout carries exactly one JSON object; without it, tables and lines for people.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text


def _in_unicode() -> bool:
    """Can stdout hold every character?"""
    return (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"


class Output:
    """The one place a verb prints through.

    Args:
        as_json: print one JSON object instead of tables and lines.
    """

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")  # work that is done is not lost to a terminal without ε
        self._out = Console(soft_wrap=True, emoji=False)
        self._err = Console(stderr=True, soft_wrap=True, emoji=False)

    def result(self, content: Mapping[str, Any]) -> None:
        """The verb's result as one JSON object; silent without --json."""
        if self.as_json:
            text = json.dumps(content, ensure_ascii=not _in_unicode(), allow_nan=False, default=str)
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

    def line(self, text: str = "") -> None:
        """One line for people; silent with --json."""
        if not self.as_json:
            self._out.print(text, markup=False, highlight=False)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """A table for people; silent with --json."""
        if self.as_json:
            return
        table = Table(title=Text(title), title_justify="left", title_style="bold")
        for position, column in enumerate(columns):
            table.add_column(Text(column), justify="left" if position == 0 else "right")
        for row in rows:
            table.add_row(*(Text("–" if cell is None else str(cell)) for cell in row))
        self._out.print(table)

    def note(self, text: str) -> None:
        """One line of narration, to stderr, with or without --json."""
        self._err.print(text, markup=False, highlight=False, style="dim")

    def error(self, text: str) -> None:
        """Why the verb refused or failed, to stderr."""
        self._err.print(f"discreet: {text}", markup=False, highlight=False, style="red")

    @contextmanager
    def progress(self, description: str, total: int, done: int = 0) -> Iterator[Callable[..., None]]:
        """A bar with time left on stderr; yields advance(n=1, **shown), e.g. advance(epsilon=3.2)."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[shown]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._err) as bar:
            task = bar.add_task(description, total=total, completed=done, shown="")

            def advance(n: int = 1, **shown: object) -> None:
                if shown:
                    bar.update(task, shown="  ".join(f"{name} {value}" for name, value in shown.items()))
                bar.update(task, advance=n)

            yield advance
