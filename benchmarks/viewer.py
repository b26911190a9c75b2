"""The run viewer on a long run: how long `storm view` writes, how large the page is, and how soon it shows what.

    python -m benchmarks.viewer
    python -m benchmarks.viewer --episodes 2000 --seed 9

Curates some problems with nano-base, repeats them under other ids until there are as many episodes as wanted, writes
the report and opens it from disk in headless Chromium. Needs Chromium, and Playwright from the extra `test`.
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

from benchmarks.common import described, machine
from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.run_curation import curate

REAL = 120
"""Problems that are really curated."""
LOOKS = 20
"""Episodes that are opened, all over the run."""
WRITE = """import re, sys
from pathlib import Path
from storm_calm.serving.report import open_run, write_report
write_report(open_run(Path(sys.argv[1])), Path(sys.argv[2]))
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""
"""What `storm view` does; prints the most memory that it held, in KiB."""


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--episodes", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=5)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run, report = Path(folder) / "run", Path(folder) / "run" / "report.html"
        make(run, chosen.episodes, chosen.seed)
        started = perf_counter()
        # In a process of its own, as a user has it, so that its memory is its own too.
        written = subprocess.run(
            [sys.executable, "-c", WRITE, str(run), str(report)], capture_output=True, text=True, check=True
        )
        seconds = perf_counter() - started
        records = (run / "episodes.jsonl").stat().st_size
        print(described(machine()))
        print(f"episodes            {chosen.episodes:,}, {records / 1e6:.0f} MB of records")
        print(f"storm view          {seconds:.1f} s, peak {int(written.stdout) / 1024:,.0f} MiB")
        print(f"report.html         {report.stat().st_size / 1e6:.1f} MB")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            print_times(browser, report)
            browser.close()


def make(run: Path, episodes: int, seed: int) -> None:
    """A run of so many episodes, made of a real one of fewer."""
    curate(CurateConfig(families=("all",), limit=min(REAL, episodes), seed=seed), run)
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
    """Open the report and look around in it."""
    firsts, episodes, filters = [], [], []
    for _ in range(5):
        page = browser.new_page()
        started = perf_counter()
        page.goto(f"file://{report}", wait_until="commit")
        page.wait_for_selector(".tile")
        firsts.append(perf_counter() - started)
        page.wait_for_load_state("load")
        whole = perf_counter() - started
        page.close()
    page = browser.new_page()
    page.goto(f"file://{report}#/episodes")
    page.wait_for_selector("a.open")
    names = ids(page, LOOKS)
    for name in names:
        episodes.append(timed(page, f"#/episode/{name}", name))
    steps = [timed(page, "", None) for _ in range(LOOKS)]
    for query in ("outcome=golden", "trigger=solver_distrust", "q=bakery", "page=57", "sort=tokens"):
        filters.append(timed(page, f"#/episodes?{query}", None))
    print(f"first page          {told(firsts)}; the whole file is read after {whole:.2f} s")
    print(f"an episode by link  {told(episodes)}")
    print(f"the next one by key {told(steps)}")
    print(f"a filter or a page  {told(filters)}")
    started = perf_counter()
    page.goto(f"file://{report}#/episodes?q=misspelled&whole=1")
    page.wait_for_timeout(500)
    page.locator(".hits", has_not_text="looked through").wait_for(timeout=120_000)
    print(f"search whole texts  {perf_counter() - started:.1f} s")


def ids(page: Page, count: int) -> list[str]:
    """Ids all over the run."""
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
"""Goes to an address, or with "" to the episode before by key; milliseconds to the frame in which it is there."""


def timed(page: Page, hash: str, name: str | None) -> float:
    """Seconds, in the page's own time, until the episode `name` or, with None, a list or another episode is there."""
    return float(page.evaluate(TIMER, [hash, name])) / 1000


def told(seconds: list[float]) -> str:
    """Median and worst."""
    return f"{statistics.median(seconds):.3f} s median, {max(seconds):.3f} s worst of {len(seconds)}"


if __name__ == "__main__":
    main()
