"""A real browser on a real service. Whatever a test does, the page may neither complain nor break its own rules."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Playwright, expect, sync_playwright

from tests.e2e.service.running import Running, start

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
# As root there is no sandbox; nothing is to be asked of the browser's maker, and the camera shows a test picture.
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
)  # fmt: skip
PATIENCE_MS = 90_000
_REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) => console.error(`violates ${event.violatedDirective}`));
"""
_COUNT_ADDRESSES = """
globalThis.openAddresses = new Set();
const { createObjectURL, revokeObjectURL } = URL;
URL.createObjectURL = (blob) => { const made = createObjectURL.call(URL, blob); openAddresses.add(made); return made; };
URL.revokeObjectURL = (made) => { openAddresses.delete(made); revokeObjectURL.call(URL, made); };
"""
# The browser tells its driver no bytes of an upload, so the page's own call is listened to.
_KEEP_UPLOADS = """
globalThis.uploads = [];
const { send } = XMLHttpRequest.prototype;
XMLHttpRequest.prototype.send = function (body) { if (body) uploads.push(body.get("file")); send.call(this, body); };
"""


@dataclass
class Visit:
    """A page in a browser, and everything it complained about."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def button(self, name: str) -> Locator:
        """By its name, as it is read out."""
        return self.page.get_by_role("button", name=name, exact=True)

    def open(self, url: str) -> None:
        """The page, at its first step."""
        self.page.goto(url)
        expect(self.button("Choose a picture")).to_be_visible()

    def take(self, path: Path) -> None:
        """A file, by the file button; waits until faces were looked for."""
        with self.page.expect_file_chooser() as chooser:
            self.button("Choose a picture").click()
        chooser.value.set_files(path)
        self.wait_for_masks()

    def take_sample(self) -> None:
        """The page's own picture."""
        self.button("Try the sample").click()
        self.wait_for_masks()

    def wait_for_masks(self) -> None:
        """Until faces were looked for and the outgoing picture is encoded."""
        expect(self.page.get_by_text(re.compile("found and covered|No face was found"))).to_be_visible(
            timeout=PATIENCE_MS
        )
        expect(self.page.get_by_text("Being encoded…")).to_be_hidden(timeout=PATIENCE_MS)

    def choose_device(self) -> None:
        """On-device mode, with its network fetched."""
        self.page.get_by_role("radio", name=re.compile("On this device")).check()
        expect(self.page.get_by_role("button", name="Parse on this device")).to_have_attribute(
            "aria-disabled", "false", timeout=PATIENCE_MS
        )

    def parse(self) -> None:
        """By whichever button is there, until the result is."""
        self.page.get_by_role("button", name=re.compile("^(Send and parse|Parse on this device)$")).click()
        expect(self.page.get_by_role("heading", name="Result")).to_be_visible(timeout=PATIENCE_MS)

    def uploads(self) -> list[tuple[str, bytes]]:
        """Name and bytes of every file that was sent."""
        found = self.page.evaluate(
            "() => Promise.all(uploads.map(async (file) => [file.name, [...new Uint8Array(await file.arrayBuffer())]]))"
        )
        return [(name, bytes(numbers)) for name, numbers in found]

    def download(self, name: str) -> Path:
        """A file of the result."""
        with self.page.expect_download() as download:
            self.page.get_by_role("button", name=re.compile(f"^{name}")).click()
        return Path(download.value.path())

    def download_picture(self, name: str) -> Image.Image:
        """A picture of the result."""
        return Image.open(io.BytesIO(self.download(name).read_bytes()))


def watch(page: Page) -> Visit:
    """Take down errors of the page and violations of its policy."""
    visit = Visit(page)
    page.set_default_timeout(30_000)
    page.add_init_script(_REPORT_VIOLATIONS + _COUNT_ADDRESSES + _KEEP_UPLOADS)
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    page.on(
        "console",
        lambda message: visit.complaints.append(message.text) if message.type == "error" else None,
    )
    return visit


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service of its own, over TLS, with tokens."""
    running = start(tmp_path_factory.mktemp("site"), "--rate", "100000/minute")
    yield running
    assert running.stop() == 0, "".join(running.log)


@pytest.fixture(scope="package")
def token(site: Running) -> str:
    """Allows parsing."""
    return site.token("parse")


@pytest.fixture(scope="package")
def chromium() -> Iterator[Playwright]:
    """What drives it."""
    if not CHROMIUM:
        pytest.skip("no Chromium on this machine; apt install chromium")
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="package")
def browser(chromium: Playwright) -> Iterator[Browser]:
    """Debian's."""
    browser = chromium.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
    yield browser
    browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A visitor who reads English."""
    context = browser.new_context(
        locale="en-GB", ignore_https_errors=True, permissions=["clipboard-read", "clipboard-write"]
    )
    yield context
    context.close()


@pytest.fixture
def visit(context: BrowserContext, site: Running) -> Iterator[Visit]:
    """The page, open; at the end it must not have complained."""
    visit = watch(context.new_page())
    visit.open(site.url)
    yield visit
    assert visit.complaints == []
