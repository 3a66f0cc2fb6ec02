"""Afterwards the browser's profile holds no byte of the picture, nor does the page."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from playwright.sync_api import Playwright, expect

from tests.e2e.page.conftest import CHROMIUM, FLAGS, Visit, watch
from tests.e2e.service.running import Running

TEXT_CANARY = b"canary-Zf41qLr9Yw-of-a-holiday"
SIZE_PX = 240

_STORES = """
async () => ({
  local: localStorage.length, session: sessionStorage.length, cookies: document.cookie,
  databases: (await indexedDB.databases()).length, caches: (await caches.keys()).length,
  workers: (await navigator.serviceWorker.getRegistrations()).length, addresses: openAddresses.size,
})
"""
_EMPTY = {"local": 0, "session": 0, "cookies": "", "databases": 0, "caches": 0, "workers": 0, "addresses": 0}


def canary_picture() -> tuple[bytes, bytes]:
    """A PNG that nobody would confuse, with a name in its metadata; and a row of its pixels."""
    pixels = np.random.default_rng(20261123).integers(0, 256, (SIZE_PX, SIZE_PX, 3), np.uint8)
    told = PngImagePlugin.PngInfo()
    told.add_text("Comment", TEXT_CANARY.decode())
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", pnginfo=told)
    return stream.getvalue(), pixels[100, :64].tobytes()


def traces(folder: Path, needles: Iterable[bytes]) -> list[str]:
    """Files that hold any of them."""
    wanted = list(needles)
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            found += [str(path.relative_to(folder)) for needle in wanted if needle in content]
    return found


def with_alpha(row: bytes) -> bytes:
    """The row as a canvas holds it."""
    return b"".join(row[at : at + 3] + b"\xff" for at in range(0, len(row), 3))


@pytest.mark.parametrize("planted", [False, True], ids=["as it is", "planted fault"])
def test_the_profile_holds_no_picture_bytes(
    chromium: Playwright, site: Running, token: str, tmp_path: Path, planted: bool
) -> None:
    content, row = canary_picture()
    picture = tmp_path / "upload" / "holiday-Zf41.png"
    picture.parent.mkdir()
    picture.write_bytes(content)
    profile = tmp_path / "profile"
    context = chromium.chromium.launch_persistent_context(
        profile, executable_path=CHROMIUM, args=list(FLAGS), locale="en-GB", ignore_https_errors=True
    )
    visit = watch(context.pages[0])
    visit.open(site.url)
    visit.take(picture)
    visit.page.get_by_label("Token").fill(token)
    visit.parse()
    [(_, sent)] = visit.uploads()
    assert TEXT_CANARY not in sent
    visit.button("Change masks").click()
    visit.choose_device()
    visit.parse()
    assert visit.page.evaluate(_STORES) == _EMPTY
    if planted:  # the search must find what a careless page would leave
        visit.page.evaluate(
            "async (numbers) => (await caches.open('x')).put('/x', new Response(new Uint8Array(numbers)))",
            list(content),
        )
    assert visit.complaints == []
    context.close()
    needles = [TEXT_CANARY, row, with_alpha(row), content[3000:3064], sent[5000:5064], b"holiday-Zf41", token.encode()]
    assert bool(traces(profile, needles)) == planted


def test_forget_and_leaving_wipe_every_canvas(visit: Visit, token: str) -> None:
    page = visit.page
    visit.take_sample()
    page.get_by_label("Token").fill(token)
    visit.parse()
    page.evaluate("() => { globalThis.kept = [...document.querySelectorAll('canvas')]; }")
    assert page.evaluate("() => kept.length >= 2 && kept.every(({ width }) => width > 0)")
    visit.button("Forget everything").click()
    assert page.evaluate("() => kept.every(({ width, height }) => width === 0 && height === 0)")
    visit.take_sample()
    expect(page.get_by_label("Token")).to_have_value("")
    page.evaluate("() => { globalThis.kept = [...document.querySelectorAll('canvas')]; }")
    page.evaluate("() => dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    assert page.evaluate("() => kept.length >= 1 && kept.every(({ width }) => width === 0)")
