"""What every page says about the site itself."""

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, object]:
    return {
        "site_name": settings.SITE_NAME,
        "sends_emails": settings.EMAIL_BACKEND != "recsite.mail.NoMailServer",
    }
