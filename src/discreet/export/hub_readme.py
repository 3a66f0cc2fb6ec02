"""The model card of a hub: front matter for machines, English and Chinese for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from discreet.labels import LabelSet

_LICENCES = {"apache-2.0": "Apache License 2.0", "cc-by-nc-4.0": "CC-BY-NC-4.0"}


@dataclass(frozen=True)
class Facts:
    """What a card says. *Public*

    Args:
        name: of the model.
        architecture: its preset.
        hub: "modelscope" or "huggingface".
        own_network: whether ModelScope's own network loads it.
        labels: of the parts.
        image_size: height and width of training, in pixels.
        licence: SPDX identifier.
        inherited: whether the licence is that of weights that training started from.
        statement: the privacy statement; None without one.
        metrics: measured at the end of training; None where nothing was.
    """

    name: str
    architecture: str
    hub: str
    own_network: bool
    labels: LabelSet
    image_size: tuple[int, int]
    licence: str
    inherited: bool
    statement: Mapping[str, Any] | None
    metrics: Mapping[str, Any] | None


def readme(facts: Facts) -> str:
    """README.md."""
    return "\n".join([*_front_matter(facts), "", f"# {facts.name}", "", *_english(facts), *_chinese(facts)])


def _front_matter(facts: Facts) -> list[str]:
    """What the hub's search reads."""
    tags = ["human-parsing", "m2fp", "mask2former"]
    if facts.statement is not None and facts.statement["private"]:
        tags.append("differential-privacy")
    listed = [f"- {tag}" for tag in tags]
    if facts.hub == "modelscope":
        return [
            "---", "tasks:", "- image-segmentation", "domain:", "- cv", "frameworks:", "- pytorch",
            f"license: {_LICENCES[facts.licence]}", "tags:", *listed, "---",
        ]  # fmt: skip
    return [
        "---", f"license: {facts.licence}", "library_name: discreet", "pipeline_tag: image-segmentation",
        "language:", "- en", "- zh", "tags:", *listed, "---",
    ]  # fmt: skip


def _english(facts: Facts) -> list[str]:
    """The card."""
    height, width = facts.image_size
    lines = [
        f"{facts.architecture}, a Mask2Former for multi-person human parsing. It finds every person and "
        f"{len(facts.labels) - 1} parts of each: {', '.join(facts.labels.names[1:])}. Trained at "
        f"{height} × {width} px.",
        "",
        "## Privacy of those it learned from",
        "",
        _sentence(facts, "en"),
        *_card_note(facts, "Mechanism, numbers and limits: `privacy-card.html`; for machines: `statement.json`."),
        "",
        "## Use",
        "",
        "```python",
        "import discreet",
        'result = discreet.load("FOLDER").parse("picture.jpg")   # parts, persons, overlay()',
        "```",
        "",
    ]
    if facts.own_network:
        lines += [
            "In ModelScope's own network (needs mmcv-full, as the released M2FP does):",
            "",
            "```python",
            "from modelscope.pipelines import pipeline",
            'result = pipeline("image-segmentation", model="FOLDER")("picture.jpg")',
            "```",
            "",
        ]
    lines += [*_quality(facts, "Quality", "Measured at the end of training:"), "## Limits", ""]
    lines += [
        "- Pictures that are sent to the model are not protected by how it was trained: mask faces first.",
        "- Do not use it to identify anybody, or to judge anything about a person.",
        "",
        "## Licence",
        "",
    ]
    if facts.inherited:
        lines.append(
            "CC BY-NC 4.0. The released M2FP weights are non-commercial, and weights derived from them inherit that. "
            "If training did not start from them, change this line and the front matter."
        )
    else:
        lines.append("Apache-2.0. Training started from random numbers or from weights under Apache-2.0.")
    return [*lines, ""]


def _chinese(facts: Facts) -> list[str]:
    """The same."""
    height, width = facts.image_size
    lines = [
        f"# {facts.name}（中文）",
        "",
        f"{facts.architecture}：用于多人人体解析的 Mask2Former。识别每个人及其 {len(facts.labels) - 1} 个部位："
        f"{'、'.join(facts.labels.names_zh[1:])}。训练尺寸 {height} × {width} 像素。",
        "",
        "## 训练数据中人物的隐私",
        "",
        _sentence(facts, "zh"),
        *_card_note(facts, "机制、数值与限制见 `privacy-card.html`；机器可读版本见 `statement.json`。"),
        "",
        "## 使用",
        "",
        "用法见上文英文部分的代码。"
        + ("也可在 ModelScope 自带的网络中运行（需要 mmcv-full）。" if facts.own_network else ""),
        "",
        *_quality(facts, "质量", "训练结束时的测量："),
        "## 限制",
        "",
        "- 送入模型解析的图片不受训练方式的保护：请先遮盖人脸。",
        "- 请勿用于识别身份，或对个人作任何评判。",
        "",
        "## 许可",
        "",
    ]
    if facts.inherited:
        lines.append(
            "CC BY-NC 4.0。官方发布的 M2FP 权重不得商用，由其衍生的权重继承该许可。"
            "若训练并非以其为起点，请修改此处与文件开头。"
        )
    else:
        lines.append("Apache-2.0。训练以随机数或 Apache-2.0 许可的权重为起点。")
    return [*lines, ""]


def _sentence(facts: Facts, language: str) -> str:
    """The statement's own words, or that there are none."""
    if facts.statement is not None:
        return str(facts.statement["sentence"][language])
    return {
        "en": "No privacy statement belongs to these weights: nothing is guaranteed to whoever is in the pictures "
        "they learned from.",
        "zh": "这些权重没有隐私声明：对训练图片中的人物不作任何保证。",
    }[language]


def _card_note(facts: Facts, text: str) -> list[str]:
    """Where more stands, if it does."""
    return [] if facts.statement is None else ["", text]


def _quality(facts: Facts, title: str, lead: str) -> list[str]:
    """A table of what was measured."""
    if facts.metrics is None:
        return []
    measured = [
        (label, facts.metrics.get(key))
        for key, label in (("miou", "mIoU"), ("pixel_accuracy", "pixel accuracy"), ("app50", "APp50"))
    ]
    rows = [f"| {label} | {value:.3f} |" for label, value in measured if value is not None]
    return [f"## {title}", "", lead, "", "| | |", "|---|---|", *rows, ""]
