"""Makes the pictures of every page, and `pages.md` that shows them: `make screenshots`.

The pages are those of the project's own list of addresses, with the example shop.
"""

import base64
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from playwright.sync_api import Browser, BrowserContext, Page  # noqa: E402

from tests.support.browser import NARROW, WIDE, chromium  # noqa: E402
from tests.support.desk import LOGIN, Desk, running_desk  # noqa: E402
from tests.support.pages import WholePage, whole_pages  # noqa: E402

DOCS = Path(__file__).resolve().parent
PICTURES = DOCS / "pages"
SIZES = {"wide": WIDE, "narrow": NARROW}
SCHEMES = ("light", "dark")
# Of a longer page the rest is left out.
TALLEST = 1.9
# Wide pictures are shown smaller than they are anyway.
SCALE = {"wide": 0.7, "narrow": 1.0}
QUALITY = 45
CHAPTERS = {
    "": "The frame",
    "notifications_order_": "Orders",
    "notifications_ordernotification_": "Messages",
    "notifications_orderstatus_": "Statuses and texts",
    "notifications_customer_": "Customers",
    "django_workers_": "Queues and workers",
    "auth_": "People and their rights",
}
INTRODUCTION = """\
# The pages of the admin

Every page, wide (1400 pixels) and narrow (390), light and dark, with an example shop.
`make screenshots` makes the pictures and this document.
"""


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    for old in PICTURES.glob("*.webp"):
        old.unlink()
    titles = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        running_desk(Path(folder)) as desk,
        chromium() as browser,
    ):
        desk.fill_with_example()
        for window, found in open_pages(browser, desk):
            titles[found.name] = take(window, found)
    (DOCS / "pages.md").write_text(describe(titles), encoding="utf-8")


def open_pages(
    browser: Browser, desk: Desk
) -> Iterator[tuple[BrowserContext, WholePage]]:
    with new_window(browser) as stranger:
        yield stranger, WholePage("login", desk.url + "login/")
    with new_window(browser) as window:
        desk.log_in(window, LOGIN)
        for found in whole_pages(window, desk):
            yield window, found


def new_window(browser: Browser) -> BrowserContext:
    # Without motion no picture shows a colour that is still changing.
    return browser.new_context(
        locale="ru-RU", timezone_id="Europe/Moscow", reduced_motion="reduce"
    )


def take(window: BrowserContext, found: WholePage) -> str:
    """Make the pictures of one page; return its title."""
    page = window.new_page()
    page.goto(found.url)
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        page.reload()  # scripts ask once how much room there is
        for scheme in SCHEMES:
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            picture = PICTURES / f"{found.name}-{size}-{scheme}.webp"
            picture.write_bytes(shoot(page, width, height, SCALE[size]))
    title = page.title().partition(" | ")[0]
    page.close()
    return title


def shoot(page: Page, width: int, height: int, scale: float) -> bytes:
    """Return a WebP of the page, which Playwright itself does not make."""
    whole = page.evaluate("document.documentElement.scrollHeight")
    clip = {"x": 0, "y": 0, "width": width, "height": min(whole, height * TALLEST)}
    session = page.context.new_cdp_session(page)
    taken = session.send(
        "Page.captureScreenshot",
        {
            "format": "webp",
            "quality": QUALITY,
            "captureBeyondViewport": True,
            "clip": clip | {"scale": scale},
        },
    )
    session.detach()
    return base64.b64decode(taken["data"])


def describe(titles: dict[str, str]) -> str:
    parts = [INTRODUCTION]
    chapters = {name: chapter_of(name) for name in titles}
    for chapter in CHAPTERS.values():
        parts.append(f"## {chapter}\n")
        parts += [
            section(name, titles[name]) for name in titles if chapters[name] == chapter
        ]
    return "\n".join(parts)


def chapter_of(name: str) -> str:
    prefix = max(filter(name.startswith, CHAPTERS), key=len)
    return CHAPTERS[prefix]


def section(name: str, title: str) -> str:
    def row(scheme: str) -> str:
        pictures = [
            f"![]({PICTURES.name}/{name}-{size}-{scheme}.webp)" for size in SIZES
        ]
        return f"| {' | '.join(pictures)} |"

    light, dark = map(row, SCHEMES)
    return f"### {title}\n\n{light}\n|---|---|\n{dark}\n"


if __name__ == "__main__":
    main()
