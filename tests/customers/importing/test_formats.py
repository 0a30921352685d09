"""A format is one module, named in a list; a command takes any of them by its name."""

from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command

from customers.importing.formats import FORMATS
from customers.importing.rows import read_entry
from customers.models import Purchase
from tests.customers.importing.retail_file import row, write

pytestmark = pytest.mark.django_db


def test_a_format_that_is_named_in_the_list_is_a_choice_of_the_command(run, tmp_path, monkeypatch):
    def reader(table, options):
        return lambda cells: read_entry({"customer": cells["who"], "product": cells["what"], "time": cells["when"]})

    monkeypatch.setitem(FORMATS, "till", SimpleNamespace(PREFIX="till", reader=reader))
    path = tmp_path / "till.csv"
    path.write_text("who,what,when\nada,lamp,2024-05-01\n")
    run("import_purchases", path, "--format", "till")
    purchase = Purchase.objects.get()
    assert (purchase.customer.key, purchase.product.key) == ("ada", "lamp")
    assert purchase.external_id.startswith("till:")


def test_the_retail_csv_by_its_name_is_what_its_own_command_reads(run, tmp_path):
    path = write(tmp_path / "retail.csv", [row()])
    run("import_retail", path)
    assert "Purchases: 0 new, 1 there already." in run("import_purchases", path, "--format", "retail")


def test_without_a_format_and_without_a_map_nothing_is_imported(tmp_path):
    path = write(tmp_path / "retail.csv", [row()])
    with pytest.raises(CommandError, match="Nothing is mapped"):
        call_command("import_purchases", str(path))
