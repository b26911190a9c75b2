"""The URL of a database: parsed strictly, and never shown with its password."""

import pytest

from storm_calm.agents.runs.database_url import ENVIRONMENT, database_url_of, read_database_url

SECRET = "s3cret/of#ana"
QUOTED = "s3cret%2Fof%23ana"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"postgresql://storm:{QUOTED}@db:5432/storm", "postgresql://storm:***@db:5432/storm"),
        (f"postgres://storm:{QUOTED}@[::1]/storm?sslmode=require", "postgres://storm:***@[::1]/storm"),
        (f"postgresql://db/storm?user=storm&password={QUOTED}", "postgresql://db/storm"),
        ("postgresql://storm@db/storm", "postgresql://storm@db/storm"),
    ],
)
def test_a_url_is_shown_and_masked_without_its_password(text, shown):
    url = read_database_url(text, "--database")
    assert (url.secret, url.shown) == (text, shown)
    assert "s3cret" not in repr(url)
    error = f"no connection to {text}: password {QUOTED} or {SECRET} is wrong"
    masked = url.masked(error)
    if "s3cret" in text:
        assert "s3cret" not in masked
        assert masked.endswith("password *** or *** is wrong")


@pytest.mark.parametrize(
    "text",
    [
        f"mysql://storm:{QUOTED}@db/storm",
        f"storm:{QUOTED}@db/storm",
        f"postgresql://storm:{SECRET}@db/storm",
        f"postgresql://storm:{QUOTED}@db:port/storm",
        "postgresql:///storm",
    ],
)
def test_an_invalid_url_is_an_error_with_an_example_and_without_the_url(text):
    with pytest.raises(ValueError, match="--database: not the URL of a") as caught:
        read_database_url(text, "--database")
    assert "s3cret" not in str(caught.value)
    assert "postgresql://storm@db.example:5432/storm" in str(caught.value)


def test_the_option_comes_before_the_variable():
    environment = {ENVIRONMENT: "postgresql://b/storm"}
    assert database_url_of("postgresql://a/storm", environment).shown == "postgresql://a/storm"
    assert database_url_of(None, environment).shown == "postgresql://b/storm"
    assert database_url_of(None, {}) is None
