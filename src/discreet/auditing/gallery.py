"""Pictures within a page. No link to the outside."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def gallery(pictures: Sequence[tuple[str, NDArray[np.uint8]]]) -> str:
    """Named pictures, uint8 RGB [H, W, 3], small. *SENSITIVE* where they are."""
    figures = []
    for title, image in pictures:
        picture = Image.fromarray(image)
        picture.thumbnail((192, 192))
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=85)
        url = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
        name = html.escape(title)
        figures.append(f'<figure><img alt="{name}" src="{url}"><figcaption>{name}</figcaption></figure>')
    return '<div class="faces">' + "".join(figures) + "</div>"
