"""Rows of the foreign project: people of two tastes, who buy what stands on their shelf."""

from datetime import timedelta
from random import Random

from django.contrib.auth import get_user_model
from django.utils import timezone

from tests.foreign.models import Article, Card, Line, Member, Order, Reader, Tenant

PEOPLE, ARTICLES, LINES = 40, 24, 7


def fill() -> None:
    draw, now = Random(0), timezone.now()
    tenant = Tenant.objects.create(slug="north")
    shelves = ["crime", "poetry"]
    articles = [Article.objects.create(tenant=tenant, sku=f"A{n}", shelf=shelves[n % 2]) for n in range(ARTICLES)]
    for n in range(PEOPLE):
        user = get_user_model().objects.create_user(f"p{n}")
        Reader.objects.create(user=user, number=f"R/{n}", country=["de", "fr"][n % 2])
        Member.objects.create(user=user, country=["de", "fr"][n % 2])
        card = Card.objects.create(user=user)
        for day, article in enumerate(draw.sample(articles[n % 2 :: 2], LINES)):
            buy(article, user=user, card=card, placed=now - timedelta(days=40 - day, minutes=n))


def buy(article, *, placed=None, user=None, card=None, **fields) -> Line:
    order = Order.objects.create(user=user, card=card, placed=placed or timezone.now())
    return Line.objects.create(order=order, article=article, **fields)
