"""Measures again what RESULTS.md shows: runs the command of each of its blocks and puts what it prints in its place.

A block begins with `<!-- python -m benchmarks.quality --data ... -->` and goes on to `<!-- end -->`. Where a command
fails, the block stays as it was. All of them take hours; `--only` names some.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
BLOCK = re.compile(
    r"(?P<begin><!-- python (?P<command>-m benchmarks\.\S+.*?) -->\n)(?P<body>.*?)(?P<end><!-- end -->)", re.DOTALL
)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.results", description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="the blocks whose command holds this")
    parser.add_argument("--file", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    text = options.file.read_text(encoding="utf-8")
    commands = [block["command"] for block in BLOCK.finditer(text) if options.only in block["command"]]
    if not commands:
        print(f"error: no block of {options.file} has a command with {options.only!r}.", file=sys.stderr)
        return 1
    failed = 0
    for command in commands:
        print(f"python {command}", file=sys.stderr, flush=True)
        ran = subprocess.run([sys.executable, *shlex.split(command)], stdout=subprocess.PIPE, text=True, check=False)
        if ran.returncode:
            failed += 1
            print(f"failed with {ran.returncode}: the block stays as it was", file=sys.stderr)
            continue
        # Read anew: a run takes long, and another may have written meanwhile.
        text = options.file.read_text(encoding="utf-8")
        options.file.write_text(replaced(text, command, f"{measured_on()}\n\n{ran.stdout.strip()}\n"), encoding="utf-8")
    return 1 if failed else 0


def replaced(text: str, command: str, body: str) -> str:
    """The text with another body in the block of that command."""
    return BLOCK.sub(lambda b: b["begin"] + (body if b["command"] == command else b["body"]) + b["end"], text)


def measured_on() -> str:
    """When and on which commit."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], stdout=subprocess.PIPE, text=True, check=True)
    return f"On {datetime.now(UTC):%d %B %Y} at `{commit.stdout.strip()}`."


if __name__ == "__main__":
    sys.exit(main())
