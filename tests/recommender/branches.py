"""A library of two branches, a project of its own, at every door: `python -m tests.recommender.branches`.

Readers have a card in each branch that they go to, media stand in one branch or in both, and a request is of the branch
whose host it asks. Nothing of this repository's shop is there.
"""

from __future__ import annotations

import os
import random
import tempfile
from datetime import UTC, datetime, timedelta

import django
from django.core.management import call_command


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"DJANGO_SETTINGS_MODULE": "tests.recommender.library.settings", "LIBRARY": folder}
        django.setup()
        call_command("migrate", verbosity=0, run_syncdb=True)
        call_command("check", fail_level="ERROR", verbosity=0)
        fill_and_train()
        try_every_door()
    print("every door was tried")


def fill_and_train() -> None:
    from django.contrib.auth.models import User

    from recommender.training import execute_run, start_run
    from tests.recommender.library.models import Branch, Card, Loan, Medium

    harbour, oldtown = (Branch.objects.create(slug=slug) for slug in ("harbour", "oldtown"))
    draw, start = random.Random(0), datetime(2026, 6, 1, tzinfo=UTC)
    media = {
        branch: [Medium.objects.create(title=f"{branch.slug} {n}") for n in range(20)] for branch in (harbour, oldtown)
    }
    both = [Medium.objects.create(title=f"shared {n}") for n in range(5)]
    for branch, own in media.items():
        for medium in (*own, *both):
            medium.branches.add(branch)
    for n in range(60):
        user = User.objects.create_user(f"reader{n}")
        for branch in (harbour, oldtown) if n % 3 == 0 else (harbour,) if n % 3 == 1 else (oldtown,):
            card = Card.objects.create(user=user, branch=branch)
            for day, medium in enumerate(draw.sample([*media[branch], *both], 8)):
                Loan.objects.create(card=card, medium=medium, lent=start + timedelta(days=day, minutes=n))
    run = start_run(parameters={"epochs": 2, "dim": 16, "bootstrap": 50})
    execute_run(run=run)
    run.refresh_from_db()
    if run.state == "refused":  # random loans: what is tried is the doors, not the model
        from recommender import registry

        registry.promote(version=run.version, override=True, reason="A test.")


def try_every_door() -> None:
    from django.contrib.auth.models import User
    from rest_framework.test import APIClient

    from recommender.serving import KINDS, live_model
    from recommender.source import customer_key_of
    from tests.recommender.library.models import Branch, Card, Medium

    assert live_model() is not None
    user = User.objects.get(username="reader0")
    branches = list(Branch.objects.order_by("pk"))
    keys = {branch: str(Card.objects.get(user=user, branch=branch).pk) for branch in branches}
    assert len(set(keys.values())) == 2
    for branch in branches:
        assert customer_key_of(user, branch) == keys[branch]
    assert customer_key_of(user) is None, "of two cards, none is the user's"
    for branch, other in (branches, branches[::-1]):
        mine = {str(pk) for pk in Medium.objects.filter(branches=branch).values_list("pk", flat=True)}
        foreign = {str(pk) for pk in Medium.objects.values_list("pk", flat=True)} - mine
        shared = Medium.objects.filter(branches=branch).filter(branches=other).values_list("pk", flat=True)
        for signed_in in (True, False):
            client = APIClient(SERVER_NAME=f"{branch.slug}.library.org")
            if signed_in:
                client.force_login(user)
            for kind in KINDS.values():
                for item in (min(mine), str(shared[0])):
                    address = f"/api/v1/{kind.path.replace('<item_key:key>', item)}"
                    if kind.request_body or kind.is_cart:
                        answer = client.post(address, {"count": 50, **({"items": [item]} if kind.is_cart else {})})
                    else:
                        answer = client.get(address, {"count": 50})
                    assert answer.status_code == 200, (address, answer.content)
                    named = {one["item"] for one in answer.json()["items"]}
                    named |= {why["item"] for one in answer.json()["items"] for why in one["reasons"] if "item" in why}
                    assert named <= mine, (kind.name, named & foreign)
            popular = client.get("/api/v1/recommendations/popular/", {"count": 50}).json()["items"]
            bought = 8 if signed_in else 0
            assert len(popular) >= len(mine) - bought, "a list is as long as the branch has media"
            assert {str(pk) for pk in shared} & {one["item"] for one in popular}, "shared media are in both branches"
            similar = client.get(f"/api/v1/products/{min(foreign)}/similar/")
            assert similar.status_code == 404
            refused = client.post("/api/v1/recommendations/", {"customer": keys[other]})
            assert refused.status_code in (401, 403), refused.content
            assert client.get("/api/v1/recommendations/popular/", headers={"host": "nowhere.org"}).status_code == 400
    leaves_a_branch(branches[0])


def leaves_a_branch(branch: object) -> None:
    """A medium that a branch gives away is in none of its lists from then on, and one that it gets is in them."""
    from recommender.serving import make_list
    from tests.recommender.library.models import Medium

    def listed() -> set[str]:
        return {one.item for one in make_list("popular", None, 50, scope=branch).items}

    given, got = Medium.objects.filter(title="shared 0").get(), Medium.objects.filter(title="oldtown 0").get()
    assert str(given.pk) in listed()
    given.branches.remove(branch)
    assert str(given.pk) not in listed()
    got.branches.add(branch)
    from recommender.serving import live

    live.forget_live_state()
    assert str(got.pk) in listed()


if __name__ == "__main__":
    main()
