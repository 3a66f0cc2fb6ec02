"""The trend page: audits of one data set over time, as a picture and a table. English and Chinese, one file."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from discreet.auditing.history import PastAudit
from discreet.auditing.report import STYLE

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 860, 300, 56, 16, 16, 40


def trend_html(series: str, past: Sequence[PastAudit], worse: Sequence[str]) -> str:
    """The whole page.

    Args:
        series: SPEC of the data set.
        past: its audits, the oldest first; at least one.
        worse: what the last is worse in, a sentence each.
    """
    body = [f"<h1>Audits · 历次审计: {html.escape(series)}</h1>", _verdict(past, worse)]
    if worse:
        body.append("<ul>" + "".join(f"<li>{html.escape(sentence)}</li>" for sentence in worse) + "</ul>")
    body += [
        "<h2>Strongest attack of each audit · 每次审计中最强的攻击</h2>",
        trend_svg(past),
        "<p><small>Area under the curve, with its interval; 0.5 is chance. Intervals widen from release to "
        "release: together they err as seldom as a single one may. · "
        "曲线下面积及其区间；0.5 为随机水平。区间随发布次数逐次变宽，使合计的出错概率不超过单次。</small></p>",
        _table(past),
    ]
    page = "".join(body)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Audits: {html.escape(series)}</title><style>{STYLE}</style></head><body>{page}</body></html>\n"
    )


def trend_svg(past: Sequence[PastAudit]) -> str:
    """Areas with intervals, audit by audit."""
    strongest = [_strongest(audit) for audit in past]
    low = min(0.45, *(attack["auc_interval"][0] for attack in strongest))

    def x(index: int) -> float:
        return _LEFT + (index + 0.5) / len(past) * (_WIDTH - _LEFT - _RIGHT)

    def y(area: float) -> float:
        return _TOP + (1 - area) / (1 - low) * (_HEIGHT - _TOP - _BOTTOM)

    marks = [
        f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(area):.1f}" y2="{y(area):.1f}"/>'
        f'<text x="{_LEFT - 8}" y="{y(area) + 4:.1f}" text-anchor="end">{area:.1f}</text>'
        for area in (0.6, 0.7, 0.8, 0.9, 1.0)
    ]
    marks.append(
        f'<line class="chance" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(0.5):.1f}" y2="{y(0.5):.1f}"/>'
        f'<text x="{_LEFT - 8}" y="{y(0.5) + 4:.1f}" text-anchor="end">0.5</text>'
    )
    for index, (audit, attack) in enumerate(zip(past, strongest, strict=True)):
        bottom, top = (y(end) for end in attack["auc_interval"])
        colour = "var(--bad)" if attack["auc_interval"][0] > 0.5 else "var(--good)"
        colour = colour if audit.found["valid"] else "var(--soft)"
        marks.append(
            f'<g stroke="{colour}" fill="{colour}"><title>{html.escape(audit.run)}: {attack["auc"]:.3f}</title>'
            f'<line x1="{x(index):.1f}" x2="{x(index):.1f}" y1="{bottom:.1f}" y2="{top:.1f}" stroke-width="2"/>'
            f'<circle cx="{x(index):.1f}" cy="{y(attack["auc"]):.1f}" r="4.5"/></g>'
            f'<text x="{x(index):.1f}" y="{_HEIGHT - 14}" text-anchor="middle">{index + 1}</text>'
        )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="Area under the curve of each audit">'
        f"{''.join(marks)}</svg>"
    )


def _strongest(audit: PastAudit) -> dict[str, Any]:
    """The attack with the largest area."""
    return max(audit.found["attacks"], key=lambda attack: attack["auc"])


def _verdict(past: Sequence[PastAudit], worse: Sequence[str]) -> str:
    """The last audit, beside the one before."""
    if worse:
        kind, en, zh = "bad", "The last release is worse than the one before.", "最近一次发布比上一次更差。"
    elif len({audit.run_id for audit in past}) < 2:
        kind, en, zh = "good", "One release so far: nothing to compare it with.", "目前只有一次发布，无从比较。"
    else:
        kind, en, zh = "good", "The last release is no worse than the one before.", "最近一次发布不比上一次差。"
    return f'<div class="verdict {kind}"><p class="said {kind}">{en}</p><p>{zh}</p></div>'


def _table(past: Sequence[PastAudit]) -> str:
    """A row an audit."""
    rows = []
    for number, audit in enumerate(past, 1):
        attack = _strongest(audit)
        low, high = attack["auc_interval"]
        epsilon = "–" if audit.found["epsilon"] is None else f"{audit.found['epsilon']:.3g}"
        rows.append(
            f"<tr><td>{number}. {html.escape(audit.run)}</td><td>{audit.at:%Y-%m-%d %H:%M}</td>"
            f"<td>{html.escape(audit.found['verdict'])}</td><td>{epsilon}</td>"
            f'<td>{html.escape(attack["name"])}</td><td class="range">{attack["auc"]:.3f} '
            f"({low:.3f} … {high:.3f})</td></tr>"
        )
    return (
        "<table><thead><tr><th>run · 运行</th><th>at · 时间 (UTC)</th><th>verdict · 结论</th><th>ε</th>"
        f"<th>attack · 攻击</th><th>AUC</th></tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )
