"""An audit for people: one HTML page with everything inside, English and Chinese, that prints well.

No script, no link to the outside.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discreet.auditing.answers import SMALL_SHARE, SMOOTH_SHARE
from discreet.auditing.curves import RULE_OF_THREE, gaussian_curve
from discreet.auditing.gallery import gallery
from discreet.auditing.inversion_section import inversion_html
from discreet.auditing.result import LEAK, NO_LEAK, NOT_VALID, REFUTED, AttackResult, Audit
from discreet.privacy.gaussian import mu_of_epsilon

_VERDICTS = {
    NO_LEAK: (
        "No leak was found by these tests.",
        "这些测试没有发现泄漏。",
        "Other attacks may find one: this is a test that was passed, not a proof of anonymity.",
        "其他攻击仍可能发现泄漏：这只说明通过了测试，并不证明匿名。",
    ),
    LEAK: (
        "A leak was found: the model tells who it was trained on better than chance.",
        "发现泄漏：模型能以高于随机的程度暴露谁参与了训练。",
        "How much is in the curve and the table below. For a private run a small leak is allowed by ε.",
        "程度见下方曲线与表格。对于私有训练，ε 允许少量泄漏。",
    ),
    REFUTED: (
        "The claimed ε does not hold.",
        "所声称的 ε 不成立。",
        "The attack does better than the claim allows. Do not release this model; look for the fault first.",
        "攻击效果超过声明所允许的上限。请勿发布该模型，先查找错误。",
    ),
    NOT_VALID: (
        "This audit is not valid, and says nothing about the model.",
        "本次审计无效，不能说明模型的任何情况。",
        "Its own controls failed; the reasons stand below.",
        "其对照检验未通过，原因如下。",
    ),
}
_ATTACKS = {
    "loss": ("training loss", "训练损失"),
    "calibrated": ("loss, against the public start", "相对公开起点的损失"),
    "quantile": ("loss, against what is usual for such a picture", "相对同类图片的损失"),
    "label-only": ("label map alone", "仅标签图"),
    "combined": ("all signals, rehearsed on a copy", "全部信号（在副本上演练）"),
    "supervised": ("all signals, half of the members known", "全部信号（已知一半成员）"),
    "lira": ("all signals, against shadow models (LiRA)", "全部信号，相对影子模型（LiRA）"),
    "lira-offline": ("loss, against shadows without the picture", "损失，相对未见该图的影子模型"),
    "rmia": ("likelihood, against shadow models (RMIA)", "似然，相对影子模型（RMIA）"),
    "blind": ("blind: never sees the model", "盲测：不看模型"),
    "negative control": ("negative control: the public start", "阴性对照：公开起点"),
    "positive control": ("positive control: an over-fitted copy", "阳性对照：过拟合副本"),
}
_ANSWERS = {
    "scores": ("JSON: label map, and scores of persons and parts", "JSON：标签图及人物与部位的分数"),
    "label map": ("label map, or overlay: who has the picture takes it off", "标签图或叠加图：持有原图者可还原"),
    "smoothed": (
        f"contours smoothed over {SMOOTH_SHARE:.0%} of the side",
        f"轮廓平滑，半径为边长的 {SMOOTH_SHARE:.0%}",
    ),
    "small": (f"a label map of {SMALL_SHARE:.0%} of the side", f"边长缩至 {SMALL_SHARE:.0%} 的标签图"),
    "names": ("the names of the parts that are there", "仅出现的部位名称"),
}
_CANARIES = ("canaries planted before training", "训练前植入的金丝雀样本")
_WITHOUT_SHADOWS = ("attacks with shadow models (LiRA, RMIA)", "使用影子模型的攻击（LiRA、RMIA）")
_WITHOUT_ANSWERS = ("what each kind of answer of a service gives away", "服务各类回答泄露的内容")
_WITHOUT_INVERSION = ("model inversion", "模型反演")
_WITHOUT_IDENTITIES = ("whether faces can be recognised in what was drawn back", "反演结果中的面孔能否被识别")
_NOT_TESTED = (("attackers who choose pictures in training", "能够操纵训练图片的攻击者"),)
STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d8dee4; --page: #fff; --good: #0b6e4f;
  --bad: #b42318; --mark: #1f6feb; --second: #9a6700; --third: #8250df; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9aa4af; --line: #30363d; --page: #0d1117;
  --good: #4ac29a; --bad: #ff7b72; --mark: #58a6ff; --second: #d29922; --third: #bc8cff; } }
* { box-sizing: border-box; }
body { max-width: 54rem; margin: 0 auto; padding: 2.5rem 1.25rem 5rem; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, "Noto Sans CJK SC", sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 1.25rem; } h2 { font-size: 1.1rem; margin: 2.25rem 0 .5rem; }
.verdict { border-left: 5px solid; padding: .25rem 0 .25rem 1rem; } .verdict p { margin: .15rem 0; }
.verdict .said { font-size: 1.3rem; font-weight: 650; } .good { color: var(--good); } .bad { color: var(--bad); }
.verdict p:not(.said) { color: var(--soft); }
table { border-collapse: collapse; width: 100%; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .5rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; }
th { color: var(--soft); font-weight: 600; } th:first-child, td:first-child { text-align: left; }
td.range { white-space: nowrap; } td small, p small { color: var(--soft); } tr.control td { color: var(--soft); }
svg { width: 100%; height: auto; } svg text { fill: var(--soft); font-size: 12px; }
svg .axis { stroke: var(--line); } svg .allowed { stroke: var(--bad); stroke-dasharray: 6 4; }
svg .chance { stroke: var(--soft); stroke-dasharray: 2 4; }
.faces { display: grid; grid-template-columns: repeat(auto-fill, minmax(7rem, 1fr)); gap: .5rem; }
.faces figure { margin: 0; } .faces img { width: 100%; border-radius: 6px; } figcaption { font-size: .75rem; }
ul { padding-left: 1.2rem; } footer { margin-top: 3rem; color: var(--soft); font-size: .85rem; }
@media print { body { padding: 0; } h2 { break-after: avoid; } table, svg { break-inside: avoid; } }
"""
# One for each attack that there is.
_COLOURS = (
    "var(--mark)", "var(--second)", "var(--third)", "var(--good)", "var(--ink)", "var(--soft)", "#d1242f", "#0e8a9e",
    "#c2459a",
)  # fmt: skip


@dataclass(frozen=True)
class Exposed:
    """A member that an attack is sure of. *SENSITIVE*

    Args:
        name: of the picture.
        image: uint8 RGB [H, W, 3].
    """

    name: str
    image: NDArray[np.uint8]


def audit_html(run: str, audit: Audit, exposed: Sequence[Exposed] = ()) -> str:
    """The whole page.

    Args:
        run: its name.
        audit: what was found.
        exposed: members to show, for the owner of the pictures only. *SENSITIVE*
    """
    body = [f"<h1>Audit · 审计: {html.escape(run)}</h1>", verdict_html(audit)]
    if audit.problems:
        body.append("<ul>" + "".join(f"<li>{html.escape(problem)}</li>" for problem in audit.problems) + "</ul>")
    body += [
        "<h2>Attacks · 攻击</h2>",
        attack_table(audit),
        f"<p><small>{audit.num_members} members and {audit.num_non_members} non-members; a trial is one "
        f"{html.escape(audit.unit)}. All intervals and bounds of this page hold together at {audit.confidence:.0%}. "
        f"A rate is given only where {RULE_OF_THREE} non-members at least may lie beyond it. · "
        f"{audit.num_members} 个成员与 {audit.num_non_members} 个非成员；本页所有区间与下界同时成立的置信度为 "
        f"{audit.confidence:.0%}。</small></p>",
        "<h2>Curves · 曲线</h2>",
        roc_svg(audit),
        "<h2>ε, as the attack shows it · 攻击所揭示的 ε</h2>",
        _bounds(audit),
    ]
    if audit.answers:
        body += ["<h2>What a service's answers give away · 服务的回答泄露了什么</h2>", _answers(audit)]
    if audit.inversion is not None:
        body += ["<h2>Drawn back from the model · 模型反演</h2>", inversion_html(audit.inversion)]
    if exposed:
        body += [
            "<h2>Most exposed members · 暴露程度最高的成员</h2>",
            gallery([(member.name, member.image) for member in exposed]),
        ]
    body += [
        "<h2>Not tested · 未测试</h2>",
        "<ul>" + "".join(f"<li>{en} · {zh}</li>" for en, zh in _not_tested(audit)) + "</ul>",
        f"<footer>Written by <code>discreet audit</code> in {audit.seconds:.0f} s. Numbers on this page are computed "
        "from private pictures without noise.</footer>",
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width, initial-scale=1"><title>Audit: {html.escape(run)}</title>'
        f"<style>{STYLE}</style></head><body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def roc_svg(audit: Audit, width: int = 720, height: int = 420) -> str:
    """True against false positive rates, both logarithmic, with what chance and the claim allow."""
    lowest = 1 / max(audit.num_non_members, audit.num_members, 10)
    left, right, top, bottom = 56, 30, 30, 40

    def place(rate: float, start: float, length: float) -> float:
        return start + length * (1 - math.log(max(rate, lowest)) / math.log(lowest))

    def point(false: float, true: float) -> str:
        x = place(false, left, width - left - right)
        y = height - bottom - (place(true, 0, height - top - bottom))
        return f"{x:.1f},{y:.1f}"

    def line(false: Sequence[float], true: Sequence[float], style: str) -> str:
        points = " ".join(point(f, t) for f, t in zip(false, true, strict=True) if f >= lowest)
        return f'<polyline points="{points}" fill="none" {style}/>'

    grid = np.geomspace(lowest, 1, 60)
    drawn = [line(grid.tolist(), grid.tolist(), 'class="chance" stroke-width="1.5"')]
    if audit.epsilon is not None:
        allowed = np.minimum(gaussian_curve(grid, mu_of_epsilon(audit.epsilon, audit.delta)), 1.0)
        drawn.append(line(grid.tolist(), allowed.tolist(), 'class="allowed" stroke-width="1.5"'))
    drawn += [
        line(attack.false_positive_rates, attack.true_positive_rates, f'stroke="{colour}" stroke-width="2"')
        for attack, colour in zip(audit.attacks, _COLOURS, strict=False)
    ]
    ticks = [10.0**-power for power in range(5) if 10.0**-power >= lowest]
    axes = []
    for tick in ticks:
        across, down = point(tick, tick).split(",")
        axes += [
            f'<line class="axis" x1="{across}" x2="{across}" y1="{top}" y2="{height - bottom}"/>',
            f'<line class="axis" x1="{left}" x2="{width - right}" y1="{down}" y2="{down}"/>',
            f'<text x="{across}" y="{height - bottom + 16}" text-anchor="middle">{100 * tick:g} %</text>',
            f'<text x="{left - 6}" y="{float(down) + 4:.1f}" text-anchor="end">{100 * tick:g} %</text>',
        ]
    keys = [(attack.name, f'stroke="{colour}"') for attack, colour in zip(audit.attacks, _COLOURS, strict=False)]
    keys.append(("chance · 随机", 'class="chance"'))
    if audit.epsilon is not None:
        keys.append((f"allowed by ε = {audit.epsilon:.3g} · ε 允许的上限", 'class="allowed"'))
    # Below the diagonal no attack of use ever draws.
    x, y = width - right - 250, height - bottom - 12 - 18 * len(keys)
    legend = "".join(
        f'<line x1="{x}" x2="{x + 24}" y1="{y + 18 * row - 4}" y2="{y + 18 * row - 4}" {style} stroke-width="2"/>'
        f'<text x="{x + 32}" y="{y + 18 * row}">{html.escape(name)}</text>'
        for row, (name, style) in enumerate(keys, 1)
    )
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="true positive rate against false positive rate, '
        f'logarithmic">{"".join(axes)}{"".join(drawn)}{legend}'
        f'<text x="{width - right}" y="{height - 6}" text-anchor="end">false positives · 假阳性率</text>'
        '<text x="4" y="14">true positives · 真阳性率</text>'
        "</svg>"
    )


def _not_tested(audit: Audit) -> list[tuple[str, str]]:
    """What nobody should take this audit for."""
    without_canaries = not any("canaries" in bound.method for bound in audit.bounds)
    drawn = audit.inversion
    missing = [
        (_CANARIES, without_canaries),
        (_WITHOUT_SHADOWS, audit.num_shadows == 0),
        (_WITHOUT_ANSWERS, not audit.answers),
        (_WITHOUT_INVERSION, drawn is None),
        (_WITHOUT_IDENTITIES, drawn is not None and (drawn.identity is None or drawn.identity.gap is None)),
    ]
    return [*(what for what, is_missing in missing if is_missing), *_NOT_TESTED]


def verdict_html(audit: Audit) -> str:
    """One plain verdict, and what was claimed."""
    en, zh, more_en, more_zh = _VERDICTS[audit.verdict]
    claim = (
        f"Claimed: ε = {audit.epsilon:.3g} at δ = {audit.delta:g} · 声明：ε = {audit.epsilon:.3g}，δ = {audit.delta:g}"
        if audit.epsilon is not None
        else "No ε is claimed for this model. · 该模型未声明 ε。"
    )
    mood = "good" if audit.verdict == NO_LEAK else "bad"
    return (
        f'<div class="verdict {mood}"><p class="said">{en}</p><p class="said">{zh}</p>'
        f"<p>{more_en}</p><p>{more_zh}</p><p>{claim}</p></div>"
    )


def attack_table(audit: Audit) -> str:
    """A row for each attack and each control."""
    controls = [c for c in (audit.blind, audit.negative_control, audit.positive_control) if c is not None]
    rows = [_row(attack, _ATTACKS[attack.name], "") for attack in audit.attacks]
    rows += [_row(control, _ATTACKS[control.name], "control") for control in controls]
    return _table("attack · 攻击", rows)


def _answers(audit: Audit) -> str:
    """A row for each kind of answer, and which of them hide the leak."""
    rows = [_row(answer, _ANSWERS[answer.name], "") for answer in audit.answers]
    telling = [answer.name for answer in audit.answers if answer.auc_interval[0] > 0.5]
    hiding = [answer.name for answer in audit.answers if answer.name not in telling]
    said = (
        f"Members are told apart by: {', '.join(telling) or 'none of them'}. Not by: {', '.join(hiding) or 'none'}. A "
        "policy hides from whoever only asks; weights that are handed out hide nothing. · "
        f"可区分成员的回答：{'、'.join(telling) or '无'}；不能区分的：{'、'.join(hiding) or '无'}。"
        "披露策略只对仅能提问者有效；交出权重则无所隐藏。"
    )
    return f"{_table('answer · 回答', rows)}<p><small>{said}</small></p>"


def _table(what: str, rows: Sequence[str]) -> str:
    return (
        f"<table><thead><tr><th>{what}</th><th>AUC</th><th>interval · 区间</th>"
        "<th>true positives at 1 % false · 1 % 假阳性率下</th><th>at 0.1 %</th></tr></thead><tbody>"
        + "".join(rows)
        + "</tbody></table>"
    )


def _row(attack: AttackResult, title: tuple[str, str], kind: str) -> str:
    en, zh = title
    points = {point.false_positive_rate: point for point in attack.tpr_at_fpr}
    cells = []
    for rate in (0.01, 0.001):
        if rate in points:
            low, high = points[rate].true_positive_interval
            cells.append(f"{points[rate].true_positive_rate:.1%}<br><small>{low:.1%} … {high:.1%}</small>")
        else:
            cells.append("<small>too few · 样本不足</small>")
    low, high = attack.auc_interval
    return (
        f'<tr class="{kind}"><td>{en}<br><small>{zh}</small></td><td>{attack.auc:.3f}</td>'
        f'<td class="range">{low:.3f} … {high:.3f}</td>' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
    )


def _bounds(audit: Audit) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(bound.method)}<br><small>"
        f"{html.escape('if ' + bound.conditional if bound.conditional else 'unconditional · 无条件')}</small></td>"
        f"<td>{bound.epsilon_lower_bound:.2f}</td><td>{bound.epsilon_ceiling:.2f}</td></tr>"
        for bound in audit.bounds
    )
    return (
        "<table><thead><tr><th>method · 方法</th><th>ε at least · 下界</th><th>a perfect attack · 完美攻击"
        f"</th></tr></thead><tbody>{rows}</tbody></table><p><small>From the attack “{html.escape(audit.bounded)}”; the "
        "threshold was chosen on one half of the trials and counted on the other.</small></p>"
    )
