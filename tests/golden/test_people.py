"""What the generator makes now is what its version number has stood for since that was raised.

Whoever changes pictures raises GENERATOR_VERSION and writes the kept ones anew:

    python tests/golden/test_people.py
"""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from discreet.data.people import STYLES, RenderedPicture, render_picture
from discreet.data.people.data_set import GENERATOR_VERSION

KEPT = Path(__file__).with_name("people.npz")
SEED, INDEX, SIZE_PX = 5, 3, 64
# Rounding of another processor moves single pixels.
MOST_OTHER_LABELS, MOST_DIFFERENCE = 0.005, 1.0


def _render(style: str) -> RenderedPicture:
    return render_picture(style, SEED, INDEX, SIZE_PX, caster="numpy")


@pytest.fixture(scope="module")
def kept() -> dict[str, NDArray[np.uint8]]:
    with np.load(KEPT) as file:
        return dict(file)


def test_the_kept_pictures_are_of_this_version(kept: dict[str, NDArray[np.uint8]]) -> None:
    assert int(kept["version"]) == GENERATOR_VERSION
    assert {name.partition(" ")[0] for name in kept} == {"version", *STYLES}


@pytest.mark.parametrize("style", STYLES)
def test_a_style_gives_the_pictures_of_its_version(style: str, kept: dict[str, NDArray[np.uint8]]) -> None:
    now = _render(style)
    for kind in ("parts", "persons"):
        others = (kept[f"{style} {kind}"] != getattr(now, kind)).mean()
        assert others <= MOST_OTHER_LABELS, f"{kind} differ; raise GENERATOR_VERSION, and see above"
    difference = np.abs(kept[f"{style} image"].astype(float) - now.image).mean()
    assert difference <= MOST_DIFFERENCE, "pictures differ; raise GENERATOR_VERSION, and see above"


if __name__ == "__main__":
    pictures = {style: _render(style) for style in STYLES}
    found = {
        f"{name} {kind}": getattr(picture, kind)
        for name, picture in pictures.items()
        for kind in ("image", "parts", "persons")
    }
    np.savez_compressed(KEPT, allow_pickle=False, version=np.array(GENERATOR_VERSION), **found)
