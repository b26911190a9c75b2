"""Help on errors of pandas: what a table has by column, by row and as a list."""

import re

from storm_calm.sandbox.error_help.failure import Failure

_COLUMN = (
    "The table has no column of this name. `print(df.columns.tolist())` shows the columns. If it is the name of a row, "
    "use `df.set_index('first_column').loc['row_name', 'column']`."
)
_ROW = (
    "The table has no row of this name: its rows are numbered from 0. "
    "Use `df.set_index('first_column').loc['row_name', 'column']`, or `df['column'].iloc[0]` for the first row."
)
_LIST = "A table of several columns has no `tolist`. Use `df.values.tolist()`, or `df['column'].tolist()`."


def help_on(failure: Failure) -> str:
    """Return help on a missing column or row of a pandas table; "" for other errors."""
    modules = [str(frame.f_globals.get("__name__")) for frame in failure.frames]
    if not modules or not modules[-1].startswith("pandas."):
        return ""
    if isinstance(failure.error, KeyError):
        rows = any(name == "pandas.core.indexing" for name in modules) or re.search(r"\.loc\[|\.at\[", failure.line)
        return _ROW if rows else _COLUMN
    if isinstance(failure.error, AttributeError) and "'DataFrame' object has no attribute 'tolist'" in failure.message:
        return _LIST
    return ""
