"""Secrets in URLs."""

import pytest

from actors.lib.urls import redact, secrets_in


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("ws://h/ws", ()),
        ("wss://user:s3cret@h/ws", ("s3cret",)),
        ("wss://user:s%403cret@h/ws", ("s%403cret", "s@3cret")),
        ("wss://h/ws?token=s3cret&format=design", ("s3cret",)),
        ("wss://h/ws?x=0123456789abcdef", ("0123456789abcdef",)),
        ("wss://h/ws?0123456789abcdef", ("0123456789abcdef",)),
        ("wss://h/ws?api_key=a%2Fb%2Fc", ("a%2Fb%2Fc", "a/b/c")),
    ],
)
def test_what_may_be_secret_is_found(url: str, secrets: tuple[str, ...]) -> None:
    assert secrets_in(url) == secrets


def test_secrets_are_replaced_the_longest_first() -> None:
    assert redact("abcd and abcdef", ("abcd", "abcdef")) == "*** and ***"
