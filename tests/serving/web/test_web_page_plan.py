"""From a problem with CSV files to a plan, what-if, an infeasible variant, and files that other programs open."""

import time

import highspy
import openpyxl

from support.browser_pages import expect


def edit(page, name, value):
    """Change a number of a table in place."""
    page.get_by_role("button", name=name).click()
    page.get_by_role("textbox", name=name).fill(value)
    page.keyboard.press("Enter")


def saved(page, name, folder):
    """Click a button of the tab Save and return the path of the saved file."""
    page.get_by_role("tab", name="Save").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name=name).click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def test_files_are_previewed_and_can_be_removed(start, csv_files):
    start.set_input_files("#chooser", csv_files)
    preview = start.get_by_role("region", name="Preview of costs.csv")
    expect(preview.get_by_role("columnheader", name="distance (km)")).to_contain_text("km · 90 to 620")
    expect(preview.get_by_role("columnheader", name="cost")).to_contain_text("whole number · 3 to 9")
    expect(preview.get_by_role("row")).to_have_count(9)
    start.get_by_role("button", name="Remove plants.csv").click()
    expect(start.locator(".file-row")).to_have_count(1)


def test_the_answer_has_the_work_the_verdict_and_the_plan(solved):
    card = solved.locator(".card")
    expect(solved.locator(".answer-text")).to_have_text("The least cost is 615.")
    expect(card.locator(".objective")).to_have_text("615")
    expect(card).to_contain_text("CBC reported optimal with objective 615")
    expect(card).to_contain_text("HiGHS solved the model again")
    matrix = card.get_by_role("table").first
    expect(matrix.get_by_role("columnheader")).to_have_text(["Bremen", "Essen", "Kassel", "Ulm", "Total"])
    expect(matrix.get_by_role("row").nth(1)).to_have_text("North30525·60")
    expect(card.get_by_role("img", name="ship")).to_be_visible()
    program = solved.locator("details.program")
    expect(program.locator("summary")).to_contain_text("CBC: optimal, objective 615")
    program.locator("summary").click()
    expect(program.locator(".keyword").first).to_have_text("import")
    expect(program.locator(".output")).to_contain_text("615.0")
    solved.locator("details.thought").first.locator("summary").click()
    expect(solved.locator(".thought-text").first).to_contain_text("Each plant has a capacity")
    card.get_by_role("tab", name="Formulas").click()
    expect(card.locator("math").first).to_be_visible()
    card.get_by_role("tab", name="Limits").click()
    expect(card.get_by_role("row").nth(1)).to_contain_text("at its limit")


def test_a_changed_limit_is_solved_again_without_the_model(solved, planner):
    asked = len(planner.asked)
    card = solved.locator(".card")
    card.get_by_role("tab", name="Limits").click()
    edit(solved, "Upper limit of capacity_North", "55")
    expect(card.get_by_role("list", name="Changes")).to_have_text("The upper limit of capacity_North: 60 → 55")
    card.get_by_role("button", name="Solve again").click()
    expect(card.locator(".compared")).to_contain_text("Objective 615 → 620 (+5)")
    expect(card.locator(".objective")).to_have_text("620")
    expect(card.locator(".compared").get_by_role("row").nth(1)).to_contain_text("ship[North, Essen]50")
    assert len(planner.asked) == asked
    card.get_by_role("button", name="Reset").click()
    expect(card.locator(".objective")).to_have_text("615")
    expect(card.locator(".compared")).to_have_count(0)


def test_an_infeasible_change_is_explained_and_relaxed(solved):
    card = solved.locator(".card")
    card.get_by_role("tab", name="Limits").click()
    edit(solved, "Upper limit of capacity_North", "10")
    card.get_by_role("button", name="Solve again").click()
    expect(card.locator(".compared")).to_contain_text("With these changes there is no plan.")
    card.get_by_role("tab", name="Why not").click()
    expect(card.locator(".conflict")).to_contain_text("capacity_North")
    expect(card.locator(".relaxation")).to_contain_text("instead of")
    card.get_by_role("button", name="Apply this change and solve").click()
    expect(card.locator(".objective")).not_to_have_text("Infeasible")
    expect(card.locator(".compared")).to_contain_text("Objective 615 →")


def test_a_change_can_be_asked_in_words(solved):
    card = solved.locator(".card")
    card.get_by_role("tab", name="Variables").click()
    edit(solved, "Most of ship[North, Bremen]", "20")
    card.get_by_role("button", name="Ask in words").click()
    field = solved.get_by_label("Problem or question")
    expect(field).to_have_value(
        "What if the most of ship[North, Bremen] were 20? Solve the problem again with this change."
    )
    expect(field).to_be_focused()


def test_an_edited_program_runs_without_the_model(solved):
    card = solved.locator(".card")
    card.get_by_role("tab", name="Program").click()
    card.get_by_role("button", name="Edit program").click()
    area = card.get_by_role("textbox", name="Program")
    area.fill(area.input_value().replace('"Bremen": 30', '"Bremen": 20'))
    card.get_by_role("tab", name="Plan").click()
    card.get_by_role("tab", name="Program").click()
    card.get_by_role("button", name="Run program").click()
    expect(card.locator(".objective")).to_have_text("565")
    expect(card.locator(".badge.changed")).to_have_text("Edited program")
    card.get_by_role("button", name="Back to the answer's program").click()
    expect(card.locator(".objective")).to_have_text("615")


def test_downloads_reopen_in_a_solver_and_a_spreadsheet(solved, tmp_path):
    model = highspy.Highs()
    model.setOptionValue("output_flag", False)
    model.readModel(str(saved(solved, "Model (MPS)", tmp_path)))
    model.run()
    assert model.getObjectiveValue() == 615
    model.readModel(str(saved(solved, "Model (LP)", tmp_path)))
    model.run()
    assert model.getObjectiveValue() == 615
    sheet = openpyxl.load_workbook(saved(solved, "Plan (Excel)", tmp_path)).active
    assert sum(row[1] for row in sheet.iter_rows(min_row=2, values_only=True)) == 120
    assert "30" in saved(solved, "Plan (CSV)", tmp_path).read_text()
    assert "LpProblem" in saved(solved, "Program (Python)", tmp_path).read_text()


def test_what_if_survives_a_reload(solved):
    card = solved.locator(".card")
    card.get_by_role("tab", name="Limits").click()
    edit(solved, "Upper limit of capacity_North", "55")
    card.get_by_role("button", name="Solve again").click()
    expect(card.locator(".objective")).to_have_text("620")
    solved.reload()
    expect(card.locator(".objective")).to_have_text("620")


def test_a_running_program_can_be_stopped(solved, live):
    card = solved.locator(".card")
    card.get_by_role("tab", name="Program").click()
    card.get_by_role("button", name="Edit program").click()
    card.get_by_role("textbox", name="Program").fill("import time\ntime.sleep(9)")
    card.get_by_role("button", name="Run program").click()
    card.get_by_role("button", name="Stop").click()
    expect(card.get_by_role("alert")).to_have_text("Stopped.")
    expect(card.get_by_role("button", name="Run program")).to_be_enabled()
    until_free(live)


def until_free(live):
    """Wait until the server runs no program any more."""
    sandbox = live.agent.sandbox
    end = time.monotonic() + 5
    while sandbox.slots.free_count < sandbox.workers:
        assert time.monotonic() < end, "the program still runs"
        time.sleep(0.02)


def test_a_program_that_fails_shows_its_error(solved):
    card = solved.locator(".card")
    card.get_by_role("tab", name="Program").click()
    card.get_by_role("button", name="Edit program").click()
    card.get_by_role("textbox", name="Program").fill("print(1)\nprint(undefined_name)")
    solved.keyboard.press("Control+Enter")
    expect(card.locator(".output.stderr")).to_contain_text("undefined_name")
    expect(card.get_by_role("tab", name="Plan")).to_have_count(0)
