"""Make the pictures of the documentation: `storm solve` on a knapsack problem, and the reports of two runs.

    python docs/pictures/make.py

The curation is the same each time: 200 train problems, seed 5, nano-base. The training has 12 small steps. Takes four
minutes. Needs Chromium, and Playwright from the extra `test`.
"""

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.run_curation import curate
from storm_calm.serving.report import open_run, write_report

HERE = Path(__file__).resolve().parent
EPISODE = "#/episode/facility-1488fe575293"
"""A trajectory that lacked a constraint before the hint."""
TRAINING = (
    "storm train grpo --device cpu --model nano-base trainer.total_training_steps=12 trainer.save_freq=-1 "
    "storm.keep_rollouts=1 storm.export=false data.train_batch_size=4 actor_rollout_ref.actor.ppo_mini_batch_size=4 "
    "actor_rollout_ref.rollout.n=4 storm.reward.length=0.2 storm.reward.soft_limit=200"
)
COLUMNS = 100
"""Characters in a line of the terminal's picture."""


def main() -> None:
    """Solve a problem, curate, write the report, and take the pictures."""
    write_terminal("solve.svg", "storm families --show knapsack | storm solve -")
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "first"
        curate(CurateConfig(families=("all",), limit=200, seed=5), run)
        address = write_report(open_run(run), run / "report.html").path.as_uri()
        trained = Path(folder) / "grpo"
        shell(f"{TRAINING} --out {trained}")
        training = write_report(open_run(trained), trained / "report.html").path.as_uri()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            take(browser, address, "view-overview.png", width=1440, height=1180)
            take(browser, address + EPISODE, "view-episode.png", width=1440, height=1250, dark=True)
            take(browser, address + EPISODE, "view-phone.png", width=390, height=844)
            take(browser, training, "view-training.png", width=1440, height=1000)
            browser.close()


def write_terminal(name: str, command: str) -> None:
    """Run a shell command that begins with a question on a pipe, and draw both and the output as a terminal."""
    first, _, last = command.partition(" | ")
    question = shell(first).stdout.strip()
    output = shell(last, stdin=question, FORCE_COLOR="1").stdout
    console = Console(width=COLUMNS, record=True, file=io.StringIO(), force_terminal=True, highlight=False)
    console.print(Text(f"$ {first}", "bold"))
    console.print(textwrap.fill(question, COLUMNS))
    console.print(Text(f"$ {command}", "bold"))
    console.print(Text.from_ansi(output.rstrip()))
    svg = console.export_svg(title="storm solve", theme=SVG_EXPORT_THEME, unique_id="solve")
    # Without web fonts: the picture loads nothing from elsewhere.
    svg = re.sub(r"@font-face {.*?}|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, monospace")
    lines = [line.rstrip() for line in svg.splitlines() if line.strip()]
    (HERE / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def shell(command: str, *, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `storm ...` with the Python of this process."""
    words = [str(Path(sys.executable).parent / "storm"), *command.split()[1:]]
    environment = {**os.environ, "COLUMNS": str(COLUMNS), **variables}
    return subprocess.run(words, input=stdin, capture_output=True, text=True, check=True, env=environment)


def take(browser: Browser, address: str, name: str, *, width: int, height: int, dark: bool = False) -> None:
    """Take one picture; width and height in pixels."""
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light")
    page.goto(address)
    page.locator("h1").first.wait_for()
    page.wait_for_timeout(500)  # For the fonts and the list.
    page.screenshot(path=HERE / name)
    page.close()


if __name__ == "__main__":
    main()
