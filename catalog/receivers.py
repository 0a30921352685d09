"""The files of a picture are deleted with their product."""

from typing import Any

from django.db.models.signals import post_delete
from django.dispatch import receiver

from catalog.models import Product
from catalog.services import delete_picture


@receiver(post_delete, sender=Product)
def delete_picture_of_product(instance: Product, **_: Any) -> None:
    if instance.image:
        delete_picture(storage=instance.image.storage, name=instance.image.name)
