"""A planted library: who likes which genre is known, so that lists can be judged by the loans that were kept back."""

import json
import random
from datetime import date, timedelta

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from library.models import AudioBook, Book, Branch, Loan, Medium, Reader, User

SEED = 12
BRANCHES = {"altstadt": "Zweigstelle Altstadt", "hafen": "Zweigstelle am Hafen"}
GENRES = ["Krimi", "Lyrik", "Märchen", "Reise", "Küche", "Musik", "Natur", "Städtebau"]
GENRES += ["Geschichte", "Technik", "Gärten", "Sport"]
DISTRICTS = ["Altstadt", "Süd", "Nord", "Am Hafen"]
READERS = 220  # in each branch
CARDS_IN_BOTH = 30  # users with a card in either branch
DELETED = 15  # readers who left
MEDIA_A_GENRE = 18  # in each branch; every fourth is an audio book
WITHDRAWN_A_GENRE = 1
LOANS_A_READER = 9
SHARE_BY_TASTE = 0.85
RATED = 0.3
DAYS = 400
PASSWORD = "ein-beispiel-von-2026"
KEPT_BACK = "kept_back.json"  # the key of a card -> what is lent next, unknown to the training


class Command(BaseCommand):
    help = "Fill an empty database with two branches of readers, media and loans of known tastes."

    @transaction.atomic
    def handle(self, *args, **options):
        random.seed(SEED)
        password = make_password(PASSWORD)
        both = [self.make_user(f"beide{n}", password) for n in range(CARDS_IN_BOTH)]
        kept_back = {}
        for code, name in BRANCHES.items():
            branch = Branch.objects.create(code=code, name=name)
            shelves = self.make_media(branch)
            users = both + [self.make_user(f"{code}{n}", password) for n in range(READERS - CARDS_IN_BOTH)]
            readers = [
                Reader(user=user, branch=branch, district=random.choice(DISTRICTS), born=random.randint(1940, 2010))
                for user in users
            ]
            Reader.objects.bulk_create(readers)
            kept_back |= self.make_loans(shelves, readers)
            left = [reader.pk for reader in readers[-DELETED:]]
            Reader.objects.filter(pk__in=left).update(deleted_at=timezone.now())
            newcomer = self.make_user(f"neu-{code}", password)
            Reader.objects.create(user=newcomer, branch=branch, district="Süd")
        User.objects.create_superuser("leitung", password=PASSWORD)
        (settings.VAR / KEPT_BACK).write_text(json.dumps(kept_back))
        self.stdout.write(
            f"{Reader.with_deleted.count()} readers, {Reader.objects.count()} of them active; "
            f"{Book.objects.count()} books, {AudioBook.objects.count()} audio books; {Loan.objects.count()} loans"
        )

    def make_user(self, name: str, password: str) -> User:
        return User.objects.create(username=name, password=password, first_name="Jürgen", last_name=name.title())

    def make_media(self, branch: Branch) -> dict[str, list[Medium]]:
        """Genre -> media, what is lent most first."""
        shelves: dict[str, list[Medium]] = {}
        for genre in GENRES:
            shelf = shelves[genre] = []
            for number in range(MEDIA_A_GENRE):
                about = {
                    "branch": branch,
                    "title": f"{genre} für Anfänger, Band {number + 1}",
                    "genre": genre,
                    "acquired_on": date(2020, 1, 1) + timedelta(days=random.randrange(2000)),
                    "withdrawn": number >= MEDIA_A_GENRE - WITHDRAWN_A_GENRE,
                }
                if number % 4 == 3:
                    shelf.append(AudioBook.objects.create(speaker=f"Stimme {number % 3}", minutes=200, **about))
                else:
                    shelf.append(Book.objects.create(author=f"{genre}autorin {number % 3}", pages=1200, **about))
        return shelves

    def make_loans(self, shelves: dict[str, list[Medium]], readers: list[Reader]) -> dict[str, list[str]]:
        """Everybody likes two genres; what is lent once is not lent again."""
        now, loans, kept_back = timezone.now(), [], {}
        for reader in readers:
            taste = random.sample(GENRES, 2)
            had: list[Medium] = []
            while len(had) < LOANS_A_READER + 2:
                genre = random.choice(taste if random.random() < SHARE_BY_TASTE else GENRES)
                place = int(random.expovariate(6 / MEDIA_A_GENRE))
                medium = shelves[genre][min(place, MEDIA_A_GENRE - 1)]
                if medium not in had:
                    had.append(medium)
            kept_back[str(reader.pk)] = [str(medium.pk) for medium in had[LOANS_A_READER:] if not medium.withdrawn]
            days = sorted(random.sample(range(1, DAYS), LOANS_A_READER), reverse=True)
            for medium, day in zip(had, days, strict=False):
                stars = random.randint(3, 5) if random.random() < RATED else None
                loans.append(Loan(reader=reader, medium_id=medium.pk, lent_at=now - timedelta(days=day), stars=stars))
        random.shuffle(loans)
        Loan.objects.bulk_create(loans)
        return kept_back
