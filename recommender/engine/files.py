"""Files: replaced whole, so that a killed writer leaves the one before; parts of what one holds."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`, which takes its name when the block ends well and vanishes otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def under(prefix: str, named: Mapping[str, T]) -> dict[str, T]:
    """What has a name that begins with the prefix, by the rest of its name."""
    return {name.removeprefix(prefix): part for name, part in named.items() if name.startswith(prefix)}
