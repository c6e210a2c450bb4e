"""Locations: paths and URLs, and what is shown of a URL."""

from pathlib import Path

import pytest

from bertprep.options import place, shown_url


def test_a_location_is_a_path_or_a_url() -> None:
    assert place("a/b.txt") == Path("a/b.txt")
    assert place("file:///a/b.txt") == Path("/a/b.txt")
    assert place("s3://bucket/a//b.txt") == "s3://bucket/a//b.txt"


@pytest.mark.parametrize(
    "url",
    [
        "https://host/a.txt?page=3",
        "https://host:8080/a@b.txt",
        "https://[::1]:8080/a@b.txt",
        "https://host/~me/a:b@c.txt",
        "sftp://me@host/a@b:c@d.txt",
        "sftp://me@host:22/a.txt",
        "abfs://container@account.dfs.core.windows.net/a.txt",
        "s3://bucket/a@b:c.txt",
        "s3://bucket/part-?.txt",
        "s3://bucket/a#1.txt",
    ],
)
def test_a_url_without_credentials_is_shown_as_it_is(url: str) -> None:
    assert shown_url(url) == url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://SECRET@host/a.txt", "https://host/a.txt"),
        ("https://me:SECRET@host/a.txt", "https://host/a.txt"),
        ("HTTPS://me:SECRET@host/a.txt", "HTTPS://host/a.txt"),
        ("https://me:SE@CRET@host/a.txt", "https://host/a.txt"),
        ("https://me:SE/CRET@host/a.txt", "https://host/a.txt"),
        ("https://me:SE?CRET@host/a.txt", "https://host/a.txt"),
        ("sftp://me:SECRET@host/a.txt", "sftp://me@host/a.txt"),
        ("sftp://me:SE@CRET@host/a.txt", "sftp://me@host/a.txt"),
        ("s3://KEY:SECRET@bucket/a.txt", "s3://bucket/a.txt"),
        ("s3://KEY:SE/CRET@bucket/a.txt", "s3://bucket/a.txt"),
        ("s3://KEY:12/SECRET@bucket/a.txt", "s3://bucket/a.txt"),
        ("https://host/a.txt?X-Amz-Date=1&X-Amz-Signature=SECRET", "https://host/a.txt"),
        ("https://host/a.txt?a=1;token=SECRET", "https://host/a.txt"),
        ("https://host/a.txt?%74oken=SECRET", "https://host/a.txt"),
        ("https://host/a.txt?q=eyJhbGciOiJIUzI1NiJ9.SECRET", "https://host/a.txt"),
        ("https://host/a.txt#SECRET", "https://host/a.txt"),
        ("https://host/a.txt?page=3#SECRET", "https://host/a.txt?page=3"),
        ("s3://bucket/a.txt#access_token=SECRET", "s3://bucket/a.txt"),
        *(
            (f"https://host/a.txt?page=3&{name}=SECRET", "https://host/a.txt")
            for name in (
                *("sig", "auth", "pwd", "password", "code", "jwt", "credential", "api_key"),
                *("access_token", "AWSAccessKeyId", "session", "sas", "client-secret"),
            )
        ),
    ],
)
def test_credentials_of_a_url_are_not_shown(url: str, shown: str) -> None:
    assert shown_url(url) == shown
