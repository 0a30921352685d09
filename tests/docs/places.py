"""Where the examples of a page are run: a shop with a server, a project of one's own, a folder with a file in it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.docs.blocks import ROOT, Block

# What differs from one run or one model to the next; everything else in an answer is as the page has it.
VARIES = {
    "recommendation_id",
    "model_version",
    "next_page_token",
    "score",
    "rating",
    "item",
    "customer",
    "token",
    "expiry",
}


class Place:
    """Runs blocks one after the other. folder : where commands start. replaced : words of the pages -> what stands for
    them here. variables : of the commands' environment."""

    def __init__(self, folder: Path, replaced: Mapping[str, str], variables: Mapping[str, str]):
        self.folder = folder
        self.replaced = dict(replaced)
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "OMP_NUM_THREADS": "1", **variables}
        self.names: dict[str, Any] = {}  # of the page's Python
        self.answer: Any = None  # of the block before, for one that shows it
        self.printed = ""

    def run(self, block: Block) -> None:
        runner = getattr(self, f"run_{block.language}", None)
        assert runner is not None, f"{block} cannot be run: give its language, or say why it is not run"
        runner(self.written_out(block.text), block)

    def written_out(self, text: str) -> str:
        for word, meant in self.replaced.items():
            text = text.replace(word, meant)
        return text

    def run_sh(self, text: str, block: Block) -> None:
        """All of a page in one terminal: what one block exports the next one sees."""
        terminal = self.folder / ".exported"
        before = terminal.read_text() if terminal.exists() else ""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{before}\n{text}\nexport -p > {terminal}"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=900,  # a machine may be busy
        )
        assert done.returncode == 0, f"{block}: {done.stderr[-2000:]}"
        assert "Traceback" not in done.stderr, f"{block}: {done.stderr[-2000:]}"
        self.printed += done.stdout
        self.answer = _json_or_none(done.stdout)

    def run_http(self, text: str, block: Block) -> None:
        """`METHOD /path`, headers, and a body in JSON from the first line that starts one."""
        head, body = re.fullmatch(r"(.*?)((?:^[\[{].*)?)", text.strip(), re.DOTALL | re.MULTILINE).groups()
        (method, path), *headers = (line.split(" ", 1) for line in head.strip().splitlines())
        sent = {name.rstrip(":"): value for name, value in headers}
        status, self.answer = ask(f"{self.replaced['http://127.0.0.1:8000']}{path}", method, sent, body)
        assert status < 500, f"{block}: {status}"

    def run_json(self, text: str, block: Block) -> None:
        """What the block before was answered with."""
        assert self.answer is not None, f"{block} shows the answer of nothing: let the request stand before it"
        differs = list(differences(json.loads(text), self.answer))
        assert not differs, f"{block}: {'; '.join(differs)}; it was {json.dumps(self.answer)}"

    def run_python(self, text: str, block: Block) -> None:
        exec(compile(text, str(block), "exec"), self.names)


def ask(address: str, method: str, headers: Mapping[str, str], body: str) -> tuple[int, Any]:
    """Status and JSON of a call; an error of the API is an answer."""
    data = body.encode() if body else None
    request = Request(address, data, {"Content-Type": "application/json", **headers}, method=method)
    try:
        with urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read() or "null")
    except HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def differences(shown: Any, answered: Any, at: str = "the answer") -> list[str]:
    """Where an answer is not of the shape that a page shows, or holds another value under a name that does not vary."""
    if isinstance(shown, dict):
        if "kind" in shown and "kind" in answered:  # a reason: which ones there are depends on the model
            return []
        if not isinstance(answered, dict) or shown.keys() != answered.keys():
            names = sorted(answered) if isinstance(answered, dict) else answered
            return [f"{at} is shown with {sorted(shown)} and has {names}"]
        return [
            problem
            for name, value in shown.items()
            for problem in (
                _other_type(value, answered[name], f"{at}.{name}")
                if name in VARIES
                else differences(value, answered[name], f"{at}.{name}")
            )
        ]
    if isinstance(shown, list):
        if not isinstance(answered, list) or len(shown) != len(answered):
            if isinstance(answered, list) and at.endswith(".reasons"):
                return []
            return [f"{at} is shown with {len(shown)} entries and has {answered}"]
        pairs = zip(shown, answered, strict=True)
        return [p for n, (one, other) in enumerate(pairs) for p in differences(one, other, f"{at}[{n}]")]
    return [] if shown == answered else [f"{at} is shown as {shown!r} and is {answered!r}"]


def _other_type(shown: Any, answered: Any, at: str) -> list[str]:
    numbers = isinstance(shown, int | float) and isinstance(answered, int | float)
    return [] if numbers or type(shown) is type(answered) else [f"{at} is shown as {shown!r} and is {answered!r}"]


def _json_or_none(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def python(*arguments: str, environment: Mapping[str, str], folder: Path = ROOT) -> str:
    """What a command of this Python prints; AssertionError with what it said where it fails."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=dict(environment), capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
