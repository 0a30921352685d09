"""Signing up: an account, a profile that may be left empty, and a first list."""

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from customers.models import Customer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("django_cache")]
SIGN_UP = "/accounts/signup/"
ACCOUNT = {
    "username": "ada",
    "email": "ada@example.org",
    "password1": "correct-horse-9",
    "password2": "correct-horse-9",
}


def test_the_form_asks_for_a_profile_and_every_field_of_it_may_be_skipped(client):
    form = client.get(SIGN_UP).context["form"]
    profile = {field.name: field.field.required for field in form.profile_fields()}
    assert list(profile) == ["age", "gender", "country", "state", "city", "income", "segment"]
    assert not any(profile.values())
    assert [field.name for field in form.account_fields()] == ["username", "email", "password1", "password2"]


def test_signing_up_makes_a_customer_with_that_profile_and_lands_on_a_list(client):
    response = client.post(SIGN_UP, {**ACCOUNT, "age": "34", "gender": "Female", "country": "UK", "city": "London"})
    assert response.status_code == 302
    assert response.url == reverse("welcome") == "/welcome/"
    customer = User.objects.get(username="ada").customer
    assert (customer.age, customer.gender, customer.country, customer.city) == (34, "Female", "UK", "London")
    assert customer.personalisation
    page = client.get("/welcome/").content.decode()
    assert "Made from your profile" in page
    assert "City: London" in page


def test_signing_up_with_nothing_but_an_account_works(client):
    client.post(SIGN_UP, ACCOUNT)
    customer = Customer.objects.get()
    assert (customer.age, customer.gender, customer.user.username) == (None, "", "ada")
    assert "You told us nothing about yourself" in client.get("/welcome/").content.decode()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("age", "0"),
        ("age", "121"),
        ("age", "old"),
        ("gender", "no such choice"),
        ("city", "x" * 101),
        ("city", "a\x00b"),
    ],
)
def test_a_wrong_profile_is_said_at_its_field_and_makes_no_account(client, field, value):
    response = client.post(SIGN_UP, {**ACCOUNT, field: value})
    assert response.status_code == 200
    assert field in response.context["form"].errors
    assert f'id="id_{field}_error"' in response.content.decode()
    assert not User.objects.exists()


def test_values_that_people_share_are_offered(client):
    for n in range(3):
        Customer.objects.create(key=f"k{n}", country="Norway", income="Middling")
    page = client.get(SIGN_UP).content.decode()
    assert '<option value="Norway"></option>' in page
    assert '<option value="Middling">Middling</option>' in page


def test_two_people_get_two_keys(client):
    client.post(SIGN_UP, ACCOUNT)
    client.post("/accounts/logout/")
    client.post(SIGN_UP, {**ACCOUNT, "username": "bob", "email": "bob@example.org"})
    assert Customer.objects.values("key").distinct().count() == 2


def test_signing_in_and_out(client):
    client.post(SIGN_UP, ACCOUNT)
    assert client.post("/accounts/logout/").url == "/"
    assert client.get("/orders/").url == "/accounts/login/?next=/orders/"
    response = client.post("/accounts/login/", {"login": "ada@example.org", "password": ACCOUNT["password1"]})
    assert response.url == "/"


@pytest.mark.parametrize(
    "address",
    [
        "/accounts/login/",
        "/accounts/signup/",
        "/accounts/password/reset/",
        "/accounts/password/reset/done/",
        "/accounts/password/reset/key/1-wrong/",
    ],
)
def test_account_pages_look_like_the_site(client, address):
    page = client.get(address).content.decode()
    assert 'class="site-header"' in page
    assert 'href="#main"' in page


@pytest.mark.parametrize("address", ["/accounts/logout/", "/accounts/password/change/", "/accounts/email/"])
def test_pages_of_ones_own_account_look_like_the_site(client, address):
    client.post(SIGN_UP, ACCOUNT)
    page = client.get(address).content.decode()
    assert 'class="site-header"' in page
    assert 'class="panel"' in page


def test_who_tries_too_often_is_asked_to_wait_in_the_sites_own_words(client):
    for _ in range(20):
        assert client.post(SIGN_UP, {}).status_code == 200
    refused = client.post(SIGN_UP, {})
    assert refused.status_code == 429
    assert "That was too often" in refused.content.decode()
