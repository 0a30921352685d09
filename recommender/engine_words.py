"""The engine's sentences in other languages.

The engine knows no Django: it speaks English. Those of its sentences that a page shows stand here as templates;
`engine_words` finds the one that a sentence was made by, and what is in it.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from functools import cache
from typing import Any

from django.utils.translation import gettext_noop

from recommender.engine.data.left_out import LeftOut
from recommender.engine.errors import EngineError
from recommender.words import Words, counted, message_of, ngettext_noop

TEMPLATES = (
    # How far a training is.
    gettext_noop("{purchases:n} purchases of {items:n} items"),
    gettext_noop("starts cold"),
    gettext_noop("starts warm"),
    gettext_noop("starts cold, not from the live model: {why}"),
    gettext_noop("epoch {epoch}, loss {loss:.3f}"),
    gettext_noop("epoch {epoch}, loss {loss:.3f}, validation NDCG@10 {score:.4f}"),
    gettext_noop("trial {trial} of {trials}, epoch {epoch}, NDCG@10 {score:.4f}"),
    gettext_noop("the limit of {minutes} minutes ended training"),
    gettext_noop("ranking the whole catalog for the held-out purchases"),
    gettext_noop("making lists for a few users"),
    gettext_noop("writing the bundle"),
    # What is wrong with settings, a profile or the description of an item.
    gettext_noop("{name} is {value}; it must be one of {allowed}."),
    gettext_noop("{name} is {value}; it must be 1 or more."),
    gettext_noop("{name} is {value}; it must be more than 0."),
    gettext_noop("{name} is {value}; it must be 0 or more."),
    gettext_noop("{name} is {value}; it must be 0 or more, and less than 2 to the power of 32."),
    gettext_noop("{name} is {value}; it must lie between 0 and 1."),
    gettext_noop("Unknown training settings: {names}."),
    gettext_noop("{field}: {value} is not text."),
    gettext_noop("{field}: {value} is not a number."),
    gettext_noop("{field}: {value} is not a finite number."),
    gettext_noop("{field}: {value} is not a list of texts."),
    gettext_noop("{field}: {value} is not a list of numbers."),
    gettext_noop("{field}: a number of the list is missing."),
    gettext_noop("{field}: {given} numbers are given; the model learned from vectors of {length}."),
    # What is wrong with the data.
    gettext_noop("There are no interactions: a model needs purchases to learn from."),
    gettext_noop("There are no interactions: a model needs purchases to learn from. {sentences}"),
    gettext_noop("No purchase is left to learn from after the split."),
    gettext_noop("No purchase is held out for validation: there is nothing to choose settings by."),
    gettext_noop("All purchases share one moment: a split by date needs at least two. Use last-out."),
    gettext_noop(
        "Too much is broken to learn from. Of {size:n} {what} in {table}, {count:n} cannot be used, and more "
        "than {most} "
        "are too many. {sentences}"
    ),
    gettext_noop(
        "The keys of the tables do not fit together: in {count:n} of {interactions:n} interactions, the "
        "{column} {reason}."
        " {sentences}"
    ),
    # What is wrong with a bundle or a model.
    gettext_noop("{bundle} is not a bundle: it has no manifest.json."),
    gettext_noop("{path} is not the manifest of a bundle."),
    gettext_noop("{bundle} is altered or truncated: {file} does not match the manifest."),
    gettext_noop("{bundle} does not say how its training data was spread; train again."),
    gettext_noop("{path} cannot be read: {error}."),
    gettext_noop("The model at {path} cannot be opened: {error}"),
    gettext_noop("The model opens but does not work. {error}"),
    gettext_noop("The model does not answer: {error}"),
    gettext_noop("Milvus does not answer as it should: {error}"),
    gettext_noop("Somebody was listed {expected} items by the trainer and {listed} by the bundle."),
    gettext_noop(
        "Somebody's place {place} was {item} at {score:.4f} for the trainer and {other} at {other_score:.4f} "
        "for the bundle."
    ),
    gettext_noop("Somebody was listed {item} by the trainer and not by the bundle."),
    gettext_noop("The run was cancelled."),
)
# Why rows and values could not be used.
REASONS = (
    gettext_noop("is missing"),
    gettext_noop("are those of another row"),
    gettext_noop("stands there again further down"),
    gettext_noop("cannot be read"),
    gettext_noop("is in no calendar"),
    gettext_noop("is before 1970"),
    gettext_noop("is more than a day ahead"),
    gettext_noop("is more than a day ahead: it looks like milliseconds, and must be seconds"),
    gettext_noop("is neither a timestamp nor Unix seconds"),
    gettext_noop("is neither true nor false"),
    gettext_noop("true and false are no times"),
    gettext_noop("is not between 0 and 5"),
    gettext_noop("is not a number"),
    gettext_noop("is not a finite number"),
    gettext_noop("is not a number between {low} and {high}"),
    gettext_noop("is outside the years 1 to 9999"),
    gettext_noop("does not hold {length} finite numbers (in CSV with | between them)"),
    gettext_noop("has too few or too many cells"),
    gettext_noop("has no row in {table}"),
)
TABLES = {
    "users": gettext_noop("customers"),
    "items": gettext_noop("items"),
    "interactions": gettext_noop("interactions"),
}
COLUMNS = (gettext_noop("the key"), gettext_noop("the line"), gettext_noop("user, item and time"))
# table, count, effect, column and reason; then the names of the first rows.
LEFT_OUT = {
    "row left out": ngettext_noop(
        "{table}: {count:n} row is left out, because {column} {reason}{names}.",
        "{table}: {count:n} rows are left out, because {column} {reason}{names}.",
    ),
    "value left out": ngettext_noop(
        "{table}: {count:n} value is left out, its row is kept, because {column} {reason}{names}.",
        "{table}: {count:n} values are left out, their rows are kept, because {column} {reason}{names}.",
    ),
    "counted once": ngettext_noop(
        "{table}: {count:n} repeated row is counted once, because {column} {reason}{names}.",
        "{table}: {count:n} repeated rows are counted once, because {column} {reason}{names}.",
    ),
    "never listed": ngettext_noop(
        "{table}: {count:n} row teaches, but its item is never listed, because {column} {reason}{names}.",
        "{table}: {count:n} rows teach, but their items are never listed, because {column} {reason}{names}.",
    ),
    "nobody's": ngettext_noop(
        "{table}: {count:n} row is nobody's and left out, because {column} {reason}{names}.",
        "{table}: {count:n} rows are nobody's and left out, because {column} {reason}{names}.",
    ),
    "without a profile": ngettext_noop(
        "{table}: {count:n} row is of a user without a profile, because {column} {reason}{names}.",
        "{table}: {count:n} rows are of users without a profile, because {column} {reason}{names}.",
    ),
}


def engine_words(sentence: object) -> Words | str:
    """A sentence or an error of the engine as Words; as it is, where no template makes it."""
    message = message_of(sentence)
    return message if isinstance(message, Words) else _found(message, TEMPLATES) or message


def error_words(error: BaseException) -> Words | str:
    """What an error says, be it the engine's or the app's."""
    return engine_words(error) if isinstance(error, EngineError) else message_of(error)


def left_out_words(part: LeftOut) -> Words | str:
    """What `LeftOut.sentence` says."""
    if part.effect not in LEFT_OUT:
        return part.sentence()
    more = ", ..." if part.count > len(part.examples) else ""
    return counted(
        *LEFT_OUT[part.effect],
        part.count,
        table=Words(TABLES[part.table]) if part.table in TABLES else part.table,
        column=Words(part.column) if part.column in COLUMNS else part.column,
        reason=_found(part.reason, REASONS) or part.reason,
        names=f" ({', '.join(part.examples)}{more})" if part.examples else "",
    )


# --- within -----------------------------------------------------------------------------------------------------------


def _found(sentence: str, templates: tuple[str, ...]) -> Words | None:
    """The Words that the first of the templates makes of the same sentence."""
    for template in templates:
        values = _values(template, sentence)
        words = None if values is None else _made(template, values)
        if words is not None and words == sentence:
            return words
    return None


def _values(template: str, sentence: str) -> dict[str, str] | None:
    """What stands in the template's places, none of it empty, each as short as can be; None where it does not fit.

    By `find` from left to right and not by a regular expression, which tries each end of each place with each of the
    next: a sentence may quote what a visitor sent.
    """
    (start, *texts), names = _parts(template)
    if not sentence.startswith(start):
        return None
    place = len(start)
    values: dict[str, str] = {}
    for name, text in zip(names, texts, strict=True):
        is_last = len(values) == len(names) - 1
        if not is_last:
            end = sentence.find(text, place + 1)
        else:
            end = len(sentence) - len(text) if sentence.endswith(text) else -1
        if end <= place:
            return None
        values[name] = sentence[place:end]
        place = end + len(text)
    return values if place == len(sentence) else None


@cache
def _parts(template: str) -> tuple[list[str], list[str]]:
    """The texts of a template, and the names of the places between them: one fewer."""
    texts, names = [""], []
    for text, name, _, _ in string.Formatter().parse(template):
        texts[-1] += text
        if name:
            names.append(name)
            texts.append("")
    return texts, names


def _made(template: str, found: Mapping[str, str]) -> Words | None:
    """Numbers as numbers, where the template writes numbers; None where one is none."""
    values: dict[str, Any] = dict(found)
    for _, name, spec, _ in string.Formatter().parse(template):
        if name and spec:
            try:
                number = float(values[name].replace(",", ""))
                values[name] = int(number) if spec == "n" else number
            except (ValueError, OverflowError):  # "nan" and "inf" are no whole numbers
                return None
    return Words(template, **values)
