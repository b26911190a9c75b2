"""Every command and program in the README and the docs runs as written, page by page, in an empty folder.

A comment before a block says what a reader does otherwise than run it and wait:

    <!-- test: server -->               it runs beside the blocks after it, until the end of the page
    <!-- test: exit 1 -->               it ends with this exit code
    <!-- test: in full -->              it runs on all its problems, which later blocks need
    <!-- test: not run, needs a GPU --> it is not run, for this reason; its commands are still parsed

A command on many problems runs on fewer here (`smaller`): what a page shows is that the commands work together, and
what the models do on many problems is measured elsewhere.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from markdown_it import MarkdownIt
from typer.main import get_command

from storm_calm.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").rglob("*.md") if path.name != "cli.md")]
REASONS = ("needs a GPU", "needs a key", "needs a model server", "needs the network", "needs a person")
"""Beginnings of the reasons for which a block may be left out, besides other tests that run the same."""
SECONDS = 900
PROBLEMS = 4
"""The most problems of a command in a block that does not run in full."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * SECONDS)]


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, code, first line, and the comment before it."""

    language: str
    code: str
    line: int
    directive: str


def smaller(code):
    """Return the code with at most `PROBLEMS` problems for a command that lets the model work on each."""

    def fewer(match):
        return match[1] + str(min(int(match[2]), PROBLEMS))

    lines = (
        re.sub(r"(--limit |--nano |\blimit ?= ?)(\d+)", fewer, line) if WORKING.search(line) else line
        for line in code.splitlines(keepends=True)
    )
    return "".join(lines)


WORKING = re.compile(r"storm (curate|eval|detectors) |Config\(|in generate\(|^limit = ")
"""A line with a command, a program or a setting for which the model works on problems."""


def blocks(page):
    found, directive = [], ""
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        if token.type == "html_block" and (match := re.match(r"<!-- test: (.*?) -->", token.content)):
            directive = match[1]
        elif token.type == "fence":
            if token.info in ("sh", "python"):
                found.append(Block(token.info, token.content, token.map[0] + 1, directive))
            directive = ""
    return found


@pytest.fixture
def folder(request, tmp_path):
    """An empty folder; a clone of this repository for pages that call `make`."""
    if not any(re.search(r"^make ", block.code, re.MULTILINE) for block in blocks(request.getfixturevalue("page"))):
        return tmp_path
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    (clone / ".venv").symlink_to(Path(sys.executable).parents[1])
    # Older than the environment, so that make does not install it anew.
    os.utime(clone / "pyproject.toml", (0, 0))
    return clone


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.name)
def test_the_commands_of_a_page_run(page, folder):
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("STORM", "PYTEST"))}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "COLUMNS": "100",
        # Of `make demo`, which curates 60 problems otherwise.
        "LIMIT": str(PROBLEMS),
    }
    servers = []
    try:
        for block in blocks(page):
            code = block.code if block.directive == "in full" else smaller(block.code)
            command = ["bash", "-euc", code] if block.language == "sh" else [sys.executable, "-c", code]
            options = {"cwd": folder, "env": environment, "text": True, "stdin": subprocess.DEVNULL}
            if block.directive.startswith("not run, "):
                continue
            if block.directive == "server":
                servers.append(started(command, folder / f"server-{block.line}.log", options))
                continue
            run = subprocess.run(command, capture_output=True, check=False, timeout=SECONDS, **options)
            exit_code = re.fullmatch(r"exit (\d+)", block.directive)
            expected = int(exit_code[1]) if exit_code else 0
            assert run.returncode == expected, f"{page.name}:{block.line}\n{run.stdout[-3000:]}{run.stderr[-3000:]}"
    finally:
        for server in servers:
            os.killpg(server.pid, signal.SIGINT)
        for server in servers:
            server.wait(60)


def started(command, log, options):
    """Start a server, and return once it has printed its address."""
    with log.open("w") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True, **options)
    deadline = time.monotonic() + 90
    while "http://" not in log.read_text():
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
    return server


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_block_is_left_out_for_a_reason(page):
    for block in blocks(page):
        if block.directive.startswith("not run, "):
            reason = block.directive.removeprefix("not run, ")
            test = reason.partition(" ")[0]
            known = reason.startswith(REASONS) or (test.startswith("tests/") and (ROOT / test).exists())
            assert known, f"{page.name}:{block.line}: {reason}"
        else:
            assert re.fullmatch(r"(server|exit \d+|in full|)", block.directive), f"{page.name}:{block.line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_of_commands_that_are_not_run_exist(page):
    for block in blocks(page):
        if block.language == "sh":
            for line in block.code.replace("\\\n", " ").splitlines():
                parse(line, f"{page.name}:{block.line}")


def parse(line, place):
    """Raise AssertionError if a line calls `storm` with a command or an option that does not exist."""
    if "$(" in line or "|" in line:
        line = re.sub(r"\"\$\(.*?\)\"", "text", line).rpartition("|")[2]
    words = shlex.split(line, comments=True)
    if not words or not words[0].endswith("storm"):
        return
    command, context, words = get_command(app), None, [word for word in words[1:] if word not in ("&", ">")]
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, *words = words
        context = click.Context(command, info_name=name, parent=context)
        command = command.get_command(context, name)
        assert command is not None, f"{place}: storm has no command {name!r}"
    try:
        command.make_parser(click.Context(command, parent=context)).parse_args(list(words))
    except click.UsageError as error:
        raise AssertionError(f"{place}: {line.strip()}: {error.format_message()}") from None


def test_links_of_the_readme_lead_somewhere():
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "models").rglob("README.md")):
        for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
            for child in token.children or ():
                link = child.attrs.get("href") or child.attrs.get("src")
                if link and not link.startswith(("http://", "https://", "mailto:", "#")):
                    path, _, anchor = link.partition("#")
                    target = page.parent / path
                    assert target.exists(), f"{page.name}: {link}"
                    assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


def anchors(page):
    """Return the anchors of a page's headings, as GitHub and the site make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_site_builds_without_a_warning(tmp_path):
    sphinx = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    run = subprocess.run([*sphinx, ROOT / "docs", tmp_path / "site"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    page = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    elsewhere = re.search(r"(?:src|href)=\"https?://[^\"]*\.(?:js|css|woff2?)", page)
    assert elsewhere is None, elsewhere


def test_servers_of_different_pages_have_different_ports():
    # The pages are tested at the same time.
    ports = {}
    for page in PAGES:
        for block in blocks(page):
            if block.directive == "server":
                found = re.search(r"--port (\d+)", block.code)
                ports.setdefault(found[1] if found else block.code.split()[1], set()).add(page.name)
    assert {port: sorted(pages) for port, pages in ports.items() if len(pages) > 1} == {}
