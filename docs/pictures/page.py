"""Take pictures of the page of `storm serve` at three widths, in light and dark.

    python docs/pictures/page.py FOLDER

A scripted model of the tests plans shipments from two CSV files, so that the pictures are the same each time. Two of
them are those of the documentation. Needs Chromium, and Playwright from the extra `test`.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from support.planner_upstream import QUESTION, PlannerUpstream, write_files
from support.running_server import RunningServer

HERE = Path(__file__).resolve().parent
SIZES = {"phone": (390, 844), "tablet": (1024, 900), "wide": (1600, 1000)}
Take = Callable[[str], None]


def main(folder: Path) -> None:
    """Take all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with PlannerUpstream(rate=150) as model, RunningServer(model.url) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, (width, height) in SIZES.items():
            for scheme in ("light", "dark"):
                context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
                page = context.new_page()
                page.goto(server.url.removesuffix("v1"))

                def take(step: str, name: str = name, scheme: str = scheme, page: Page = page) -> None:
                    page.wait_for_timeout(250)  # For fonts and charts.
                    page.screenshot(path=folder / f"{name}-{scheme}-{step}.png")

                walk(page, take)
                context.close()
        for name, width, height, scheme in (
            ("page-plan.png", 1280, 930, "light"),
            ("page-phone.png", 390, 780, "dark"),
        ):
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            page.goto(server.url.removesuffix("v1"))
            solve(page)
            if width < 500:
                page.locator(".card").evaluate("card => scrollTo(0, card.getBoundingClientRect().top + scrollY - 70)")
            page.wait_for_timeout(300)
            page.screenshot(path=HERE / name)
            page.close()
        browser.close()


def walk(page: Page, take: Take) -> None:
    """Solve a problem, change a limit, make the problem infeasible, and repair it."""
    page.wait_for_timeout(300)
    take("1-start")
    with tempfile.TemporaryDirectory() as data:
        page.set_input_files("#chooser", write_files(Path(data)))
        page.get_by_role("region", name="Preview of costs.csv").wait_for()
    page.get_by_label("Problem or question").fill(QUESTION)
    take("2-files")
    page.keyboard.press("Control+Enter")
    page.locator(".program .grown").first.wait_for()
    take("3-running")
    page.locator(".card").wait_for()
    take("4-plan")
    page.get_by_role("tab", name="Limits").click()
    change(page, "Upper limit of capacity_North", "55")
    take("5-limits")
    page.get_by_role("button", name="Solve again").click()
    page.locator(".compared").wait_for()
    page.get_by_role("tab", name="Plan").click()
    take("6-what-if")
    page.get_by_role("tab", name="Limits").click()
    change(page, "Upper limit of capacity_North", "10")
    page.get_by_role("button", name="Solve again").click()
    page.get_by_text("With these changes there is no plan.").wait_for()
    page.get_by_role("tab", name="Why not").click()
    take("7-infeasible")
    for tab in ("Variables", "Formulas", "Program", "Save"):
        page.get_by_role("tab", name=tab).click()
        take(f"8-{tab.lower()}")


def solve(page: Page) -> None:
    """Solve the shipping problem."""
    with tempfile.TemporaryDirectory() as data:
        page.set_input_files("#chooser", write_files(Path(data)))
        page.get_by_role("region", name="Preview of costs.csv").wait_for()
    page.get_by_label("Problem or question").fill(QUESTION)
    page.keyboard.press("Control+Enter")
    page.locator(".card").wait_for()


def change(page: Page, name: str, value: str) -> None:
    page.get_by_role("button", name=name).click()
    page.keyboard.type(value)
    page.keyboard.press("Enter")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
