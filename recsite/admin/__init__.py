"""The site's own pages in the admin."""

from recsite.admin import service_accounts, users  # noqa: F401  (registers them)
