"""docs/client.py, the client that docs/api.md gives away."""

import importlib.util
import sys
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from customers.models import Purchase
from recsite.api import keys

CLIENT = Path(__file__).resolve().parent.parent.parent / "docs" / "client.py"


@pytest.fixture
def client_module(monkeypatch):
    spec = importlib.util.spec_from_file_location("client", CLIENT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "client", module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def key(stocked):
    root = User.objects.create_superuser("root")
    account = keys.create_account(name="till", purpose="x", given=keys.rights(), by=root)
    return keys.make_key(account=account, name="a", lifetime=None, by=root)[1]


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
