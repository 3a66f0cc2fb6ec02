"""The privacy card of a run: what its statement guarantees, for people to read.

It says nothing that the run's folder does not hold already; it computes nothing.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from discreet.errors import DataError
from discreet.training.run_folder import write_text

AUDIT_FILE = "audit.json"
REPORT_FILE = "report.html"
_AUDIT_TOUCH = "an audit: results of attacks on training pictures, computed and shown without noise (below; in audit/)"
_SECTIONS = (
    ("guarantee", "Guarantee · 保证"),
    ("mechanism", "Mechanism · 机制"),
    ("data_touches", "Uses of the data that ε does not cover · ε 未涵盖的数据使用"),
    ("public_weights", "Public weights it started from · 起始公开权重"),
    ("implementation", "Implementation · 实现"),
    ("ledger", "Ledger record · 账本记录"),
    ("utility", "Utility · 效用"),
    ("audit", "Audit · 审计"),
    ("limits", "What is not protected · 不受保护的内容"),
)

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d8dee4; --page: #fff; --mark: #0b6e4f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9aa4af; --line: #30363d; --page: #0d1117;
  --mark: #4ac29a; } }
body { max-width: 46rem; margin: 0 auto; padding: 2.5rem 1.25rem 5rem; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, "Noto Sans CJK SC", sans-serif; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; color: var(--mark); }
.verdict { font-size: 1.15rem; border-left: 4px solid var(--mark); padding-left: 1rem; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
td { padding: .35rem .5rem; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
td:first-child { color: var(--soft); width: 38%; } ul { padding-left: 1.2rem; } li { margin: .25rem 0; }
@media print { body { padding: 0; } }
"""


def read_card(run: Path) -> dict[str, Any]:
    """The card of a run's folder: its statement, its metrics, and the last audit, where one was made.

    An audit comes after the statement, so that the card adds it to what the statement says ε does not cover.

    Raises:
        DataError: the folder holds no statement, or one of the three is damaged.
    """
    statement = read_object(run / "statement.json")
    if statement is None:
        raise DataError(f"{run} holds no statement.json; a run writes it when it is complete")
    if "sentence" not in statement:
        raise DataError(f"{run / 'statement.json'} is no statement; copy the run's folder anew")
    utility = read_object(run / "metrics.json")
    audit = _audit_summary(run / "audit" / AUDIT_FILE)
    card = {"run": run.resolve().name, **statement, "utility": utility, "audit": audit}
    return card if audit is None else {**card, "data_touches": [*statement.get("data_touches", ()), _AUDIT_TOUCH]}


def read_object(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file of a run's folder; None where there is no file.

    Raises:
        DataError: it holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict):
        raise DataError(f"{path} is damaged; copy the run's folder anew")
    return content


def _audit_summary(path: Path) -> dict[str, Any] | None:
    """What the last audit said; None where none was made.

    Raises:
        DataError: its file is damaged.
    """
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        unconditional = [bound for bound in found["bounds"] if not bound["conditional"]]
        return {
            "verdict": found["verdict"],
            "problems": found["problems"] or None,
            **{f"AUC of the attack {a['name']}": [a["auc"], a["auc_interval"]] for a in found["attacks"]},
            "ε at least, whatever the mechanism": unconditional[0]["epsilon_lower_bound"],
            "members and non-members": [found["num_members"], found["num_non_members"]],
            "confidence of all intervals together": found["confidence"],
        }
    except (ValueError, KeyError, IndexError, TypeError):
        raise DataError(f"{path} is damaged; audit the run again") from None


def write_report(run: Path) -> None:
    """`report.html` in a run's folder: its card as a page. The verb `train` writes it, and `audit` does so anew.

    Raises:
        DataError: the folder holds no statement.
    """
    write_text(run / REPORT_FILE, card_html(read_card(run)))


def card_markdown(card: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    lines = [f"# Privacy card: {card['run']}", "", card["sentence"]["en"], "", card["sentence"]["zh"], ""]
    for key, title in _SECTIONS:
        lines += [f"## {title}", ""]
        content = card[key]
        if isinstance(content, Mapping):
            lines += ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in _facts(content)), ""]
        else:
            lines += [*(f"- {sentence}" for sentence in _sentences(key, content)), ""]
    return "\n".join(lines)


def card_html(card: Mapping[str, Any]) -> str:
    """The card as one HTML page that prints well and links to nothing."""
    escape = html.escape
    body = [f"<h1>Privacy card · 隐私卡: {escape(str(card['run']))}</h1>"]
    body += [f'<p class="verdict">{escape(card["sentence"][language])}</p>' for language in ("en", "zh")]
    for key, title in _SECTIONS:
        body.append(f"<h2>{escape(title)}</h2>")
        content = card[key]
        if isinstance(content, Mapping):
            rows = "".join(f"<tr><td>{escape(n)}</td><td>{escape(v)}</td></tr>" for n, v in _facts(content))
            body.append(f"<table>{rows}</table>")
        else:
            body.append("<ul>" + "".join(f"<li>{escape(s)}</li>" for s in _sentences(key, content)) + "</ul>")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width, initial-scale=1"><title>Privacy card: {escape(str(card["run"]))}</title>'
        f"<style>{_STYLE}</style></head><body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def _facts(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and value of everything in a section, in words."""
    for name, value in content.items():
        yield name.replace("_", " "), _shown(value)


def _sentences(key: str, content: Any) -> list[str]:
    """A section that is a list, or that is missing."""
    if content is None or content == []:
        return ["no audit was made of this run yet" if key == "audit" else "nothing recorded"]
    return [_shown(entry) for entry in content]


def _shown(value: Any) -> str:
    """A value for people: numbers short, lists in one line, nothing as a dash."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name.replace('_', ' ')} {_shown(entry)}" for name, entry in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(map(_shown, value))
    return str(value)
