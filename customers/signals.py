"""What others may want to hear of: recsite/receivers.py tells the recommender."""

from django.dispatch import Signal

# request, product, and recommendation: the id of the list it was taken from, as the page said it, or "".
put_in_cart = Signal()
