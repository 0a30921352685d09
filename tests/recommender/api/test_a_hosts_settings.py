"""The API in a project whose REST framework is set up otherwise: what that project closed stays closed, and whatever it
signs people in with, the person is `request.user`."""

from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.urls import resolve
from django.utils.functional import SimpleLazyObject
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.pagination import CursorPagination, LimitOffsetPagination, PageNumberPagination
from rest_framework.renderers import BaseRenderer
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import exception_handler

from customers.models import Customer
from recommender.models import Event, ServedList, TrainingRun
from recommender.source import customer_key_of

pytestmark = pytest.mark.django_db
LIST, POPULAR, EVENTS, RUNS = (
    f"/api/v1/{place}/" for place in ("recommendations", "recommendations/popular", "events", "runs")
)


class BearerAuthentication(BaseAuthentication):
    """As simplejwt does it: no session, and a token that is no row."""

    def authenticate_header(self, request):
        return "Bearer"

    def authenticate(self, request):
        word, _, name = request.headers.get("Authorization", "").partition(" ")
        if word != "Bearer":
            return None
        user = User.objects.filter(username=name).first()
        if user is None:
            raise AuthenticationFailed
        return user, {"sub": name}


class UserWithoutRow:
    """As simplejwt's stateless user: what the token says, with no row and no permissions."""

    is_authenticated, pk, username = True, "b0d1c6f2-5f0e-4d0b-8a3e-000000000000", "elsewhere"


class StatelessAuthentication(BaseAuthentication):
    def authenticate(self, request):
        return UserWithoutRow(), SimpleNamespace(payload={})


def device_of(number):
    """A row of another table that signs in, and has the primary key of a user."""
    device = Group(pk=number)
    device.is_authenticated, device.has_perm = True, lambda name: False
    return device


class DeviceAuthentication(BaseAuthentication):
    def authenticate(self, request):
        number = request.headers.get("X-Device")
        return (device_of(int(number)), None) if number else None


class NumberedAuthentication(BaseAuthentication):
    """As simplejwt's stateless user: the number of a user who is one here."""

    def authenticate(self, request):
        number = request.headers.get("X-Number")
        return (SimpleNamespace(is_authenticated=True, pk=int(number), id=int(number)), None) if number else None


class OnceADay(SimpleRateThrottle):
    rate = "1/day"

    def get_cache_key(self, request, view):
        return "once"


class Shouting(BaseRenderer):
    media_type, format = "text/plain", "txt"

    def render(self, data, accepted_media_type=None, renderer_context=None):
        return str(data).upper().encode()


def own_errors(error, context):
    answer = exception_handler(error, context)
    return None if answer is None else Response({"oops": answer.data}, status=answer.status_code)


HERE = f"{__name__}."


@pytest.fixture
def host(settings):
    """Sets up REST framework as a project would, with nothing of the demo site's."""

    resolve(RUNS)  # the views of this process are described by the demo site's schema class, whichever test comes first

    def set_up(api=None, **names):
        settings.REST_FRAMEWORK = {
            "DEFAULT_AUTHENTICATION_CLASSES": [f"{HERE}BearerAuthentication"],
            "TEST_REQUEST_DEFAULT_FORMAT": "json",
            **names,
        }
        for name in ("RECOMMENDER_API", "RECOMMENDER_THROTTLES"):
            delattr(settings, name)
        if api:
            settings.RECOMMENDER_API = api

    return set_up


@pytest.fixture
def ada(trained):
    """A customer of the shop, with a token of the host's."""
    user = User.objects.create_user("ada")
    Customer.objects.filter(key="C2").update(user=user)
    return user


def as_user(name):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {name}")
    return client


# --- who may ----------------------------------------------------------------------------------------------------------


def test_a_device_is_not_taken_for_the_user_of_the_same_number(host, ada):
    host(DEFAULT_AUTHENTICATION_CLASSES=[f"{HERE}DeviceAuthentication", f"{HERE}BearerAuthentication"])
    device = APIClient(headers={"X-Device": str(ada.pk)})
    answer = device.post(LIST, {"count": 3}).json()
    assert (answer["source"], answer["fallback_reason"]) == ("popular", "anonymous")
    assert ServedList.objects.get().customer == ""
    assert device.post(LIST, {"customer": "C2"}).status_code == 403
    assert device.get("/api/v1/recommendations/buy-again/").json()["items"] == []
    view = {"kind": "view", "item": "P1", "event_id": "1"}
    assert device.post(EVENTS, view).status_code == 201
    event = Event.objects.get()
    assert event.customer == ""
    assert event.sender != f"user:{ada.pk}", "an event id of hers is none of the device's"


def test_a_device_has_no_permission_of_the_user_of_the_same_number(host, ada):
    host(DEFAULT_AUTHENTICATION_CLASSES=[f"{HERE}DeviceAuthentication", f"{HERE}BearerAuthentication"])
    ada.user_permissions.add(Permission.objects.get(codename="recommend_for_anyone"))
    assert as_user("ada").post(LIST, {"customer": "C3"}).status_code == 200
    assert APIClient(headers={"X-Device": str(ada.pk)}).post(LIST, {"customer": "C3"}).status_code == 403
    assert as_user("ada").post(LIST, {"customer": "C3"}).status_code == 200


def test_a_user_of_a_token_alone_is_the_customer_of_that_number(host, ada):
    host(DEFAULT_AUTHENTICATION_CLASSES=[f"{HERE}NumberedAuthentication"])
    assert APIClient(headers={"X-Number": str(ada.pk)}).post(LIST, {"count": 3}).json()["source"] == "two_tower"
    stranger = APIClient(headers={"X-Number": "9" * 30}).post(LIST, {"count": 3}).json()
    assert stranger["source"] == "popular"


def test_users_in_any_wrapping_are_customers(ada):
    for user in (ada, User.objects.only("pk").get(pk=ada.pk), SimpleLazyObject(lambda: ada)):
        assert customer_key_of(user) == "C2"
    assert customer_key_of(SimpleLazyObject(lambda: device_of(ada.pk))) is None


def test_what_the_site_closed_to_strangers_is_closed_here_too(host, trained):
    host(DEFAULT_PERMISSION_CLASSES=["rest_framework.permissions.IsAuthenticated"])
    stranger = APIClient()
    assert stranger.post(LIST, {}).status_code == 401
    for address in (POPULAR, "/api/v1/products/P1/similar/", "/api/v1/dismissals/", RUNS, "/metrics"):
        assert stranger.get(address).status_code == 401, address
    assert stranger.post(EVENTS, {"kind": "view", "item": "P1"}).status_code == 401


def test_whoever_is_signed_in_gets_a_list_of_their_own_by_any_authentication(host, ada):
    host(DEFAULT_PERMISSION_CLASSES=["rest_framework.permissions.IsAuthenticated"])
    answer = as_user(ada.username).post(LIST, {"count": 3}).json()
    assert (answer["source"], answer["fallback_reason"]) == ("two_tower", None)
    assert as_user("nobody").post(LIST, {}).status_code == 401


def test_a_site_that_is_open_stays_open(host, trained):
    host()
    assert APIClient().post(LIST, {}).json()["source"] == "popular"
    assert APIClient().get("/api/v1/runs/").status_code == 401, "what asks for a permission asks for it anywhere"


def test_a_setting_opens_this_api_alone(host, trained):
    closed = ["rest_framework.permissions.IsAdminUser"]
    host(DEFAULT_PERMISSION_CLASSES=closed, api={"PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"]})
    assert APIClient().get(POPULAR).status_code == 200
    assert APIClient().get("/api/v1/recommendations/batch/").status_code in (401, 405)
    assert APIClient().post("/api/v1/recommendations/batch/", {"requests": []}).status_code == 401


def test_permissions_by_model_ask_for_none_of_ours(host, ada):
    host(DEFAULT_PERMISSION_CLASSES=["rest_framework.permissions.DjangoModelPermissions"])
    assert as_user(ada.username).get(POPULAR).status_code == 200
    assert APIClient().get(POPULAR).status_code == 401
    assert as_user(ada.username).get(RUNS).status_code == 403


def test_a_key_that_is_a_token_without_a_row_may_ask_for_anyone(host, trained):
    host(api={"THROTTLE_CLASSES": [f"recommender.api.throttles.{whose}Throttle" for whose in ("User", "Key")]})
    till = User.objects.create_user("till")
    till.user_permissions.add(Permission.objects.get(codename="recommend_for_anyone"))
    assert as_user("till").post(LIST, {"customer": "C2"}).json()["source"] == "two_tower"


def test_a_user_without_a_row_gets_what_is_popular(host, trained):
    host(DEFAULT_AUTHENTICATION_CLASSES=[f"{HERE}StatelessAuthentication"])
    assert APIClient().post(LIST, {}).json()["source"] == "popular"
    assert APIClient().post(LIST, {"customer": "C2"}).status_code == 403
    assert APIClient().get(RUNS).status_code == 403
    assert APIClient().get("/metrics").status_code == 403


def test_a_site_that_knows_no_anonymous_user_serves_visitors(host, trained):
    host(UNAUTHENTICATED_USER=None)
    assert APIClient().post(LIST, {}).json()["source"] == "popular"
    assert APIClient().post(LIST, {"customer": "C2"}).status_code == 401


# --- how often --------------------------------------------------------------------------------------------------------


def test_the_throttles_of_the_site_count_here_too(host, trained):
    host(DEFAULT_THROTTLE_CLASSES=[f"{HERE}OnceADay"])
    assert [APIClient().get(POPULAR).status_code for _ in range(2)] == [200, 429]


def test_a_site_without_throttles_has_none_here_unless_it_asks_for_them(host, trained, settings):
    host()
    assert {APIClient().get(POPULAR).status_code for _ in range(4)} == {200}
    settings.RECOMMENDER_THROTTLES = {"visitor": "2/min"}
    assert [APIClient().get(POPULAR).status_code for _ in range(3)] == [200, 200, 429]


# --- in which form ----------------------------------------------------------------------------------------------------


def test_answers_are_json_whatever_the_site_renders_and_errors_are_the_sites(host, trained):
    host(
        DEFAULT_RENDERER_CLASSES=[f"{HERE}Shouting"],
        DEFAULT_PARSER_CLASSES=["rest_framework.parsers.FormParser"],
        EXCEPTION_HANDLER=f"{HERE}own_errors",
    )
    assert APIClient().post(LIST, {"count": 2}).json()["source"] == "popular"
    refused = APIClient().post(LIST, {"count": 0})
    assert (refused.status_code, list(refused.json())) == (400, ["oops"])
    refused = APIClient().post(LIST, {"filter": {"nothing": ["x"]}})
    assert (refused.status_code, list(refused.json())) == (400, ["oops"])


def test_a_setting_gives_this_api_another_form(host, trained):
    host(api={"RENDERER_CLASSES": [f"{HERE}Shouting"]})
    assert APIClient().get(POPULAR).content.startswith(b"{'RECOMMENDATION_ID'")


class Numbered(PageNumberPagination):
    page_size = 2


class FromOn(LimitOffsetPagination):
    default_limit = 2


class FromTheLast(CursorPagination):
    page_size = 2


@pytest.mark.parametrize("pages", [Numbered, FromOn, FromTheLast])
def test_rows_come_in_the_pages_of_the_site(host, db, pages):
    host(DEFAULT_PAGINATION_CLASS=pages, DEFAULT_FILTER_BACKENDS=["rest_framework.filters.OrderingFilter"])
    TrainingRun.objects.bulk_create(TrainingRun(state=TrainingRun.State.FAILED) for _ in range(3))
    User.objects.create_superuser("root")
    first = as_user("root").get(RUNS).json()
    assert [len(first["results"]), len(as_user("root").get(first["next"]).json()["results"])] == [2, 1]


def test_a_site_without_pages_gets_all_rows(host, db):
    host(DEFAULT_PAGINATION_CLASS=None)
    TrainingRun.objects.bulk_create(TrainingRun(state=TrainingRun.State.FAILED) for _ in range(3))
    User.objects.create_superuser("root")
    assert len(as_user("root").get(RUNS).json()) == 3


@pytest.mark.parametrize("scheme", ["Namespace", "URLPath", "HostName", "QueryParameter", "AcceptHeader"])
def test_the_versions_of_the_sites_own_api_do_not_matter_here(host, trained, scheme):
    host(
        DEFAULT_VERSIONING_CLASS=f"rest_framework.versioning.{scheme}Versioning",
        DEFAULT_VERSION="2.0",
        ALLOWED_VERSIONS=["2.0"],
    )
    assert APIClient().get(POPULAR).status_code == 200
    assert APIClient().post(LIST, {}).status_code == 200


def test_a_misspelt_name_in_the_setting_is_said(host, trained):
    host(api={"PERMISSIONS": []})
    with pytest.raises(Exception, match=r"RECOMMENDER_API knows no PERMISSIONS\. There are: AUTHENTICATION_CLASSES"):
        APIClient().get(POPULAR)
