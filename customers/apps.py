from django.apps import AppConfig


class CustomersConfig(AppConfig):
    name = "customers"

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in

        from customers.carts import bring_cart

        user_logged_in.connect(bring_cart, dispatch_uid="customers.bring_cart")
