"""For the API: accounts of other programs, their keys, and answers to calls that may be sent again."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop
from knox.models import AuthToken

WORKS, REVOKED, EXPIRED = gettext_noop("works"), gettext_noop("revoked"), gettext_noop("expired")  # states of a key


class ServiceAccount(models.Model):
    """Another program. It has a user without a password, whose permissions are its rights."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="service_account",
        editable=False,
        verbose_name=_("user"),
    )
    purpose = models.CharField(
        max_length=200, help_text=_("What it is for, and who answers for it."), verbose_name=_("purpose")
    )
    created = models.DateTimeField(auto_now_add=True, verbose_name=_("created"))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("created by"),
    )

    class Meta:
        verbose_name = _("service account")
        verbose_name_plural = _("service accounts")
        ordering = ["user__username"]

    def __str__(self) -> str:
        return self.user.get_username()


class ApiKey(models.Model):
    """A key of a service account, by name. The key itself was shown once; knox keeps its digest."""

    account = models.ForeignKey(
        ServiceAccount, on_delete=models.CASCADE, related_name="keys", verbose_name=_("account")
    )
    name = models.CharField(
        max_length=100, help_text=_("Where it is used: the till in Leeds, say."), verbose_name=_("name")
    )
    start = models.CharField(max_length=25, help_text=_("How the key begins."), verbose_name=_("start"))
    token = models.OneToOneField(
        AuthToken, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("token")
    )
    created = models.DateTimeField(default=timezone.now, verbose_name=_("created"))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("created by")
    )
    expires = models.DateTimeField(
        null=True, help_text=_("Empty: it holds until it is revoked."), verbose_name=_("expires")
    )
    revoked = models.DateTimeField(null=True, verbose_name=_("revoked"))
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("revoked by")
    )

    class Meta:
        verbose_name = _("api key")
        verbose_name_plural = _("api keys")
        ordering = ["-created", "-id"]

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> str:
        """works, revoked or expired. knox removes the tokens of keys that have expired."""
        if self.revoked is not None:
            return REVOKED
        over = self.token_id is None or (self.expires is not None and self.expires <= timezone.now())
        return EXPIRED if over else WORKS


class StoredAnswer(models.Model):
    """The answer to a call with an Idempotency-Key; without a status, the call is still being answered."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", verbose_name=_("user")
    )
    key = models.CharField(max_length=255, verbose_name=_("key"))
    request_hash = models.CharField(
        max_length=64, help_text=_("SHA-256 of method, address and body."), verbose_name=_("request hash")
    )
    started = models.DateTimeField(db_index=True, verbose_name=_("started"))
    status = models.PositiveSmallIntegerField(null=True, verbose_name=_("status"))
    content_type = models.CharField(max_length=100, blank=True, verbose_name=_("content type"))
    body = models.BinaryField(default=bytes, verbose_name=_("body"))

    class Meta:
        verbose_name = _("stored answer")
        verbose_name_plural = _("stored answers")
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="one_answer_for_a_key")]

    def __str__(self) -> str:
        return f"{self.user} {self.key}"
