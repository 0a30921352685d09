# Before any benchmark loads onnxruntime itself: the engine keeps it from telling its maker what it opens.
import recommender.engine  # noqa: F401
