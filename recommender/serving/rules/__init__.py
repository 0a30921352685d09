"""Rules: which items may be in a list, whatever the model says of them."""
