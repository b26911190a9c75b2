"""The run report: a curation or an evaluation with all its trajectories as one web page.

    from storm_calm.serving.report import open_run, write_report

    write_report(open_run(Path("runs/first")), Path("runs/first/report.html"))

`storm view` writes it. With `--serve`, `serving.report.live_server` shows a run folder while a command writes it. The
folder is only read.

The page has an index, one small row per trajectory, and blocks of whole trajectories. Both are gzip in base64 inside of
data elements. Model text becomes text nodes, in elements of known Markdown and MathML tags; the content security policy
allows only the scripts of the page and no network access.

- `run_files`: the files of a run folder
- `read_records`: reads records one by one, also from a growing file
- `report_entries`: turns a record into data for the page
- `text_parts`: splits model text into thoughts, other text and programs
- `markdown_tree`, `mathml`: parse Markdown and LaTeX into trees, which the page turns into elements
- `token_ids`: tokens without repeating their ids
- `report_page`: renders the page from the files in `assets/`
- `write_report`: writes the page to a file
- `live_server`: serves the page
"""

from storm_calm.serving.report.run_files import RunFiles, open_run
from storm_calm.serving.report.write_report import WrittenReport, write_report

__all__ = ["RunFiles", "WrittenReport", "open_run", "write_report"]
