"""A site with a row of everything, and every page that it has then. Its data is written in Greek: no word of it is one
of ours."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.contrib import admin
from django.contrib.auth.models import User
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from catalog.models import Product
from customers.carts import CustomerCart
from customers.models import Customer, Purchase
from recommender import feedback
from recommender.models import DriftFinding, Event, ListCount, Promotion, TrainingRun, TrainingSchedule
from recommender.words import Words, columns
from recsite.api import keys
from recsite.models import ServiceAccount
from tests.recommender import planted_runs
from tests.recommender.experiments.test_experiments import begun, people_of

ORDER = UUID("00000000-0000-4000-8000-000000000001")
PAGES = (
    "/",
    "/products/",
    "/products/?q=Ωμέγα&min_price=1.5&max_price=1234.5&min_rating=2.5&ordering=-price",
    "/products/?q=κάτι+που+δεν+υπάρχει",
    "/products/?min_price=cheap",
    "/products/P1/",
    "/products/P6/",
    "/cart/",
    "/orders/",
    f"/orders/{ORDER}/",
    "/welcome/",
    "/account/",
    "/account/history/",
    "/account/tokens/",
    "/account/delete/",
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/logout/",
    "/accounts/email/",
    "/accounts/inactive/",
    "/accounts/confirm-email/",
    "/accounts/confirm-email/old/",
    "/accounts/password/change/",
    "/accounts/password/reset/",
    "/accounts/password/reset/done/",
    "/accounts/password/reset/key/1-old/",
    "/accounts/password/reset/key/done/",
    "/accounts/2fa/",
    "/accounts/2fa/webauthn/",
    "/recommendations/not-interested/",
    "/recommendations/P3/why/",
    "/recommendations/P3/why/?source=two_tower&of=P1",
    "/recommendations/P3/why/?source=popular",
    "/recommendations/P3/why/?source=bought_together&of=P1",
    "/recommendations/P3/why/?source=trending",
    "/nowhere/",
)
REGISTERED_BY_OTHERS = (
    "account",
    "auth",
    "django_celery_beat",
    "django_celery_results",
    "knox",
    "mfa",
    "socialaccount",
)


def customer() -> User:
    """A customer of the planted shop who has bought, rated, looked at and turned down something."""
    Product.objects.update(
        name="Ωμέγα", category="Βιβλία", brand="Μάρκα", type="Τύπος", description="Περιγραφή", price="1234.50"
    )
    Customer.objects.update(name="Κάποιος", country="Ελλάδα", state="Αττική", city="Αθήνα")
    person = Customer.objects.order_by("pk").first()
    assert person is not None
    person.user = User.objects.create_user("αλφα", email="alpha@example.com", password="κωδικός-12345")
    person.name = "Άλφα"
    person.save()
    for key in ("P6", "P9"):
        product = Product.objects.get(key=key)
        Purchase.objects.create(customer=person, product=product, order=ORDER, amount="1234.50", quantity=3, rating=4)
    CustomerCart(person.user).put(Product.objects.get(key="P1"), 2)
    feedback.dismiss(customer=person.key, item="P2")
    Event.objects.create(kind=Event.Kind.VIEW, item="P4", customer=person.key)
    return person.user


def owner() -> tuple[User, list[str]]:
    """A superuser, and the addresses of the admin: all lists, forms and rows. Keys of rows have four digits."""
    user = User.objects.create_superuser("βητα", email="beta@example.com", password="κωδικός-12345")
    TrainingRun.objects.create(pk=1_230, state="failed")
    samples = [{"user": "Α", "purchases": 1_234, "history": ["P1"], "list": [["P2", 0.5]], "before": [["P3", 0.4]]}]
    left_out = {"table": "users", "column": "the key", "reason": "is missing", "effect": "row left out", "count": 1_234}
    refused = planted_runs.version(
        "v8", study=planted_runs.STUDY, samples=samples, ours=0.03, out_of_time=True, minutes=7
    )
    refused.report |= {
        "left_out": [left_out | {"examples": []}],
        "refit": {"ndcg_10": 0.1, "difference": 0.01, "low": -0.01, "high": 0.02},
    }
    refused.save()
    passed = planted_runs.version("v9", study=planted_runs.STUDY, samples=samples)
    Promotion.objects.create(version=passed, **columns(reason=Words("Passed: {why}.", why="Ω")))
    broken = Words("Training broke on {problem}. The log says where.", problem="Ω")
    failed = TrainingRun.objects.create(
        state="failed", started=timezone.now(), **columns(phase=Words("Failed"), error=broken)
    )
    reading = Words("Reading the shop's data: {rows:n} {table}", rows=12_345, table=Words("customers"))
    active = TrainingRun.objects.create(
        state="exporting", started=timezone.now() - timedelta(hours=1), progress=0.5, **columns(phase=reading)
    )
    experiment, *_ = begun(40)
    people_of(experiment, revenue_b=2.0)
    TrainingSchedule.objects.create(
        hour=4, weekday=1, purchases=1_000, **columns(note=Words("It was due at {time:time}.", time=timezone.now()))
    )
    finding = {"time": timezone.now(), "version": passed, "counted": 1_234, "value": 0.25, "before": 0.125}
    spread = Words("{field} is spread as in training.", field="Ω")
    DriftFinding.objects.create(subject="profiles", measure="psi", level="high", **columns(words=spread), **finding)
    today = timezone.localdate()
    for source, version in (("two_tower", "v9"), ("popular", ""), ("trending", "")):
        counts = {"lists": 1_234, "views": 12_345, "clicks": 1_111, "clicked": 999, "orders": 1_100, "revenue": 1_234.5}
        for bucket in range(20):
            ListCount.objects.create(day=today, scenario="", source=source, version=version, bucket=bucket, **counts)
    addresses = ["/admin/", "/admin/recommender/modelversion/roll-back/", "/admin/recommender/trainingrun/retrain/"]
    if admin.site.is_registered(ServiceAccount):  # not in Django's own admin
        account = keys.create_account(name="ταμείο", purpose="Ταμείο", given=[], by=user)
        key, _ = keys.make_key(account=account, name="κλειδί", lifetime=None, by=user)
        addresses += [f"/admin/recsite/serviceaccount/keys/{key.pk}/{what}/" for what in ("rotate", "revoke")]
        addresses += [f"/admin/recsite/serviceaccount/{account.pk}/new-key/"]
    addresses += [f"/admin/recommender/modelversion/{refused.pk}/promote/", "/admin/recommender/experiment/plan/"]
    addresses += [f"/admin/recommender/trainingrun/{run.pk}/change/" for run in (failed, active)]
    addresses += [f"/admin/recommender/trainingrun/{version.run_id}/change/" for version in (refused, passed)]
    addresses += [f"/admin/recommender/modelversion/{version.pk}/change/" for version in (refused, passed)]
    addresses += ["/admin/recommender/listcount/?first=2026-02-01&last=2026-01-01"]
    for model in admin.site._registry:
        if model._meta.app_label in REGISTERED_BY_OTHERS:
            continue
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        addresses.append(reverse(f"{name}_changelist"))
        row = model._default_manager.order_by("-pk").first()
        if row is not None:
            addresses.append(reverse(f"{name}_change", args=[row.pk]))
        for what in ("add", "import", "export"):
            try:
                addresses.append(reverse(f"{name}_{what}"))
            except NoReverseMatch:
                continue
    return user, list(dict.fromkeys(addresses))
