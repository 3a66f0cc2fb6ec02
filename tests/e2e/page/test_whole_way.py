"""A visitor's whole way: a picture in, masks checked, parsed, looked at, taken along."""

from __future__ import annotations

import base64
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import expect

from discreet.inference.faces import FaceDetector
from discreet.labels import CIHP
from tests.e2e.page.conftest import PATIENCE_MS, Visit

PERSON = Path(__file__).parents[2] / "assets" / "person.jpg"

_DROP = """
([content, name, type]) => {
  const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type }));
  const target = document.querySelector("main");
  for (const kind of ["dragover", "drop"]) {
    target.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }
}
"""


def drop(visit: Visit, content: bytes, name: str = "holiday.jpg", kind: str = "image/jpeg") -> None:
    visit.page.evaluate(_DROP, [base64.b64encode(content).decode(), name, kind])


def overlaid(visit: Visit) -> int:
    """Pixels that the colours cover."""
    return visit.page.evaluate(
        """() => {
          const canvas = document.querySelector("canvas.colours");
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          let count = 0;
          for (let at = 3; at < data.length; at += 4) count += data[at] > 0;
          return count;
        }"""
    )


def test_drop_mask_parse_look_and_take_along(visit: Visit, token: str) -> None:
    drop(visit, PERSON.read_bytes())
    visit.wait_for_masks()
    page = visit.page
    expect(page.get_by_text("removed: place, time, camera, profile")).to_be_visible()
    page.get_by_label("Token").fill(token)
    visit.parse()
    _sent_is_the_masked_picture(visit)

    shown = overlaid(visit)
    assert shown > 500
    boxes = page.get_by_role("checkbox")
    boxes.first.uncheck()
    assert 0 <= overlaid(visit) < shown
    visit.button("Show all").click()
    assert overlaid(visit) == shown
    page.get_by_role("button", name=re.compile("^Show only")).first.click()
    assert 0 < overlaid(visit) <= shown
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(1)
    visit.button("Show all").click()
    visit.button("Hide all").click()
    assert overlaid(visit) == 0
    visit.button("Show all").click()
    _downloads_agree(visit)


def _size(path: Path) -> tuple[int, int]:
    return Image.open(io.BytesIO(path.read_bytes())).size


def _sent_is_the_masked_picture(visit: Visit) -> None:
    """What went out has no face, no metadata and no name, and is what the page said it was."""
    [(name, content)] = visit.uploads()
    assert name == "picture.jpg"
    sent = Image.open(io.BytesIO(content))
    assert sent.size == _size(PERSON)
    assert not sent.info.keys() & {"exif", "comment", "icc_profile"}
    expect(visit.page.get_by_text(f"Bytes sent: {len(content):,}.")).to_be_visible()
    boxes = [face.box for face in FaceDetector().find(np.asarray(Image.open(PERSON).convert("RGB")))]
    assert boxes
    for x0, y0, x1, y1 in boxes:
        face = np.asarray(sent.convert("RGB"))[round(y0) : round(y1), round((x0 + x1) / 2)]
        assert face.max() < 32, "black from forehead to chin, but for what JPEG rounds"


def _downloads_agree(visit: Visit) -> None:
    """Four files, one truth."""
    parts = visit.download_picture("Part map")
    ids = np.asarray(parts)
    assert parts.mode == "P"
    assert parts.getpalette()[3:6] == list(CIHP.palette[1])
    coco = json.loads(visit.download("Masks").read_text("utf-8"))
    areas: dict[int, int] = {}
    for annotation in coco["annotations"]:
        assert annotation["segmentation"]["size"] == list(ids.shape)
        areas[annotation["category_id"]] = areas.get(annotation["category_id"], 0) + annotation["area"]
    assert areas == {int(part): int((ids == part).sum()) for part in np.unique(ids) if part}
    svg = ElementTree.fromstring(visit.download("Outlines").read_text("utf-8"))
    named = {path.attrib["id"] for path in svg}
    assert named == {f"part-{part}" for part in areas}
    seen = visit.download_picture("Picture with colours")
    assert seen.size == parts.size
    assert not seen.info.keys() & {"exif", "Software", "Comment"}


def test_a_found_face_is_uncovered_only_after_a_warning(visit: Visit) -> None:
    visit.take_sample()
    masks = visit.page.locator(".mask")
    count = masks.count()
    assert count >= 1
    visit.button("Remove mask 1").click()
    expect(visit.page.get_by_role("dialog", name="Uncover this face?")).to_be_visible()
    visit.button("Keep the mask").click()
    expect(masks).to_have_count(count)
    visit.button("Remove mask 1").click()
    visit.button("Uncover it").click()
    expect(masks).to_have_count(count - 1)


def test_masks_are_added_by_click_moved_and_painted(visit: Visit) -> None:
    visit.take_sample()
    page = visit.page
    count = page.locator(".mask").count()
    frame = page.locator(".masks").bounding_box()
    assert frame
    page.locator(".masks").click(position={"x": frame["width"] * 0.5, "y": frame["height"] * 0.9})
    expect(page.locator(".mask")).to_have_count(count + 1)
    added = page.locator(".mask").last
    before = added.bounding_box()
    page.keyboard.press("Shift+ArrowUp")
    after = added.bounding_box()
    assert before
    assert after
    assert after["y"] < before["y"]
    expect(page.get_by_text("Being encoded…")).to_be_hidden()
    # Under the mask, what leaves is black.
    share = (
        (after["x"] + after["width"] / 2 - frame["x"]) / frame["width"],
        (after["y"] + after["height"] / 2 - frame["y"]) / frame["height"],
    )
    colour = page.evaluate(
        """([x, y]) => {
          const canvas = document.querySelector(".picture-frame > canvas");
          const place = [Math.floor(x * canvas.width), Math.floor(y * canvas.height), 1, 1];
          return [...canvas.getContext("2d").getImageData(...place).data];
        }""",
        list(share),
    )
    assert max(colour[:3]) < 16
    page.keyboard.press("Delete")  # added by hand: no warning
    expect(page.locator(".mask")).to_have_count(count)


def test_a_picture_is_pasted(visit: Visit) -> None:
    visit.page.evaluate(
        """async () => {
          const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 48 });
          canvas.getContext("2d").fillRect(0, 0, 64, 48);
          const blob = await new Promise((resolve) => canvas.toBlob(resolve));
          await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
        }"""
    )
    visit.button("Paste").click()
    visit.wait_for_masks()
    expect(visit.page.get_by_text("64 × 48 px")).to_be_visible()


def test_the_camera_runs_only_from_click_to_picture(visit: Visit) -> None:
    page = visit.page
    page.evaluate(
        """() => {
          const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
          globalThis.streams = [];
          navigator.mediaDevices.getUserMedia = async (wish) => {
            const got = await ask(wish);
            streams.push(got);
            return got;
          };
        }"""
    )
    assert page.evaluate("() => streams.length") == 0
    visit.button("Use the camera").click()
    expect(page.get_by_role("dialog", name="Take a picture")).to_be_visible()
    page.wait_for_timeout(500)
    visit.button("Take the picture").click()
    visit.wait_for_masks()
    states = "() => streams.flatMap((stream) => stream.getTracks().map((track) => track.readyState))"
    assert page.evaluate(states) == ["ended"]


def test_what_is_no_picture_is_refused_with_the_way_out(visit: Visit) -> None:
    alert = visit.page.get_by_role("alert")
    drop(visit, b"GIF89a" + bytes(200), "x.gif", "image/gif")
    expect(alert).to_contain_text("not a JPEG, PNG or WebP")
    drop(visit, b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (60000).to_bytes(4, "big") * 2 + bytes(50))
    expect(alert).to_contain_text("megapixels")
    drop(visit, PERSON.read_bytes()[:3000])
    expect(alert).to_contain_text("damaged")
    drop(visit, bytes(10_000_001))
    expect(alert).to_contain_text("10.0 MB")


def test_without_a_token_nothing_is_sent_and_a_bad_one_is_explained(visit: Visit) -> None:
    visit.take_sample()
    page = visit.page
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    visit.button("Send and parse").click()
    expect(page.get_by_role("alert")).to_contain_text("Paste a token first")
    assert sent == []
    page.get_by_label("Token").fill("nonsense")
    visit.button("Send and parse").click()
    expect(page.get_by_role("alert")).to_contain_text("The token is not accepted")
    expect(page.get_by_text(re.compile("^Request [0-9a-f]{32}$"))).to_be_visible()
    visit.complaints[:] = [words for words in visit.complaints if "401" not in words]  # the browser's own line


def test_cancel_ends_the_request(visit: Visit, token: str) -> None:
    visit.take_sample()
    page = visit.page
    page.get_by_label("Token").fill(token)
    line = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 200}
    line.send("Network.emulateNetworkConditions", slow)
    visit.button("Send and parse").click()
    with page.expect_event("requestfailed") as failed:
        visit.button("Cancel").click()
    assert failed.value.url.endswith("/predict")
    assert failed.value.failure == "net::ERR_ABORTED"
    expect(page.get_by_role("progressbar")).to_be_hidden()
    line.send("Network.emulateNetworkConditions", slow | {"uploadThroughput": -1})
    visit.parse()


def test_language_and_theme_switch_and_are_kept_nowhere(visit: Visit) -> None:
    page = visit.page
    assert page.locator("html").get_attribute("lang") == "en"
    visit.take_sample()
    visit.button("切换到中文").click()
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    expect(page.get_by_role("heading", name="将离开本机的内容")).to_be_visible()
    expect(page.locator(".mask").first).to_be_visible()  # the picture is still there
    paper = "() => getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    visit.button("切换到深色主题").click()
    assert page.evaluate(paper) != light
    page.reload()
    expect(visit.button("Choose a picture")).to_be_visible()
    assert page.evaluate(paper) == light


def test_hover_and_arrow_keys_name_what_is_under_them(visit: Visit) -> None:
    visit.take_sample()
    visit.choose_device()
    visit.parse()
    page = visit.page
    stage = page.get_by_label(re.compile("Arrow keys move a cross"))
    stage.hover(position={"x": 5, "y": 5})
    expect(page.locator(".bubble")).to_have_text("Background")
    frame = stage.bounding_box()
    assert frame
    stage.hover(position={"x": frame["width"] / 2, "y": frame["height"] / 2})
    stage.focus()
    names = set()
    for _ in range(25):
        page.keyboard.press("ArrowRight")
        names.add(page.locator(".bubble").inner_text())
    assert len(names) > 1
    expect(page.locator(".cross")).to_be_visible(timeout=PATIENCE_MS)
