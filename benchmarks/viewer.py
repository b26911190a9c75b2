"""Measure the run viewer on a long run: time and memory of `storm view`, page size, and response times.

    python -m benchmarks.viewer
    python -m benchmarks.viewer --episodes 2000 --seed 9

Curates up to 120 problems with nano-base and copies their records under new ids until there are `--episodes`. Then it
writes the report and opens it from disk in headless Chromium. Needs Chromium, and Playwright from the extra `test`.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.common import format_facts, machine
from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.run_curation import curate

CURATED = 120
"""Most problems that are curated; further records are copies."""
SAMPLES = 20
"""Episodes that are opened, spread over the run."""
WRITE = """import re, sys
from pathlib import Path
from storm_calm.serving.report import open_run, write_report
write_report(open_run(Path(sys.argv[1])), Path(sys.argv[2]))
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""
"""Writes the report as `storm view` does and prints the peak memory in KiB."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=10_000, help="episodes of the run (default: 10000)")
    parser.add_argument("--seed", type=int, default=5, help="seed of the problems (default: 5)")
    settings = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run, report = Path(folder) / "run", Path(folder) / "run" / "report.html"
        make(run, settings.episodes, settings.seed)
        started = perf_counter()
        # In a separate process, so that its peak memory can be measured.
        written = subprocess.run(
            [sys.executable, "-c", WRITE, str(run), str(report)], capture_output=True, text=True, check=True
        )
        seconds = perf_counter() - started
        records = (run / "episodes.jsonl").stat().st_size
        print(format_facts(machine()))
        print(f"episodes            {settings.episodes:,}, {records / 1e6:.0f} MB of records")
        print(f"storm view          {seconds:.1f} s, peak {int(written.stdout) / 1024:,.0f} MiB")
        print(f"report.html         {report.stat().st_size / 1e6:.1f} MB")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            print_times(browser, report)
            browser.close()


def make(run: Path, episodes: int, seed: int) -> None:
    """Write a run folder of `episodes` episodes, copies of at most `CURATED` curated ones."""
    curate(CurateConfig(families=("all",), limit=min(CURATED, episodes), seed=seed), run)
    records = [json.loads(line) for line in (run / "episodes.jsonl").read_text(encoding="utf-8").splitlines()]
    with (run / "episodes.jsonl").open("w", encoding="utf-8") as file:
        for number in range(episodes):
            record = records[number % len(records)]
            name = f"{record['id'].rpartition('-')[0]}-{number:06}"
            record["id"] = name
            for side in ("episode", "native"):
                record[side]["problem"]["id"] = name
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def print_times(browser: Browser, report: Path) -> None:
    """Open the report in the browser, navigate it, and print the response times."""
    first_pages, episodes, filters = [], [], []
    for _ in range(5):
        page = browser.new_page()
        started = perf_counter()
        page.goto(f"file://{report}", wait_until="commit")
        page.wait_for_selector(".tile")
        first_pages.append(perf_counter() - started)
        page.wait_for_load_state("load")
        loaded = perf_counter() - started
        page.close()
    page = browser.new_page()
    page.goto(f"file://{report}#/episodes")
    page.wait_for_selector("a.open")
    names = ids(page, SAMPLES)
    for name in names:
        episodes.append(timed(page, f"#/episode/{name}", name))
    steps = [timed(page, "", None) for _ in range(SAMPLES)]
    for query in ("outcome=golden", "trigger=solver_distrust", "q=bakery", "page=57", "sort=tokens"):
        filters.append(timed(page, f"#/episodes?{query}", None))
    print(f"first page          {summarize(first_pages)}; whole file loaded after {loaded:.2f} s")
    print(f"an episode by link  {summarize(episodes)}")
    print(f"previous one by key {summarize(steps)}")
    print(f"a filter or a page  {summarize(filters)}")
    started = perf_counter()
    page.goto(f"file://{report}#/episodes?q=misspelled&whole=1")
    page.wait_for_timeout(500)
    page.locator(".hits", has_not_text=" searched").wait_for(timeout=120_000)
    print(f"full-text search    {perf_counter() - started:.1f} s")


def ids(page: Page, count: int) -> list[str]:
    """Return up to `count` ids, spread over the pages of the list."""
    names = []
    for number in range(1, 101, max(1, 100 // count)):
        page.goto(f"{page.url.partition('#')[0]}#/episodes?page={number}")
        page.wait_for_timeout(50)
        names.append(page.locator("a.open").nth(number % 50).inner_text())
    return list(dict.fromkeys(names))[:count]


TIMER = """([hash, name]) => new Promise((done) => {
  const before = document.querySelector('h1').textContent;
  const read = () => document.querySelector('.body:not([aria-busy]) .trajectory');
  const ready = () => {
    const now = document.querySelector('h1').textContent;
    if (!hash) return now !== before && read();
    return name ? now === name && read() : document.querySelector('.hits');
  };
  const started = performance.now();
  const look = () => (ready() ? requestAnimationFrame(() => done(performance.now() - started)) : setTimeout(look, 1));
  if (hash) location.hash = hash;
  else document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'k', bubbles: true }));
  setTimeout(look, 1);
})"""
"""Opens a URL fragment, or the previous episode by key if it is ""; returns ms until the frame that shows it."""


def timed(page: Page, hash: str, name: str | None) -> float:
    """Open a URL fragment, or the previous episode if it is ""; return the seconds until the page shows it.

    name: the episode to wait for; None for the list.
    """
    return float(page.evaluate(TIMER, [hash, name])) / 1000


def summarize(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.3f} s median, {max(seconds):.3f} s max of {len(seconds)}"


if __name__ == "__main__":
    main()
