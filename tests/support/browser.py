"""Debian's Chromium under Playwright, and the list of what it complains about."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE = (1400, 900)
NARROW = (390, 844)


def skip_without_chromium() -> None:
    """Skip the test module that calls this, with the reason, where none is."""
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}", allow_module_level=True)


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=list(OPTIONS)
        )
        yield browser
        browser.close()


@contextmanager
def quiet_context(
    browser: Browser, size: tuple[int, int] = WIDE, **options: Any
) -> Iterator[BrowserContext]:
    """Yield a window of its own; a complaint of the browser fails the test.

    Complaints are exceptions in scripts, missing files, and violations of the CSP.
    """
    width, height = size
    complaints: list[str] = []
    context = browser.new_context(
        viewport={"width": width, "height": height}, **options
    )
    context.set_default_timeout(10_000)
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    context.on(
        "console",
        lambda message: (
            complaints.append(f"{message.text} {message.location}")
            if message.type in ("error", "warning")
            else None
        ),
    )
    try:
        yield context
    finally:
        context.close()
    assert complaints == [], complaints
