"""The fenced blocks of README and docs: in order, each with its language, or with the reason why it is not run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [str(path.relative_to(ROOT)) for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]]
_BLOCK = re.compile(
    r"^(?:[ ]*<!--[ ]not[ ]run:[ ]*(?P<reason>[^\n]*?)[ ]*-->\n)?"
    r"(?P<indent>[ ]*)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```[ ]*$",
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)


@dataclass(frozen=True)
class Block:
    """reason : why it is not run, from the comment on the line above; None for one that is."""

    page: str
    line: int
    language: str
    text: str
    reason: str | None

    def __str__(self) -> str:
        return f"{self.page}, line {self.line} ({self.language or 'no language'})"


def blocks_of(page: str, text: str | None = None) -> list[Block]:
    """text : in place of what stands in the file."""
    text = (ROOT / page).read_text(encoding="utf-8") if text is None else text
    found = []
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("language")) + 1
        found.append(Block(page, line, match["language"], dedent(match["text"]), match["reason"]))
    fences = len(re.findall(r"^ *```", text, re.MULTILINE))
    assert fences == 2 * len(found), f"{page}: {fences} lines with ``` make no {len(found)} blocks"
    return found
