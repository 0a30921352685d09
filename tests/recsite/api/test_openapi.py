"""The OpenAPI document, held against the API: complete, with examples that are true; and whatever is sent by it, to
every operation and as anybody, is answered as it says, and never with a server error."""

from __future__ import annotations

import copy
import json
from collections import Counter

import jsonschema
import pytest
import schemathesis
from django.contrib.auth.models import Permission, User
from django.core import signals
from django.db import close_old_connections
from django.test import Client
from drf_spectacular.checks import schema_check
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from customers.models import Customer
from recsite.api import keys
from recsite.wsgi import application

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 6  # of each operation, for each of those who ask
KNOWN = {"key": "P1", "item": "P1", "customer": "C0", "product": "P1", "name": "v1"}  # rows that there are


@pytest.fixture(scope="module")
def document() -> dict:
    return json.loads(json.dumps(SchemaGenerator().get_schema(public=True), default=str))


def operations(document: dict):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


# --- what the document says -------------------------------------------------------------------------------------------


def test_the_document_is_openapi_3_1_and_every_operation_says_what_it_does(document):
    assert document["openapi"] == "3.1.0"
    for name, operation in operations(document):
        assert operation.get("summary"), name
        assert operation["tags"], name


def test_it_names_every_way_to_sign_in_and_check_deploy_has_nothing_to_say_of_it(document):
    assert set(document["components"]["securitySchemes"]) == {"token", "session"}
    assert schema_check(app_configs=None) == []


def test_every_body_and_answer_has_an_example_that_is_true_to_its_schema(document):
    sent = copy.deepcopy(document["components"])
    for schema in sent["schemas"].values():  # what only answers hold need not be sent
        read_only = {name for name, field in schema.get("properties", {}).items() if field.get("readOnly")}
        schema["required"] = sorted({*schema.get("required", [])} - read_only)
    for name, operation in operations(document):
        parts = [(sent, operation.get("requestBody", {}))]
        parts += [(document["components"], answer) for answer in operation["responses"].values()]
        for components, media in ((c, media) for c, part in parts for media in part.get("content", {}).values()):
            assert media.get("examples"), f"{name}: {media['schema']}"
            schema = {**media["schema"], "components": components}
            for example in media["examples"].values():
                jsonschema.Draft202012Validator(schema).validate(example["value"])


def test_every_operation_tells_of_its_problems_and_every_change_of_the_idempotency_key(document):
    for name, operation in operations(document):
        assert {"401", "403", "429"} <= set(operation["responses"]), name
        for status, answer in operation["responses"].items():
            assert (status >= "400") == ("application/problem+json" in answer.get("content", {})), (name, status)
        headers = [each["name"] for each in operation.get("parameters", []) if each["in"] == "header"]
        assert headers == (["Idempotency-Key"] if "422" in operation["responses"] else []), name
    with_key = {name for name, operation in operations(document) if "422" in operation["responses"]}
    assert {"POST /api/v1/purchases/", "PATCH /api/v1/products/{key}/", "POST /api/v1/events/"} <= with_key
    assert "POST /api/v1/recommendations/" not in with_key


# --- what comes back --------------------------------------------------------------------------------------------------


def session_of(user: User) -> dict:
    """What a browser would send."""
    client = Client()
    client.force_login(user)
    token = "a" * 32
    cookies = {"sessionid": client.cookies["sessionid"].value, "csrftoken": token}
    return {"cookies": cookies, "headers": {"X-CSRFToken": token}}


def stranger() -> dict:
    return {}


def customer_by_session() -> dict:
    ada = User.objects.create_user("ada")
    Customer.objects.filter(key="C0").update(user=ada)
    return session_of(ada)


def service_account() -> dict:
    return key_with(keys.rights())


def service_account_without_rights() -> dict:
    return key_with(Permission.objects.none())


def key_with(given) -> dict:
    root = User.objects.create_superuser("root")
    account = keys.create_account(name="till", purpose="x", given=given, by=root)
    _, text = keys.make_key(account=account, name="a", lifetime=None, by=root)
    return {"headers": {"Authorization": f"Token {text}"}}


def staff() -> dict:
    return session_of(User.objects.create_superuser("root"))


def with_known_rows(case, number: int) -> None:
    """Every other time, name rows that there are: made-up names would mostly find nothing."""
    if number % 2:
        return
    for told in (case.path_parameters, case.body):
        if isinstance(told, dict):
            told.update({name: KNOWN[name] for name in set(told) & set(KNOWN)})


def ask_everything(document: dict, sent_along: dict) -> Counter:
    """Sends examples to every operation and checks the answers. How often each status was answered."""
    schema = schemathesis.openapi.from_dict(document)
    schema.app = application
    answered: Counter = Counter()
    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def holds(case):
            with_known_rows(case, answered.total())
            response = case.call(**sent_along)
            answered[response.status_code] += 1
            case.validate_response(response, checks=CHECKS)

        holds()
    return answered


@pytest.mark.parametrize(
    ("who", "meets"),
    [
        (stranger, {200, 201, 400, 401}),
        (customer_by_session, {200, 201, 400, 403}),
        (service_account, {200, 201, 204, 400, 403, 404}),
        (service_account_without_rights, {200, 201, 400, 403}),
        (staff, {200, 201, 204, 400, 404}),
    ],
)
def test_whatever_is_sent_is_answered_as_the_document_says(trained, document, who, meets, settings_without_limits):
    answered = ask_everything(document, who())
    assert meets <= set(answered), answered


def test_an_answer_that_the_document_does_not_know_is_found(stocked, document, settings_without_limits):
    wrong = copy.deepcopy(document)
    address = "/api/v1/recommendations/popular/"
    wrong["paths"] = {address: wrong["paths"][address]}
    ask_everything(wrong, stranger())
    wrong["components"]["schemas"]["ListAnswer"]["properties"]["items"] = {"type": "string"}
    with pytest.raises(FailureGroup, match="Response violates schema"):
        ask_everything(wrong, stranger())


@pytest.fixture
def settings_without_limits(settings):
    settings.RECOMMENDER_THROTTLES = dict.fromkeys(("visitor", "user", "key"))
    settings.ALLOWED_HOSTS = ["*"]
    # As Django's test client does: a server closes old connections between requests, the test's own among them.
    signals.request_started.disconnect(close_old_connections)
    signals.request_finished.disconnect(close_old_connections)
    yield
    signals.request_started.connect(close_old_connections)
    signals.request_finished.connect(close_old_connections)
