"""`manage.py makemessages`, which collects sentences of recommender/words.py, too. `make messages` calls it."""

from django.core.management.commands import makemessages


class Command(makemessages.Command):
    xgettext_options = [
        *makemessages.Command.xgettext_options,
        *("--keyword=Words:1", "--keyword=counted:1,2", "--keyword=ngettext_noop:1,2"),
    ]
    msgmerge_options = [*makemessages.Command.msgmerge_options, "--no-fuzzy-matching"]
