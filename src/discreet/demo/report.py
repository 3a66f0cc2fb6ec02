"""The demo's report: one HTML file with pictures, table, curve and statement inside.

No script, no link to the outside: it opens anywhere and can be mailed.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from discreet.labels import LabelSet

Picture = NDArray[np.uint8]

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d8dee4; --page: #ffffff; --card: #f6f8fa;
  --accent: #0b6e4f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9aa4af; --line: #30363d; --page: #0d1117;
  --card: #161b22; --accent: #4ac29a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 5rem; max-width: 68rem; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, "Noto Sans CJK SC", sans-serif; }
h1 { font-size: 1.9rem; margin: 0 0 .25rem; } h2 { font-size: 1.25rem; margin: 3rem 0 .75rem; }
p.lead { color: var(--soft); margin: 0 0 1.5rem; max-width: 50rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .5rem .75rem; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child { text-align: left; } th { color: var(--soft); font-weight: 600; font-size: .875rem; }
tr.ours td { font-weight: 650; color: var(--accent); }
.row { display: grid; gap: .5rem; margin-bottom: .5rem; }
figure { margin: 0; } figure img { width: 100%; border-radius: 6px; display: block; }
figcaption { font-size: .8rem; color: var(--soft); padding: .15rem 0 .4rem; }
.legend { display: flex; flex-wrap: wrap; gap: .35rem .9rem; font-size: .85rem; color: var(--soft); }
.legend i { display: inline-block; width: .85rem; height: .85rem; border-radius: 3px; margin-right: .35rem;
  vertical-align: -1px; border: 1px solid var(--line); }
.statement { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1.25rem 1.5rem; }
.statement p { margin: 0 0 .75rem; } .statement dl { display: grid; grid-template-columns: max-content 1fr;
  gap: .25rem 1.25rem; margin: 1rem 0 0; font-size: .9rem; }
.statement dt { color: var(--soft); } .statement dd { margin: 0; overflow-wrap: anywhere; }
svg text { fill: var(--soft); font-size: 12px; } svg .axis { stroke: var(--line); }
svg .curve { stroke: var(--accent); }
footer { margin-top: 3rem; color: var(--soft); font-size: .85rem; }
"""


@dataclass(frozen=True)
class PictureRow:
    """Pictures side by side under one heading: a label for each, and uint8 [H, W, 3]."""

    pictures: Sequence[tuple[str, Picture]]


@dataclass(frozen=True)
class Report:
    """Everything the page shows, in order. Nothing in it may be sensitive.

    Args:
        columns, rows: the table; rows whose first cell is `highlight` stand out.
        held_out, photographs: rows of pictures.
        curve: (steps, ε) points.
        statement: sentences, and facts by name.
        notes: sentences that say how to read the numbers.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    highlight: str
    held_out: Sequence[PictureRow]
    photographs: Sequence[PictureRow]
    curve: Sequence[tuple[int, float]]
    sentences: Sequence[str]
    facts: Mapping[str, str]
    notes: Sequence[str]
    labels: LabelSet


def report_html(report: Report) -> str:
    """The whole page."""
    body = [
        "<h1>discreet: a private human parser</h1>",
        '<p class="lead">A public start, fine-tuned on a private data set twice: with differential privacy, and '
        "without. All pictures below were held out from training.</p>",
        _table(report),
        *(f"<p>{html.escape(note)}</p>" for note in report.notes),
        "<h2>Held-out pictures · 留出的图片</h2>",
        *map(_picture_row, report.held_out),
        _legend(report.labels),
    ]
    if report.photographs:
        body += [
            "<h2>Photographs, by the networks that ship · 真实照片（随附模型）</h2>",
            *map(_picture_row, report.photographs),
        ]
    body += [
        "<h2>Privacy loss by step · 每一步的隐私损失</h2>",
        curve_svg(report.curve),
        "<h2>Privacy statement · 隐私声明</h2>",
        _statement(report),
        "<footer>Written by <code>discreet demo</code>. The people in the held-out pictures never existed.</footer>",
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        'content="width=device-width, initial-scale=1"><title>discreet demo</title>'
        f"<style>{_STYLE}</style></head><body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def curve_svg(points: Sequence[tuple[int, float]], width: int = 720, height: int = 240) -> str:
    """ε against steps as an inline SVG."""
    left, right, top, bottom = 44, 12, 12, 34
    last_step = max(points[-1][0], 1)
    highest = max(epsilon for _, epsilon in points) * 1.08 or 1.0

    def x_of(step: float) -> float:
        return left + (width - left - right) * step / last_step

    def y_of(epsilon: float) -> float:
        return height - bottom - (height - top - bottom) * epsilon / highest

    path = " ".join(f"{'M' if k == 0 else 'L'}{x_of(s):.1f},{y_of(e):.1f}" for k, (s, e) in enumerate(points))
    ticks = [
        f'<text x="{left - 8}" y="{y_of(value) + 4:.1f}" text-anchor="end">{value:g}</text>'
        f'<line class="axis" x1="{left}" x2="{width - right}" y1="{y_of(value):.1f}" y2="{y_of(value):.1f}"/>'
        for value in _ticks(highest)
    ]
    ticks += [
        f'<text x="{x_of(step):.1f}" y="{height - bottom + 18}" text-anchor="middle">{step:g}</text>'
        for step in _ticks(last_step)
    ]
    final = points[-1][1]
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="epsilon after each step, ending at {final:.2f}">'
        + "".join(ticks)
        + f'<path class="curve" d="{path}" fill="none" stroke-width="2.5"/>'
        + f'<text x="{width - right}" y="{height - 4}" text-anchor="end">steps</text>'
        + f'<text x="{left + 6}" y="{top + 10}">ε</text></svg>'
    )


def data_url(picture: Picture) -> str:
    """A picture inside the page, as JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _ticks(highest: float) -> list[float]:
    """About five round numbers from 0 to `highest`."""
    raw = highest / 5
    magnitude = 10 ** np.floor(np.log10(raw))
    step = float(next(m for m in (1, 2, 5, 10) if m * magnitude >= raw) * magnitude)
    return [round(k * step, 10) for k in range(int(highest / step) + 1)]


def _table(report: Report) -> str:
    head = "".join(f"<th>{html.escape(column)}</th>" for column in report.columns)
    rows = "".join(
        f"<tr{' class=ours' if row[0] == report.highlight else ''}>"
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row)
        + "</tr>"
        for row in report.rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _picture_row(row: PictureRow) -> str:
    figures = "".join(
        f'<figure><img alt="{html.escape(label)}" src="{data_url(picture)}"><figcaption>{html.escape(label)}'
        "</figcaption></figure>"
        for label, picture in row.pictures
    )
    return f'<div class="row" style="grid-template-columns: repeat({len(row.pictures)}, 1fr)">{figures}</div>'


def _legend(labels: LabelSet) -> str:
    entries = "".join(
        f'<span><i style="background: rgb{colour}"></i>{html.escape(name)} {html.escape(name_zh)}</span>'
        for name, name_zh, colour in zip(labels.names, labels.names_zh, labels.palette, strict=True)
    )
    return f'<div class="legend">{entries}</div>'


def _statement(report: Report) -> str:
    sentences = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in report.sentences)
    facts = "".join(f"<dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd>" for k, v in report.facts.items())
    return f'<div class="statement">{sentences}<dl>{facts}</dl></div>'
