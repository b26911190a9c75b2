"""Replace paths of the machine in text by neutral ones, so that tracebacks are the same on every machine.

/home/me/venv/lib/python3.11/site-packages/scipy/optimize/_milp.py  ->  <python>/scipy/optimize/_milp.py
/tmp/sandbox-ab12cd34/7/main.py                                     ->  main.py
"""

import re

_MARKS = r"(?:site-packages|dist-packages|lib/python3(?:\.\d{1,2})?(?:/lib-dynload)?|sandbox-\w{8}/libraries)"
# A path starts after a character that no path contains, so matching takes linear time.
_PARENTS = r"(?<![\w.+@~/-])(?:/[\w.+@~-]++)*"
_OWN = r"/sandbox-[a-z0-9_]{8}/\d{1,9}"
_QUOTED_FILE = re.compile(rf'(?<=File ")/[^"\n]{{0,400}}/{_MARKS}/')
_LIBRARY = re.compile(rf"{_PARENTS}/{_MARKS}/|(?:/tmp)?/sandbox-\w{{8}}/libraries/|(?<![\w./])/libraries/")
_OWN_FILE = re.compile(rf"(?:{_PARENTS}|/tmp|){_OWN}/|(?<![\w./])(?:/scratch|/tmp/\.scratch)/")
_OWN_FOLDER = re.compile(rf"(?:{_PARENTS}|/tmp|){_OWN}\b|(?<![\w./])(?:/scratch|/tmp/\.scratch)\b(?!/)")


def neutral(text: str) -> str:
    """Return `text` with neutral paths for the standard library, installed libraries, and a program's own folder."""
    if "/" not in text:
        return text
    text = _LIBRARY.sub("<python>/", _QUOTED_FILE.sub("<python>/", text))
    return _OWN_FOLDER.sub(".", _OWN_FILE.sub("", text))
