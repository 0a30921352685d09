"""What must hold of the library once it is seeded and trained: by a real server, and by what its readers lend next."""

import json
import time

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from checking import Tally, Visitor, admin_pages, check_of_django, count_glue, hit_rate, server
from library.management.commands.seed import BRANCHES, KEPT_BACK, PASSWORD
from library.models import Branch, Loan, Medium, Reader
from recommender.serving import make_list, recommend

BETTER_THAN_POPULAR = 2
COUNT = 10
COUNTED_WITHIN = 3  # seconds; docs/serving.md: a process looks once a second
RECOMMENDATIONS = "/api/v1/recommendations/"
ENGLISH = ("For you", "Popular now", "Similar", "Why this?", "Not interested", "because ")


class Command(BaseCommand):
    help = "Check the seeded, trained example; exit with 1 where something does not hold."

    def handle(self, *args, **options):
        tally = Tally()
        said = check_of_django()
        tally.holds("manage.py check is clean", said.startswith("System check identified no issues"), said)
        check_lists(tally)
        check_a_loan(tally)
        with server() as address:
            check_pages(tally, address)
            check_api(tally, address)
            check_admin(tally, address)
        glue = count_glue(settings.BASE_DIR / "library")
        tally.holds("the glue is counted", sum(glue.values()) > 0, f"{sum(glue.values())} lines, {glue}")
        tally.close()


def keys(answer) -> list[str]:
    return [item.item for item in answer.items]


def branches_of(media: list[str]) -> set[str]:
    return set(Medium.objects.filter(pk__in=media).values_list("branch", flat=True))


def check_lists(tally: Tally) -> None:
    kept_back = json.loads((settings.VAR / KEPT_BACK).read_text())
    here = {str(key): branch for key, branch in Reader.objects.values_list("pk", "branch")}
    kept_back = {reader: media for reader, media in kept_back.items() if reader in here}
    lists = {reader: keys(recommend(customer=reader, count=COUNT)) for reader in kept_back}
    personal = hit_rate(kept_back, lists.__getitem__)
    popular = hit_rate(kept_back, lambda reader: keys(make_list("popular", customer=reader, count=COUNT)))
    tally.holds(
        f"lists of {COUNT} hold what readers lend next at least {BETTER_THAN_POPULAR} times as often as popular ones",
        personal >= BETTER_THAN_POPULAR * popular > 0,
        f"{personal:.2f} of {len(kept_back)} readers beside {popular:.2f}",
    )
    mixed = [reader for reader, media in lists.items() if branches_of(media) != {here[reader]}]
    tally.holds("a reader's list is of the reader's branch", not mixed, f"{len(mixed)} of {len(lists)} are mixed")
    listed = {key for media in lists.values() for key in media}
    withdrawn = {str(key) for key in Medium.objects.filter(withdrawn=True).values_list("pk", flat=True)}
    tally.holds(
        "nothing withdrawn is listed", bool(withdrawn) and not listed & withdrawn, f"{len(withdrawn)} withdrawn"
    )


def check_a_loan(tally: Tally) -> None:
    """What is lent after the training leaves the list at once, and counts once. Keys of loans have no order."""
    reader = Reader.objects.get(user__username="altstadt1")
    first = keys(recommend(customer=str(reader.pk), count=COUNT))[0]
    lent = counted(first, reader.branch)
    Loan.objects.create(reader=reader, medium_id=first, lent_at=timezone.now())
    after = keys(recommend(customer=str(reader.pk), count=COUNT))
    tally.holds("what was lent a moment ago is off the list", first not in after and len(after) == COUNT, first)
    time.sleep(COUNTED_WITHIN)
    now = counted(first, reader.branch)
    tally.holds("a loan counts once", now == lent + 1, f"{lent:.0f} readers before, {now:.0f} after")


def counted(medium: str, branch: Branch) -> float:
    popular = make_list("popular", scope=branch, count=100)
    return next((item.score for item in popular.items if item.item == medium), 0)


def check_pages(tally: Tally, address: str) -> None:
    for branch in BRANCHES:
        medium = Medium.objects.filter(branch=branch, withdrawn=False).first()
        elsewhere = set(Medium.objects.exclude(branch=branch).values_list("pk", flat=True))
        why = f"/recommendations/{medium.pk}/why/"
        for name in ("visitor", f"neu-{branch}", f"{branch}0", "beide0"):
            person = Visitor(address, host=f"{branch}.localhost")
            if name != "visitor":
                sign_in(person, name)
            for page in ("/", medium.get_absolute_url(), why, "/recommendations/not-interested/"):
                status, text = person.get(page)
                lists = text.count("data-recommendation=")
                shown = page.replace(str(medium.pk), "...")
                expected = 0 if page.startswith("/recommendations/") else 1
                tally.holds(f"{name} opens {branch}{shown}", status == 200 and lists >= expected, f"{lists} lists")
                english = [words for words in ENGLISH if words in text]
                tally.holds(f"{name} reads {branch}{shown} in German", not english, english or "")
                mixed = [key for key in elsewhere if str(key) in text]
                tally.holds(f"{name} sees nothing of another branch at {branch}{shown}", not mixed, mixed or "")


def check_api(tally: Tally, address: str) -> None:
    status, _ = Visitor(address, host="altstadt.localhost").ask(RECOMMENDATIONS, {"count": COUNT})
    tally.holds("a visitor is refused by the API, as by the rest of the library", status == 401, status)
    for name, branch in (
        ("altstadt0", "altstadt"),
        ("neu-hafen", "hafen"),
        ("beide0", "altstadt"),
        ("beide0", "hafen"),
    ):
        person = Visitor(address, host=f"{branch}.localhost")
        status, answer = person.ask("/api/token/", {"username": name, "password": PASSWORD})
        assert status == 200, f"{name} got no token: {answer}"
        person.token = answer["access"]
        status, answer = person.ask(RECOMMENDATIONS, {"count": COUNT})
        tally.holds(
            f"{name} asks the API of {branch} with a JWT",
            status == 200 and len(answer["items"]) == COUNT and answer["source"] == "two_tower",
            f"{status}, {answer.get('source')}",
        )
        found = branches_of([item["item"] for item in answer.get("items", [])])
        tally.holds(f"{name} gets media of {branch} alone", found == {branch}, found)


def check_admin(tally: Tally, address: str) -> None:
    staff = Visitor(address, host="localhost")
    sign_in(staff, "leitung", then="/admin/")
    pages = admin_pages()
    refused = {page: status for page in pages if (status := staff.get(page)[0]) != 200}
    tally.holds("the admin's pages answer 200", len(pages) > 10 and not refused, refused or f"{len(pages)} pages")


def sign_in(person: Visitor, name: str, then: str = "/") -> None:
    person.get("/anmelden/")
    status, _ = person.send("/anmelden/", {"username": name, "password": PASSWORD, "next": then})
    assert status == 200, f"{name} could not sign in: {status}"
    assert any(cookie.name == "sessionid" for cookie in person.cookies), f"{name} was not signed in"
