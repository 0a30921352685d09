"""For the API: accounts of other programs, their keys, and answers to calls that may be sent again."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from knox.models import AuthToken


class ServiceAccount(models.Model):
    """Another program. It has a user without a password, whose permissions are its rights."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="service_account", editable=False
    )
    purpose = models.CharField(max_length=200, help_text="What it is for, and who answers for it.")
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )

    class Meta:
        ordering = ["user__username"]

    def __str__(self) -> str:
        return self.user.get_username()


class ApiKey(models.Model):
    """A key of a service account, by name. The key itself was shown once; knox keeps its digest."""

    account = models.ForeignKey(ServiceAccount, on_delete=models.CASCADE, related_name="keys")
    name = models.CharField(max_length=100, help_text="Where it is used: the till in Leeds, say.")
    start = models.CharField(max_length=25, help_text="How the key begins.")
    token = models.OneToOneField(AuthToken, on_delete=models.SET_NULL, null=True, related_name="+")
    created = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    expires = models.DateTimeField(null=True, help_text="Empty: it holds until it is revoked.")
    revoked = models.DateTimeField(null=True)
    revoked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["-created", "-id"]

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> str:
        """works, revoked or expired. knox removes the tokens of keys that have expired."""
        if self.revoked is not None:
            return "revoked"
        over = self.token_id is None or (self.expires is not None and self.expires <= timezone.now())
        return "expired" if over else "works"


class StoredAnswer(models.Model):
    """The answer to a call with an Idempotency-Key; without a status, the call is still being answered."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    request_hash = models.CharField(max_length=64, help_text="SHA-256 of method, address and body.")
    started = models.DateTimeField(db_index=True)
    status = models.PositiveSmallIntegerField(null=True)
    content_type = models.CharField(max_length=100, blank=True)
    body = models.BinaryField(default=bytes)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="one_answer_for_a_key")]

    def __str__(self) -> str:
        return f"{self.user} {self.key}"
