"""A comparison for people: one HTML page with everything inside, and Markdown; English and Chinese.

No script, no link to the outside.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence

from discreet.auditing.report import STYLE
from discreet.defences.table import ComparedRow, Comparison, Measured

# What a team has to change.
_INTEGRATION = {
    "none": ("nothing", "无"),
    "output-noise": ("a wrapper around every answer; weights must never leave", "包装每次输出；权重绝不可外流"),
    "distillation": ("one more training, on generated people; serving stays", "多一次训练（虚构人物）；服务不变"),
    "dp-sgd": ("train again with discreet train; serving stays", "用 discreet train 重新训练；服务不变"),
}
_HEADER = (
    ("defence", "防护"),
    ("guarantee for those in the training pictures", "对训练图片中人物的保证"),
    ("mIoU", ""),
    ("lost against none", "相对无防护的损失"),
    ("of the gain kept", "保留的收益"),
    ("strongest attack: AUC", "最强攻击：AUC"),
    ("true positives at 1 % false", "1 % 假阳性率下的真阳性率"),
    ("ms a picture", "每张毫秒"),
    ("training, min", "训练（分钟）"),
    ("integration", "集成工作"),
)
_TITLE = "Defences compared · 防护对比"
_COLOURS = {
    "none": "var(--bad)", "output-noise": "var(--second)", "distillation": "var(--third)", "dp-sgd": "var(--good)",
}  # fmt: skip
_START = "public start · 公开起点"
_WIDE = """body { max-width: 78rem; } .table { overflow-x: auto; } td small { white-space: nowrap; }
  td:last-child small, td:nth-child(2) small { white-space: normal; }
  svg circle { stroke: var(--page); stroke-width: 1.5; }
  svg polyline { fill: none; stroke: currentColor; stroke-width: 0.7; opacity: 0.4; }"""


def comparison_html(found: Comparison) -> str:
    """The whole page."""
    head = "".join(f"<th>{en}{_small(zh)}</th>" for en, zh in _HEADER)
    body = "".join(
        "<tr>"
        + "".join(f"<td>{_intervals_below(html.escape(en))}{_small(zh)}</td>" for en, zh in _cells(row))
        + "</tr>"
        for row in found.rows
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width, initial-scale=1"><title>{html.escape(found.title)}</title>'
        f"<style>{STYLE}{_WIDE}</style></head><body><h1>{_TITLE}: {html.escape(found.title)}</h1>"
        f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        + "".join(f"<p><small>{html.escape(en)} · {zh}</small></p>" for en, zh in _notes(found))
        + "<h2>Privacy and use · 隐私与效用</h2>"
        + trade_off_svg(found)
        + "<footer>Written by <code>discreet compare</code>. Numbers on this page are computed from private pictures "
        "without noise.</footer></body></html>\n"
    )


def comparison_markdown(found: Comparison) -> str:
    """The table in both languages, and what to know of it."""
    parts = [f"# {_TITLE}: {found.title}\n"]
    for language in (0, 1):
        lines = [
            " | ".join(title[language] or title[0] for title in _HEADER),
            " | ".join("---" for _ in _HEADER),
            *(" | ".join((cell[language] or cell[0]).replace("|", "/") for cell in _cells(row)) for row in found.rows),
        ]
        parts.append("\n".join(f"| {line} |" for line in lines) + "\n")
        parts.append("\n".join(f"- {note[language]}" for note in _notes(found)) + "\n")
    return "\n".join(parts)


def guarantee(row: ComparedRow) -> tuple[str, str]:
    """What a row guarantees to those in its training pictures, in both languages."""
    if row.epsilon is None:
        return {
            "output-noise": ("none, ever: many answers average it away", "没有：多次查询即可平均消除噪声"),
            "distillation": ("none: its teacher saw them without privacy", "没有：教师模型未做隐私保护"),
        }.get(row.defence, ("none", "没有"))
    claim = f"ε = {row.epsilon:.3g}, δ = {row.delta:g}"
    if row.defence == "dp-sgd":
        return claim, ""
    return f"{claim}, that of {row.of}", f"{claim}（来自 {row.of}）"


def _cells(row: ComparedRow) -> list[tuple[str, str]]:
    """One line of the table."""
    attack = row.membership
    area = "–" if attack is None else f"{attack['name']}: {attack['auc']:.2f} ({_range(attack['auc_interval'], 2)})"
    if attack is not None and not attack["valid"]:
        area += ", not valid"
    several = f", {len(row.seeds)} seeds" if len(row.seeds) > 1 else ""
    return [
        (row.name, ""),
        guarantee(row),
        (f"{_percent(row.miou)}{several}", ""),
        ("–" if row.loss is None else _percent(row.loss), ""),
        ("–" if row.recovered is None else f"{row.recovered.value:.0%} ({_shares(row.recovered)})", ""),
        (area, ""),
        (_at_one_percent(attack), ""),
        (f"{row.latency_ms:.0f}", ""),
        (f"{row.train_seconds / 60:.1f}" if row.train_seconds else "–", ""),
        _INTEGRATION[row.defence],
    ]


def _notes(found: Comparison) -> list[tuple[str, str]]:
    """What to know of the table."""
    notes = [
        (
            f"mIoU in percent on {found.num_pictures} held-out pictures, with 95 % intervals over the same resampled "
            "pictures for all rows, and over seeds where there are several.",
            f"mIoU 为百分数，基于 {found.num_pictures} 张留出图片；95 % 区间由各行共用的重采样图片（及多个种子）得到。",
        ),
        (
            "Every row is attacked alike; the interval of the strongest attack holds together with those of all "
            "others. An area below one half is no privacy: an attack that is wrong more often than chance is read the "
            "other way round, and the audit calls it broken.",
            "各行遭受相同的攻击；最强攻击的区间与其余攻击同时成立。"
            "AUC 低于一半并不代表隐私：反向解读即可，审计会判其无效。",
        ),
    ]
    if any(row.epsilon is not None for row in found.rows):
        notes.append(
            (
                "Each ε is that of one row and one seed alone. Who releases several, or picks one by this table, "
                "spends more: the ledger has the sum of all runs.",
                "每个 ε 只针对单独一行、单个种子。发布多行，或依据本表挑选，都会消耗更多预算：总和见账本。",
            )
        )
    if found.start is not None:
        notes.append(
            (
                f"The public start has {_percent(found.start)}; “of the gain kept” is the share of what training "
                "without a defence adds to it.",
                f"公开起点为 {_percent(found.start)}；“保留的收益”是相对无防护训练所增部分的比例。",
            )
        )
    return notes


def trade_off_svg(found: Comparison, width: int = 900, height: int = 420) -> str:
    """mIoU against the strongest attack's area, with intervals; better is up and to the left."""
    rows = [row for row in found.rows if row.membership is not None]
    if not rows:
        return "<p>No row was attacked · 未进行攻击</p>"
    left, right, top, bottom = 60, 190, 24, 48
    highs = [row.miou.interval[1] for row in rows] + ([found.start.value] if found.start else [])
    lows = [row.miou.interval[0] for row in rows] + ([found.start.value] if found.start else [])
    floor, ceiling = min(lows) - 0.01, max(highs) + 0.01
    areas = [bound for row in rows for bound in _interval_of(row)]
    least, most = min(0.45, *areas), max(0.6, *areas)

    def x_of(area: float) -> float:
        return left + (width - left - right) * (area - least) / (most - least)

    def y_of(miou: float) -> float:
        return height - bottom - (height - top - bottom) * (miou - floor) / (ceiling - floor)

    drawn = [
        f'<line class="chance" x1="{x_of(0.5):.1f}" x2="{x_of(0.5):.1f}" y1="{top}" y2="{height - bottom}"/>'
        f'<text x="{x_of(0.5):.1f}" y="{top - 8}" text-anchor="middle">chance · 随机</text>'
    ]
    if found.start is not None:
        y = y_of(found.start.value)
        drawn.append(f'<line class="chance" x1="{left}" x2="{width - right}" y1="{y:.1f}" y2="{y:.1f}"/>')
    drawn += [
        f'<text x="{x_of(tick / 10):.1f}" y="{height - bottom + 18}" text-anchor="middle">{tick / 10:.1f}</text>'
        for tick in range(11)
        if least <= tick / 10 <= most
    ]
    drawn += [
        f'<text x="{left - 8}" y="{y_of(share) + 4:.1f}" text-anchor="end">{100 * share:.0f}</text>'
        for share in (floor, (floor + ceiling) / 2, ceiling)
    ]
    for row in rows:
        assert row.membership is not None
        x, y, colour = x_of(row.membership["auc"]), y_of(row.miou.value), _COLOURS[row.defence]
        low, high = _interval_of(row)
        down, up = (y_of(bound) for bound in row.miou.interval)
        drawn.append(
            f'<line x1="{x_of(low):.1f}" x2="{x_of(high):.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}"/>'
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{down:.1f}" y2="{up:.1f}" stroke="{colour}"/>'
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="{colour}"/>'
        )
    points = {row.name: (x_of(row.membership["auc"]) + 8, y_of(row.miou.value)) for row in rows if row.membership}
    if found.start is not None:
        points[_START] = (width - right, y_of(found.start.value))
    drawn += _names_beside(points, width - right, top, height - bottom)
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="mIoU against the area of the strongest attack">'
        f'{"".join(drawn)}<text x="{width - right}" y="{height - 8}" text-anchor="end">AUC of the strongest attack · '
        '最强攻击的 AUC</text><text x="4" y="14">mIoU, %</text></svg>'
    )


def _names_beside(points: Mapping[str, tuple[float, float]], edge: float, top: float, bottom: float) -> Iterator[str]:
    """Names to the right of an edge, each with a thin line to its point."""
    for name, height in apart({name: y for name, (_, y) in points.items()}, top, bottom).items():
        x, y = points[name]
        yield (
            f'<polyline points="{x:.1f},{y:.1f} {edge},{y:.1f} {edge + 20},{height:.1f}"/>'
            f'<text x="{edge + 24}" y="{height + 4:.1f}">{html.escape(name)}</text>'
        )


def apart(heights: Mapping[str, float], top: float, bottom: float, least: float = 17.0) -> dict[str, float]:
    """Where names are written beside points of these heights: as near as may be, in their order, none over another."""
    names = sorted(heights, key=heights.__getitem__)
    written: dict[str, float] = {}
    floor = top
    for name in names:
        written[name] = floor = max(heights[name], floor)
        floor += least
    ceiling = bottom
    for name in reversed(names):
        written[name] = ceiling = min(written[name], ceiling)
        ceiling -= least
    return written


def _interval_of(row: ComparedRow) -> tuple[float, float]:
    assert row.membership is not None
    low, high = row.membership["auc_interval"]
    return low, high


def _at_one_percent(attack: dict[str, object] | None) -> str:
    points = attack["tpr_at_fpr"] if attack is not None else []
    assert isinstance(points, list)
    for point in points:
        if point["false_positive_rate"] == 0.01:
            rate = point["true_positives"] / point["num_members"]
            return f"{rate:.1%} ({_shares_of(point['true_positive_interval'])})"
    return "–" if attack is None else "too few pictures"


def _percent(found: Measured) -> str:
    return f"{100 * found.value:.1f} ({_range([100 * bound for bound in found.interval], 1)})"


def _shares(found: Measured) -> str:
    return _shares_of(found.interval)


def _shares_of(interval: Sequence[float]) -> str:
    return " … ".join(f"{bound:.0%}" for bound in interval)


def _range(interval: Sequence[float], digits: int) -> str:
    return " … ".join(f"{bound:.{digits}f}" for bound in interval)


def _intervals_below(text: str) -> str:
    """An interval stands below its number, unbroken."""
    return re.sub(r" (\([^)]*…[^)]*\))", r"<br><small>\1</small>", text)


def _small(text: str) -> str:
    return f"<br><small>{html.escape(text)}</small>" if text else ""
