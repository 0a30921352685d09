import pytest
from django.core.management import call_command


@pytest.fixture
def run(capsys):
    """Runs a management command; what it told the person who called it."""

    def run(*args: object) -> str:
        call_command(*map(str, args))
        told = capsys.readouterr()
        return told.out + told.err

    return run


@pytest.fixture
def world(db):
    """All that is stored of customers, products and purchases, row by row, `updated` included."""
    from catalog.models import Product
    from customers.models import Customer, Purchase

    def world() -> list[list[tuple]]:
        return [list(model.objects.order_by("pk").values_list()) for model in (Customer, Product, Purchase)]

    return world
