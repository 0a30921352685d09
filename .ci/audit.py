"""Known holes in everything that is pinned: pip-audit over all lists of pins, and what it skipped is no pass.

    python .ci/audit.py [FILE ...]

Exit status 0: every pin was looked up and none has a known hole but those that .pip-audit-ignore explains. 1: a hole,
or a pin that could not be looked up while the service answered for others. Where the service answered for nothing at
all nothing was checked: that is said, and is 0, as for a CI without the internet, or 1 with AUDIT_REQUIRED=1.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
IGNORED = ROOT / ".pip-audit-ignore"
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(?P<version>[^\s;#]+)")
UNREACHABLE = 2


class AuditFailed(Exception):
    """The audit could not be made; the message says why."""


@dataclass(frozen=True)
class Pin:
    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


@dataclass(frozen=True)
class Found:
    """What the service said. holes : pin and the ids of its known holes. skipped : pin and why."""

    looked_up: list[str] = field(default_factory=list)
    holes: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def requirement_lists() -> list[Path]:
    """Every list of pins of the repository, those of the examples among them."""
    return [*sorted(ROOT.glob("requirements*.txt")), *sorted(ROOT.glob("examples/*/requirements.txt"))]


def read_pins(files: Iterable[Path]) -> list[Pin]:
    """Every `name==version` of the files. AuditFailed for a line that pins nothing; other lists (-r) are given, too.

    A local version (2.13.0+cpu) is another build of a public one, under which holes are reported.
    """
    pins: dict[str, Pin] = {}
    for path in files:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            text = line.split("#")[0].strip()
            if not text or text.startswith(
                ("-r ", "--requirement", "--index-url", "--extra-index-url", "--find-links")
            ):
                continue
            match = _PIN.match(text)
            if match is None:
                raise AuditFailed(f"{path.name}, line {number}: {text!r} is no pin such as Django==5.2.19.")
            name = re.sub(r"[-_.]+", "-", match["name"]).lower()
            pin = Pin(name, match["version"].partition("+")[0])
            if pins.setdefault(name, pin) != pin:
                raise AuditFailed(f"{path.name}, line {number}: {pin}, but another list has {pins[name]}.")
    return [pins[name] for name in sorted(pins)]


def ignored_holes(text: str) -> list[str]:
    """The first word of each line of .pip-audit-ignore. AuditFailed for one that gives no reason."""
    holes = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        hole, _, reason = line.strip().partition(" ")
        if not reason.strip():
            raise AuditFailed(f".pip-audit-ignore: {hole} has no reason.")
        holes.append(hole)
    return holes


def read_report(pins: Iterable[Pin], report: dict) -> Found:
    """pip-audit's JSON about these pins. What it does not mention was skipped."""
    found, told = Found(), {}
    for row in report["dependencies"]:
        told[re.sub(r"[-_.]+", "-", row["name"]).lower()] = row
    for pin in pins:
        row = told.get(pin.name)
        if row is None or "skip_reason" in row:
            found.skipped.append(f"{pin}: {'not in the report' if row is None else row['skip_reason']}")
            continue
        found.looked_up.append(str(pin))
        for hole in row["vulns"]:
            fixed = ", ".join(hole.get("fix_versions", [])) or "no version yet"
            found.holes.append(f"{pin}: {hole['id']}, mended in {fixed}")
    return found


def ask(pins: Iterable[Pin], holes_ignored: Iterable[str], osv_url: str | None = None) -> dict:
    """pip-audit's report by PyPI, or by the OSV service given.

    A service that cannot be reached at all is a report that looked nothing up.
    """
    with TemporaryDirectory() as folder:
        listed = Path(folder, "pins.txt")
        listed.write_text("".join(f"{pin}\n" for pin in pins))
        command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--no-deps", "--progress-spinner", "off"]
        command += ["--format", "json", "--requirement", str(listed)]
        command += ["--vulnerability-service", "osv", "--osv-url", osv_url] if osv_url else []
        command += [word for hole in holes_ignored for word in ("--ignore-vuln", hole)]
        done = subprocess.run(command, capture_output=True, text=True)
    try:
        return json.loads(done.stdout)
    except ValueError:
        if "ConnectionError" in done.stderr or "Could not connect" in done.stderr or "Timeout" in done.stderr:
            return {"dependencies": []}
        raise AuditFailed(f"pip-audit failed: {done.stderr.strip()[-2000:]}") from None


def conclude(found: Found) -> tuple[int, str]:
    """The exit status, before AUDIT_REQUIRED is asked, and what to print."""
    lines = [f"HOLE     {hole}" for hole in found.holes]
    if not found.looked_up:
        lines.append(
            f"NOTHING WAS CHECKED: the service of known holes answered for none of {len(found.skipped)} pins. "
            "Run make audit where it can be reached; AUDIT_REQUIRED=1 makes this a failure."
        )
        return UNREACHABLE, "\n".join(lines)
    lines += [f"SKIPPED  {skipped}" for skipped in found.skipped]
    lines.append(
        f"{len(found.looked_up)} pins looked up, {len(found.holes)} known holes, {len(found.skipped)} not looked up."
    )
    return int(bool(found.holes or found.skipped)), "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, default=requirement_lists())
    parser.add_argument("--osv-url", help="ask this OSV service, https://.../v1/query, in place of PyPI")
    try:
        options = parser.parse_args(arguments)
        files = options.files
        pins = read_pins(files)
        if not pins:
            raise AuditFailed(f"There is no pin in {', '.join(path.name for path in files) or 'no file'}.")
        report = ask(pins, ignored_holes(IGNORED.read_text()), options.osv_url)
        status, told = conclude(read_report(pins, report))
    except AuditFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(told, file=sys.stderr if status else sys.stdout)
    if status == UNREACHABLE:
        return int(os.environ.get("AUDIT_REQUIRED", "0") == "1")
    return status


if __name__ == "__main__":
    sys.exit(main())
