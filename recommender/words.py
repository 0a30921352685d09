"""Sentences that are made in one place and read in another, by somebody who may speak another language.

A sentence is kept as its message and the values in it: `Words("Run {run} is cancelled.", run=7)`. It is the English
text wherever a plain one is wanted: in logs, in columns of the database, in errors. `in_words` says it in the reader's
language, with the numbers as they are written there.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from django.utils import formats, timezone
from django.utils.translation import get_language, gettext, ngettext, pgettext

NO_VALUE = "–"


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
        values = {name: said_by(value) for name, value in values.items()}
        words = super().__new__(cls, _English().vformat(template, (), values))
        words.message, words.plural, words.number, words.values = message, plural, count, values
        return words

    def __reduce__(self) -> Any:
        return Words.from_json, (self.to_json(),)

    def to_json(self) -> dict[str, Any]:
        """The sentence as a column of JSON holds it; `from_json` reads it again."""

        def saved_value(value: Any) -> Any:
            if isinstance(value, Words):
                return {"words": value.to_json()}
            if isinstance(value, date):
                return {"time": value.isoformat()}
            return value if isinstance(value, str | int | float | None) else str(value)

        values = {name: saved_value(value) for name, value in self.values.items()}
        saved: dict[str, Any] = {"message": self.message, "values": values}
        return saved if self.number is None else saved | {"plural": self.plural, "count": self.number}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Words:
        def value_of(value: Any) -> Any:
            if isinstance(value, Mapping):
                return cls.from_json(value["words"]) if "words" in value else datetime.fromisoformat(value["time"])
            return value

        values = {name: value_of(value) for name, value in saved["values"].items()}
        return cls._of(saved["message"], saved.get("plural", ""), saved.get("count"), values)

    def translated(self) -> str:
        if self.number is None:
            template = gettext(self.message) if self.message else ""
        else:
            template = ngettext(self.message, self.plural, self.number)
        return fill(template, **self.values)


def counted(one: str, several: str, count: int, /, **values: Any) -> Words:
    """Words with a plural. `{count:n}` stands for the number."""
    return Words._of(one, several, count, {"count": count, **values})


def joined(parts: Sequence[Words | str], separator: str = " ") -> Words:
    """Several sentences as one."""
    names = [f"part{n}" for n in range(len(parts))]
    return Words(separator.join(f"{{{name}}}" for name in names), **dict(zip(names, parts, strict=True)))


def capitalized(words: Words) -> Words:
    return Words("{words:capitalized}", words=words)


def in_words(text: object) -> str:
    """A text in the reader's language, if it is Words or an error that says Words; else as it is."""
    text = said_by(text)
    return text.translated() if isinstance(text, Words) else str(text)


def said_by(value: Any) -> Any:
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


def said(row: Any, name: str) -> str:
    """What a row's column of that name says, in the reader's language. A text without parts is as it was written."""
    parts = getattr(row, f"{name}_parts")
    return Words.from_json(parts).translated() if parts else getattr(row, name)


def fill(template: str, /, **values: Any) -> str:
    """A translated template with its values, numbers and dates written as the reader's language does."""
    return _Local().vformat(template, (), values)


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
        if isinstance(value, datetime) and timezone.is_aware(value):
            value = timezone.localtime(value)
        return formats.date_format(value, "SHORT_DATE_FORMAT" if spec == "date" else "SHORT_DATETIME_FORMAT")
    if spec.startswith("percent"):
        # Translators: a share. German and French put a space between.
        number = written(100 * value, f".{spec[7:] or 0}f")
        return pgettext("a share in percent", "{number}%").format(number=number)
    if spec.endswith("score") and formats.get_format("DECIMAL_SEPARATOR") != ".":
        spec = spec.replace("score", ".3f")
    text = _plain(value, spec).replace(",", "")
    sign = text[0] if text[0] in "+-" else ""
    places = len(text.partition(".")[2])
    return sign + formats.number_format(text.removeprefix(sign), places, use_l10n=True, force_grouping=True)


def _plain(value: Any, spec: str) -> str:
    """The same in English."""
    if spec == "capitalized":
        return value[:1].upper() + value[1:]
    if isinstance(value, str) or not spec:
        return str(value)
    if value is None:
        return NO_VALUE
    if isinstance(value, date):
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
