"""A bundle: everything that serves one model, in one folder. Written whole or not at all; opened only when unaltered.

    manifest.json             format, checksums, fingerprint of the data, settings, metrics
    report.json               how good it is, beside what
    training.json             what validation chose, so that another training can repeat or continue this one
    distribution.json         how the values of each field were spread, to see later whether they moved
    artifacts.json            encoders, sizes and item keys: how a profile becomes numbers, and what the items' rows are
    item_terms_*.npy          how the words of items become numbers, where items have texts or many values
    model/                    what serves: history.onnx and user_tower.onnx, item_tower.onnx, rater.npz, item_rank.npy,
                              item_rate.npy, item_trace.npy, item_question.npy (what goes with each item) and
                              item_content.npy (what items say beside categories; both only in what serves),
                              repeats.npz (what people come back to, where they do);
                              weights.safetensors and origin.safetensors (the closed form they began from), to go on
                              training from
    judged/                   the same, trained without the held-out purchases: what the report speaks of, and what the
                              next candidate is compared with (the served weights have seen the answers)
    assets/                   items.parquet, users.parquet, history_*.npy: what a recommender without a database needs,
                              and which purchases were held out (history_role.npy)

No torch here: reading and checking is the web process's part, too.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recommender.engine.errors import BundleError

FORMAT = 5
WEIGHTS = {"served": "model", "judged": "judged"}


def read_manifest(bundle: Path) -> dict[str, Any]:
    """The manifest of a bundle after checking every file against it. Raises BundleError saying what is wrong."""
    bundle = Path(bundle)
    path = bundle / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(f"{bundle} is not a bundle: it has no manifest.json.") from None
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read: {error}.") from None
    version = manifest.get("format") if isinstance(manifest, dict) else None
    if not isinstance(version, int):
        raise BundleError(f"{path} is not the manifest of a bundle.")
    if version != FORMAT:
        other = "a newer version wrote it; upgrade, or train again" if version > FORMAT else "train again"
        raise BundleError(f"{bundle} has format {version}, and this version reads format {FORMAT}: {other}.")
    if not isinstance(manifest.get("files"), dict):
        raise BundleError(f"{path} does not list the files of the bundle.")
    for name, expected in manifest["files"].items():
        file = bundle / name
        if not file.is_file():
            raise BundleError(f"{bundle} is incomplete: {name} is missing.")
        if _facts(file) != expected:
            raise BundleError(f"{bundle} is altered or truncated: {name} does not match the manifest.")
    return manifest


@contextmanager
def new_bundle(out: Path) -> Iterator[Path]:
    """A folder to write a bundle into; it takes the name `out` when the block ends well, else it vanishes."""
    out = Path(out)
    if out.exists() and not (out / "manifest.json").exists() and any(out.iterdir()):
        raise BundleError(f"{out} exists and is not a bundle: it is left alone.")
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.parent / f".{out.name}.{os.getpid()}.part"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        if out.exists():
            shutil.rmtree(out)
        temporary.rename(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_manifest(folder: Path, **facts: Any) -> None:
    """Seal a bundle: list every file in it with size and SHA-256. The last thing written."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "manifest.json")
    listed = {str(p.relative_to(folder)): _facts(p) for p in files}
    manifest = {"format": FORMAT, **facts, "files": listed}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _facts(path: Path) -> dict[str, Any]:
    """What a manifest says of one file."""
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
