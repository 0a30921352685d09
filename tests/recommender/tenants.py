"""A shop of two tenants that share a database, a model and the tables: Harbour and Oldtown. The planted shop, in which
half of the customers buy from one half of the products, and the others from the other half."""

from __future__ import annotations

from typing import Any, ClassVar

from catalog.models import Product
from customers.models import Customer
from recsite.source import ShopSource
from tests import shop

HARBOUR, OLDTOWN = "harbour", "oldtown"
OF_CATEGORY = dict(zip(shop.CATEGORIES, (HARBOUR, HARBOUR, OLDTOWN, OLDTOWN), strict=True))


class TenantSource(ShopSource):
    item_scope = "brand"
    customer_scope = "segment"
    item_filters: ClassVar[list[str]] = ["category", "type"]

    def scope_of(self, request: Any) -> str | None:
        return request.headers.get("X-Tenant")


class AddressTenantSource(TenantSource):
    """Tenants by address, which the requests of Django's own `force_login` have not."""

    def scope_of(self, request: Any) -> str | None:
        return HARBOUR if request.get_host() else None


class OpenTenantSource(TenantSource):
    """API keys may say for which tenant they ask."""

    scope_by_key = True


def tenant_of_item(key: str) -> str:
    return OF_CATEGORY[shop.category_of(key)]


def tenant_of_customer(key: str) -> str:
    return OF_CATEGORY[shop.taste_of(int(key[1:]))]


def other(tenant: str) -> str:
    return OLDTOWN if tenant == HARBOUR else HARBOUR


def items_of(tenant: str) -> list[str]:
    return [f"P{p}" for p in range(shop.PRODUCTS) if tenant_of_item(f"P{p}") == tenant]


def customers_of(tenant: str) -> list[str]:
    return [f"C{c}" for c in range(shop.CUSTOMERS) if tenant_of_customer(f"C{c}") == tenant]


def move_in() -> None:
    """Give each product and customer of the stocked shop its tenant."""
    for tenant in (HARBOUR, OLDTOWN):
        Product.objects.filter(key__in=items_of(tenant)).update(brand=tenant)
        Customer.objects.filter(key__in=customers_of(tenant)).update(segment=tenant)
