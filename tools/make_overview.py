"""Draw docs/images/overview.jpg: generated people above, their labels below.

python tools/make_overview.py docs/images/overview.jpg
"""

from __future__ import annotations

import sys

import numpy as np
from PIL import Image

from discreet.data.people import render_picture
from discreet.labels import CIHP
from discreet.parsing.overlay import overlay

SIZE_PX = 320
PICTURES = (("street", 7), ("store", 4), ("street", 12), ("home", 7), ("street", 5))


def main(path: str) -> None:
    """Render and save."""
    pictures = [render_picture(style, 1, index, SIZE_PX) for style, index in PICTURES]
    above = np.concatenate([picture.image for picture in pictures], 1)
    painted = [overlay(p.image, p.parts, CIHP, persons=p.persons, opacity=0.7) for p in pictures]
    Image.fromarray(np.concatenate([above, np.concatenate(painted, 1)])).save(path, quality=85)


if __name__ == "__main__":
    main(sys.argv[1])
