# ruff: noqa: DJ001, DJ008 (as other projects write them)
"""What other projects have: auth users of three kinds, customers tied to them in four ways, items with variants,
stock, tenants and relations to many, orders of guests, and keys without an order."""

import uuid

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models


class Users(BaseUserManager):
    def create_user(self, username, **fields):
        return self.create(username=username, **fields)


class Account(AbstractBaseUser, PermissionsMixin):
    username = models.CharField(max_length=150, unique=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    objects = Users()
    USERNAME_FIELD = "username"

    class Meta:
        abstract = True


class Person(Account):
    """An auth user with a UUID."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    groups = models.ManyToManyField("auth.Group", related_name="+")
    user_permissions = models.ManyToManyField("auth.Permission", related_name="+")


class Badge(Account):
    """An auth user whose key is a text of their own."""

    code = models.CharField(max_length=120, primary_key=True)
    groups = models.ManyToManyField("auth.Group", related_name="+")
    user_permissions = models.ManyToManyField("auth.Permission", related_name="+")

    def save(self, **options):
        self.code = self.code or f"Badge no. {self.username}/ä"
        super().save(**options)


class Reader(models.Model):
    """A customer with one user, or none."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, null=True)
    number = models.CharField(max_length=300, unique=True)
    country = models.CharField(max_length=20, blank=True)
    agrees = models.BooleanField(default=True)


class Member(models.Model):
    """A customer who is a user: they have one key."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True)
    country = models.CharField(max_length=20, blank=True)


class Card(models.Model):
    """A customer of whom one user may have several."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True)
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    agrees = models.BooleanField(default=True)


class Tenant(models.Model):
    slug = models.SlugField(unique=True)


class Topic(models.Model):
    name = models.CharField(max_length=50)
    public = models.BooleanField(default=True)


class Article(models.Model):
    """What is sold: alone, or as one of a parent's variants."""

    tenant = models.ForeignKey(Tenant, models.CASCADE)
    parent = models.ForeignKey("self", models.CASCADE, null=True, related_name="children")
    sku = models.CharField(max_length=400)
    code = models.UUIDField(default=uuid.uuid4, unique=True)
    shelf = models.CharField(max_length=50, blank=True)
    price = models.DecimalField(max_digits=8, decimal_places=2, null=True)
    weight = models.FloatField(null=True)
    isbn = models.CharField(max_length=20, null=True, unique=True)
    topics = models.ManyToManyField(Topic)
    changed = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "sku"], name="sku_of_a_tenant")]

    def __str__(self):
        return f"Article {self.sku}"


class Blurb(models.Model):
    """The other side of a one-to-one relation."""

    article = models.OneToOneField(Article, models.CASCADE, primary_key=True)
    text = models.TextField()
    mood = models.CharField(max_length=20)


class Book(Article):
    """Multi-table inheritance: a book is an article."""

    pages = models.IntegerField(default=100)


class Stock(models.Model):
    article = models.ForeignKey(Article, models.CASCADE)
    place = models.CharField(max_length=20)
    number = models.IntegerField()


class Order(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True)
    card = models.ForeignKey(Card, models.SET_NULL, null=True)
    placed = models.DateTimeField()
    stored = models.DateTimeField(auto_now_add=True)


class Line(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    order = models.ForeignKey(Order, models.CASCADE)
    article = models.ForeignKey(Article, models.SET_NULL, null=True)
    number = models.IntegerField(default=1)
    price = models.DecimalField(max_digits=8, decimal_places=2, default=1)
