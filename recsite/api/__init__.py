"""What every call of the API has in common: who calls, errors, pages, repeats, its description; keys and tokens."""
