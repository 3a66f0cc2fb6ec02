"""The picture of benchmarks/results/opacus_cost.json: time and memory of a clipped step, as multiples of a plain one,
with four pictures of 256 px.

python benchmarks/plot_costs.py docs/images/step-cost.svg
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape

RESULTS = Path(__file__).parent / "results" / "opacus_cost.json"
KINDS = {
    "plain": ("plain", "#9aa5a1"),
    "flat": ("discreet, flat", "#12574d"),
    "per_layer": ("discreet, per layer", "#3f9384"),
    "opacus_hooks": ("Opacus, hooks", "#d98c3f"),
    "opacus_ghost": ("Opacus, ghost", "#b5532f"),
}
BAR_PX, GAP_PX, LEFT_PX, WIDTH_PX, PANEL_PX = 18, 26, 150, 290, 460


def time_ratio(found: dict[str, float], kind: str) -> float:
    """Median over pairs."""
    return found[f"{kind}_over_plain"]


def memory_ratio(found: dict[str, float], kind: str) -> float:
    """Of the peaks."""
    return found[f"{kind}_mib"] / found["plain_mib"]


def panel(results: dict[str, dict[str, float]], left: int, title: str, ratio_of: Callable[..., float]) -> list[str]:
    """One column of bars."""
    lines = [f'<text x="{left + LEFT_PX}" y="28" font-weight="600">{escape(title)}</text>']
    ratios = {
        name: {kind: ratio_of(found, kind) for kind in KINDS if f"{kind}_s" in found} for name, found in results.items()
    }
    longest = max(ratio for of_one in ratios.values() for ratio in of_one.values())
    top = 46
    for name, of_one in ratios.items():
        middle = top + BAR_PX * len(of_one) / 2
        lines.append(f'<text x="{left + LEFT_PX - 10}" y="{middle + 4}" text-anchor="end">{escape(name)}</text>')
        for kind, ratio in of_one.items():
            x, width, colour = left + LEFT_PX, 0.82 * WIDTH_PX * ratio / longest, KINDS[kind][1]
            lines.append(f'<rect x="{x}" y="{top}" width="{width:.1f}" height="{BAR_PX - 3}" fill="{colour}"/>')
            lines.append(f'<text x="{x + width + 6:.1f}" y="{top + 12}" font-size="12">{ratio:.2f}</text>')
            top += BAR_PX
        top += GAP_PX
    return lines


def height_of(results: dict[str, dict[str, float]]) -> int:
    """Of the whole picture, in pixels."""
    bars = sum(sum(f"{kind}_s" in found for kind in KINDS) for found in results.values())
    return 46 + bars * BAR_PX + len(results) * GAP_PX + 40


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="an SVG file")
    target = parser.parse_args().out
    rows = json.loads(RESULTS.read_text())
    results = {row["network"]: row for row in rows if (row["size_px"], row["batch"]) == (256, 4)}
    height = height_of(results)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * PANEL_PX}" height="{height}" '
        'font-family="DejaVu Sans, Helvetica, sans-serif" font-size="13" fill="#1d2624">',
        f'<rect width="{2 * PANEL_PX}" height="{height}" fill="#faf8f4"/>',
        *panel(results, 0, "Time of a step (plain = 1)", time_ratio),
        *panel(results, PANEL_PX, "Peak memory of a step (plain = 1)", memory_ratio),
    ]
    for index, (text, colour) in enumerate(KINDS.values()):
        x = 24 + index * 178
        lines.append(f'<rect x="{x}" y="{height - 28}" width="12" height="12" fill="{colour}"/>')
        lines.append(f'<text x="{x + 18}" y="{height - 17}">{escape(text)}</text>')
    target.write_text("\n".join([*lines, "</svg>", ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
