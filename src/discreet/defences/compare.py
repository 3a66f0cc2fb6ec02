"""Compare defences: every row trained, measured, attacked and timed alike, and one table of what each costs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch

from discreet.data import open_spec
from discreet.data.people import generate_people
from discreet.defences.cells import Bench, Cell, measured, measured_start, note_access, parser_of
from discreet.defences.settings import CompareSettings, GeneratedPictures
from discreet.defences.table import Comparison, tabulate
from discreet.defences.timing import in_turns
from discreet.errors import ConfigurationError
from discreet.processes import process_pool
from discreet.training.run_folder import write_text
from discreet.training.surroundings import Progress, silent

CONFIG_FILE = "compare.json"
# Pictures that each row is timed on, and how often; rows take turns.
_TIMED_PICTURES, _TIMED_ROUNDS = 6, 3


def compare(settings: CompareSettings, out: Path, state: Path, *, jobs: int = 1, progress: Progress) -> Comparison:
    """Run what is missing of a comparison, and read the rest.

    Args:
        settings: rows, pictures, attacks.
        out: a new folder, or that of the same comparison, which goes on.
        state: the state folder; the ledger notes each run and each access.
        jobs: rows at once, each in a process of its own.
        progress: shows bars.

    Raises:
        ConfigurationError: the folder is that of another comparison, or holds something else.
    """
    _open(settings, out)
    bench = Bench(settings, out, state, _pictures(settings, out, progress))
    start = measured_start(bench, progress)
    cells = _all_cells(bench, jobs, progress)
    latencies = _latencies(bench, progress)
    return tabulate(settings, start, cells, latencies)


def _open(settings: CompareSettings, out: Path) -> None:
    """Claim the folder for these settings, or find it claimed for settings that these add rows or seeds to."""
    claimed = out / CONFIG_FILE
    if claimed.exists():
        try:
            before = CompareSettings.model_validate_json(claimed.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise ConfigurationError(f"{claimed} is unreadable, or of another version: give another --out") from None
        begun = [name for name in before.rows if any(out.glob(f"rows/{name}-*"))]
        if (changed := settings.changed_since(before, begun)) is not None:
            raise ConfigurationError(
                f"{out} holds a comparison with other settings ({changed} differs); rows and seeds may be added, what "
                "was begun stays: give another --out"
            )
    elif out.exists() and any(out.iterdir()):
        raise ConfigurationError(f"{out} holds something else; give a new folder with --out")
    out.mkdir(parents=True, exist_ok=True)
    write_text(claimed, json.dumps(settings.model_dump(mode="json"), indent=1) + "\n")


def _pictures(settings: CompareSettings, out: Path, progress: Progress) -> dict[str, str]:
    """SPECs by split; generated where they are to be."""
    specs: dict[str, str] = {}
    for split in ("train", "evaluate", "public"):
        wanted = getattr(settings.data, split)
        if isinstance(wanted, GeneratedPictures):
            folder = out / "pictures" / split
            if not (folder / "labels.json").exists():
                with progress(f"generate pictures: {split}", wanted.count) as advance:
                    generate_people(
                        folder, style=wanted.style, count=wanted.count, size_px=wanted.size, seed=wanted.seed,
                        workers=max(1, torch.get_num_threads()), resume=True, progress=advance,
                    )  # fmt: skip
            specs[split] = f"people:{folder}"
        elif wanted is not None:
            specs[split] = wanted
    return specs


def _all_cells(bench: Bench, jobs: int, progress: Progress) -> dict[str, list[Cell]]:
    """Of every row, a cell for each seed; rows that build on others wait for these."""
    rows = bench.settings.rows
    waves = [
        [name for name, row in rows.items() if _depth(bench.settings, name) == depth] for depth in range(len(rows))
    ]
    if jobs > 1:
        for wave in waves:
            wanted = [(name, seed) for name in wave for seed in bench.settings.seeds_of(name)]
            if wanted:
                _in_processes(bench, wanted, jobs, progress)
    return {
        name: [measured(bench, name, seed, progress) for seed in bench.settings.seeds_of(name)]
        for wave in waves
        for name in wave
    }


def _depth(settings: CompareSettings, name: str) -> int:
    """How many rows stand below one."""
    of = settings.rows[name].of
    return 0 if of is None else 1 + _depth(settings, of)


def _in_processes(bench: Bench, wanted: Sequence[tuple[str, int]], jobs: int, progress: Progress) -> None:
    """Cells of one wave; each keeps its result on disk."""
    threads = max(1, torch.get_num_threads() // jobs)
    with progress("rows", len(wanted)) as advance, process_pool(jobs, torch.set_num_threads, threads) as processes:
        for future in [processes.submit(_measured_alone, bench, name, seed) for name, seed in wanted]:
            future.result()
            advance()


def _measured_alone(bench: Bench, row: str, seed: int) -> None:
    measured(bench, row, seed, silent)


def _latencies(bench: Bench, progress: Progress) -> dict[str, float]:
    """Median milliseconds of a picture by row, each with its first seed; rows take turns, so that all see the same
    machine."""
    source = open_spec(bench.specs["evaluate"])
    note_access(bench, "evaluate")
    pictures = [source[index].image for index in range(min(_TIMED_PICTURES, len(source)))]
    parsers = {name: parser_of(bench, name, bench.settings.seeds_of(name)[0]) for name in bench.settings.rows}
    return in_turns(parsers, pictures, _TIMED_ROUNDS, progress)
