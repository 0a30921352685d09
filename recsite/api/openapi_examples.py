"""An example of everything that is sent and answered, by the name of its component. tests/recsite/api/test_openapi.py
checks each against its schema."""

from typing import Any

from customers.profile import PROFILE as PROFILE_FIELDS

MOMENT = "2026-11-25T18:30:00Z"
PROFILE = {"Age": 28, "Gender": "Female"}
PRODUCT = {
    "key": "S0-P97",
    "name": "Trail shoe",
    "category": "Sports",
    "brand": "Fell",
    "type": "Shoe",
    "price": "89.00",
    "description": "Light, with a firm sole.",
    "active": True,
    "created": MOMENT,
    "updated": MOMENT,
}
CUSTOMER = {
    "key": "S0-C7",
    "name": "Ada",
    **{field.name: field.example for field in PROFILE_FIELDS},
    "personalisation": True,
    "created": MOMENT,
    "updated": MOMENT,
}
PURCHASE = {
    "id": 4711,
    "external_id": "till-1-8842",
    "customer": "S0-C7",
    "product": "S0-P97",
    "time": MOMENT,
    "quantity": 1,
    "amount": "89.00",
    "rating": "4.5",
    "feedback": "",
    "shipping_method": "Express",
    "payment_method": "Credit Card",
    "order_status": "Delivered",
}
LIST = {
    "recommendation_id": "662c19a1-ef16-4bef-9642-2e87069d76dd",
    "model_version": "20261125-041838-3",
    "source": "two_tower",
    "fallback_reason": None,
    "next_page_token": None,
    "items": [
        {
            "item": "S0-P37",
            "score": 5.179524,
            "rating": 3.79,
            "reasons": [{"kind": "because_you_bought", "item": "S0-P181"}],
        }
    ],
}
RUN = {
    "id": 3,
    "state": "training",
    "phase": "epoch 4",
    "progress": 0.4,
    "version": None,
    "parameters": {"warm_start": True},
    "metrics": {},
    "counts": {"customers": 300, "items": 120, "interactions": 6000},
    "fingerprint": "",
    "error": "",
    "started_by": "grace",
    "cancelled_by": None,
    "created": MOMENT,
    "started": MOMENT,
    "finished": None,
    "heartbeat": MOMENT,
}
VERSION = {
    "name": "20261125-041838-3",
    "run": 3,
    "live": True,
    "passed_gate": True,
    "gate_reason": "At least as good as what serves.",
    "metrics": {"ndcg_10": 0.108},
    "fingerprint": "9c2b3bde8d0b",
    "created": MOMENT,
}
ESTIMATE = {"value": 0.05, "low": 0.04, "high": 0.06}
RESULT = {
    "scenario": "home",
    "source": "two_tower",
    "version": "20261125-041838-3",
    "lists": 1000,
    "views": 900,
    "clicks": 60,
    "clicked": 50,
    "orders": 9,
    "revenue": 412.5,
    "click_rate": ESTIMATE,
    "revenue_per_list": ESTIMATE,
    "click_rate_beside_popular": ESTIMATE,
    "revenue_beside_popular": None,
}


def writable(row: dict[str, Any], *left_out: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in {"id", "created", "updated", *left_out}}


def page(row: dict[str, Any]) -> dict[str, Any]:
    return {"next": None, "results": [row]}


EXAMPLES: dict[str, Any] = {
    "ListRequest": {"customer": "S0-C7", "count": 2, "filter": {"category": ["Sports"]}},
    "ListAnswer": LIST,
    "Batch": {"requests": [{"customer": "S0-C7", "count": 2}, {"profile": PROFILE}]},
    "BatchAnswer": {
        "results": [
            {"row": 0, "answer": LIST, "errors": []},
            {
                "row": 1,
                "answer": None,
                "errors": [{"field": "profile", "code": "invalid", "detail": "Age: 'old' is not a number."}],
            },
        ]
    },
    "Cart": {"items": ["S0-P97"], "count": 4},
    "RatingRequest": {"profile": PROFILE, "item": "S0-P97"},
    "RatingAnswer": {"rating": 3.71, "model_version": "20261125-041838-3", "fallback_reason": None},
    "Event": {"kind": "click", "item": "S0-P97", "event_id": "a-1", "recommendation_id": LIST["recommendation_id"]},
    "EventAnswer": {"event_id": "a-1", "recorded": True},
    "Dismissal": {"item": "S0-P97"},
    "DismissalAnswer": {"item": "S0-P97"},
    "Product": PRODUCT,
    "ProductOrList": [writable(PRODUCT)],
    "PatchedProduct": {"price": "79.00"},
    "PaginatedProductList": page(PRODUCT),
    "Customer": CUSTOMER,
    "CustomerOrList": [writable(CUSTOMER)],
    "PatchedCustomer": {"city": "York"},
    "PaginatedCustomerList": page(CUSTOMER),
    "Purchase": PURCHASE,
    "PurchaseOrList": [writable(PURCHASE)],
    "PatchedPurchase": {"rating": "4.0"},
    "PaginatedPurchaseList": page(PURCHASE),
    "BulkResult": {
        "created": 1,
        "repeated": 0,
        "refused": 1,
        "results": [
            {"row": 0, "status": "created", "id": "S0-P97", "errors": []},
            {
                "row": 1,
                "status": "refused",
                "id": None,
                "errors": [{"field": "key", "code": "required", "detail": "This field is required."}],
            },
        ],
    },
    "StartRun": {"parameters": {"warm_start": True}},
    "PaginatedRunList": page(RUN),
    "RunDetail": {**RUN, "curve": [], "log": "epoch 3: NDCG@10 .101"},
    "PaginatedVersionList": page(VERSION),
    "VersionDetail": {**VERSION, "report": {"users": 943}},
    "Promote": {"reason": "Better on new customers."},
    "RollBack": {"reason": "The lists look odd."},
    "ListResultsAnswer": {
        "first": "2026-10-28",
        "last": "2026-11-25",
        "attribution_days": 7,
        "counted": MOMENT,
        "results": [RESULT],
    },
    "Credentials": {"username": "ada", "password": "a long way home"},
    "TokenAnswer": {"token": "5c1d0b8a...", "expiry": "2026-12-25T18:30:00Z"},
}
