"""The run report: a curation or an evaluation as one page, every run in it, for a browser and nothing else.

    from storm_calm.serving.report import open_run, write_report

    write_report(open_run(Path("runs/first")), Path("runs/first/report.html"))

`storm view` is this; with `--serve` it is `serving.report.live_server`, which shows a run while it goes on. A run is
only read.

The page is made of an index, one small row for each run at a problem, and of blocks of whole runs, both as gzip in
base64 in elements that no browser runs. What a model wrote gets into the page as text nodes alone, and the page's
policy lets no script run but its own and asks no host for anything.

- `run`: which file of a folder holds what
- `lines`: records one by one, also of a file that grows
- `entries`: what the page shows of a record
- `page`: the page around it, from the files in `assets/`
- `writing`: the page as a file
- `live`: the page as a server
"""

from storm_calm.serving.report.run_files import Run, open_run
from storm_calm.serving.report.write_page import Report, write_report

__all__ = ["Report", "Run", "open_run", "write_report"]
