"""README and docs keep their word: every example is run, in the order of its page, or says in a comment why not."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import date, timedelta
from importlib.metadata import packages_distributions, requires
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from tests.customers.importing import retail_file
from tests.customers.importing.test_movielens import ml_100k
from tests.docs.blocks import PAGES, ROOT, Block, blocks_of
from tests.docs.places import Place, differences, python
from tests.ports import free_port
from tests.test_deployment import answers
from tests.waiting import until

CUSTOMERS, PURCHASES = 240, 4_800  # of a demo shop small enough to be learned in seconds

FILL_THE_DEMO = f"""
import django
django.setup()
from datetime import UTC
from django.contrib.auth.models import User
from django.core.management import call_command
from django.utils import timezone
from customers.seeding import ShopSize, seed_shop
from recsite import demo
from recsite.api import keys
size = ShopSize(customers={CUSTOMERS}, products=demo.SIZE.products, purchases={PURCHASES}, seed=demo.SIZE.seed)
seed_shop(size=size, until=timezone.now())
call_command("train", epochs=3, verbosity=0)
admin, customer = demo.logins()
root = User.objects.get(username=admin.name)
account = keys.create_account(name="till", purpose="the examples", given=keys.rights(), by=root)
key = keys.make_key(account=account, name="a", lifetime=None, by=root)[1]
print(customer.password, key)
"""


# --- where the pages are run ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def demo(_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The demo shop, smaller, trained and served. A password and an API key take the place of `...`."""
    folder = tmp_path_factory.mktemp("demo")
    database = shutil.copy(_tables, folder / "db.sqlite3")
    variables = {"DATABASE_URL": f"sqlite:///{database}", "VAR_DIR": str(folder / "var"), "DEBUG": "1"}
    variables |= {"DJANGO_SETTINGS_MODULE": "recsite.settings", "PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"}
    password, key = python("-c", FILL_THE_DEMO, environment=variables).split()[-2:]
    port = free_port()
    command = [sys.executable, "manage.py", "runserver", "--noreload", "--nothreading", str(port)]
    with open(folder / "site.log", "wb") as log:
        site = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=log, stderr=log)
    try:
        until(lambda: answers(port), seconds=60)
        replaced = {
            "http://127.0.0.1:8000": f"http://127.0.0.1:{port}",
            "Authorization: Token ...": f"Authorization: Token {key}",
            '"password": "..."': f'"password": "{password}"',
        }
        place = Place(folder, replaced, variables)
        place.names = {"site": f"http://127.0.0.1:{port}", "key": key}
        yield place
    finally:
        site.terminate()
        site.wait(20)


@pytest.fixture
def clone(demo: Place, tmp_path: Path) -> Place:
    """What `git clone` gives, with files to import beside it and no database; the demo answers at its address."""
    for path in ROOT.iterdir():
        if path.name not in ("var", "db.sqlite3", "staticfiles", "media", ".git"):
            (tmp_path / path.name).symlink_to(path)
    orders = [f"{row['user']},{row['item']},{row['day']},{row['stars']}\n" for row in planted_orders()]
    (tmp_path / "orders.csv").write_text("".join(["Buyer,Article,Day,Stars\n", *orders]))
    retail_file.write(tmp_path / "retail.csv", retail_file.generated(60, customers=12, seed=0))
    film = "1|Alien (1979)|01-Jan-1979||http|" + "|".join("0" * 19) + "\n"
    ml_100k(tmp_path / "ml-100k", users="1|24|M|technician|85711\n", items=film, data="1\t1\t5\t881250949\n")
    # The stand-in for `make`'s stamp: the environment is the one that runs this.
    return Place(tmp_path, demo.replaced, {"MAKEFLAGS": "--old-file=.venv/site.stamp"})


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A folder with `df_clean.csv`, of the seed's columns."""
    monkeypatch.chdir(tmp_path)
    flat_purchases().to_csv("df_clean.csv", index=False)
    return Place(tmp_path, {}, {})


class BundleAlone(Place):
    """A folder with a bundle, in an environment where only the packages that the page names can be imported."""

    code = ""

    def run_python(self, text: str, block: Block) -> None:
        self.code += text
        hidden = HIDE.format(hidden=sorted(self.hidden()))
        self.printed = python("-c", hidden + self.code + ALONE, environment=self.environment, folder=self.folder)

    @staticmethod
    def hidden() -> set[str]:
        (block,) = (block for block in blocks_of("docs/standalone.md") if block.text.startswith("pip install"))
        there = with_what_they_need(block.text.split()[2:])
        owners_of = packages_distributions().items()
        hidden = {module for module, owners in owners_of if not {plain(owner) for owner in owners} & there}
        return hidden - {"recommender"}  # of this repository, installed or not


@pytest.fixture
def bundle_alone(bundle: Path, tmp_path: Path) -> Place:
    (tmp_path / "bundle").symlink_to(bundle)
    assert {"torch", "django", "pandas", "scipy", "tqdm"} <= BundleAlone.hidden()
    return BundleAlone(tmp_path, {}, {"PYTHONPATH": str(ROOT)})


class ForeignProject(Place):
    """What `startproject` wrote, with an app of three models. A block that begins with `# name.py` goes there."""

    def run_python(self, text: str, block: Block) -> None:
        named = re.match(r"# (\S+\.py)\n", text)
        if named is None:
            self.printed += self.shell(text)
            return
        with open(self.folder / named[1], "a", encoding="utf-8") as file:
            file.write(text)

    def run_html(self, text: str, block: Block) -> None:
        """Rendered for a visitor of a page about a song, with a listener at hand."""
        self.printed += self.shell(RENDER.format(template=text))

    def shell(self, code: str) -> str:
        return python("manage.py", "shell", "-v0", "-c", code, environment=self.environment, folder=self.folder)


@pytest.fixture
def project(snapshot: Path, tmp_path: Path) -> Place:
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    shutil.copytree(snapshot, tmp_path / "snapshot")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return ForeignProject(tmp_path, {}, {"PYTHONPATH": str(ROOT), "PATH": path})


# --- what the pages need ----------------------------------------------------------------------------------------------

HIDE = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {hidden!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""
ALONE = """
assert [len(x) for x in (everything, newcomer, r.recommend_for_user(known))] == [5, 5, 5]
assert [len(x) for x in lists] == [5] * len(lists) and len(lists) == len(r.user_keys[:100])
assert 0 <= stars <= 5 and 0 <= guess <= 5
assert len(columns["user"]) == 3 * len(part)
assert not {"torch", "django", "pandas", "scipy"} & set(sys.modules)
"""
RENDER = """
from types import SimpleNamespace
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.template import RequestContext, Template
from django.test import RequestFactory
from music.models import Listener, Song

request = RequestFactory().get("/songs/1/")
request.user, request.session = AnonymousUser(), SessionStore()
about = {{"listener": Listener.objects.first(), "song": Song.objects.first()}}
print(Template({template!r}).render(RequestContext(request, about)))
"""
PROJECT = {
    "manage.py": """
import os, sys
from django.core.management import execute_from_command_line

os.environ["DJANGO_SETTINGS_MODULE"] = "music.settings"
execute_from_command_line(sys.argv)
""",
    "music/__init__.py": "",
    "music/settings.py": """
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "of the test"
DEBUG = True
USE_TZ = True
ROOT_URLCONF = "music.urls"
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
PROCESSORS = ["django.template.context_processors.request", "django.contrib.auth.context_processors.auth"]
PROCESSORS += ["django.contrib.messages.context_processors.messages"]
BACKEND = "django.template.backends.django.DjangoTemplates"
TEMPLATES = [{"BACKEND": BACKEND, "APP_DIRS": True, "OPTIONS": {"context_processors": PROCESSORS}}]
""",
    "music/apps.py": """
from datetime import timedelta
from random import Random

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils import timezone


def fill(sender, **kwargs):
    from music.models import Listener, Play, Song

    draw = Random(0)
    songs = [Song.objects.create(title=f"Song {n}", genre="jazz folk".split()[n % 2]) for n in range(24)]
    for number in range(60):
        listener = Listener.objects.create(country="UK France".split()[number % 2], age=20 + number)
        for day, song in enumerate(draw.sample(songs[number % 2 :: 2], 6)):
            played = timezone.now() - timedelta(days=30 - day, minutes=number)
            Play.objects.create(listener=listener, song=song, played=played)


class MusicConfig(AppConfig):
    name = "music"

    def ready(self):
        post_migrate.connect(fill, sender=self)
""",
    "music/models.py": """
from django.conf import settings
from django.db import models


class Listener(models.Model):
    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, null=True)
    country = models.CharField(max_length=50)
    age = models.IntegerField()


class Song(models.Model):
    title = models.CharField(max_length=50)
    genre = models.CharField(max_length=50)

    def __str__(self):
        return self.title


class Play(models.Model):
    listener = models.ForeignKey(Listener, models.CASCADE)
    song = models.ForeignKey(Song, models.CASCADE)
    played = models.DateTimeField()
""",
}


def planted_orders() -> Iterator[dict[str, object]]:
    """Orders of 60 buyers, each of whom buys of every second article only."""
    draw = random.Random(0)
    for buyer in range(60):
        for week, article in enumerate(draw.sample(range(buyer % 2, 40, 2), 8)):
            day = date(2026, 1, 1) + timedelta(weeks=week, days=buyer % 7)
            yield {"user": buyer, "item": f"B{article}", "day": day.isoformat(), "stars": draw.randint(1, 5)}


def flat_purchases() -> pd.DataFrame:
    """Customers who buy what their own three categories have, one purchase every five days."""
    draw = random.Random(0)
    rows = []
    for customer in range(60):
        categories = draw.sample(sorted({product[0] for product in retail_file.PRODUCTS}), 3)
        mine = [product for product in retail_file.PRODUCTS if product[0] in categories]
        for week in range(5):
            category, brand, kind, name = draw.choice(mine)
            changed = {"Customer_ID": 10_000 + customer, "Age": draw.randint(18, 70), "Date": f"9/{1 + 5 * week}/2023"}
            changed |= {"Amount": draw.uniform(5, 500), "Total_Purchases": draw.randint(1, 9)}
            changed |= {"Ratings": draw.randint(1, 5), "products": name, "Product_Category": category}
            changed |= {"Product_Brand": brand, "Product_Type": kind}
            rows.append(retail_file.row(**changed))
    return pd.DataFrame(rows)


def plain(name: str) -> str:
    return name.lower().replace("_", "-")


def with_what_they_need(packages: list[str]) -> set[str]:
    """These distributions and those that come along when they are installed."""
    found, waiting = set(), list(packages)
    while waiting:
        name = plain(waiting.pop())
        if name not in found:
            found.add(name)
            needs = [need for need in requires(name) or [] if "extra ==" not in need]
            waiting += [re.match(r"[\w.-]+", need)[0] for need in needs]
    return found


# --- what came of it, beside every block running ----------------------------------------------------------------------


def check_readme(place: Place) -> None:
    assert re.search(r"Admin account: admin, with password \S+\.", place.printed)
    assert re.search(r"^Run 1 took .* is live\.$", place.printed, re.MULTILINE)
    assert "db.sqlite3" in {path.name for path in (place.folder / "var" / "shop").iterdir()}


def check_api(place: Place) -> None:
    lines = place.printed.splitlines()
    assert re.match(r"two_tower \['S0-P\d+', 'S0-P\d+', 'S0-P\d+'\]$", lines[0])
    assert re.match(r"two_tower \['because_of_your_profile'", lines[1])
    assert 0 <= float(lines[2]) <= 5
    assert lines[3].startswith("[('created', []), ('refused', [{'field': 'price', 'code': 'min_value'")
    assert lines[4] == "True"
    assert int(lines[5]) > 5
    assert lines[6] == "400 count max_value"


def check_notebook(place: Place) -> None:
    said, frame = place.names, pd.read_csv(place.folder / "df_clean.csv")
    bought = set(frame.loc[frame["Customer_ID"] == 10_000, "products"])
    listed = {r.item for r in said["known"]}
    assert listed
    assert listed <= {product[3] for product in retail_file.PRODUCTS} - bought
    assert len({r.item for r in said["newcomer"]}) == 5
    assert len(said["batch"]) == 60
    assert [r.item for r in said["batch"][0]] == [r.item for r in said["known"]]
    assert 0 <= said["stars"] <= 5
    assert said["trained"].curve


def check_standalone(place: Place) -> None:
    lines = place.printed.splitlines()
    assert len(lines) == 5
    assert all(re.fullmatch(r"P\d+: score -?[\d.]+, would rate it [0-5]\.\d+", line) for line in lines)


def check_plugging_in(place: Place) -> None:
    assert (place.folder / "lists.parquet").stat().st_size
    assert "is live." in place.printed
    assert place.printed.count("Song ") >= 12, "lists of six on a page, and two on the command line"


PLACES = {
    "README.md": ("clone", check_readme),
    "docs/api.md": ("demo", check_api),
    "docs/engine.md": ("notebook", check_notebook),
    "docs/standalone.md": ("bundle_alone", check_standalone),
    "docs/plugging_in.md": ("project", check_plugging_in),
}


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_of_a_page_run(page, request, monkeypatch):
    blocks = [block for block in blocks_of(page) if block.reason is None]
    if not blocks:
        return
    assert page in PLACES, f"{blocks[0]}: say in PLACES where the examples of this page are run, or above it why not"
    fixture, check = PLACES[page]
    place = request.getfixturevalue(fixture)
    monkeypatch.syspath_prepend(str(ROOT / "docs"))  # for client.py, which the tour copies
    printed = StringIO()
    for block in blocks:
        with redirect_stdout(printed):
            place.run(block)
    place.printed += printed.getvalue()
    check(place)


@pytest.mark.parametrize("page", PAGES)
def test_what_is_not_run_says_why(page):
    for block in blocks_of(page):
        assert block.reason is None or len(block.reason.split()) >= 3, f"{block}: {block.reason!r} is no reason"


def test_what_is_hidden_cannot_be_imported(bundle_alone):
    for module in ("torch", "django", "pandas", "scipy.sparse"):
        with pytest.raises(AssertionError, match=f"No module named '{module.split('.')[0]}"):
            bundle_alone.run_python(f"import {module}\n", blocks_of("docs/standalone.md")[0])
        bundle_alone.code = ""


# --- the mechanism itself ---------------------------------------------------------------------------------------------

PAGE = """
```sh
true
```

<!-- not run: it would take all night -->
```sh
sleep 36000
```

   ```
   indented, and of no language
   ```
"""


def test_every_fence_is_found_with_its_line_language_and_reason():
    found = blocks_of("page.md", PAGE)
    assert [(block.line, block.language, block.reason) for block in found] == [
        (2, "sh", None),
        (7, "sh", "it would take all night"),
        (11, "", None),
    ]
    assert found[2].text == "indented, and of no language\n"
    with pytest.raises(AssertionError, match="3 lines with"):
        blocks_of("page.md", "```sh\ntrue\n```\n```\n")


@pytest.mark.parametrize(
    ("language", "text", "said"),
    [
        ("sh", "ls nothing-of-this-name", "No such file"),
        ("sh", "false | true", "page.md, line 1"),
        ("", "make demo", "cannot be run: give its language"),
        ("json", "{}", "shows the answer of nothing"),
    ],
)
def test_an_example_that_does_not_work_is_found(tmp_path, language, text, said):
    with pytest.raises(AssertionError, match=said):
        Place(tmp_path, {}, {}).run(Block("page.md", 1, language, text, None))


@pytest.mark.parametrize(
    ("shown", "answered", "said"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, "has ['a', 'b']"),
        ({"source": "popular"}, {"source": "two_tower"}, "the answer.source is shown as 'popular'"),
        ({"score": 1.5}, {"score": None}, "the answer.score"),
        ({"items": [{"item": "A"}]}, {"items": []}, "the answer.items is shown with 1 entries"),
    ],
)
def test_an_answer_unlike_the_one_shown_is_found(shown, answered, said):
    assert said in " ".join(differences(shown, answered))


def test_only_names_that_vary_may_differ():
    shown = {"source": "popular", "items": [{"item": "A", "score": 1.5, "reasons": [{"kind": "x", "item": "B"}]}]}
    answered = {"source": "popular", "items": [{"item": "B", "score": 2, "reasons": [{"kind": "y", "field": "age"}]}]}
    assert differences(shown, answered) == []
