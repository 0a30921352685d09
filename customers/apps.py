from django.apps import AppConfig
from django.db.models.signals import pre_delete


class CustomersConfig(AppConfig):
    name = "customers"

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in

        from customers.carts import bring_cart
        from customers.models import Customer
        from customers.services import forget_what_they_said

        user_logged_in.connect(bring_cart, dispatch_uid="customers.bring_cart")
        pre_delete.connect(forget_what_they_said, sender=Customer, dispatch_uid="customers.forget_what_they_said")
