"""A client of the API in one file, for Python 3.11 and with nothing to install. Copy it into your own program."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

TRIES = 4


class Problem(Exception):
    """What the API answered instead (RFC 9457): `status`, `type`, `detail`, and `errors` by field."""

    def __init__(self, body: dict[str, Any], retry_after: float | None = None) -> None:
        super().__init__(f"{body['status']} {body['detail']}")
        self.status: int = body["status"]
        self.type: str = body["type"]
        self.detail: str = body["detail"]
        self.errors: list[dict[str, str | None]] = body.get("errors", [])
        self.retry_after = retry_after  # seconds


class Client:
    """site : where the shop is, https://shop.example. key : of a service account, or a person's token; None: a visitor.

    A call that meets a broken connection, a server that fails or one call too many is sent again, up to TRIES times.
    What changes something carries an Idempotency-Key, so that it is done once however often it is sent.
    """

    def __init__(self, site: str, key: str | None = None, *, timeout: float = 30) -> None:
        self.root = f"{site.rstrip('/')}/api/v1/"
        self.key = key
        self.timeout = timeout

    # --- lists ---

    def recommend(self, **asked: Any) -> dict[str, Any]:
        """A list: customer= or profile=, count=, filter=, exclude=, diversity=, page_token=, scenario=."""
        return self.call("POST", "recommendations/", asked)

    def recommend_many(self, asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Up to 1,000 lists, each row with its `answer` or its `errors`."""
        return self.call("POST", "recommendations/batch/", {"requests": asked})["results"]

    def cart(self, items: list[str], **asked: Any) -> dict[str, Any]:
        """What goes with a cart."""
        return self.call("POST", "cart/recommendations/", {"items": items, **asked})

    def similar(self, item: str, **query: Any) -> dict[str, Any]:
        return self.call("GET", f"products/{quote(item)}/similar/", query=query)

    def rating(self, **asked: Any) -> float | None:
        """What a customer= or a profile= would give an item=, 0 to 5; None where nobody has rated anything."""
        return self.call("POST", "ratings/", asked)["rating"]

    def tell(self, kind: str, item: str, **told: Any) -> bool:
        """That somebody viewed, clicked, bought ... an item. False: nothing is kept of a customer who opted out."""
        event = {"kind": kind, "item": item, "event_id": uuid.uuid4().hex, **told}
        return self.call("POST", "events/", event)["recorded"]

    # --- rows: of "products", "customers" or "purchases" ---

    def rows(self, what: str, **filters: Any) -> Iterator[dict[str, Any]]:
        """Every row that the filters leave, page after page."""
        page = self.call("GET", f"{what}/", query=filters)
        while True:
            yield from page["results"]
            if page["next"] is None:
                return
            page = self.send("GET", page["next"], None, {})

    def create(self, what: str, rows: dict[str, Any] | list[dict[str, Any]]) -> dict[str, Any]:
        """One row, which is answered as it was stored; or up to 1,000, each with what became of it."""
        return self.call("POST", f"{what}/", rows)

    def change(self, what: str, key: str | int, **changes: Any) -> dict[str, Any]:
        return self.call("PATCH", f"{what}/{quote(str(key))}/", changes)

    def delete(self, what: str, key: str | int) -> None:
        self.call("DELETE", f"{what}/{quote(str(key))}/")

    # --- within ---

    def call(self, method: str, path: str, body: Any = None, query: dict[str, Any] | None = None) -> Any:
        address = self.root + path + (f"?{urlencode(query, doseq=True)}" if query else "")
        headers = {} if method == "GET" else {"Idempotency-Key": uuid.uuid4().hex}
        return self.send(method, address, body, headers)

    def send(self, method: str, address: str, body: Any, headers: dict[str, str]) -> Any:
        for attempt in range(1, TRIES + 1):
            try:
                return self.once(method, address, body, headers)
            except (URLError, TimeoutError, ConnectionError):
                wait = None
                if attempt == TRIES:
                    raise
            except Problem as problem:
                wait = problem.retry_after
                if attempt == TRIES or not (wait is not None or problem.status >= 500):
                    raise
            time.sleep(wait if wait is not None else 0.2 * 2**attempt)
        raise AssertionError("unreachable")

    def once(self, method: str, address: str, body: Any, headers: dict[str, str]) -> Any:
        told = {"Accept": "application/json", "Content-Type": "application/json", **headers}
        if self.key is not None:
            told["Authorization"] = f"Token {self.key}"
        data = None if body is None else json.dumps(body).encode()
        try:
            with urlopen(Request(address, data, told, method=method), timeout=self.timeout) as answer:
                text = answer.read()
        except HTTPError as error:
            raise problem_of(error) from None
        return json.loads(text) if text else None


def problem_of(error: HTTPError) -> Problem:
    after = error.headers.get("Retry-After")
    wait = float(after) if after and after.isdigit() else None
    try:
        return Problem(json.loads(error.read()), wait)
    except (ValueError, KeyError, TypeError):  # a proxy's page, say
        return Problem({"status": error.code, "type": "about:blank", "detail": str(error.reason)}, wait)
