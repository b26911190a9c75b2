"""The page of a sweep: plots, tables, commands and claims, from all results there are."""

import json
import re
import sys

import pytest

from storm_calm.rl.sweep.studies import make_studies
from storm_calm.rl.sweep.write_page import PageWriter, write_page
from support.browser_pages import browser, page
from support.fake_sweep import CONFIG, swept

__all__ = ["browser", "page"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """A finished sweep of two seeds, with its page."""
    folder = swept(tmp_path_factory.mktemp("swept"), seeds=(0, 1))
    write_page(folder)
    return folder


@pytest.fixture(scope="module")
def facts(out):
    return json.loads((out / "results.json").read_text())


@pytest.fixture(scope="module")
def text(out):
    return (out / "sweep.html").read_text()


def test_every_point_has_accuracy_difference_and_the_share_measured_on_the_data(facts):
    for name, study in make_studies(CONFIG).items():
        assert len(facts["studies"][name]["points"]) == len(study.points)
    last = facts["studies"]["flawed"]["points"][4]
    assert (last["label"], last["stage"], last["value"], last["reference"]) == ("50 %", "SFT", 50, "sft-reference")
    assert last["x"] == pytest.approx(50)
    assert last["difference"]["all"]["mean"] == pytest.approx(-0.25, abs=0.01)
    hints = [point["x"] for point in facts["studies"]["hints"]["points"]]
    # A little less than requested, as measured.
    assert hints[-1] == pytest.approx(39.6)


def test_every_number_has_its_run_folder_and_the_commands_that_reproduce_it(facts, out):
    model = facts["models"]["grpo-flawed-50"]
    assert model["runs"] == {"0": "seed-0/eval-grpo-flawed-50", "1": "seed-1/eval-grpo-flawed-50"}
    assert all((out / run).is_dir() for one in facts["models"].values() for run in one["runs"].values())
    assert [command.split()[:3] for command in model["commands"]["1"]] == [
        ["storm", "curate", "--families"],
        ["python", "-m", "storm_calm.rl.sweep.sft_mixtures"],
        ["storm", "train", "sft"],
        ["storm", "train", "grpo"],
        ["storm", "eval", "--families"],
    ]
    assert model["data"]["0"]["flawed_share"] == 0.5


def test_the_page_is_self_contained_with_a_plot_a_table_and_commands_for_each_study(text):
    assert re.findall(r'(?:src|href)="(?!#)', text) == []
    assert text.count('<svg role="img"') == 7
    assert text.count("<details>") == 7
    words = " ".join(re.sub(r"<[^>]+>", " ", text).split())
    assert "50 % SFT 51.7 43-60 seeds 50.0-53.3" in words or "50 % SFT 50.8" in words
    assert "holds" in words
    assert "storm train grpo --device cpu --model seed-1/sft-flawed-50/model" in text
    assert "evaluations are missing" not in words
    assert "too small to show anything" not in words


def test_a_partial_sweep_lists_what_is_missing(tmp_path):
    folder = swept(tmp_path, studies=("golden", "rewards"), without=("sft-golden-30", "grpo-rewards-plan"))
    facts = write_page(folder)
    assert facts["missing"] == {"sft-golden-30": [0], "grpo-rewards-plan": [0]}
    words = " ".join(re.sub(r"<[^>]+>", " ", (folder / "sweep.html").read_text()).split())
    assert "2 of 12 evaluations are missing: sft-golden-30 (seed 0); grpo-rewards-plan (seed 0)." in words
    assert "not evaluated yet" in words
    assert "2 of 12 evaluations are missing." in (folder / "sweep.md").read_text()


def test_a_folder_without_a_sweep_or_an_evaluation_has_no_page(tmp_path):
    with pytest.raises(ValueError, match="not a sweep; run storm sweep --out"):
        write_page(tmp_path)
    folder = swept(tmp_path / "out", studies=("hints",))
    for file in folder.glob("seed-0/eval-*/results.json"):
        file.unlink()
    with pytest.raises(ValueError, match="no model is evaluated yet; run storm sweep --out"):
        write_page(folder)


def test_markdown_tables_have_rows_of_equal_width(out):
    lines = (out / "sweep.md").read_text().splitlines()
    first, second = (list(rows) for rows in (lines[: lines.index("")], lines[lines.index("") + 1 :]))
    assert {line.count("|") for line in first} == {5}
    assert len(first) == 2 + 8
    table = [line for line in second if line.startswith("|")]
    assert {line.count("|") for line in table} == {11}
    assert len(table) == 2 + sum(len(study.points) for study in make_studies(CONFIG).values())


def test_a_running_sweep_writes_its_page_now_and_then(out):
    (out / "sweep.html").unlink()
    writer = PageWriter(out)
    writer()
    first = (out / "sweep.html").stat().st_mtime_ns
    writer()
    assert (out / "sweep.html").stat().st_mtime_ns == first


def test_without_matplotlib_the_page_has_no_plots(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    write_page(swept(tmp_path, studies=("golden",)))
    assert "<svg" not in (tmp_path / "sweep.html").read_text()
    assert "the page has no plots" in caplog.text


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_and_its_text_is_readable(out, page, scheme, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    page.goto((out / "sweep.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    colour = "getComputedStyle(document.querySelector('svg text')).fill"
    assert page.evaluate(colour) == ("rgb(29, 33, 41)" if scheme == "light" else "rgb(227, 230, 235)")
