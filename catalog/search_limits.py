"""Limits of a search: every word costs a pass through the table."""

from django.utils.formats import number_format
from django.utils.translation import gettext

LONGEST, MOST_WORDS = 200, 12


def too_much(text: str) -> str:
    """What is wrong with a search, in a sentence; "" where nothing is."""
    if len(text) > LONGEST:
        sentence = gettext("A search has at most {most} letters; this one has {count}.")
        return sentence.format(most=LONGEST, count=number_format(len(text), force_grouping=True))
    words = len(text.split())
    if words <= MOST_WORDS:
        return ""
    sentence = gettext("A search has at most {most} words; this one has {count}.")
    return sentence.format(most=MOST_WORDS, count=number_format(words, force_grouping=True))
