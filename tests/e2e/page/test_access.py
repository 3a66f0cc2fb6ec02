"""For everybody: axe finds nothing to object to, the keyboard is enough, nothing overflows a small phone."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.e2e.page.conftest import Visit, watch
from tests.e2e.service.running import Running

AXE = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def objections(visit: Visit) -> list[str]:
    """What axe has against the page as it is now."""
    visit.page.evaluate(AXE)
    options = {"runOnly": RULES, "resultTypes": ["violations"]}
    found = visit.page.evaluate("(options) => axe.run(document, options)", options)
    return [
        f"{violation['id']}: {json.dumps([node['html'] for node in violation['nodes']])[:600]}"
        for violation in found["violations"]
    ]


def overflow(visit: Visit) -> int:
    """Pixels by which the page is wider than its window."""
    return visit.page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("locale", "width"), [("en-GB", 1440), ("zh-CN", 320)])
def test_axe_objects_to_no_state_and_nothing_overflows(
    browser: Browser, site: Running, theme: str, locale: str, width: int
) -> None:
    context = browser.new_context(
        locale=locale, color_scheme=theme, viewport={"width": width, "height": 800}, ignore_https_errors=True,
        reduced_motion="reduce",
    )  # fmt: skip
    visit = watch(context.new_page())
    page = visit.page
    page.goto(site.url)
    check = _checker(visit)
    expect(page.locator(".drop")).to_be_visible()
    check("choose")
    page.locator(".sample button").click()
    expect(page.locator(".check .lead")).not_to_be_empty(timeout=90_000)
    check("check, on the service")
    page.locator(".mask-list .round").nth(2).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    check("a warning")
    page.keyboard.press("Escape")
    page.locator(".primary.large").click()
    expect(page.get_by_role("alert")).to_be_visible()
    check("a complaint")
    page.locator("input[value=device]").check()
    expect(page.locator(".primary.large")).to_have_attribute("aria-disabled", "false", timeout=90_000)
    check("check, on this device")
    page.locator(".primary.large").click()
    expect(page.locator(".result")).to_be_visible(timeout=90_000)
    check("result")
    assert visit.complaints == []
    context.close()


def _checker(visit: Visit) -> Callable[[str], None]:
    def check(state: str) -> None:
        assert objections(visit) == [], state
        assert overflow(visit) <= 0, state

    return check


def reach(visit: Visit, target: Locator) -> None:
    """By Tab alone."""
    for _ in range(80):
        visit.page.keyboard.press("Tab")
        if target.evaluate("(element) => element === document.activeElement"):
            return
    raise AssertionError(f"Tab does not reach {target}")


def test_the_keyboard_is_enough(visit: Visit) -> None:
    page, keyboard = visit.page, visit.page.keyboard
    keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent") == "Skip to the content"
    reach(visit, visit.button("Try the sample"))
    keyboard.press("Enter")
    visit.wait_for_masks()
    assert page.evaluate("() => document.activeElement.tagName") == "H1"

    reach(visit, page.get_by_role("radio", name="On the service"))
    keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="On this device")).to_be_checked()
    reach(visit, visit.button("Add a mask"))
    count = page.locator(".mask").count()
    keyboard.press("Enter")
    expect(page.locator(".mask")).to_have_count(count + 1)
    before = page.locator(".mask").last.bounding_box()
    for key in ("ArrowLeft", "ArrowUp", "+", "+"):
        keyboard.press(key)
    after = page.locator(".mask").last.bounding_box()
    assert before
    assert after
    assert after["width"] > before["width"]
    assert after["x"] < before["x"]

    parse = page.get_by_role("button", name="Parse on this device")
    expect(parse).to_have_attribute("aria-disabled", "false", timeout=90_000)
    reach(visit, parse)
    keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Result")).to_be_focused(timeout=90_000)
    slider = page.get_by_label("How much of the picture shows its parts")
    reach(visit, slider)
    for _ in range(10):
        keyboard.press("ArrowLeft")
    expect(slider).to_have_value("90")
    expect(page.locator(".line")).to_be_visible()
    reach(visit, visit.button("Hide all"))
    keyboard.press("Enter")
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(0)


def test_targets_are_at_least_24_px(visit: Visit) -> None:
    visit.take_sample()
    visit.choose_device()
    visit.parse()
    sizes = visit.page.evaluate(
        """() => [...document.querySelectorAll("button, input[type=range], label.tick")]
          .map((element) => [element.getBoundingClientRect(), element.outerHTML])
          .filter(([area]) => area.width > 0 && (area.width < 24 || area.height < 24))
          .map(([, markup]) => markup.slice(0, 80))"""
    )
    assert sizes == []
