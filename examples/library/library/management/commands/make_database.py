"""The database of DATABASE_URL, where the server has none of this name yet. SQLite needs none made."""

from django.core.management.base import BaseCommand
from django.db import connection


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = []

    def handle(self, *args, **options):
        if connection.vendor != "mysql":
            return
        import pymysql

        about = connection.settings_dict
        server = pymysql.connect(host=about["HOST"], port=about["PORT"], user=about["USER"], password=about["PASSWORD"])
        # Keys are compared character by character, as everywhere else: docs/operations.md, Databases.
        name = connection.ops.quote_name(about["NAME"])
        with server, server.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
