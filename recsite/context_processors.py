"""What every page says about the site itself."""

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, object]:
    return {
        "site_name": settings.SITE_NAME,
        "confirms_addresses": not settings.MFA_ALLOW_UNVERIFIED_EMAIL,  # before there is a second factor
        "sends_emails": settings.EMAIL_BACKEND != "recsite.mail.NoMailServer",
    }
