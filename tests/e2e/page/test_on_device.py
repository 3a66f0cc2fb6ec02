"""On-device mode: nothing is sent, even where nothing could be; and what comes out is what Python finds."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import BrowserContext, expect

from discreet.inference.faces import FaceDetector
from discreet.inference.models import web_folder
from discreet.inference.runtime import load_exported
from tests.e2e.page.conftest import Visit

PEOPLE = Path(__file__).parents[2] / "assets" / "people.jpg"


def test_nothing_leaves_and_no_connection_is_needed(visit: Visit, context: BrowserContext) -> None:
    visit.take_sample()
    visit.choose_device()
    page = visit.page
    expect(page.get_by_role("heading", name="Nothing leaves this device")).to_be_visible()
    expect(page.get_by_text("0 bytes: nothing")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(f"{request.method} {request.url}"))
    context.set_offline(True)
    visit.parse()
    expect(page.get_by_text("Bytes of the picture sent: 0.")).to_be_visible()
    visit.download("Masks")
    assert [line for line in asked if not line.startswith("GET blob:")] == []


def test_the_browser_finds_what_python_finds(visit: Visit) -> None:
    visit.take(PEOPLE)
    visit.choose_device()
    visit.parse()
    visit.page.get_by_label("Opacity of the colours").fill("0")
    picture = np.asarray(visit.download_picture("Picture with colours").convert("RGB"))
    ours = np.asarray(visit.download_picture("Part map"))
    theirs = load_exported(web_folder("m2fp-lite"), runtime="onnx").parse(picture)
    assert (ours > 0).mean() > 0.02
    assert (ours == theirs.parts).mean() > 0.995
    persons = visit.page.get_by_role("button", name="Person")
    expect(persons).to_have_count(len(theirs.persons))


def test_the_browser_masks_the_faces_that_python_finds(visit: Visit) -> None:
    visit.take(PEOPLE)
    picture = np.asarray(Image.open(io.BytesIO(PEOPLE.read_bytes())).convert("RGB"))
    height, width = picture.shape[:2]
    wanted = [face.box for face in FaceDetector().find(picture)]
    assert len(wanted) >= 3
    shares = visit.page.locator(".mask").evaluate_all(
        "(masks) => masks.map(({ style: { left, top, width, height } }) => [left, top, width, height].map(parseFloat))"
    )
    found = []
    for left, top, wide, tall in shares:
        x, y = (left + wide / 2) / 100 * width, (top + tall / 2) / 100 * height
        half_x, half_y = wide / 100 * width / 2 / 1.3, tall / 100 * height / 2 / 1.3
        found.append((x - half_x, y - half_y, x + half_x, y + half_y))
    assert len(found) == len(wanted)
    np.testing.assert_allclose(sorted(found), sorted(wanted), atol=1.5)
