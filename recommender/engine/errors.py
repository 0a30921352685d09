"""What can go wrong in the engine. Every message is a sentence that says what was given and what is allowed."""

from reprlib import Repr

# A list or an object of a request is quoted by its first values, and each text by its beginning and its end.
_QUOTES = Repr()
_QUOTES.maxlevel = 2
_QUOTES.maxlist = _QUOTES.maxtuple = _QUOTES.maxdict = _QUOTES.maxset = _QUOTES.maxfrozenset = 4
_QUOTES.maxstring = _QUOTES.maxother = _QUOTES.maxlong = 80


def quoted(value: object) -> str:
    """A value as an error quotes it: what Python writes, shortened where it is long."""
    return _QUOTES.repr(value)


class EngineError(Exception):
    """The base of the family: catch this one to report any failure of the engine."""


class SnapshotError(EngineError):
    """The data handed in is missing, malformed or too small to learn from."""


class BundleError(EngineError):
    """A saved model is missing, altered, incomplete or of a newer format."""


class InferenceError(EngineError):
    """A model that opens does not answer, or answers nonsense."""


class RetrievalError(EngineError):
    """The server that searches the items does not answer."""


class WarmStartError(EngineError):
    """The model that serves is nothing to go on from: it has another shape, or learned what would be held out."""


class ProfileError(EngineError):
    """A profile or an item description holds a value of the wrong kind. `field` is its name."""

    def __init__(self, field: str, message: str):
        super().__init__(f"{field}: {message}")
        self.field = field


class TrainingCancelled(EngineError):
    """Somebody asked the run to stop, and it did."""
