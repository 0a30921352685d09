from django.apps import AppConfig
from django.db.models.signals import pre_delete
from django.utils.translation import gettext_lazy as _


class CustomersConfig(AppConfig):
    name = "customers"
    verbose_name = _("Customers")

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in

        from customers.carts import bring_cart
        from customers.models import Customer
        from customers.services import erase_opinions

        user_logged_in.connect(bring_cart, dispatch_uid="customers.bring_cart")
        pre_delete.connect(erase_opinions, sender=Customer, dispatch_uid="customers.erase_opinions")
