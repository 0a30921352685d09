"""The demo shop: what `make demo` fills, trains and shows before it serves. See management/commands/demo.py."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import NamedTuple

from django.contrib.auth.models import User

from catalog.selectors import products_by_key
from customers.models import Customer
from customers.seeding import ShopSize
from customers.selectors import purchases_of
from recommender import serving
from recommender.models import TrainingRun
from recommender.serving import RecommendationList, predict_rating, recommend
from recommender.training import ProgressCallback, execute_run, start_run
from recsite.processes import CannotServe

SIZE = ShopSize(customers=800, products=320, purchases=16_000, seed=0)  # a seed that nobody gives by hand
CUSTOMERS = (6, 7)  # by number: a runner and a gardener
PROFILE = {"Age": 28, "Gender": "Female", "Country": "UK"}
LIST_LENGTH, PURCHASES_SHOWN = 5, 4


class Login(NamedTuple):
    name: str
    password: str


# --- the shop ---------------------------------------------------------------------------------------------------------


def logins() -> tuple[Login, Login]:
    """An admin and a customer with a history, each with a password that is new every time and kept nowhere."""
    admin, customer = Login("demo-admin", secrets.token_urlsafe(9)), Login("demo-customer", secrets.token_urlsafe(9))
    for login, rights in ((admin, {"is_staff": True, "is_superuser": True}), (customer, {})):
        user, _ = User.objects.update_or_create(username=login.name, defaults=rights)
        user.set_password(login.password)
        user.save()
    Customer.objects.filter(key=SIZE.customer_key(CUSTOMERS[0])).update(user=user)
    return admin, customer


def trained_version() -> str | None:
    """The live version, if it has learned from the demo's products: then there is nothing to train."""
    live = serving.live_model()
    return live.version if live is not None and SIZE.product_key(0) in live.inference.row_of else None


def train(on_progress: ProgressCallback) -> str:
    """Train as `manage.py train` does, and name the version that is live then."""
    run = execute_run(run=start_run(parameters={}), on_progress=on_progress)
    if run.state != TrainingRun.State.PROMOTED:
        raise CannotServe(f"The demo's model is not live, for run {run.pk} is {run.state}: {run.error or run.phase}.")
    return run.version.name


# --- what it answers --------------------------------------------------------------------------------------------------


def samples() -> Iterator[str]:
    """Lists for two customers and a bare profile, with what the customers bought lately, and the rating of a pair."""
    keys = [SIZE.customer_key(number) for number in CUSTOMERS]
    for customer in Customer.objects.filter(key__in=keys).order_by("pk"):
        yield f"{customer.name} ({customer.key}) lately bought"
        yield from (f"           {purchase.product.name}" for purchase in purchases_of(customer)[:PURCHASES_SHOWN])
        yield "and is shown, with the rating that we expect,"
        yield from _named(recommend(customer=customer.key, count=LIST_LENGTH, scenario="demo"))
    yield f"Somebody of whom only {json.dumps(PROFILE)} is known is shown"
    yield from _named(recommend(profile=PROFILE, count=LIST_LENGTH, scenario="demo"))
    item = SIZE.product_key(1)
    rating = predict_rating(customer=keys[0], item=item).rating
    if rating is not None:
        yield f"{keys[0]} would give {products_by_key([item])[item].name} ({item}) {rating:.2f} of 5."


def _named(answer: RecommendationList) -> Iterator[str]:
    named = products_by_key(listed.item for listed in answer.items)
    for listed in answer.items:
        rating = "    " if listed.rating is None else f"{listed.rating:.2f}"
        yield f"     {rating}  {named[listed.item].name} ({listed.item})"
    yield ""
