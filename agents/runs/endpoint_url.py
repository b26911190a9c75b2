"""The check of an endpoint's URL among the options of a command."""

from urllib.parse import urlsplit

from storm_calm.agents.runs.options import OptionError


def check_endpoint_url(option: str, url: str, *, key: str) -> None:
    """Raise OptionError unless `url` is one of a server, without credentials: it is written to files.

    key: the environment variable for the API key.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise OptionError(option, f'"{url}" is not a URL. Example: http://localhost:8000/v1')
    if parts.username or parts.password:
        raise OptionError(option, f"has a user name or password; leave it out and set {key}")
