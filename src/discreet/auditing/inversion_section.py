"""Model inversion, on the page of an audit: English and Chinese."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from discreet.auditing.gallery import gallery
from discreet.auditing.inversion import Gap, Inversion, Reconstruction


def inversion_html(found: Inversion) -> str:
    """What members have over controls, who was recognised, and pairs to look at where the owner asked for them."""
    rows = [
        _gap_row("similarity to the truth, over the public start · 相对公开起点与原图的相似度", found.similarity, ""),
        _gap_row("positive control: an over-fitted copy · 阳性对照：过拟合副本", found.positive_control, "control"),
    ]
    told = [
        f"{found.num_pairs} pairs of a member and a control; each picture is searched for in {found.steps} steps, from "
        f"its labels alone. Similarity itself ({found.absolute[0]:.3f} for members, {found.absolute[1]:.3f} for "
        "controls) says nothing: labels give outlines away. · "
        f"{found.num_pairs} 对成员与对照；每张图片仅凭标签搜索 {found.steps} 步。"
        "相似度的绝对值没有意义：标签本身就给出轮廓。"
    ]
    who = found.identity
    if who is not None and who.gap is not None:
        rows.insert(1, _gap_row("recognised by face · 被认出面孔的比例", who.gap, ""))
        allowed = (
            "" if who.allowed is None else f"; the claim allows {who.allowed:.1%} · 声明允许的上限 {who.allowed:.1%}"
        )
        told.append(
            f"Recognised among {who.gallery}; of clean pictures {who.clean_top_1:.0%} are{allowed}. · "
            f"候选 {who.gallery} 人；清晰图片的识别率为 {who.clean_top_1:.0%}。"
        )
    elif who is not None:
        told.append(
            f"The face encoder knows only {who.clean_top_1:.0%} of clean pictures: too few to say whom it would know "
            f"in drawn ones. · 该人脸编码器只能认出 {who.clean_top_1:.0%} 的清晰图片，无法据此判断。"
        )
    header = "<th>members · 成员</th><th>controls · 对照</th><th>p</th>"
    table = f"<table><thead><tr><th></th>{header}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    paragraphs = "".join(f"<p><small>{sentence}</small></p>" for sentence in told)
    shown = "".join(
        f"<p>{title}</p>" + gallery([(name, image) for one in kind for name, image in _both(one)])
        for title, kind in (("members · 成员", found.members), ("controls · 对照", found.controls))
        if kind
    )
    return table + paragraphs + shown


def _gap_row(what: str, gap: Gap, kind: str) -> str:
    return (
        f'<tr class="{kind}"><td>{what}</td><td>{gap.members:.3f}</td><td>{gap.controls:.3f}</td>'
        f"<td>{gap.p_value:.2g}</td></tr>"
    )


def _both(one: Reconstruction) -> list[tuple[str, NDArray[np.uint8]]]:
    return [("truth · 原图", one.truth), ("drawn back · 反演", one.drawn)]
