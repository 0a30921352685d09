"""What the OpenAPI document says of every operation alike: how one signs in, which problems may come back, examples."""

import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

from django.conf import settings
from django.urls import Resolver404, resolve
from drf_spectacular.extensions import OpenApiAuthenticationExtension

from customers.profile import PROFILE
from recsite.api.idempotency import HEADER, LONGEST, METHODS, QUESTIONS
from recsite.api.problems import MALFORMED, MEDIA_TYPE, problem

READ_ONLY = {"id", "created", "updated"}
PROBLEM = {"$ref": "#/components/schemas/Problem"}
DESCRIPTIONS = {
    400: "Malformed: `errors` names the fields.",
    401: "Not signed in, and no key or token that holds.",
    403: "Not allowed; or, with a session, without its CSRF token.",
    404: "There is no such thing.",
    406: "Answers are JSON.",
    409: f"`detail` says what stands in the way: a call with this `{HEADER}` under way, or other content under an id.",
    411: "The body comes in chunks: send its length, `Content-Length`.",
    413: "The body is larger than 2.5 MB: send it in several calls.",
    415: "What is sent is JSON.",
    422: f"This `{HEADER}` was sent with another call.",
    429: "Too many calls; `Retry-After` says in how many seconds to come again.",
}
IDEMPOTENCY = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Sent again with the same key, the call is answered as the first time and done once.",
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": r"^[ -~]+$"},
    "example": "order-4711",
}


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = "recsite.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        words = "`Token` and a key of a service account, or the token of a person: `Authorization: Token ...`."
        return {"type": "apiKey", "in": "header", "name": "Authorization", "description": words}


class SessionScheme(OpenApiAuthenticationExtension):
    target_class = "recsite.api.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        words = "The session of a browser that signed in. What changes something takes `X-CSRFToken` as well."
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME, "description": words}


def examples() -> dict[str, Any]:
    """An example of everything that is sent and answered, by the name of its component: examples.json, and what
    follows from it. tests/recsite/api/test_openapi.py checks each against its schema."""
    rows = json.loads((Path(__file__).parent / "examples.json").read_text())
    rows["Customer"] |= {field.name: field.example for field in PROFILE}
    rows["BatchAnswer"]["results"][0]["answer"] = rows["ListAnswer"]
    rows["RunDetail"] = {**rows["Run"], "curve": [], "log": "epoch 3: NDCG@10 .101"}
    rows["VersionDetail"] = {**rows["Version"], "report": {"users": 943}}
    for name in ("Product", "Customer", "Purchase"):
        rows[f"{name}OrList"] = [{field: value for field, value in rows[name].items() if field not in READ_ONLY}]
    for name in ("Product", "Customer", "Purchase", "Run", "Version"):
        rows[f"Paginated{name}List"] = {"next": None, "results": [rows[name]]}
    return rows


def complete(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """A hook of drf-spectacular: adds to every operation what no view has to say by itself."""
    shown = examples()
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            changes = method.upper() in METHODS and view_name(path) not in QUESTIONS
            if changes:
                operation.setdefault("parameters", []).append(IDEMPOTENCY)
            for status in problems_of(path, operation, changes):
                add_problem(operation["responses"], status)
            body = operation.get("requestBody", {})
            for part in (body, *operation["responses"].values()):
                for media in part.get("content", {}).values():
                    add_example(media, shown)
            for media in body.get("content", {}).values():
                close(component(media["schema"]), result["components"]["schemas"])
    return result


def view_name(path: str) -> str | None:
    """None for a path whose parameters are not text: such calls are no questions."""
    try:
        return resolve(path.replace("{", "").replace("}", "")).view_name
    except Resolver404:
        return None


def problems_of(path: str, operation: dict[str, Any], changes: bool) -> list[int]:
    statuses = [401, 403, 406, 429]
    if operation.get("parameters") or "requestBody" in operation:
        statuses.append(400)
    if "{" in path:
        statuses.append(404)
    if "requestBody" in operation:
        statuses += [411, 413, 415]
    if changes:
        statuses += [409, 422]
    return sorted(statuses)


def add_problem(responses: dict[str, Any], status: int) -> None:
    answer = responses.setdefault(str(status), {})
    answer.setdefault("description", DESCRIPTIONS[status])
    if status == 400:
        words = "Ensure this value is greater than or equal to 1."
        errors = [{"field": "count", "code": "min_value", "detail": words}]
        example = problem(status=status, detail=f"count: {words}", kind=MALFORMED, errors=errors)
    else:
        example = problem(status=status, detail=DESCRIPTIONS[status])
    name = HTTPStatus(status).phrase.lower().replace(" ", "_")
    answer["content"] = {MEDIA_TYPE: {"schema": PROBLEM, "examples": {name: {"value": example}}}}


def add_example(media: dict[str, Any], shown: dict[str, Any]) -> None:
    """Where a body or an answer is a component or a list of them, its example."""
    schema = media.get("schema", {})
    name = component(schema) or component(schema.get("items", {}))
    if name in shown and "examples" not in media:
        media["examples"] = {name: {"value": shown[name] if component(schema) else [shown[name]]}}


def component(schema: dict[str, Any]) -> str:
    return schema.get("$ref", "").rpartition("/")[2]


def close(name: str, components: dict[str, Any]) -> None:
    """What is sent may hold no field but the ones that are named: the serializers refuse any other."""
    schema = components[name]
    if "properties" in schema:
        schema["additionalProperties"] = False
    for inner in schema.get("oneOf", []):
        close(component(inner) or component(inner["items"]), components)
