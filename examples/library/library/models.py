"""Two branches of one library, which share neither readers nor shelves. Keys are UUIDs."""

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.urls import reverse


class User(AbstractUser):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)

    class Meta:
        verbose_name = "Konto"
        verbose_name_plural = "Konten"


class Branch(models.Model):
    code = models.SlugField("Kürzel", primary_key=True)
    name = models.CharField("Name", max_length=100)

    class Meta:
        verbose_name = "Zweigstelle"
        verbose_name_plural = "Zweigstellen"

    def __str__(self):
        return self.name


class ActiveReaders(models.Manager):
    def get_queryset(self):
        return super().get_queryset().filter(deleted_at=None)


class Reader(models.Model):
    """A library card. One user may have a card in each branch; one who left is kept, marked as deleted."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, models.PROTECT, verbose_name="Konto", related_name="cards")
    branch = models.ForeignKey(Branch, models.PROTECT, verbose_name="Zweigstelle")
    district = models.CharField("Stadtteil", max_length=100)
    born = models.PositiveSmallIntegerField("Geburtsjahr", null=True)
    deleted_at = models.DateTimeField("gelöscht am", null=True, db_index=True)

    objects = ActiveReaders()
    with_deleted = models.Manager()  # noqa: DJ012 (no field)

    class Meta:
        verbose_name = "Leserin oder Leser"
        verbose_name_plural = "Leserinnen und Leser"
        constraints = [models.UniqueConstraint(fields=["user", "branch"], name="one_card_a_branch")]

    def __str__(self):
        return f"{self.user.get_full_name()} ({self.branch_id})"


class Medium(models.Model):
    """What can be lent: a book or an audio book, each with a table of its own."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    branch = models.ForeignKey(Branch, models.PROTECT, verbose_name="Zweigstelle")
    title = models.CharField("Titel", max_length=200)
    genre = models.CharField("Gattung", max_length=100)
    acquired_on = models.DateField("angeschafft am")
    withdrawn = models.BooleanField("ausgesondert", default=False, db_index=True)

    class Meta:
        verbose_name = "Medium"
        verbose_name_plural = "Medien"

    def __str__(self):
        return self.title

    def get_absolute_url(self):
        return reverse("medium", args=[self.pk])


class Book(Medium):
    author = models.CharField("Verfasst von", max_length=100)
    pages = models.PositiveIntegerField("Seiten")

    class Meta:
        verbose_name = "Buch"
        verbose_name_plural = "Bücher"


class AudioBook(Medium):
    speaker = models.CharField("Gelesen von", max_length=100)
    minutes = models.PositiveIntegerField("Minuten")

    class Meta:
        verbose_name = "Hörbuch"
        verbose_name_plural = "Hörbücher"


class Loan(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    reader = models.ForeignKey(Reader, models.PROTECT, verbose_name="Leserin oder Leser")
    medium = models.ForeignKey(Medium, models.PROTECT, verbose_name="Medium")
    lent_at = models.DateTimeField("ausgeliehen am", db_index=True)
    returned_at = models.DateTimeField("zurück am", null=True)
    stars = models.PositiveSmallIntegerField("Sterne", null=True)

    class Meta:
        verbose_name = "Ausleihe"
        verbose_name_plural = "Ausleihen"

    def __str__(self):
        return f"{self.medium} {self.lent_at:%Y-%m-%d}"
