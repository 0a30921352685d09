"""Errors in logs and emails, without the values that they quote."""

import time

from recommender.redaction import HIDDEN, without_addresses


def test_an_address_in_a_log_line_is_hidden_and_the_rest_stands():
    assert without_addresses("for ada.l@shop.example. Next: b%40c.de") == f"for {HIDDEN}. Next: {HIDDEN}"


def test_a_long_text_in_a_log_line_does_not_hold_up_the_request():
    """It took the square of its length: 16 KB two seconds, this text five minutes. Now well under a second."""
    started = time.process_time()
    for text in ("a" * 200_000, "a@" + "b." * 100_000):
        assert without_addresses(text) == text
    assert time.process_time() - started < 30
