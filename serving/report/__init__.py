"""The run report: a curation or an evaluation as one page, every trajectory in it, for a browser and nothing else.

    from storm_calm.serving.report import open_run, write_report

    write_report(open_run(Path("runs/first")), Path("runs/first/report.html"))

`storm view` is this; with `--serve` it is `serving.report.live_server`, which shows a run folder while its
command is at work. The folder is only read.

The page is made of an index, one small row for each trajectory, and of blocks of whole trajectories, both as gzip in
base64 in elements that no browser runs. What a model wrote gets into the page as text nodes alone, and the page's
policy lets no script run but its own and asks no host for anything.

- `run_files`: which file of a run folder holds what
- `read_records`: records one by one, also of a file that grows
- `report_entries`: what the page shows of a record
- `report_page`: the page around it, from the files in `assets/`
- `write_report`: the page as a file
- `live_server`: the page as a server
"""

from storm_calm.serving.report.run_files import RunFiles, open_run
from storm_calm.serving.report.write_report import WrittenReport, write_report

__all__ = ["RunFiles", "WrittenReport", "open_run", "write_report"]
