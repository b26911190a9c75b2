"""Makes the pictures beside it, of a run that comes out the same each time: 200 train problems, seed 5, nano-base.

    python docs/pictures/make.py

Takes two minutes. Needs Chromium, and Playwright from the extra `test`.
"""

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.run_curation import curate
from storm_calm.serving.report import open_run, write_report

HERE = Path(__file__).resolve().parent
EPISODE = "#/episode/facility-1488fe575293"
"""A run that lacked a constraint until a hint came."""


def main() -> None:
    """Curate, write the report, and take its pictures."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "first"
        curate(CurateConfig(families=("all",), limit=200, seed=5), run)
        address = write_report(open_run(run), run / "report.html").path.as_uri()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            take(browser, address, "view-overview.png", width=1440, height=1180)
            take(browser, address + EPISODE, "view-episode.png", width=1440, height=1250, dark=True)
            take(browser, address + EPISODE, "view-phone.png", width=390, height=844)
            browser.close()


def take(browser: Browser, address: str, name: str, *, width: int, height: int, dark: bool = False) -> None:
    """One picture; width and height in pixels."""
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light")
    page.goto(address)
    page.locator("h1").first.wait_for()
    page.wait_for_timeout(500)  # The fonts and the list beside it.
    page.screenshot(path=HERE / name)
    page.close()


if __name__ == "__main__":
    main()
