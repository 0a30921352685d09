"""What can go wrong in the engine. Every message is a sentence that says what was given and what is allowed."""


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
