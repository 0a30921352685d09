"""What is kept about a person is shown to them, handed out whole and erased whole; what they take back is unknown."""

import json
from datetime import timedelta

import pyarrow.parquet as pq
import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from knox.models import AuthToken

from catalog.models import Product
from customers.models import Customer, Purchase
from recommender.engine.errors import EngineError
from recommender.feedback import personal_data
from recommender.models import Dismissal, Event, ModelVersion, ServedList
from recommender.serving import customers as people
from recommender.serving import live as serving
from recommender.serving import predict_rating, recommend, why
from recommender.source.declaration import get_source
from recommender.training.export import export_snapshot
from recsite import privacy
from tests.shop import category_of

PASSWORD = "correct-horse-9"


def keys(answer) -> list[str]:
    return [item.item for item in answer.items]


@pytest.fixture
def ada(trained):
    """The planted customer C2, who buys kitchenware alone, with an account."""
    user = User.objects.create_user("ada", "ada@private.example", PASSWORD)
    Customer.objects.filter(key="C2").update(user=user, name="Ada Private")
    return Customer.objects.get(key="C2")


@pytest.fixture
def here(client, ada):
    client.force_login(ada.user)
    return client


# --- what lists are made of -------------------------------------------------------------------------------------------


def test_the_history_shows_purchases_ratings_and_views(here, ada):
    Event.objects.create(kind="view", item="P3", customer="C2")
    page = here.get("/account/history/").content.decode()
    for purchase in Purchase.objects.filter(customer=ada):
        assert str(purchase.product) in page
    rated = Purchase.objects.filter(customer=ada, rating__isnull=False).first()
    assert f"you gave it {rated.rating.normalize():f} of 5" in page
    assert "Garden thing 3" in page


def test_the_history_is_ones_own_in_pages_and_empty_at_first(client, ada):
    assert client.get("/account/history/").url.startswith("/accounts/login/")
    client.force_login(User.objects.create_user("bob"))
    page = client.get("/account/history/").content.decode()
    assert "You have bought nothing yet" in page
    assert "Nothing is on record" in page
    other = Purchase.objects.filter(customer=ada).first()
    assert client.post(reverse("count-purchase", args=[other.pk]), {"wanted": "no"}).status_code == 404
    client.post(reverse("count-product", args=[other.product.key]), {"wanted": "no"})
    other.refresh_from_db()
    assert other.personalisation


def test_a_purchase_left_out_changes_the_next_list_and_is_no_more_recommended(here, ada):
    product = Product.objects.get(key="P3")
    purchase = Purchase.objects.create(customer=ada, product=product)
    before = recommend(customer="C2", count=10)
    here.post(reverse("count-purchase", args=[purchase.pk]), {"wanted": "no"})
    after = recommend(customer="C2", count=100)
    assert [i.score for i in after.items[:10]] != [i.score for i in before.items]
    assert "P3" not in keys(after), "bought is bought"
    assert "P3" in keys(recommend(customer="C2", count=100, exclude_purchased=False))
    known = people.find_customers(["C2"])["C2"]
    assert "P3" in known.bought
    assert "P3" not in {event.item for event in known.person.history}
    assert "Left out" in here.get("/account/history/").content.decode()
    assert "Garden thing 3" in here.get("/orders/").content.decode(), "the order stays"

    here.post(reverse("count-purchase", args=[purchase.pk]), {"wanted": "yes"})
    again = recommend(customer="C2", count=10)
    assert [(i.item, round(i.score, 3)) for i in again.items] == [(i.item, round(i.score, 3)) for i in before.items]


def test_leaving_everything_out_leaves_the_profile(here, ada):
    for product in {p.product.key for p in Purchase.objects.filter(customer=ada)}:
        here.post(reverse("count-product", args=[product]), {"wanted": "no"})
    answer = recommend(customer="C2", count=5)
    assert answer.source == "two_tower"
    assert not any(reason.kind == "because_you_bought" for item in answer.items for reason in item.reasons)


def test_the_next_snapshot_leaves_out_what_was_left_out(here, ada, tmp_path):
    purchase = Purchase.objects.filter(customer=ada).first()
    here.post(reverse("count-purchase", args=[purchase.pk]), {"wanted": "no"})
    export_snapshot(source=get_source(), folder=tmp_path / "snapshot")
    rows = pq.read_table(tmp_path / "snapshot" / "interactions.parquet").to_pylist()
    theirs = {row["item"] for row in rows if row["user"] == "C2"}
    assert theirs == {p.product.key for p in Purchase.objects.filter(customer=ada, personalisation=True)}
    assert purchase.product.key not in theirs


def test_a_view_is_erased_and_shapes_no_list(here):
    for key in ("P3", "P3", "P7"):
        Event.objects.create(kind="view", item=key, customer="C2")
    Event.objects.create(kind="view", item="P3", customer="C6")
    shaped = recommend(customer="C2", count=10)
    here.post(reverse("recommender:forget-view", args=["P3"]))
    here.post(reverse("recommender:forget-view", args=["P7"]))
    assert list(Event.objects.values_list("customer", flat=True)) == ["C6"]
    assert keys(recommend(customer="C2", count=10)) != keys(shaped)


def test_a_visitor_is_forgotten_to_have_looked_at_something(client, trained):
    client.get("/products/P3/")
    assert Event.objects.count() == 1
    client.post(reverse("recommender:forget-view", args=["P3"]))
    assert not Event.objects.exists()
    assert client.session["recommender_viewed"] == []


def test_the_next_list_follows_the_profile(here, ada):
    Purchase.objects.filter(customer=ada).update(personalisation=False)
    here.post("/account/", {"gender": "F", "country": "UK"})
    as_a_woman = recommend(customer="C2", count=6)
    here.post("/account/", {"gender": "M", "country": "UK"})
    as_a_man = recommend(customer="C2", count=6)
    assert {category_of(key) for key in keys(as_a_woman)[:3]} <= {"Running", "Kitchen"}
    assert {category_of(key) for key in keys(as_a_man)[:3]} <= {"Books", "Garden"}


def test_opting_out_is_one_click_and_back_one_more(here):
    personal = here.get("/").content.decode()
    assert ">For you</h2>" in personal
    here.post("/account/personalisation/", {"wanted": "no"})
    everybodys = here.get("/").content.decode()
    assert "What most people buy: personalisation is off." in everybodys
    assert "Because" not in everybodys
    assert not ServedList.objects.filter(customer="C2", source="popular").exists(), "nothing is kept of the opted out"
    here.post("/account/personalisation/", {"wanted": "yes"})
    assert ">For you</h2>" in here.get("/").content.decode()


# --- why --------------------------------------------------------------------------------------------------------------


def test_why_names_the_evidence_strongest_first_and_leads_to_it(here):
    listed = recommend(customer="C2", count=1).items[0]
    found = why(listed.item, customer="C2")
    assert found.evidence[0][0] == listed.reasons[0], "the page and the card say the same"
    shares = [share for _, share in found.evidence]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1)
    page = here.get(reverse("recommender:why", args=[listed.item])).content.decode()
    bought = next(reason.item for reason, _ in found.evidence if reason.item)
    assert f'href="/products/{bought}/"' in page
    assert reverse("count-product", args=[bought]) in page
    assert "Turn personalisation off" in page
    assert reverse("recommender:dismiss", args=[listed.item]) in page


def test_taking_the_strongest_reason_away_lowers_the_item(here):
    """What the page says is true: without the evidence the score falls, and by more than without the next."""
    item = recommend(customer="C2", count=1).items[0].item

    def score() -> float:
        return next(i.score for i in recommend(customer="C2", count=100).items if i.item == item)

    products = [r.item for r, _ in why(item, customer="C2").evidence if r.item]
    whole, without = score(), {}
    for bought in (products[0], products[-1]):
        here.post(reverse("count-product", args=[bought]), {"wanted": "no"})
        without[bought] = score()
        here.post(reverse("count-product", args=[bought]), {"wanted": "yes"})
    assert without[products[0]] < whole
    assert without[products[0]] <= without[products[-1]]


def test_a_profile_that_is_the_reason_can_be_changed_from_there(here, ada):
    Purchase.objects.filter(customer=ada).update(personalisation=False)
    first = recommend(customer="C2", count=1).items[0]
    page = here.get(reverse("recommender:why", args=[first.item])).content.decode()
    assert "Because of your gender" in page
    assert 'href="/account/#id_gender"' in page


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("source=popular", "Many people buy it"),
        ("source=trending", "sells more this week"),
        ("source=recently_viewed", "You looked at it"),
        ("source=bought_together&of=P4", "People who bought Running thing 4"),
        ("source=also_viewed&of=P4", "People who looked at Running thing 4"),
        ("source=two_tower&of=P4", "who like Running thing 4"),
        ("source=two_tower&of=P4&scenario=cart", "Goes with Running thing 4 in your cart"),
    ],
)
def test_why_speaks_of_the_list_it_was_in(client, trained, asked, says):
    assert says in client.get(f"{reverse('recommender:why', args=['P8'])}?{asked}").content.decode()


def test_from_why_one_comes_back_to_where_one_was_whatever_one_did_there(here):
    listed = recommend(customer="C2", count=1).items[0]
    page = here.get(
        reverse("recommender:why", args=[listed.item]), headers={"referer": "http://testserver/products/?page=2"}
    )
    bought = listed.reasons[0].item
    assert reverse("count-product", args=[bought]) in page.content.decode()
    after = here.post(
        reverse("count-product", args=[bought]), {"wanted": "no", "next": page.context["here"]}, follow=True
    )
    assert after.context["next"] == "http://testserver/products/?page=2"


def test_why_before_any_model_and_for_the_opted_out(client, stocked):
    assert "as soon as the shop has learned" in client.get(reverse("recommender:why", args=["P8"])).content.decode()
    user = User.objects.create_user("ada")
    Customer.objects.filter(key="C2").update(user=user, personalisation=False)
    client.force_login(user)
    page = client.get(reverse("recommender:why", args=["P8"])).content.decode()
    assert "Personalisation is off" in page
    assert "Turn personalisation on" in page


def test_why_of_what_is_not_there_is_not_found(client, trained):
    assert client.get("/recommendations/P999/why/").status_code == 404
    assert client.get(reverse("recommender:why", args=["P8"]) + "?source=magic").status_code == 404
    assert client.get(reverse("recommender:why", args=["P8"]) + "?of=%00&next=https://evil.example/").status_code == 200


# --- all of it, as a file ---------------------------------------------------------------------------------------------


def models_about_people() -> dict[str, str]:
    """Every model with a column that leads to a user or a customer, near or far, by its label: which column."""
    people_ = {"auth.User", "customers.Customer"}
    found = dict.fromkeys(people_, "itself")
    models = [m for m in apps.get_models(include_auto_created=True) if not m._meta.proxy]
    while True:
        new = {
            model._meta.label: field.name
            for model in models
            if model._meta.label not in found
            for field in model._meta.concrete_fields
            if (field.related_model and field.related_model._meta.label in found and leads_to_a_person(model))
            or (model._meta.app_label == "recommender" and field.name in ("customer", "session"))
        }
        if not new:
            return found
        found |= new


def leads_to_a_person(model) -> bool:
    """Not by way of a run or a version that a member of staff has touched: those are no rows about people."""
    return not (model._meta.app_label == "recommender" and model._meta.label not in privacy.NOT_THEIRS)


def test_every_model_about_people_is_in_the_document_or_said_not_to_be_theirs():
    named = {part.model._meta.label for part in privacy.PARTS.values()} | set(privacy.NOT_THEIRS)
    missing = {label: column for label, column in models_about_people().items() if label not in named}
    assert not missing, f"add these to recsite/privacy.py: {missing}"


def test_the_walk_finds_what_it_should():
    found = models_about_people()
    assert {"customers.Purchase", "account.EmailAddress", "knox.AuthToken", "recommender.Event"} <= set(found)
    assert "catalog.Product" not in found


def test_nothing_in_the_document_is_secret(ada):
    AuthToken.objects.create(user=ada.user)
    token = AuthToken.objects.get()
    told = json.dumps(
        privacy.everything_about(ada.user, visit={"_auth_user_hash": "x"}, now=timezone.now()), default=str
    )
    for secret in (ada.user.password, token.digest, token.token_key, "_auth_user_hash"):
        assert secret not in told


def test_the_file_holds_everything_and_nobody_elses(here, ada):
    here.get("/products/P3/")
    here.post("/recommendations/P5/not-interested/")
    here.get("/")
    Purchase.objects.filter(customer=ada).update(external_id=None, order_status="Shipped")
    answer = here.get("/account/data/")
    assert answer["Content-Disposition"].startswith('attachment; filename="personal-data-')
    assert "no-store" in answer["Cache-Control"]
    told = answer.json()
    assert told["account"][0]["email"] == "ada@private.example"
    assert told["profile"][0] | {"gender": "F"} == told["profile"][0]
    assert len(told["purchases"]) == 8
    assert set(told["purchases"][0]) >= {"product", "time", "quantity", "amount", "rating", "personalisation"}
    assert told["purchases"][0]["product"]["name"].startswith("Kitchen thing")
    assert [(row["kind"], row["item"]) for row in told["events"]] == [("view", "P3")]
    assert [row["item"] for row in told["not_interested"]] == ["P5"]
    assert {row["scenario"] for row in told["lists"]} >= {"home"}
    for part in privacy.PARTS:
        assert part in told
    assert '"C6"' not in answer.content.decode()


def test_a_user_who_never_bought_gets_their_file_too(admin_client):
    told = admin_client.get("/account/data/").json()
    assert told["account"][0]["username"] == "admin"
    assert told["profile"] == told["purchases"] == told["events"] == []


# --- the end ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def known_everywhere(here, ada):
    """Ada with a trace in every place that keeps one, and Bob, who stays."""
    here.get("/")
    here.get("/products/P3/")
    here.post("/recommendations/P5/not-interested/")
    session = here.session.session_key
    Event.objects.create(kind="view", item="P9", session=session)  # before she signed in
    AuthToken.objects.create(user=ada.user)
    version = ModelVersion.objects.get()
    version.report = {"samples": [{"user": user, "history": [], "list": []} for user in ("C2", "C6")], "models": []}
    version.save()
    staff = User.objects.create_superuser("root")
    for row in (ada, ada.user, Purchase.objects.filter(customer=ada).first()):
        LogEntry.objects.create(
            user=staff,
            content_type=ContentType.objects.get_for_model(row),
            object_id=row.pk,
            object_repr=str(row),
            action_flag=2,
        )
    Event.objects.create(kind="view", item="P3", customer="C6")
    Dismissal.objects.create(customer="C6", item="P5")
    other = Client()
    other.force_login(staff)
    return here


def test_deleting_needs_the_password(known_everywhere):
    for given in ({}, {"confirmation": "wrong"}):
        answer = known_everywhere.post("/account/delete/", given)
        assert answer.status_code == 422
    assert "Nothing was deleted" in answer.content.decode()
    assert Customer.objects.filter(key="C2").exists()
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="ada"))
    assert strict.post("/account/delete/", {"confirmation": PASSWORD}).status_code == 403


def test_guessing_passwords_is_slowed_down(known_everywhere, settings):
    for _ in range(12):
        answer = known_everywhere.post("/account/delete/", {"confirmation": "wrong"})
    assert "Too many tries" in answer.content.decode()
    known_everywhere.post("/account/delete/", {"confirmation": PASSWORD})
    assert Customer.objects.filter(key="C2").exists()


def test_the_page_says_what_becomes_of_purchases(here):
    page = here.get("/account/delete/").content.decode()
    assert "your 8 purchases" in page
    assert "Kept for the books" in page


def test_an_account_that_signs_in_elsewhere_writes_a_word(here, ada):
    ada.user.set_unusable_password()
    ada.user.save()
    here.force_login(ada.user)
    assert here.post("/account/delete/", {"confirmation": "no"}).status_code == 422
    assert here.post("/account/delete/", {"confirmation": "Delete"}).url == "/"
    assert not User.objects.filter(username="ada").exists()


def test_staff_are_deleted_by_other_staff(admin_client):
    assert "Another admin" in admin_client.get("/account/delete/").content.decode()
    assert admin_client.post("/account/delete/", {"confirmation": "password"}).status_code == 403
    assert User.objects.filter(username="admin").exists()


def test_after_deletion_nothing_names_the_person(known_everywhere, ada):
    pk = ada.user.pk
    purchases = list(Purchase.objects.filter(customer=ada).values_list("pk", flat=True))
    answer = known_everywhere.post("/account/delete/", {"confirmation": PASSWORD}, follow=True)
    assert "Your account is deleted" in answer.content.decode()
    assert "Sign in" in answer.content.decode()

    assert not User.objects.filter(pk=pk).exists()
    assert not Customer.objects.filter(key="C2").exists()
    for model in personal_data.PERSONAL_MODELS.values():
        assert not model.objects.filter(customer="C2").exists(), model
    assert not Event.objects.filter(customer="").exists(), "what she did before she signed in"
    assert not AuthToken.objects.exists()
    assert not any(s.get_decoded().get("_auth_user_id") == str(pk) for s in Session.objects.all())
    assert [row["user"] for row in ModelVersion.objects.get().report["samples"]] == ["C6"]
    assert set(LogEntry.objects.values_list("object_repr", flat=True)) == {"(erased)"}

    kept = Purchase.objects.filter(pk__in=purchases)
    assert kept.count() == 8, "the books are whole"
    assert {(p.customer, p.rating, p.feedback) for p in kept} == {(None, None, "")}
    assert all(p.amount is not None for p in kept)

    assert Event.objects.get().customer == "C6"
    assert Dismissal.objects.get().customer == "C6"


def test_no_row_of_any_table_holds_the_key_or_the_name(known_everywhere):
    known_everywhere.post("/account/delete/", {"confirmation": PASSWORD})
    for model in apps.get_models(include_auto_created=True):
        for row in model._default_manager.values():
            told = [str(value) for value in row.values()]
            assert "C2" not in told, model
            assert not any("Ada Private" in value or "ada@private" in value for value in told), model


@pytest.mark.parametrize("door", ["admin", "api", "shell"])
def test_whoever_deletes_a_customer_erases_as_much(known_everywhere, ada, door):
    if door == "admin":
        staff = Client()
        staff.force_login(User.objects.get(username="root"))
        staff.post(f"/admin/customers/customer/{ada.pk}/delete/", {"post": "yes"})
    elif door == "api":
        staff = Client()
        staff.force_login(User.objects.get(username="root"))
        assert staff.delete("/api/v1/customers/C2/").status_code == 204
    else:
        Customer.objects.filter(key="C2").delete()
    assert not Customer.objects.filter(key="C2").exists()
    for model in personal_data.PERSONAL_MODELS.values():
        assert not model.objects.filter(customer="C2").exists(), model
    assert Purchase.objects.filter(customer=None, rating=None).count() == 8


def test_the_next_snapshot_does_not_hold_the_person(known_everywhere, tmp_path):
    known_everywhere.post("/account/delete/", {"confirmation": PASSWORD})
    export_snapshot(source=get_source(), folder=tmp_path / "snapshot")
    for table in ("users", "interactions"):
        assert "C2" not in pq.read_table(tmp_path / "snapshot" / f"{table}.parquet")["user"].to_pylist()
    assert pq.read_table(tmp_path / "snapshot" / "interactions.parquet").num_rows == 59 * 8


def test_the_live_model_which_learned_from_the_person_serves_nothing_of_them(known_everywhere):
    known_everywhere.post("/account/delete/", {"confirmation": PASSWORD})
    assert serving.live_model() is not None
    answer = recommend(customer="C2", count=5)
    assert (answer.source, answer.fallback_reason) == ("popular", "unknown_customer")
    assert not ServedList.objects.filter(customer="C2").exists()


def test_a_training_that_ends_after_the_deletion_shows_no_example_of_the_person(known_everywhere):
    samples = [{"user": "C2"}, {"user": "C6"}]
    Customer.objects.filter(key="C2").delete()
    assert personal_data.learnable_samples(samples) == [{"user": "C6"}]
    Customer.objects.filter(key="C6").update(personalisation=False)
    assert personal_data.learnable_samples(samples) == []


def test_orders_and_the_api_still_show_the_sale(known_everywhere):
    known_everywhere.post("/account/delete/", {"confirmation": PASSWORD})
    staff = Client()
    staff.force_login(User.objects.get(username="root"))
    nobodys = Purchase.objects.filter(customer=None).first()
    assert staff.get(f"/api/v1/purchases/{nobodys.pk}/").json()["customer"] is None
    assert staff.get("/api/v1/purchases/").status_code == 200
    assert staff.get("/admin/customers/purchase/").status_code == 200
    assert staff.get(f"/admin/customers/purchase/{nobodys.pk}/change/").status_code == 200
    refused = staff.post("/api/v1/purchases/", {"customer": None, "product": "P1"}, content_type="application/json")
    assert refused.status_code == 400
    assert "customer" in refused.content.decode()


def test_logs_name_no_customer(ada, monkeypatch, caplog, capsys):
    """Lines of a log cannot be erased afterwards, so they never hold whom a list was for."""

    def breaks(*args: object, **kwargs: object) -> None:
        raise EngineError("The tower fell.")

    catalog = serving.live_catalog()
    monkeypatch.setattr(type(catalog.placed), "encode_with_ablations", breaks)
    monkeypatch.setattr(type(catalog.placed), "encode", breaks)
    assert recommend(customer="C2", count=3).fallback_reason == "model_failed"
    predict_rating(customer="C2", item="P1")
    told = caplog.text + "".join(capsys.readouterr())
    assert "model_failed" in told
    assert "C2" not in told


def test_old_views_count_as_history_but_shape_no_list(here):
    Event.objects.create(kind="view", item="P3", customer="C2", time=timezone.now() - timedelta(days=2))
    assert "Garden thing 3" in here.get("/account/history/").content.decode()
    assert people.find_customers(["C2"])["C2"].viewed == ()
