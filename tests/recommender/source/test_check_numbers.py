"""The numbers of our system checks are public: sites silence them one by one."""

import ast
import re
from collections import defaultdict
from pathlib import Path

from recommender.extras import EXTRAS

ROOT = Path(__file__).resolve().parents[3]
NUMBER = re.compile(r"(?:(recommender|recsite)\.)?([EWI]\d{3})")


def places() -> dict[str, set[str]]:
    """Number -> the modules that say it, read from their source."""
    found = defaultdict(set)
    for room in ("recommender", "recsite"):
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
                said = NUMBER.fullmatch(node.value) if is_text else None
                if said:
                    found[f"{said[1] or room}.{said[2]}"].add(str(path.relative_to(ROOT)))
    for name, extra in EXTRAS.items():
        found[f"recommender.I{extra.number}"].add(f"the extra {name}")
    return found


def test_to_silence_one_check_silences_no_other():
    found = places()
    assert {"recommender.E001", "recommender.W040", "recommender.I001", "recsite.W001"} <= found.keys()
    assert {number: rooms for number, rooms in found.items() if len(rooms) > 1} == {}
