"""A field of the profile is one line in customers/profile.py, one column in the model and a migration."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = """
    shoe_size = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(30), MaxValueValidator(50)]
    )
    diet = models.CharField(max_length=20, blank=True)
    personalisation = models.BooleanField("""
LINES = """PROFILE = (
    ProfileField("shoe_size", "Shoe_Size", "Size of your shoes", 41),
    ProfileField("diet", "Eats", "What you eat", "Vegan", choices=("Vegan", "All")),
"""


@pytest.fixture
def python(tmp_path: Path, own_database: Path):
    """Runs Python beside a copy of `customers` that has two more fields."""
    shutil.copytree(ROOT / "customers", tmp_path / "customers")
    shutil.copy(ROOT / "manage.py", tmp_path)
    for name, old, new in (
        ("models.py", "\n    personalisation = models.BooleanField(", COLUMNS),
        ("profile.py", "PROFILE = (\n", LINES),
    ):
        file = tmp_path / "customers" / name
        before = file.read_text()
        file.write_text(before.replace(old, new, 1))
        assert file.read_text() != before
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "PYTHONPATH": f"{tmp_path}:{ROOT}",
        "DEBUG": "1",
        "DATABASE_URL": f"sqlite:///{own_database}",
        "VAR_DIR": str(tmp_path / "var"),
        "DJANGO_SETTINGS_MODULE": "recsite.settings",
    }

    def run(*words: str) -> str:
        done = subprocess.run([sys.executable, *words], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_a_field_added_to_the_profile_is_at_every_door(python, tmp_path):
    python("manage.py", "makemigrations", "customers", "-v0")
    python("manage.py", "migrate", "-v0")
    (tmp_path / "people.csv").write_text("who,feet,food\nann,44,Vegan\nbob,40-42,All\neve,99,All\n")
    words = ["--map", "who=customer", "--map", "feet=customer.shoe_size", "--map", "food=customer.diet"]
    python("manage.py", "import_purchases", "people.csv", "-v0", *words)
    python("manage.py", "seed_shop", "-v0", "--customers", "5", "--products", "8", "--purchases", "20")
    assert python("-c", DOORS).splitlines()[-1] == "at every door"


DOORS = """
import django; django.setup()
from django.test.utils import setup_test_environment; setup_test_environment()
from django.contrib.auth.models import User
from django.test import Client
from catalog.models import Product
from customers.importing.formats import retail
from customers.models import Customer
from customers.resources import CustomerResource
from recommender.source.declaration import get_source


# import and seeding
people = Customer.objects.filter(key__in=["ann", "bob", "eve"]).order_by("key")
assert list(people.values_list("key", "shoe_size", "diet")) == [("ann", 44, "Vegan"), ("bob", 41, "All")]
assert set(Customer.objects.filter(key__startswith="S1-").values_list("diet", flat=True)) <= {"Vegan", "All"}
row = {"Transaction_ID": "1", "Customer_ID": "7", "Date": "2024-05-01", "Eats": "Vegan", "Shoe_Size": "39"}
row |= {"Product_Category": "Home", "Product_Brand": "", "Product_Type": "Lamp"}
assert retail.entry(row).profile == {"shoe_size": 39, "diet": "Vegan"}

# sign-up and account
client = Client()
page = client.get("/accounts/signup/").content.decode()
assert "Size of your shoes" in page and 'min="30"' in page and '<option value="Vegan">' in page
account = {"username": "ada", "email": "a@example.org"} | dict.fromkeys(["password1", "password2"], "correct-horse-9")
refused = client.post("/accounts/signup/", {**account, "shoe_size": "51"})
assert "shoe_size" in refused.context["form"].errors
client.post("/accounts/signup/", {**account, "shoe_size": "44", "diet": "Vegan"})
ada = User.objects.get(username="ada").customer
assert (ada.shoe_size, ada.diet) == (44, "Vegan")
assert "What you eat: Vegan" in client.get("/welcome/").content.decode()
client.post("/account/", {"shoe_size": "40", "diet": "Vegan"})
ada.refresh_from_db()
assert (ada.shoe_size, ada.diet) == (40, "Vegan")
assert client.get("/account/data/").json()["profile"][0]["diet"] == "Vegan"

# admin, API, export
client.force_login(User.objects.create_superuser("root"))
page = client.get(f"/admin/customers/customer/{ada.pk}/change/").content.decode()
assert 'name="shoe_size"' in page and 'name="diet"' in page
page = client.get("/admin/customers/customer/", {"diet__icontains": "vegan", "shoe_size_from": "43"})
assert [customer.key for customer in page.context["cl"].result_list] == ["ann"]
rows = client.get("/api/v1/customers/", {"diet": "Vegan", "key": "ann"}).json()["results"]
assert [(row["key"], row["shoe_size"]) for row in rows] == [("ann", 44)]
refused = client.patch("/api/v1/customers/ann/", {"shoe_size": 51}, content_type="application/json")
assert [error["field"] for error in refused.json()["errors"]] == ["shoe_size"]
example = client.get("/api/v1/schema", HTTP_ACCEPT="application/json").json()["components"]["schemas"]["Customer"]
assert {"shoe_size", "diet"} <= set(example["properties"])
assert "shoe_size,diet" in CustomerResource().export(Customer.objects.all()).csv

# the recommender
source = get_source()
assert "diet" in source.customer_categorical and "shoe_size" in source.customer_numerical
profile = {"profile": {"Eats": "Vegan", "shoe_size": 40}}
answer = client.post("/api/v1/recommendations/", profile, content_type="application/json")
assert answer.status_code == 200, answer.content
print("at every door")
"""
