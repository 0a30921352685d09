"""The limits of the API, each in one place. What a list itself may be is limited in serving/request.py."""

MAX_INTERESTED = 1_000  # customers who want an item
MAX_BATCH_REQUESTS = 1_000  # lists in one call of recommendations/batch/
MAX_KEYS = 1_000  # in one list of a request
MAX_EVENT_ID_CHARACTERS = 100
MAX_REASON_CHARACTERS = 1_000  # of a promotion
MAX_JSON_LEVELS = 32  # lists and objects within each other
MAX_JSON_INTEGER_DIGITS = 300  # a float holds 308
DEFAULT_PERIOD_DAYS = 28  # of the results of lists

# Requests of one caller; the setting RECOMMENDER_THROTTLES overrides a rate, and None there removes it.
THROTTLE_RATES = {"page": "600/min", "visitor": "300/min", "user": "1200/min", "key": "6000/min"}
