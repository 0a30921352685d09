"""What the pages are built with: Django's own admin, or django-unfold where it is in INSTALLED_APPS.

This folder and the templates in admin/recommender/plain/ and admin/recommender/unfold/ are all that differs.
"""

from recommender.looks import UNFOLD, look

if look() == UNFOLD:
    from recommender.admin.look.with_unfold import (
        PRIMARY,
        DecimalInput,
        IntegerInput,
        ModelAdmin,
        Select,
        Switch,
        Textarea,
        TextInput,
        action,
        day_classes,
        display,
    )
else:
    from recommender.admin.look.plain import (
        PRIMARY,
        DecimalInput,
        IntegerInput,
        ModelAdmin,
        Select,
        Switch,
        Textarea,
        TextInput,
        action,
        day_classes,
        display,
    )
