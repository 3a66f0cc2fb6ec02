"""What an operator decides is said on the page, and holds there."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.e2e.page.conftest import PATIENCE_MS, watch
from tests.e2e.service.running import start

PEOPLE = Path(__file__).parents[2] / "assets" / "people.jpg"
SAYS = {
    "mask-output": "they are covered only in what the service answers",
    "off": "The service does not cover faces",
}


def test_refusal_names_alone_and_too_many(context: BrowserContext, tmp_path: Path) -> None:
    """Open, so no token is asked for; faces refused; names alone; two pictures an hour."""
    running = start(tmp_path, "--open", "--faces", "refuse", "--label-only", "--rate", "2/hour")
    visit = watch(context.new_page())
    visit.open(running.url)
    page = visit.page
    expect(page.get_by_text("Pictures that show faces are refused")).to_be_visible()
    expect(page.get_by_text("no masks of them")).to_be_visible()
    visit.take(PEOPLE)
    expect(page.get_by_label("Token")).to_have_count(0)
    # Masks over found faces stay, by button and by key.
    count = page.locator(".mask").count()
    expect(page.get_by_role("button", name="This service refuses faces")).to_have_count(count)
    page.locator(".mask").first.press("Delete")
    expect(page.locator(".mask")).to_have_count(count)
    visit.parse()
    expect(page.get_by_text("This service answers names alone")).to_be_visible()
    visit.button("Change masks").click()
    visit.parse()
    visit.button("Change masks").click()
    visit.button("Send and parse").click()
    expect(page.get_by_role("alert")).to_contain_text("Too many pictures", timeout=PATIENCE_MS)
    expect(page.get_by_text("You can try again in")).to_be_visible()
    expect(visit.button("Try again")).to_be_disabled()
    assert [words for words in visit.complaints if "429" not in words] == []
    running.stop()


@pytest.mark.parametrize("faces", sorted(SAYS))
def test_every_policy_is_said(context: BrowserContext, tmp_path: Path, faces: str) -> None:
    running = start(tmp_path, "--open", "--faces", faces)
    visit = watch(context.new_page())
    visit.open(running.url)
    expect(visit.page.get_by_text(SAYS[faces])).to_be_visible()
    assert visit.complaints == []
    running.stop()
