"""Error messages for logs and emails, without the values that they quote: a value may be a customer's key or address.

The page of a run in the admin, which takes the permission to look at runs, has the whole message.
"""

import re

HIDDEN = "[hidden]"
# As long as an address may be: without the bounds, a long text without one takes the square of its length.
_EMAIL = re.compile(r"[^\s@'\"<>()\[\]{},;:=/\\|]{1,64}(?:@|%40)[^\s@'\"<>()\[\]{},;:=/\\|]{1,253}\.[A-Za-z]{2,}")
# Values as Python quotes them, 'ada' and "o'brien", and as PostgreSQL quotes them: (email)=(ada), contains (1, ada),
# integer: "ada".
_QUOTED = re.compile(
    r"""(?<![\w])'(?:[^'\\\n]|\\.)*'(?!\w)|(?<![\w])"[^"\n]*'[^"\n]*"(?!\w)|(?<=\)=)\(.*\)|(?<=contains )\(.*\)"""
    r"""|(?<=: )"[^"\n]*\""""
)


def without_values(text: str) -> str:
    return without_addresses(_QUOTED.sub(HIDDEN, text))


def without_addresses(text: str) -> str:
    """The text without email addresses."""
    return _EMAIL.sub(HIDDEN, text)
