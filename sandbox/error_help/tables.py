"""Help on errors of pandas: what a table has by column, by row and as a list."""

from storm_calm.sandbox.error_help.failure import Failure

_COLUMN = (
    "The table has no column of this name. `print(df.columns.tolist())` shows the columns; those of a file are texts: "
    "'2', not 2. If it is the name of a row, use `df.set_index('first_column').loc['row_name', 'column']`."
)
_ROW = (
    "There is no row with this label; `print(df.index)` shows the labels. The rows of a file are numbered from 0. "
    "By name: `df.set_index('first_column').loc['row_name', 'column']`; by place: `df['column'].iloc[0]`."
)
_LIST = "A table of several columns has no `tolist`. Use `df.values.tolist()`, or `df['column'].tolist()`."


def help_on(failure: Failure) -> str:
    """Return help on a missing column or row of a pandas table; "" for other errors."""
    steps = [(str(frame.f_globals.get("__name__")), frame.f_code.co_name) for frame in failure.frames]
    if not steps or not steps[-1][0].startswith("pandas."):
        return ""
    if isinstance(failure.error, KeyError):
        column = ("pandas.core.frame", "__getitem__") in steps or ("pandas.core.frame", "_get_item") in steps
        return _COLUMN if column else _ROW
    if isinstance(failure.error, AttributeError) and "'DataFrame' object has no attribute 'tolist'" in failure.message:
        return _LIST
    return ""
