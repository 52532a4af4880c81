"""Two people, two browsers, two nodes: real ones."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no browser is tried")

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine: the page is not tried in one"),
    pytest.mark.timeout(180),
]

#: where screenshots go, to be looked at; nowhere that stays, unless told
SCREENSHOTS = os.environ.get("P2PSTACK_SCREENSHOTS")


WITHOUT_CURSORS = """() => [...document.querySelectorAll('.cm-line')].map(line => {
    const copy = line.cloneNode(true)
    copy.querySelectorAll('.cm-ySelectionCaret, .cm-widgetBuffer').forEach(cursor => cursor.remove())
    return copy.textContent
}).join('\\n')"""


def text_of(page: Any) -> str:
    """What the editor shows."""
    return page.evaluate(WITHOUT_CURSORS)


def test_two_people_type_at_once_and_one_of_them_offline(start: Any, tmp_path: Path) -> None:
    folder = Path(SCREENSHOTS or tmp_path)
    expect = playwright.expect
    expect.set_options(timeout=120_000)
    ada_node = start(tmp_path / "ada")
    bob_node = start(tmp_path / "bob", "--connect", ada_node.addr)
    errors: list[str] = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        pages: list[Any] = []
        for node, name in ((ada_node, "Ada Lovelace"), (bob_node, "Grace Hopper")):
            page = browser.new_context(viewport={"width": 1000, "height": 640}).new_page()
            page.set_default_timeout(40_000)
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.goto(node.url)
            expect(page.locator("#state")).to_have_text("connected")
            page.fill("#me", name)
            page.press("#me", "Enter")
            pages.append(page)
        ada, bob = pages
        expect(ada.locator("#name")).to_have_text("Minutes of März")
        ada.keyboard.type("# Minutes\n\n")
        expect(bob.locator(".cm-content")).to_contain_text("Minutes")
        expect(bob.locator("#people li")).to_have_attribute("title", "Ada Lovelace")

        bob.keyboard.press("Control+End")
        for one, other in zip("Both of us type ", "at the same time", strict=True):  # letter by letter, in turns
            ada.keyboard.type(one)
            bob.keyboard.type(other)
        for page in pages:
            expect(page.locator("#figures")).to_contain_text("43 characters")
        assert text_of(ada) == text_of(bob)
        assert sorted(text_of(ada)) == sorted("# Minutes\n\nBoth of us type at the same time")
        expect(ada.locator(".cm-ySelectionInfo")).to_have_text("Grace Hopper")
        expect(ada.locator("#saved")).to_have_text("saved on this computer")
        ada.screenshot(path=folder / "ada.png")
        bob.screenshot(path=folder / "bob.png")

        bob.keyboard.press("Control+z")  # undoes one's own typing only
        expect(bob.locator("#figures")).not_to_contain_text("43 characters")
        bob.keyboard.press("Control+y")
        expect(bob.locator("#figures")).to_contain_text("43 characters")

        port = bob_node.url.split(":")[2].split("/")[0]
        bob_node.kill()
        expect(bob.locator("#state")).to_have_text("offline")
        bob.keyboard.type("<offline 😀>")
        expect(bob.locator("#saved")).to_have_text("changes are kept in this page")
        bob.screenshot(path=folder / "offline.png")
        ada.keyboard.type("<meanwhile>")
        bob_node = start(tmp_path / "bob", "--connect", ada_node.addr, "--port", port)
        for page in pages:
            expect(page.locator(".cm-content")).to_contain_text("<offline 😀>")
            expect(page.locator(".cm-content")).to_contain_text("<meanwhile>")
        expect(bob.locator("#saved")).to_have_text("saved on this computer")
        assert text_of(ada) == text_of(bob)
        ada.click("#invite")
        expect(ada.locator("#commands code")).to_contain_text("p2pstack doc 'Minutes of März' --connect")
        ada.screenshot(path=folder / "invite.png")
        browser.close()
    assert errors == []
