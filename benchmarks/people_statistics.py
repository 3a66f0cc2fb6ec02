"""What a set of generated people holds: parts, persons, bodies, skins.

    python benchmarks/people_statistics.py [--count 240] [--size 128]

Prints, over all styles alike, the share of pictures and of pixels with each part, how many persons pictures show,
and how identities are spread.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np

from discreet.data.people import STYLES, render_picture
from discreet.data.people.identity import draw_identity
from discreet.labels import CIHP


def pictures(count: int, size_px: int) -> dict[str, object]:
    """Parts and persons of rendered pictures."""
    shown, pixels = np.zeros(len(CIHP)), np.zeros(len(CIHP))
    persons: Counter[int] = Counter()
    for style in STYLES:
        for index in range(count // len(STYLES)):
            picture = render_picture(style, 3, index, size_px)
            counts = np.bincount(picture.parts.ravel(), minlength=len(CIHP))[: len(CIHP)]
            shown += counts > 0
            pixels += counts / counts.sum()
            persons[len(picture.subjects)] += 1
    return {
        "pictures_with": {name: round(float(n / count), 3) for name, n in zip(CIHP.names, shown, strict=True)},
        "share_of_pixels": {name: round(float(n / count), 5) for name, n in zip(CIHP.names, pixels, strict=True)},
        "persons": {str(number): persons[number] for number in sorted(persons)},
    }


def identities(count: int) -> dict[str, object]:
    """How ages, heights, skins and hair are spread over those drawn."""
    drawn = [draw_identity(str(k), np.random.default_rng([7, k])) for k in range(count)]
    brightness = np.array([np.mean(identity.skin) for identity in drawn])
    years = np.array([identity.years for identity in drawn])
    heights = np.array([identity.height for identity in drawn])
    feminine = np.array([identity.feminine for identity in drawn])
    groups = {
        "children to 11": years < 12, "12 to 17": (years >= 12) & (years < 18),
        "women": (years >= 18) & feminine, "men": (years >= 18) & ~feminine,
    }  # fmt: skip
    return {
        "feminine": round(float(feminine.mean()), 3),
        "skin_brightness_quantiles": [round(float(q), 2) for q in np.quantile(brightness, [0, 0.25, 0.5, 0.75, 1])],
        "years_quantiles": [round(float(q), 1) for q in np.quantile(years, [0, 0.25, 0.5, 0.75, 1])],
        "shares": {name: round(float(own.mean()), 3) for name, own in groups.items()},
        "heights_m": {
            name: [round(float(q), 2) for q in np.quantile(heights[own], [0.05, 0.5, 0.95])]
            for name, own in groups.items()
        },
        "hair": dict(Counter(identity.hair_style for identity in drawn).most_common()),
    }


def main() -> None:
    """Count, print, write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=240, help="pictures, a multiple of the number of styles")
    parser.add_argument("--size", type=int, default=128)
    arguments = parser.parse_args()
    found = {"count": arguments.count, **pictures(arguments.count, arguments.size), **identities(2000)}
    print(json.dumps(found, indent=1))
    (Path(__file__).parent / "results" / "people_statistics.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
