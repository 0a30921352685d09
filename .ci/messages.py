"""The texts in other languages: `make messages`.

    python .ci/messages.py           collect all texts into the catalogs (*.po) and compile these (*.mo)
    python .ci/messages.py --check   is every text collected, translated and compiled?

Takes GNU gettext: apt-get install gettext. The compiled catalogs are in the repository, so that the site and the wheel
take none.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from gettext import GNUTranslations
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = ("de", "fr")
CATALOGS = [
    ROOT / app / "locale" / language / "LC_MESSAGES" / "django.po"
    for app in ("recommender", "recsite")  # that of the app, and that of the demo site with its shop
    for language in LANGUAGES
]
# Where no text is read by a user of a page or of the API.
NO_TEXTS = ["tests", "benchmarks", "examples", "deploy", "docs", "clients", ".ci", "engine", "migrations"]
BREAKABLE = re.compile(r" [;:!?](?=\s|$)")  # in French, such a sign never begins a line
TOOLS = ("xgettext", "msgmerge", "msgattrib", "msguniq", "msgcat", "msgfmt")


def collect(root: Path) -> None:
    """Bring the catalogs below `root` up to date with the texts there, and compile them."""
    ignored = [option for name in NO_TEXTS for option in ("--ignore", name)]
    languages = [option for language in LANGUAGES for option in ("--locale", language)]
    command = [sys.executable, root / "manage.py", "makemessages", "-v0", "--add-location", "file", "--no-obsolete"]
    subprocess.run([*command, *languages, *ignored], cwd=root, check=True)
    for catalog in catalogs(root):
        text = catalog.read_text(encoding="utf-8")
        catalog.write_text(re.sub(r'"POT-Creation-Date: .*\n', "", text), encoding="utf-8")
        compiled = ["msgfmt", "--check-format", "-o", catalog.with_suffix(".mo"), catalog]
        subprocess.run(compiled, check=True)


def catalogs(root: Path) -> list[Path]:
    return [root / catalog.relative_to(ROOT) for catalog in CATALOGS]


def problems() -> list[str]:
    """What is wrong with the catalogs, in sentences. Nothing is changed: the texts are collected in a copy."""
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True)
    found = []
    with TemporaryDirectory() as folder:
        for name in files.stdout.decode().splitlines():
            if (
                name.startswith(("recommender/", "recsite/", "catalog/", "customers/", "manage.py"))
                and Path(ROOT, name).exists()
            ):
                Path(folder, name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, Path(folder, name))
        collect(Path(folder))
        for catalog, current in zip(CATALOGS, catalogs(Path(folder)), strict=True):
            name = catalog.relative_to(ROOT)
            for attribute, what in (("--untranslated", "not translated"), ("--only-fuzzy", "marked as fuzzy")):
                listed = subprocess.run(["msgattrib", attribute, current], check=True, capture_output=True, text=True)
                texts = re.findall(r'^msgid ((?:".*"\n?)+)', listed.stdout, re.MULTILINE)[1:]  # the first is the header
                found += [f"{name}: {what}: {' '.join(text.split())}" for text in texts]
            if "fr" in catalog.parts:
                found += [
                    f"{name}: no unbreakable space: {text}" for text in french_texts(catalog) if BREAKABLE.search(text)
                ]
            if not catalog.with_suffix(".mo").exists() or texts_of(catalog) != texts_of(current):
                found.append(f"{name.with_suffix('.mo')} is not what the texts of today make.")
    return found


def french_texts(catalog: Path) -> list[str]:
    return [text for text in texts_of(catalog).values() if isinstance(text, str)]


def texts_of(catalog: Path) -> dict[object, object]:
    with catalog.with_suffix(".mo").open("rb") as compiled:
        texts = GNUTranslations(compiled)._catalog  # type: ignore[attr-defined]
    return {text: translation for text, translation in texts.items() if text != ""}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; fail where something is missing")
    check = parser.parse_args().check
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        sys.exit(f"There is no {', '.join(missing)}: apt-get install gettext.")
    os.environ.setdefault("DEBUG", "1")
    if not check:
        for catalog in CATALOGS:
            catalog.parent.mkdir(parents=True, exist_ok=True)
        collect(ROOT)
        return
    found = problems()
    if found:
        sys.exit("\n".join([*found, f"{len(found)} problems: make messages, and translate what is new."]))


if __name__ == "__main__":
    main()
