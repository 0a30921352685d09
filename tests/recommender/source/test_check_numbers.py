"""Each number of a check says one thing, so that a host can silence it alone."""

import re
from collections import defaultdict
from pathlib import Path

RECOMMENDER = Path(__file__).resolve().parents[3] / "recommender"


def test_no_number_of_a_check_is_in_two_files():
    homes = defaultdict(set)
    for path in RECOMMENDER.rglob("*.py"):
        for number in re.findall(r"\"(?:recommender\.)?([EW]0\d\d)\"", path.read_text(encoding="utf-8")):
            homes[number].add(path.name)
    assert len(homes) > 20
    assert {number: files for number, files in homes.items() if len(files) > 1} == {}
