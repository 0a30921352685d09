"""What this shop's recommender reads: the one place where the shop's words and the recommender's meet."""

from django.db.models import Q

from catalog.models import Product
from customers import profile
from customers.models import Customer, Purchase
from recommender.source import Count, Latest, RecommenderSource, Sum


class ShopSource(RecommenderSource):
    customers = Customer.objects.learnable()
    all_customers = Customer.objects.all()
    customer_key = "key"
    customer_user = "user"
    customer_categorical = [*profile.TEXTS, "feedback", "shipping_method", "payment_method", "order_status"]
    customer_numerical = [*profile.NUMBERS, "total_purchases", "amount"]
    customer_from_interactions = {
        "feedback": Latest("feedback"),
        "shipping_method": Latest("shipping_method"),
        "payment_method": Latest("payment_method"),
        "order_status": Latest("order_status"),
        "total_purchases": Count(),
        "amount": Sum("amount"),  # all the money the customer has spent so far
    }
    customer_aliases = {
        **{field.seed_name: field.name for field in profile.PROFILE},
        "Feedback": "feedback",
        "Shipping_Method": "shipping_method",
        "Payment_Method": "payment_method",
        "Order_Status": "order_status",
        "Total_Purchases": "total_purchases",
        "Amount": "amount",
    }

    items = Product.objects.all()
    item_key = "key"
    item_categorical = ["name", "category", "brand", "type"]
    item_numerical = ["price"]
    item_text = ["name", "description"]
    item_aliases = {
        "products": "name",
        "Product_Category": "category",
        "Product_Brand": "brand",
        "Product_Type": "type",
    }
    item_available = Q(active=True)
    item_updated = "updated"
    item_filters = ["category", "brand", "type"]

    interactions = Purchase.objects.learnable()
    interactions_withheld = Purchase.objects.withheld()
    interaction_customer = "customer"
    interaction_item = "product"
    interaction_time = "time"
    interaction_rating = "rating"
    interaction_quantity = "quantity"
    interaction_amount = "amount"
