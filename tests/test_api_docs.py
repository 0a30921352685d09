"""docs/api.md keeps its word: its tour runs against a real server, with the client beside it."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from catalog.models import Product
from customers.models import Customer, Purchase
from recommender.models import Event
from recsite.api import keys
from tests.recommender.shop import category_of

DOCS = Path(__file__).resolve().parent.parent / "docs"
TOUR = re.search(r"```python\n(from client import.*?)```", (DOCS / "api.md").read_text(encoding="utf-8"), re.S)[1]


@pytest.fixture
def client_module(monkeypatch):
    spec = importlib.util.spec_from_file_location("client", DOCS / "client.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "client", module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def key(stocked):
    root = User.objects.create_superuser("root")
    account = keys.create_account(name="till", purpose="x", given=keys.rights(), by=root)
    return keys.make_key(account=account, name="a", lifetime=None, by=root)[1]


def test_the_tour_runs_and_does_what_it_says(live_server, key, client_module, capsys):
    Customer.objects.create(key="S0-C7", name="Emma Evans")  # who is in the demo shop, for which the tour is written
    books = sum(category_of(product) == "Books" for product in Product.objects.values_list("key", flat=True))
    exec(compile(TOUR, "docs/api.md", "exec"), {"site": live_server.url, "key": key})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("popular ['P")
    assert lines[1] == "no_model"
    assert 0 <= float(lines[2]) <= 5
    assert lines[3].startswith("[('created', []), ('refused', [{'field': 'price', 'code': 'min_value'")
    assert lines[4:] == ["True", str(books), "400 count max_value"]
    assert Purchase.objects.filter(external_id="till-1").count() == 1
    assert Event.objects.get().customer == "S0-C7"


def test_the_client_sends_again_what_was_lost_and_it_is_done_once(live_server, key, client_module, monkeypatch):
    monkeypatch.setattr(client_module.time, "sleep", lambda seconds: None)
    lost, open_it = [True, True], client_module.urlopen

    def losing(*asked, **options):
        answer = open_it(*asked, **options)
        if lost:
            lost.pop()
            answer.close()
            raise ConnectionResetError("the answer was lost")
        return answer

    monkeypatch.setattr(client_module, "urlopen", losing)
    before = Purchase.objects.count()
    stored = client_module.Client(live_server.url, key).create("purchases", {"customer": "C0", "product": "P1"})
    assert Purchase.objects.count() == before + 1
    assert Purchase.objects.filter(pk=stored["id"]).exists()


def test_a_refusal_is_not_sent_again_and_says_why(live_server, stocked, client_module):
    with pytest.raises(client_module.Problem, match="401") as refused:
        client_module.Client(live_server.url, "nothing").delete("products", "P1")
    assert refused.value.detail == "Invalid token."
