"""What items say of themselves beside categories (numbers, texts, several values, a vector) as one row of floats.

Texts and several values become TF-IDF, reduced by a truncated SVD (latent semantic analysis; Deerwester et al. 1990). A
text is its words and, as in fastText (Bojanowski et al. 2017), their character n-grams, so that "tins" is near "tin".
Fitted in training; in serving numpy alone applies it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from recommender.engine.data.inputs import mapped, unit
from recommender.engine.data.numbers import NumberTable, Standardizer
from recommender.engine.data.schema import Schema
from recommender.engine.errors import ProfileError

NUMBERS, TEXT = "numbers", "text"  # the parts of a row that are of several fields
MOST_TERMS, LEAST_ITEMS = 30_000, 2  # the commonest terms, each of so many items: one of a single item tells nothing
LONGEST_TEXT = 4_000  # characters that are read
MOST_FITTED = 20_000  # items that terms are chosen and reduced by, an even sample where there are more
MOST_CHARACTERS = 2_000_000  # of all their words, each counted once: without spaces a sentence is one, and new
NGRAMS = (3, 4, 5)
_WORD = re.compile(r"\w+")
Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Terms:
    """Bags of words as short vectors: the TF-IDF of their terms, projected, of length one.

    A word adds its terms, itself or itself and its n-grams, 1 + log n times where it stands n times, so that what each
    word adds is computed once.

    values : the terms.   idf : float64 [terms].   components : float32 [terms, width].   ngrams : whether words have.
    """

    values: tuple[str, ...]
    idf: np.ndarray
    components: np.ndarray
    ngrams: bool

    @classmethod
    def fit(cls, documents: Sequence[Sequence[str]], width: int, ngrams: bool) -> Terms:
        """From the words of each document. width : at most; where there are no more terms than that, each keeps a
        column of its own."""
        documents = documents[:: -(-len(documents) // MOST_FITTED) or 1]
        characters = sum(map(len, {word for words in documents for word in words}))
        documents = documents[:: -(-characters // MOST_CHARACTERS) or 1]
        split = terms_of_word if ngrams else _itself
        counts = Counter(term for words in documents for term in {term for word in set(words) for term in split(word)})
        common = (term for term, n in counts.items() if n >= LEAST_ITEMS)
        values = tuple(sorted(common, key=lambda term: (-counts[term], term))[:MOST_TERMS])
        frequency = np.array([counts[term] for term in values], dtype=np.float64)
        idf = np.log((1 + len(documents)) / (1 + frequency)) + 1
        if len(values) <= width:
            return cls(values, idf, np.eye(len(values), dtype=np.float32), ngrams)
        return cls(values, idf, _top_components(documents, values, idf, split, width), ngrams)

    @property
    def width(self) -> int:
        return self.components.shape[1]

    @cached_property
    def _place_of(self) -> dict[str, int]:
        return {value: place for place, value in enumerate(self.values)}

    def encode(self, documents: Sequence[Sequence[str]]) -> np.ndarray:
        """float32 [documents, width]; zeros for one without a known term."""
        encoded = np.zeros((len(documents), self.width), np.float32)
        adds: dict[str, np.ndarray] = {}
        for row, words in zip(encoded, documents, strict=True):
            counts = Counter(words)
            for word in counts.keys() - adds.keys():
                adds[word] = self._of_word(word)
            if counts:
                weights = 1 + np.log(np.fromiter(counts.values(), np.float32, len(counts)))
                row[:] = weights @ np.array([adds[word] for word in counts])
        return unit(encoded)

    def _of_word(self, word: str) -> np.ndarray:
        """float32 [width]: what a word adds to a document."""
        known, terms = self._place_of, terms_of_word(word) if self.ngrams else (word,)
        places = [known[term] for term in terms if term in known]
        return self.idf[places].astype(np.float32) @ self.components[places]


def _top_components(
    documents: Sequence[Sequence[str]],
    values: Sequence[str],
    idf: np.ndarray,
    split: Callable[[str], Sequence[str]],
    width: int,
) -> np.ndarray:
    """float32 [terms, width]: the right singular vectors of the documents' TF-IDF at length one, the longest first."""
    from scipy import sparse  # what only training needs is imported there

    from recommender.engine.data.decomposition import top_vectors

    word_of = {word: number for number, word in enumerate(dict.fromkeys(word for words in documents for word in words))}
    place_of = {value: place for place, value in enumerate(values)}
    counted = [Counter(words) for words in documents]
    bags = _sparse([[(word_of[word], 1 + np.log(n)) for word, n in words.items()] for words in counted], len(word_of))
    terms = _sparse(
        [[(place_of[term], idf[place_of[term]]) for term in split(word) if term in place_of] for word in word_of],
        len(values),
    )
    parts = (bags[at : at + 1000] @ terms for at in range(0, len(documents), 1000))
    squares = np.concatenate([part.multiply(part).sum(1).A1 for part in parts])
    bags = sparse.diags(1 / np.sqrt(np.maximum(squares, 1e-12)).astype(np.float32)) @ bags
    top = top_vectors(lambda block: terms.T @ (bags.T @ (bags @ (terms @ block))), len(values), width)
    return np.ascontiguousarray(top, dtype=np.float32)


def _sparse(rows: Sequence[Sequence[tuple[int, float]]], columns: int) -> Any:
    """float32 [rows, columns] of (column, value) pairs; those of a column add up."""
    from scipy import sparse

    pairs = np.array([pair for row in rows for pair in row], dtype=np.float64).reshape(-1, 2)
    ends = np.cumsum([0, *map(len, rows)])
    return sparse.csr_matrix((pairs[:, 1].astype(np.float32), pairs[:, 0].astype(np.int64), ends), (len(rows), columns))


def _itself(word: str) -> tuple[str, ...]:
    return (word,)


def words_of(text: str) -> list[str]:
    return _WORD.findall(text[:LONGEST_TEXT].lower())


@lru_cache(maxsize=100_000)
def terms_of_word(word: str) -> tuple[str, ...]:
    """A word and its character n-grams; an n-gram is marked, so that it is no word."""
    bounded = f"<{word}>"
    return (word, *("#" + bounded[at : at + n] for n in NGRAMS for at in range(len(bounded) - n + 1)))


@dataclass(frozen=True)
class VectorScale:
    """Vectors made elsewhere, about their mean and in units of their usual length."""

    mean: np.ndarray
    length: float

    @classmethod
    def fit(cls, vectors: np.ndarray) -> VectorScale:
        """vectors : float [n, d], nan where missing."""
        known = vectors[np.isfinite(vectors).all(1)].astype(np.float64)
        mean = known.mean(0) if len(known) else np.zeros(vectors.shape[1])
        return cls(mean, float(np.sqrt(((known - mean) ** 2).sum(1).mean())) or 1.0 if len(known) else 1.0)

    def encode(self, vectors: np.ndarray) -> np.ndarray:
        """float32 [n, d]; zeros where missing, everywhere if vectors of another length are made today."""
        if vectors.shape[1] != len(self.mean):
            return np.zeros((len(vectors), len(self.mean)), np.float32)
        scaled = ((vectors - self.mean) / self.length).astype(np.float32)
        return np.where(np.isfinite(scaled).all(1, keepdims=True), scaled, np.float32(0))


@dataclass(frozen=True)
class ContentEncoder:
    """Numbers, texts, several values and vectors of items to float32 rows, of zeros where nothing is known.

    numbers : by field.   terms : of the texts, all fields together, under TEXT, and of each field of several values.
    vector : of the field `schema.item_vector`.
    """

    schema: Schema = Schema()  # noqa: RUF009 (frozen)
    numbers: Mapping[str, Standardizer] = field(default_factory=dict)
    terms: Mapping[str, Terms] = field(default_factory=dict)
    vector: VectorScale | None = None

    @classmethod
    def fit(cls, schema: Schema, columns: Columns, width: int) -> ContentEncoder:
        """columns : of the items.   width : of the texts together, and of each field of several values, at most."""
        terms = {name: list(map(list, columns[name])) for name in schema.item_multi}
        if schema.item_text:
            terms = {TEXT: _documents(schema, columns)} | terms
        return cls(
            schema,
            {name: Standardizer.fit(columns[name]) for name in schema.item_numerical},
            {name: Terms.fit(documents, width, ngrams=name == TEXT) for name, documents in terms.items()},
            VectorScale.fit(columns[schema.item_vector]) if schema.item_vector else None,
        )

    @cached_property
    def parts(self) -> dict[str, slice]:
        """The columns of each part of a row: NUMBERS, TEXT, a field of several values, the field of vectors."""
        widths = {NUMBERS: sum(2 + number.bins for number in self.numbers.values())} if self.numbers else {}
        widths |= {name: terms.width for name, terms in self.terms.items()}
        if self.vector is not None:
            widths[str(self.schema.item_vector)] = len(self.vector.mean)
        ends = np.cumsum([0, *widths.values()]).tolist()
        return {name: slice(start, end) for name, start, end in zip(widths, ends, ends[1:], strict=False)}

    @property
    def shared_parts(self) -> list[slice]:
        """The columns of each part whose cosine says how far two items share it."""
        return [part for name, part in self.parts.items() if name != NUMBERS]

    @property
    def width(self) -> int:
        return max((part.stop for part in self.parts.values()), default=0)

    def encode(self, columns: Columns, n: int) -> np.ndarray:
        """float32 [n, width]."""
        rows = np.zeros((n, self.width), np.float32)
        for name, part in self.parts.items():
            if name == NUMBERS:
                rows[:, part] = _numbers(list(self.numbers.values()), [columns[number] for number in self.numbers])
            elif name in self.terms:
                documents = _documents(self.schema, columns) if name == TEXT else columns[name].tolist()
                rows[:, part] = self.terms[name].encode(documents)
            elif self.vector is not None:
                rows[:, part] = self.vector.encode(columns[name])
        return rows

    def vectors(self, given: np.ndarray) -> np.ndarray:
        """float32 [n, d], nan where missing, of n tuples. ProfileError for one of another length than the model's."""
        length = 0 if self.vector is None else len(self.vector.mean)
        vectors = np.full((len(given), length), np.nan, np.float32)
        for row, vector in zip(vectors, given, strict=True):
            if vector and len(vector) != length:
                problem = f"{len(vector)} numbers are given; the model learned from vectors of {length}."
                raise ProfileError(str(self.schema.item_vector), problem)
            row[:] = vector or np.nan
        return vectors

    # --- saved ---

    def to_dict(self) -> dict[str, Any]:
        """All but the components of terms, as JSON."""
        return {
            "numbers": {name: standardizer.to_dict() for name, standardizer in self.numbers.items()},
            "terms": {name: {"values": t.values, "idf": t.idf.tolist()} for name, t in self.terms.items()},
            "vector": None if self.vector is None else [self.vector.mean.tolist(), self.vector.length],
        }

    def save_components(self, artifacts: Path) -> None:
        """Beside the JSON at `artifacts`, each as an array of its own."""
        for number, terms in enumerate(self.terms.values()):
            np.save(_components_file(artifacts, number), terms.components)

    @classmethod
    def from_dict(cls, schema: Schema, saved: Mapping[str, Any], artifacts: Path) -> ContentEncoder:
        """artifacts : the JSON that `saved` stands in. Components stay in their files, which all processes share."""
        terms = {}
        for number, (name, of_one) in enumerate(saved.get("terms", {}).items()):
            idf, file = np.array(of_one["idf"], dtype=np.float64), _components_file(artifacts, number)
            components = mapped(file) if file.exists() else np.eye(len(idf), dtype=np.float32)  # of an earlier version
            terms[name] = Terms(tuple(of_one["values"]), idf, components, ngrams=name == TEXT)
        vector = saved.get("vector")
        return cls(
            schema,
            {name: Standardizer.from_dict(number) for name, number in saved.get("numbers", {}).items()},
            terms,
            None if vector is None else VectorScale(np.array(vector[0], dtype=np.float64), vector[1]),
        )


def _numbers(fields: Sequence[Standardizer], columns: Sequence[np.ndarray]) -> np.ndarray:
    """float32 [n, width]: of each field the number, whether it is there, and in which bin it is."""
    bins, numbers = NumberTable.of(fields).encode(np.stack(columns, axis=1))
    here = numbers[:, 1::2]
    of_fields = [np.eye(field.bins, dtype=np.float32)[ids] for field, ids in zip(fields, bins.T, strict=True)]
    return np.hstack([numbers, *(one * known[:, None] for one, known in zip(of_fields, here.T, strict=True))])


def _documents(schema: Schema, columns: Columns) -> list[list[str]]:
    """The words of each item's texts."""
    texts = zip(*(columns[name].tolist() for name in schema.item_text), strict=True)
    return [words_of(" ".join(of_item)) for of_item in texts]


def _components_file(artifacts: Path, number: int) -> Path:
    return artifacts.with_name(f"item_terms_{number}.npy")
