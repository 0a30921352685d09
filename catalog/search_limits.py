"""Limits of a search: every word costs a pass through the table."""

LONGEST, MOST_WORDS = 200, 12


def too_much(text: str) -> str:
    """What is wrong with a search, in a sentence; "" where nothing is."""
    if len(text) > LONGEST:
        return f"A search has at most {LONGEST} letters; this one has {len(text):,}."
    words = len(text.split())
    return f"A search has at most {MOST_WORDS} words; this one has {words:,}." if words > MOST_WORDS else ""
