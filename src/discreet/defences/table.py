"""The table of a comparison: what each defence guarantees, what it costs, and how sure that is."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discreet.auditing.statistics import Interval
from discreet.defences.cells import Cell
from discreet.defences.settings import CompareSettings, Defence
from discreet.training.metrics import resampled_miou

_RESAMPLES = 2000
_MEASURED = ("start", "miou", "loss", "recovered")


@dataclass(frozen=True)
class Measured:
    """A number, and its 95 % interval over pictures, and over seeds where there are several."""

    value: float
    interval: Interval


@dataclass(frozen=True)
class ComparedRow:
    """One line of the table. Un-noised: for the owner of the pictures.

    Args:
        name: of the row.
        defence: its kind.
        of: the row that it builds on, or None.
        epsilon, delta: that are guaranteed to those in data.train; None where nothing is.
        miou, pixel_accuracy: shares, over held-out pictures.
        loss: mIoU of the row without a defence, less this one's; None of that row itself.
        recovered: share of what ordinary training gains over the public start; None without a start.
        membership: the strongest attack, on weights or on answers ("answer: …"): its name, auc, auc_interval,
            tpr_at_fpr, and the audit's verdict.
        latency_ms: median over pictures, by PyTorch; every row in the same run.
        train_seconds: mean over seeds.
        seeds: that were trained.
    """

    name: str
    defence: Defence
    of: str | None
    epsilon: float | None
    delta: float | None
    miou: Measured
    pixel_accuracy: float
    loss: Measured | None
    recovered: Measured | None
    membership: dict[str, Any] | None
    latency_ms: float
    train_seconds: float
    seeds: list[int]


@dataclass(frozen=True)
class Comparison:
    """All lines, and what they are compared with.

    Args:
        title: of the comparison.
        num_pictures: that quality is measured on.
        start: mIoU of the public start; None without one.
        rows: in the order of the file.
    """

    title: str
    num_pictures: int
    start: Measured | None
    rows: list[ComparedRow]

    def to_json(self) -> dict[str, Any]:
        """What `discreet compare --json` prints: an interval stands beside its number, as `NAME_interval`."""
        return {**_flat(self), "rows": [_flat(row) for row in self.rows]}


def _flat(of: Comparison | ComparedRow) -> dict[str, Any]:
    """Its fields; a measured one is two."""
    told: dict[str, Any] = {}
    for field in fields(of):
        value = getattr(of, field.name)
        if field.name in _MEASURED:
            told[field.name] = None if value is None else value.value
            told[f"{field.name}_interval"] = None if value is None else list(value.interval)
        else:
            told[field.name] = value
    return told


def tabulate(
    settings: CompareSettings, start: Cell | None, cells: dict[str, list[Cell]], latencies: dict[str, float]
) -> Comparison:
    """The table: all rows are resampled together, so that differences are of the same pictures.

    Args:
        settings: of the comparison.
        start: the public start, or None.
        cells: of each row, one a seed.
        latencies: milliseconds a picture, by row.
    """
    reference = settings.reference
    assert reference is not None
    num_pictures = len(cells[reference][0].pixels)
    rng = np.random.default_rng(0)
    times_RN = rng.multinomial(num_pictures, np.full(num_pictures, 1 / num_pictures), _RESAMPLES)
    # The first is everything once: the value itself.
    times_RN = np.vstack([np.ones((1, num_pictures), np.int64), times_RN])
    miou = {name: _resampled(found, times_RN, rng) for name, found in cells.items()}
    of_start = None if start is None else _resampled([start], times_RN, rng)
    rows = []
    for name, row in settings.rows.items():
        found = cells[name]
        own = name == reference
        recovered = None
        if of_start is not None and not own:
            recovered = _summed_up((miou[name] - of_start) / (miou[reference] - of_start))
        rows.append(
            ComparedRow(
                name=name,
                defence=row.defence,
                of=row.of,
                epsilon=_largest([cell.epsilon for cell in found]),
                delta=_largest([cell.delta for cell in found]),
                miou=_summed_up(miou[name]),
                pixel_accuracy=statistics.mean(cell.pixel_accuracy for cell in found),
                loss=None if own else _summed_up(miou[reference] - miou[name]),
                recovered=recovered,
                membership=_strongest(found[0].audit),
                latency_ms=latencies[name],
                train_seconds=statistics.mean(cell.train_seconds for cell in found),
                seeds=settings.seeds_of(name),
            )
        )
    return Comparison(settings.title, num_pictures, None if of_start is None else _summed_up(of_start), rows)


def _resampled(cells: Sequence[Cell], times_RN: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
    """mIoU of each resample of pictures, [R]; the mean over seeds, which are drawn anew as well, but for the first."""
    by_seed = np.stack([resampled_miou(cell.pixels, times_RN) for cell in cells])
    drawn = rng.integers(0, len(cells), (len(times_RN), len(cells)))
    drawn[0] = np.arange(len(cells))
    return np.take_along_axis(by_seed.T, drawn, 1).mean(1)


def _summed_up(values_R: NDArray[np.float64]) -> Measured:
    low, high = np.nanpercentile(values_R[1:], [2.5, 97.5])
    return Measured(float(values_R[0]), (float(low), float(high)))


def _largest(values: Sequence[float | None]) -> float | None:
    """None where any seed guarantees nothing."""
    known = [value for value in values if value is not None]
    return max(known) if len(known) == len(values) else None


def _strongest(audit: dict[str, Any] | None) -> dict[str, Any] | None:
    """The attack with the largest area, on weights or on answers; its interval holds together with those of all."""
    if audit is None:
        return None
    on_answers = [{**one, "name": f"answer: {one['name']}"} for one in audit.get("answers", ())]
    attack = max([*audit["attacks"], *on_answers], key=lambda one: one["auc"])
    kept = {key: attack[key] for key in ("name", "auc", "auc_interval", "tpr_at_fpr")}
    return {**kept, "verdict": audit["verdict"], "valid": audit["valid"]}
