"""The address of a PostgreSQL database, which never shows its password.

url = read_database_url("postgresql://storm:secret@db:5432/storm", "--database")
url.shown                # postgresql://storm:***@db:5432/storm
url.masked(str(error))   # the error without the password
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

ENVIRONMENT = "STORM_DATABASE"
"""The environment variable with the URL. Other users of the machine cannot see it, as they can options."""
SCHEMES = ("postgresql", "postgres")
EXAMPLE = "postgresql://storm@db.example:5432/storm"
MASK = "***"
SHORTEST = 3
"""Fewest characters of a password that is also replaced inside of other texts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseUrl:
    """The URL of a database."""

    secret: str = field(repr=False)
    """The URL with its password, for connecting only."""
    shown: str
    """The URL for people: the password is masked, and options are left out."""

    def masked(self, text: str) -> str:
        """Return a text, such as the error of a driver, without the password."""
        for secret in (self.secret, *_passwords(self.secret)):
            text = text.replace(secret, MASK)
        return text


def is_database_url(text: str) -> bool:
    return text.partition("://")[0] in SCHEMES


def read_database_url(text: str, place: str) -> DatabaseUrl:
    """Parse a URL. Raises ValueError for an invalid one, without repeating it. place: the option or variable."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(f"{place}: not the URL of a database. Example: {EXAMPLE}") from None
    if parts.scheme not in SCHEMES or not parts.netloc or parts.fragment:
        raise ValueError(
            f"{place}: not the URL of a PostgreSQL database. Example: {EXAMPLE}. "
            "Write characters of a password such as / # @ as %2F %23 %40"
        )
    user = f"{parts.username}:{MASK}@" if parts.password is not None else f"{parts.username}@" if parts.username else ""
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    shown = urlunsplit((parts.scheme, f"{user}{host}{f':{port}' if port else ''}", parts.path, "", ""))
    return DatabaseUrl(secret=text, shown=shown)


def database_url_of(option: str | None, environment: Mapping[str, str] = os.environ) -> DatabaseUrl | None:
    """Return the database of an option, or else of STORM_DATABASE; None without any. Raises ValueError."""
    if option:
        return read_database_url(option, "--database")
    given = environment.get(ENVIRONMENT, "")
    return read_database_url(given, ENVIRONMENT) if given else None


def _passwords(secret: str) -> list[str]:
    """Return the passwords of a URL, as they are written and decoded, the longest first."""
    parts = urlsplit(secret)
    found = {parts.password or "", *(value for key, value in parse_qsl(parts.query) if "password" in key)}
    found |= {form(password) for password in found for form in (unquote, partial(quote, safe=""))}
    return sorted((one for one in found if len(one) >= SHORTEST), key=len, reverse=True)
