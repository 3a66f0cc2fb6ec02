"""What attacks found, audit beside audit, as Markdown.

python benchmarks/audit_table.py docs/results/audit-power/by-heart.json docs/results/audit-power/eps-8.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


def cell(found: dict[str, Any] | None) -> str:
    """Area with its interval, and the rate at 1 % false positives with its own."""
    if found is None:
        return "–"
    low, high = found["auc_interval"]
    told = f"{found['auc']:.3f} ({low:.3f} … {high:.3f})"
    for at in found.get("tpr_at_fpr", []):
        if at["false_positive_rate"] == 0.01:
            rate, (low, high) = at["true_positives"] / at["num_members"], at["true_positive_interval"]
            told += f"; {rate:.1%} ({low:.1%} … {high:.1%})"
    return told


def rows(audits: dict[str, dict[str, Any]]) -> list[list[str]]:
    """A line each for attacks, answers and controls; then bounds and verdicts."""
    lines = []
    for kind in ("attacks", "answers"):
        for name in dict.fromkeys(found["name"] for audit in audits.values() for found in audit[kind]):
            by_name = [{found["name"]: found for found in audit[kind]} for audit in audits.values()]
            label = f"`{name}`" if kind == "attacks" else f"answer: {name}"
            lines.append([label, *(cell(found.get(name)) for found in by_name)])
    for control in ("blind", "negative_control", "positive_control"):
        lines.append([control.replace("_", " "), *(cell(audit[control]) for audit in audits.values())])
    for index, bound in enumerate(next(iter(audits.values()))["bounds"]):
        name = f"ε at least, {bound['method']}{', conditional' if bound['conditional'] else ''}"
        lines.append([name, *(f"{audit['bounds'][index]['epsilon_lower_bound']:.2f}" for audit in audits.values())])
    claims = ("none" if audit["epsilon"] is None else f"ε = {audit['epsilon']:.2f}" for audit in audits.values())
    return [*lines, ["claimed", *claims], ["verdict", *(audit["verdict"] for audit in audits.values())]]


def main() -> None:
    """Read and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("audits", type=Path, nargs="+", help="audit.json files; columns are called as these are")
    files = parser.parse_args().audits
    audits = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in files}
    print(f"| | {' | '.join(audits)} |\n|{'---|' * (len(audits) + 1)}")
    print("\n".join(f"| {' | '.join(line)} |" for line in rows(audits)))


if __name__ == "__main__":
    main()
