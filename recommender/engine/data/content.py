"""What items say of themselves beside categories (numbers, texts, several values, a vector) as one row of floats.

Texts and several values become TF-IDF, reduced by a truncated SVD (latent semantic analysis; Deerwester et al. 1990). A
text is its words and, as in fastText (Bojanowski et al. 2017), their character n-grams, so that "tins" is near "tin".
Fitted in training; in serving numpy alone applies it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from recommender.engine.data.inputs import mapped
from recommender.engine.data.numbers import NumberTable, Standardizer
from recommender.engine.data.schema import Schema
from recommender.engine.errors import ProfileError

NUMBERS, TEXT = "numbers", "text"  # the parts of a row that are of several fields
MOST_TERMS, LEAST_ITEMS = 30_000, 2  # the commonest terms, each of so many items: one of a single item tells nothing
LONGEST_TEXT = 4_000  # characters that are read
NGRAMS = (3, 4, 5)
_WORD = re.compile(r"\w+")
Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Terms:
    """Sets of terms as short vectors: TF-IDF of length one, then a projection.

    values : the terms.   idf : float64 [terms].   components : float32 [terms, width]; None: the TF-IDF as it is.
    """

    values: tuple[str, ...]
    idf: np.ndarray
    components: np.ndarray | None

    @classmethod
    def fit(cls, documents: Sequence[Sequence[str]], width: int) -> Terms:
        """width : at most; where there are no more terms than that, each keeps a column of its own."""
        counts = Counter(term for document in documents for term in set(document))
        common = (term for term, n in counts.items() if n >= LEAST_ITEMS)
        values = sorted(common, key=lambda term: (-counts[term], term))[:MOST_TERMS]
        frequency = np.array([counts[term] for term in values], dtype=np.float64)
        terms = cls(tuple(values), np.log((1 + len(documents)) / (1 + frequency)) + 1, None)
        return terms if len(values) <= width else replace(terms, components=_top_components(terms, documents, width))

    @property
    def width(self) -> int:
        return len(self.values) if self.components is None else self.components.shape[1]

    @cached_property
    def _place_of(self) -> dict[str, int]:
        return {value: place for place, value in enumerate(self.values)}

    def weights(self, document: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Places int64 [k] and weights float32 [k] of the known terms of a document: TF-IDF of length one."""
        known = self._place_of
        counts = Counter(known[term] for term in document if term in known)
        places = np.fromiter(counts.keys(), np.int64, len(counts))
        weights = (1 + np.log(np.fromiter(counts.values(), np.float64, len(counts)))) * self.idf[places]
        return places, (weights / max(float(np.sqrt(weights @ weights)), 1e-12)).astype(np.float32)

    def encode(self, documents: Sequence[Sequence[str]]) -> np.ndarray:
        """float32 [documents, width]; zeros for one without a known term."""
        encoded = np.zeros((len(documents), self.width), np.float32)
        for row, document in zip(encoded, documents, strict=True):
            places, weights = self.weights(document)
            if self.components is None:
                row[places] = weights
            elif len(places):
                row[:] = weights @ self.components[places]
        return encoded


def _top_components(terms: Terms, documents: Sequence[Sequence[str]], width: int) -> np.ndarray:
    """float32 [terms, width]: the right singular vectors of the documents' TF-IDF, the longest first."""
    from scipy import sparse  # what only training needs is imported there

    from recommender.engine.data.decomposition import top_vectors

    rows = [terms.weights(document) for document in documents]
    ends = np.cumsum([0, *(len(places) for places, _ in rows)])
    places, weights = (np.concatenate(part) for part in zip(*rows, strict=True))
    matrix = sparse.csr_matrix((weights, places, ends), (len(documents), len(terms.values)))
    top = top_vectors(lambda block: matrix.T @ (matrix @ block), matrix.shape[1], min(width, len(documents)))
    return np.ascontiguousarray(top, dtype=np.float32)


def text_terms(text: str) -> list[str]:
    """The words of a text and their character n-grams; an n-gram is marked, so that it is no word."""
    words = _WORD.findall(text[:LONGEST_TEXT].lower())
    return [*words, *(gram for word in words for gram in _ngrams(word))]


@lru_cache(maxsize=100_000)
def _ngrams(word: str) -> tuple[str, ...]:
    bounded = f"<{word}>"
    return tuple("#" + bounded[at : at + n] for n in NGRAMS for at in range(len(bounded) - n + 1))


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
            {name: Terms.fit(documents, width) for name, documents in terms.items()},
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
            if terms.components is not None:
                np.save(_components_file(artifacts, number), terms.components)

    @classmethod
    def from_dict(cls, schema: Schema, saved: Mapping[str, Any], artifacts: Path) -> ContentEncoder:
        """artifacts : the JSON that `saved` stands in. Components stay in their files, which all processes share."""
        terms = {}
        for number, (name, of_one) in enumerate(saved.get("terms", {}).items()):
            file = _components_file(artifacts, number)
            components = mapped(file) if file.exists() else None
            terms[name] = Terms(tuple(of_one["values"]), np.array(of_one["idf"], dtype=np.float64), components)
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
    """The terms of each item's texts."""
    texts = zip(*(columns[name].tolist() for name in schema.item_text), strict=True)
    return [text_terms(" ".join(of_item)) for of_item in texts]


def _components_file(artifacts: Path, number: int) -> Path:
    return artifacts.with_name(f"item_terms_{number}.npy")
