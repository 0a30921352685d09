from django.conf import settings
from django.db import models


class Branch(models.Model):
    slug = models.SlugField(unique=True)

    def __str__(self) -> str:
        return self.slug


class Card(models.Model):
    """A reader in a branch: a user may have one in each."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    branch = models.ForeignKey(Branch, models.CASCADE)

    def __str__(self) -> str:
        return f"{self.user} in {self.branch}"


class Medium(models.Model):
    title = models.CharField(max_length=100)
    branches = models.ManyToManyField(Branch)

    def __str__(self) -> str:
        return self.title


class Loan(models.Model):
    card = models.ForeignKey(Card, models.CASCADE)
    medium = models.ForeignKey(Medium, models.CASCADE)
    lent = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.medium} lent to {self.card}"
