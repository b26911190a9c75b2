"""What every long run over problems shares, curation and evaluation alike.

- `settings`: help texts from docstrings, and the fingerprint of the problems
- `run_folder`: an output folder, claimed by one process, never mixed from two configurations
- `open_run`: reasoner and sandbox, opened as the settings say
- `resume`: results that are kept one by one, and jobs that are missing
- `progress`: how far the work is
- `worker_pool`: jobs on threads, and one loop that keeps their results
- `cancellable_reasoner`: a reasoner that counts tokens and can be cancelled
"""
