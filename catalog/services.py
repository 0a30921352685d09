"""Changes of the catalog."""

from collections.abc import Collection, Mapping
from typing import Any

from django.core.files.storage import Storage
from django.db import IntegrityError, transaction
from django.db.models import Model, ProtectedError, QuerySet
from django.utils import timezone
from django.utils.translation import ngettext

from catalog import pictures
from catalog.errors import ProductInUse
from catalog.models import Product


def create_product(**fields: object) -> Product:
    """A new product. ValidationError names the field that is wrong, a key that is taken among them."""
    return save_new(Product(**fields))


def save_new(row: Model) -> Any:
    """The row, checked and stored. ValidationError as well where another took its key between our look and our save."""
    row.full_clean()
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        row.full_clean()
        raise
    return row


def save_changes(row: Model, changes: Mapping[str, object], *, unchecked: Collection[str] = ()) -> Any:
    """The row with these changes, checked and stored. unchecked : fields that are not looked at."""
    for field, value in changes.items():
        setattr(row, field, value)
    row.full_clean(exclude=unchecked)
    row.save()
    return row


def update_product(*, product: Product, **changes: object) -> Product:
    return save_changes(product, changes)


def take_off_sale(*, products: QuerySet[Product]) -> int:
    """Show and recommend these nowhere from now on; how many that changed."""
    return products.filter(active=True).update(active=False, updated=timezone.now())


def put_on_sale(*, products: QuerySet[Product]) -> int:
    return products.filter(active=False).update(active=True, updated=timezone.now())


def delete_product(*, product: Product) -> None:
    """Delete a product that was never bought. ProductInUse for any other: its purchases still count."""
    try:
        product.delete()
    except ProtectedError as error:
        times = len(error.protected_objects)
        raise ProductInUse(
            ngettext(
                "{key} was bought {n} time and is kept. Set active to false to take it off sale.",
                "{key} was bought {n} times and is kept. Set active to false to take it off sale.",
                times,
            ).format(key=product.key, n=times)
        ) from error


def delete_picture(*, storage: Storage, name: str) -> None:
    """Remove an upload and what was made of it, once the change is committed and unless another product shows it."""

    def delete() -> None:
        if not Product.objects.filter(image=name).exists():
            pictures.delete_sizes(storage, name)
            storage.delete(name)

    transaction.on_commit(delete)
