"""From page to page, and what each must be: readable for everybody, in light and dark, no wider than the screen."""

import os
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe

GRAVE = ("serious", "critical")


def follow(locator) -> None:
    """Click what leads to another page, and go on only when all of that page is there."""
    with locator.page.expect_navigation():
        locator.click()


def no_sideways_scrolling(page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def looks_right(page, name: str) -> None:
    """No serious finding of axe-core and no sideways scrolling, in both colour schemes. SCREENSHOTS keeps pictures."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found = Axe().run(page).response["violations"]
        grave = [
            f"{name}, {scheme}: {each['id']}: {node['html'][:200]} {node['failureSummary']}"
            for each in found
            if each["impact"] in GRAVE
            for node in each["nodes"]
        ]
        assert not grave, "\n".join(grave)
        assert no_sideways_scrolling(page), f"{name} is too wide"
        picture(page, f"{name}-{scheme}")


def fits(page, name: str) -> None:
    """No sideways scrolling, and pictures in both schemes: for pages of the admin, whose colours are unfold's."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert no_sideways_scrolling(page), f"{name} is too wide"
        picture(page, f"{name}-{scheme}")


def picture(page, name: str) -> None:
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}-{page.viewport_size['width']}.png", full_page=True)
