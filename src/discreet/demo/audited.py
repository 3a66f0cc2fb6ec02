"""`discreet audit --demo`: a model that knows its pictures by heart, and a private one, attacked side by side.

Both see the same hundred pictures of people who never existed, drawn by lot from the demo's, and another hundred are
the non-members.
"""

from __future__ import annotations

import html
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from discreet.auditing.attacks import chosen_attacks
from discreet.auditing.audit import AuditPlan, audit
from discreet.auditing.audited_run import read_audited_run
from discreet.auditing.pool import LEAST_REHEARSAL, MOST_REHEARSAL
from discreet.auditing.report import STYLE, attack_table, audit_html, roc_svg, verdict_html
from discreet.auditing.result import Audit
from discreet.data import open_spec
from discreet.demo.story import START, make_room, unpack
from discreet.loading import model_folder
from discreet.toml_settings import checked
from discreet.training.run import train
from discreet.training.run_folder import write_text
from discreet.training.settings import RunSettings
from discreet.training.surroundings import Progress, Surroundings

_COMMON: dict[str, Any] = {"micro_batch_size": 8, "weight_decay": 0.0, "augmentation": "none", "ema_decay": 0.5}
# Over and over, all of the network, no augmentation: what nobody should do.
_BY_HEART: dict[str, Any] = {
    "model": {"name": "m2fp-lite", "init": START, "trainable": "all"},
    "training": {**_COMMON, "batch_size": 10, "learning_rate": 1e-3, "backbone_learning_rate": 1.0},
}
_PRIVATE: dict[str, Any] = {
    "model": {"name": "m2fp-lite", "init": START, "trainable": "norms-and-biases"},
    "privacy": {"epsilon": 8.0, "delta": 1e-3, "clipping": "flat"},
    "training": {**_COMMON, "batch_size": 50, "learning_rate": 1e-3, "backbone_learning_rate": 1.0},
}

_TWO_COLUMNS = """
body { max-width: 82rem; }
main { display: grid; gap: 2.5rem; grid-template-columns: repeat(auto-fit, minmax(26rem, 1fr)); }
"""


@dataclass(frozen=True)
class Size:
    """How large the demo is.

    Args:
        num_pictures: members, and as many non-members.
        image_size: side of what the network sees, in pixels.
        by_heart, private: epochs of the two trainings.
    """

    num_pictures: int = 100
    image_size: int = 112
    by_heart: float = 40
    private: float = 10


def tell_audit(out: Path, progress: Progress, size: Size | None = None) -> dict[str, Audit]:
    """Train both models, attack both, and write reports into `out`; audits by name.

    Args:
        out: a new or empty folder, or that of an earlier demo, which is replaced.
        progress: shows bars.
        size: by default about ten minutes on two cores.

    Raises:
        ConfigurationError: the folder holds something else.
    """
    size = size or Size()
    make_room(out)
    members, others = _split(out / "data", size.num_pictures)
    found: dict[str, Audit] = {}
    for name, recipe, epochs in (("by heart", _BY_HEART, size.by_heart), ("private", _PRIVATE, size.private)):
        training = {**recipe["training"], "epochs": epochs, "image_size": size.image_size}
        training["batch_size"] = min(training["batch_size"], size.num_pictures)
        settings = checked(RunSettings, {**recipe, "training": training, "data": {"train": members}}, "demo")
        run = out / name.replace(" ", "-")
        with tempfile.TemporaryDirectory(prefix="discreet-demo-") as state:
            train(settings, run, Surroundings(state=Path(state), init=model_folder(START), progress=progress))
        found[name] = audit(
            read_audited_run(run, model_folder(START)),
            open_spec(members),
            open_spec(others),
            AuditPlan(chosen_attacks(None), answers=True),
            progress=progress,
        )
        write_text(out / f"{run.name}.html", audit_html(name, found[name]))
    write_text(out / "report.html", _side_by_side(found))
    write_text(out / "audits.json", json.dumps({name: one.to_json() for name, one in found.items()}, indent=1))
    return found


def _split(folder: Path, count: int) -> tuple[str, str]:
    """SPECs of members and of others, for trials and rehearsal, by lot from one pool."""
    unpack(folder / "pool")
    pool = folder / "pool" / "train"
    names = sorted(path.stem for path in (pool / "images").iterdir())
    order = np.random.default_rng(0).permutation(len(names))
    # What is held back to rehearse on is a quarter, within bounds; the rest are as many as the members.
    spare = min(max(count // 3 + 1, LEAST_REHEARSAL), MOST_REHEARSAL)
    for split, chosen in (("members", order[:count]), ("others", order[count : 2 * count + spare])):
        for kind, suffix in (("images", ".jpg"), ("parts", ".png"), ("persons", ".png")):
            (folder / split / kind).mkdir(parents=True)
            for index in chosen:
                shutil.copy(pool / kind / f"{names[index]}{suffix}", folder / split / kind)
        shutil.copy(pool / "labels.json", folder / split)
    return f"folder:{folder / 'members'}", f"folder:{folder / 'others'}"


def _side_by_side(found: dict[str, Audit]) -> str:
    """Both audits on one page."""
    columns = "".join(
        f"<section><h2>{html.escape(name)} · {zh}</h2>{verdict_html(one)}{roc_svg(one, width=560)}"
        f'{attack_table(one)}<p><a href="{name.replace(" ", "-")}.html">the whole report · 完整报告</a></p></section>'
        for (name, one), zh in zip(found.items(), ("死记硬背", "私密训练"), strict=True)
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        'content="width=device-width, initial-scale=1"><title>Two models, attacked</title>'
        f"<style>{STYLE}{_TWO_COLUMNS}</style></head><body><h1>Two models, attacked · 两个模型，同样的攻击</h1>"
        "<p>Both learned the same pictures of people who never existed: the first by heart, the second with "
        "differential privacy. · 两者学习同一批虚构人物图片：第一个死记硬背，第二个采用差分隐私。</p>"
        f"<main>{columns}</main></body></html>\n"
    )
