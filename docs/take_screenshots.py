"""Makes the pictures of the README from the running demo: `make screenshots`."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

DOCS = Path(__file__).resolve().parent
CHROMIUM = "/usr/bin/chromium"
PHONES = {"width": 960, "height": 720}
ADMIN = {"width": 1180, "height": 720}
# Both pages in one picture, as two windows on a desk.
DESK = """
<style>
  body {{ margin: 0; padding: 28px; display: flex; gap: 28px; background: #dfe6ee }}
  img {{ height: 560px; border-radius: 10px; box-shadow: 0 6px 24px #0004 }}
</style>
<img src="{phones}"><img src="{admin}">
"""


def main() -> None:
    command = [sys.executable, "-m", "bot", "demo", "--port=0", "--telegram-port=0"]
    demo = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        phones, admin = wait_for_addresses(demo)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
            )
            take(browser, phones, admin)
            browser.close()
    finally:
        demo.terminate()
        demo.wait()


def wait_for_addresses(demo: subprocess.Popen[str]) -> tuple[str, str]:
    said = ""
    for line in demo.stdout or ():
        said += line
        found = re.search(r"Phones\s+(\S+)\s+Admin\s+(\S+)", said)
        if found is not None:
            return found[1], found[2]
    raise RuntimeError(f"The demo did not come up:\n{said}")


def take(browser: Browser, phones_url: str, admin_url: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        phones, admin = Path(folder, "phones.png"), Path(folder, "admin.png")
        page = browser.new_page(viewport=ADMIN, device_scale_factor=2)
        page.goto(admin_url)
        page.fill("#id_username", "manager")
        page.fill("#id_password", "manager")
        page.click(".submit-row [type=submit]")
        for customer in ("Анна", "Emily", "Анна"):
            page.goto(f"{admin_url}notifications/order/add/")
            # Where there is room for it, the list of customers is open already.
            if not page.locator(".select2-search__field").is_visible():
                page.click(".select2-selection")
            page.fill(".select2-search__field", customer)
            page.locator(".select2-results__option", has_text=customer).first.click()
            page.click("[name=_save]")
            page.wait_for_selector(".messagelist")
        page.goto(f"{admin_url}notifications/order/")
        page.screenshot(path=admin)
        page = browser.new_page(
            viewport=PHONES, device_scale_factor=2, timezone_id="Europe/Moscow"
        )
        page.goto(phones_url)
        page.wait_for_selector("body[data-ready]")
        page.get_by_role("button", name="Анна Смирнова").first.click()
        page.wait_for_function("document.querySelectorAll('#messages > *').length > 4")
        page.screenshot(path=phones)
        desk = Path(folder, "desk.html")
        desk.write_text(DESK.format(phones=phones.name, admin=admin.name))
        page = browser.new_page(viewport={"width": 1749, "height": 616})
        page.goto(desk.as_uri())
        page.screenshot(path=DOCS / "demo.png")


if __name__ == "__main__":
    main()
