"""What every long run over problems shares, curation and evaluation alike.

- `settings`: help texts from docstrings, and the fingerprint of the problems
- `folder`: an output folder, claimed by one process, never mixed from two configurations
- `lines`: files that grow by a line at a time and survive a kill
- `opening`: reasoner and sandbox, opened as the settings say
- `crew`: threads that work, and one loop that keeps what they bring
- `watch`: a reasoner with a counter and a brake
"""
