"""Sentences that are made in one place and read in another, by somebody who may speak another language.

A sentence is kept as its message and the values in it: `Words("Run {run} is cancelled.", run=7)`. It is the English
text wherever a plain one is wanted: in logs, in columns of the database, in errors. `in_words` says it in the reader's
language, with the numbers as they are written there.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from numbers import Integral, Real
from typing import Any

import structlog
from django.utils import formats, timezone
from django.utils.translation import get_language, gettext, ngettext, pgettext

log = structlog.get_logger("recommender.words")

NO_VALUE = "–"
# What a template raises whose places are not those of the values.
DOES_NOT_FIT = (LookupError, ValueError, AttributeError, TypeError)


class Words(str):
    """A sentence with named places, {name} or {name:format}. Its text is English; `in_words` translates it.

    message : the English sentence, as a literal: `make messages` collects it.   values : text, numbers, dates or Words.
    The formats are those of `written`.
    """

    __slots__ = ("message", "number", "plural", "values")

    message: str
    plural: str
    number: int | None
    values: Mapping[str, Any]

    def __new__(cls, message: str, /, **values: Any) -> Words:
        return cls._of(message, "", None, values)

    @classmethod
    def _of(cls, message: str, plural: str, count: int | None, values: Mapping[str, Any]) -> Words:
        template = message if count is None or count == 1 else plural
        values = {name: message_of(value) for name, value in values.items()}
        words = super().__new__(cls, _English().vformat(template, (), values))
        words.message, words.plural, words.number, words.values = message, plural, count, values
        return words

    def __reduce__(self) -> Any:
        return Words.from_json, (self.to_json(),)

    def to_json(self) -> dict[str, Any]:
        """The sentence as a column of JSON holds it; `from_json` reads it again."""
        values = {name: _to_json(value) for name, value in self.values.items()}
        saved: dict[str, Any] = {"message": self.message, "values": values}
        return saved if self.number is None else saved | {"plural": self.plural, "count": self.number}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Words:
        values = {name: _from_json(value) for name, value in saved["values"].items()}
        return cls._of(saved["message"], saved.get("plural", ""), saved.get("count"), values)

    def translated(self) -> str:
        """The sentence in the reader's language; in English where a host's own translation has other places."""
        if self.number is None:
            template = gettext(self.message) if self.message else ""
        else:
            template = ngettext(self.message, self.plural, self.number)
        try:
            return _Local().vformat(template, (), self.values)
        except DOES_NOT_FIT as error:
            _log_once("translation_does_not_fit", template, repr(error))
            return str(self)


def counted(one: str, several: str, count: int, /, **values: Any) -> Words:
    """Words with a plural. `{count:n}` stands for the number."""
    return Words._of(one, several, count, {"count": count, **values})


def ngettext_noop(one: str, several: str) -> tuple[str, str]:
    """Both forms of a message for `counted`, where the message is chosen later: `make messages` collects them."""
    return one, several


def joined(parts: Sequence[Words | str], separator: str = " ") -> Words:
    """Several sentences as one."""
    names = [f"part{n}" for n in range(len(parts))]
    return Words(separator.join(f"{{{name}}}" for name in names), **dict(zip(names, parts, strict=True)))


def capitalized(words: Words) -> Words:
    return Words("{words:capitalized}", words=words)


def in_words(text: object) -> str:
    """A text in the reader's language, if it is Words or an error that says Words; else as it is."""
    text = message_of(text)
    return text.translated() if isinstance(text, Words) else str(text)


def message_of(value: Any) -> Any:
    """What an error says: Words, where it was made of them, else text. Any other value as it is."""
    if not isinstance(value, BaseException):
        return value
    found = (argument for argument in value.args if isinstance(argument, Words))
    return next(found, str(value))


def columns(**texts: object) -> dict[str, Any]:
    """Values of the columns of a row that keep sentences: `phase`, the English text, and `phase_parts`, of which it is
    made in other languages."""
    values: dict[str, Any] = {}
    for name, text in texts.items():
        values |= {name: str(text), f"{name}_parts": text.to_json() if isinstance(text, Words) else None}
    return values


def shown_column(row: Any, name: str) -> str:
    """What a row's column of that name says, in the reader's language. A text without parts is as it was written."""
    text = stored_words(getattr(row, name), getattr(row, f"{name}_parts"))
    return text.translated() if isinstance(text, Words) else text


def stored_words(text: str, parts: Any) -> Words | str:
    """The Words of which a column was written; its text where it has no parts, or those of another version."""
    if not parts:
        return text
    try:
        return Words.from_json(parts)
    except DOES_NOT_FIT as error:
        _log_once("stored_parts_not_read", str(parts), repr(error))
        return text


def fill(template: str, /, **values: Any) -> str:
    """A translated template with its values, numbers and dates written as the reader's language does.

    A host's translation that has other places than the English text is said as it is.
    """
    try:
        return _Local().vformat(template, (), values)
    except DOES_NOT_FIT as error:
        _log_once("translation_does_not_fit", template, repr(error))
        return template


@lru_cache(1_000)  # a page that is read all day says it once
def _log_once(event: str, text: str, error: str) -> None:
    log.warning(event, text=text[:200], error=error[:200])


# --- values in a column of JSON ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Shown:
    """What a value of any other type looked like when it was stored: by {name}, and by {name!r}."""

    text: str
    quoted: str

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.quoted


def _to_json(value: Any) -> Any:
    """A value that is text, a whole number or None as it is; others as an object of one or two names."""
    if isinstance(value, Words):
        return {"words": value.to_json()}
    if isinstance(value, date):
        return {"time": value.isoformat()}
    if isinstance(value, str | int | None):
        return value
    if isinstance(value, Integral):  # numpy's
        return int(value)
    if isinstance(value, Real):
        # JSON has neither nan nor infinity: databases refuse the row.
        number = value if isinstance(value, float) else float(str(value))  # a float32 with no more digits than it has
        return float(number) if isfinite(number) else {"number": str(float(number))}
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    return {"text": str(value), "quoted": repr(value)}


def _from_json(saved: Any) -> Any:
    if not isinstance(saved, Mapping):
        return saved
    if "words" in saved:
        return Words.from_json(saved["words"])
    if "number" in saved:
        return float(saved["number"])
    if "decimal" in saved:
        return Decimal(saved["decimal"])
    if "text" in saved:
        return _Shown(saved["text"], saved["quoted"])
    day = saved["time"]
    return date.fromisoformat(day) if len(day) == len("2026-11-30") else datetime.fromisoformat(day)


# --- numbers ----------------------------------------------------------------------------------------------------------


def written(value: Any, spec: str = "") -> str:
    """A value in the reader's language, by its format.

    n : a whole number, 1,234.   .2f, +.2f, g : a number as Python writes it.
    percent, percent1 : a share, 12%, 12.3%.
    score, +score : three decimals without the leading zero, where the language writes a point: .108.
    date, time : of a moment.   capitalized : words at the start of a sentence.
    "" : as it is, a number without separators: it is a name.
    """
    if isinstance(value, Words):
        return _plain(value.translated(), spec)
    language = get_language() or "en"
    if isinstance(value, str) or value is None or not spec or language.split("-")[0] == "en":
        return _plain(value, spec)
    if isinstance(value, date):
        value = _local_time(value)
        return formats.date_format(value, "SHORT_DATE_FORMAT" if spec == "date" else "SHORT_DATETIME_FORMAT")
    if spec.startswith("percent"):
        # Translators: a share. German and French put a space between.
        number = written(100 * value, f".{spec[7:] or 0}f")
        return pgettext("a share in percent", "{number}%").format(number=number)
    if spec.endswith("score") and formats.get_format("DECIMAL_SEPARATOR") != ".":
        spec = spec.replace("score", ".3f")
    text, e, exponent = _plain(value, spec).replace(",", "").partition("e")
    sign = text[0] if text[0] in "+-" else ""
    places = len(text.partition(".")[2])
    number = formats.number_format(text.removeprefix(sign), places, use_l10n=True, force_grouping=True)
    return sign + number + e + exponent


def _local_time(value: date) -> date:
    return timezone.localtime(value) if isinstance(value, datetime) and timezone.is_aware(value) else value


def _plain(value: Any, spec: str) -> str:
    """The same in English."""
    if spec == "capitalized":
        return value[:1].upper() + value[1:]
    if isinstance(value, str) or not spec:
        return str(value)
    if value is None:
        return NO_VALUE
    if isinstance(value, date):
        value = _local_time(value)
        return f"{value:%Y-%m-%d}" if spec == "date" else f"{value:%Y-%m-%d %H:%M}"
    if spec == "n":
        return f"{value:,}"
    if spec.startswith("percent"):
        return f"{value:.{spec[7:] or 0}%}"
    if spec in ("score", "+score"):
        text = f"{value:{spec.removesuffix('score')}.3f}"
        return text.replace("0.", ".", 1) if abs(value) < 0.9995 else text
    return f"{value:{spec}}"


class _English(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        return _plain(value, format_spec)


class _Local(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        return written(value, format_spec)
