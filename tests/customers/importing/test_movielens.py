"""MovieLens as published: ml-100k and ml-1m."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from catalog.models import Product
from customers.models import Customer, Purchase

pytestmark = pytest.mark.django_db

GENRES = ("unknown", "Action", "Animation", "Children's", "Comedy")


def ml_100k(folder: Path, *, users: str, items: str, data: str) -> Path:
    folder.mkdir()
    (folder / "u.genre").write_text("".join(f"{genre}|{number}\n" for number, genre in enumerate(GENRES)) + "\n")
    (folder / "u.user").write_text(users)
    (folder / "u.item").write_text(items, encoding="latin-1")
    (folder / "u.data").write_text(data)
    return folder


def ml_1m(folder: Path, *, users: str, movies: str, ratings: str) -> Path:
    folder.mkdir()
    (folder / "users.dat").write_text(users)
    (folder / "movies.dat").write_text(movies, encoding="latin-1")
    (folder / "ratings.dat").write_text(ratings)
    return folder


def test_ml_100k_becomes_people_films_and_purchases(run, tmp_path):
    folder = ml_100k(
        tmp_path / "ml-100k",
        users="1|24|M|technician|85711\n2|53|F|other|94043\n",
        items="1|Toy Story (1995)|01-Jan-1995||http://example.com|0|0|1|1|1\n"
        "2|Misérables, Les (1995)|01-Jan-1995||http://example.com|0|0|0|0|0\n",
        data="1\t1\t5\t874965758\n2\t1\t3\t888550871\n1\t2\t1\t874965759\n",
    )
    told = run("import_movielens", folder)

    assert "7 rows read, 0 left out" in told
    ada = Customer.objects.get(key="1")
    assert (ada.age, ada.gender, ada.segment) == (24, "M", "technician")
    toys, misery = Product.objects.get(key="1"), Product.objects.get(key="2")
    assert (toys.name, toys.category, toys.type) == ("Toy Story (1995)", "Animation", "1990s")
    assert toys.description == "Animation, Children's, Comedy"
    assert (misery.name, misery.category) == ("Misérables, Les (1995)", "")
    purchase = Purchase.objects.get(customer=ada, product=toys)
    assert (purchase.rating, purchase.quantity, purchase.amount) == (Decimal(5), 1, None)
    assert purchase.time == datetime(1997, 9, 22, 22, 2, 38, tzinfo=UTC)
    assert Purchase.objects.count() == 3


def test_ml_1m_becomes_people_films_and_purchases(run, tmp_path):
    folder = ml_1m(
        tmp_path / "ml-1m",
        users="1::F::1::10::48067\n2::M::56::16::70072\n3::M::25::15::55117\n",
        movies="1::Toy Story (1995)::Animation|Children's|Comedy\n2::Misérables, Les (1958)::Drama\n",
        ratings="1::1::5::978300760\n2::2::3::978302109\n3::1::4::978301968\n",
    )
    told = run("import_movielens", folder)

    assert "8 rows read, 0 left out" in told
    ages = Customer.objects.order_by("key").values_list("age", "gender", "segment")
    assert list(ages) == [(16, "F", "K-12 student"), (56, "M", "self-employed"), (30, "M", "scientist")]
    assert Product.objects.get(key="2").name == "Misérables, Les (1958)"
    assert Product.objects.get(key="2").type == "1950s"
    assert Purchase.objects.get(customer__key="2").time == datetime(2000, 12, 31, 22, 35, 9, tzinfo=UTC)


def test_zip_codes_are_not_stored(run, world, tmp_path):
    run(
        "import_movielens",
        ml_100k(tmp_path / "m", users="1|24|M|writer|85711\n", items="", data="1\t1\t5\t874965758\n"),
    )
    assert "writer" in repr(world())
    assert "85711" not in repr(world())


def test_bad_lines_are_told_by_file_line_and_reason(run, tmp_path):
    folder = ml_100k(
        tmp_path / "ml-100k",
        users="1|24|M|technician|85711\n2|224|F|other|94043\n",
        items="1|Toy Story (1995)|01-Jan-1995||http://example.com|0|0|1|1|1\n2|Lost|||x|0|yes|0|0|0\n3|Cut\n",
        data="1\t1\t5\t874965758\n1\t1\t6\t874965758\n\n1\t1\t5\t874965758\n1,1,5,874965758\n1\t\t5\t874965758\n",
    )
    told = run("import_movielens", folder)

    assert "u.user line 2: age is 224; it goes from 1 to 120" in told
    assert "u.item line 2: a genre's flag is 'yes', neither 0 nor 1" in told
    assert "u.item line 3: 2 cells where u.item has 10" in told
    assert "u.data line 2: rating is 6; ratings go from 0 to 5" in told
    assert "u.data line 4: the same purchase as line 1" in told
    assert "u.data line 5: 1 cells where u.data has 4" in told
    assert "u.data line 6: item is empty" in told
    assert Purchase.objects.count() == 1


def test_an_unknown_occupation_is_told(run, tmp_path):
    told = run(
        "import_movielens", ml_1m(tmp_path / "m", users="1::F::1::99::4\n2::F::1::9::4\n", movies="", ratings="")
    )
    assert "users.dat line 1: occupation is '99'; there are 0 to 20" in told
    assert Customer.objects.get().key == "2"


def test_a_second_run_changes_nothing(run, world, tmp_path):
    folder = ml_100k(
        tmp_path / "ml-100k",
        users="".join(f"{user}|30|F|writer|1\n" for user in range(50)),
        items="".join(f"{item}|Film {item} (1987)|||x|0|1|0|0|0\n" for item in range(60)),
        data="".join(f"{user}\t{item}\t3\t{874965758 + item}\n" for user in range(50) for item in range(60)),
    )
    run("import_movielens", folder)
    assert Purchase.objects.count() == 3000
    before = world()

    told = run("import_movielens", folder)

    assert "Purchases: 0 new, 3,000 there already." in told
    assert world() == before


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ([], "holds neither ml-100k (u.data, u.user, u.item) nor ml-1m (ratings.dat, ...)."),
        (["u.data", "u.item"], "has u.data but not u.user."),
        (["ratings.dat"], "has ratings.dat but not users.dat or movies.dat."),
    ],
)
def test_a_folder_that_is_not_movielens_is_refused_in_one_sentence(tmp_path, files, sentence):
    for name in files:
        (tmp_path / name).write_text("")
    with pytest.raises(CommandError) as caught:
        call_command("import_movielens", str(tmp_path))
    assert str(caught.value) == f"{tmp_path} {sentence}"


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(CommandError, match=r"There is no folder .*/ml-9\.$"):
        call_command("import_movielens", str(tmp_path / "ml-9"))


def test_a_list_of_genres_that_is_none_is_refused(tmp_path):
    folder = ml_100k(tmp_path / "m", users="", items="", data="")
    (folder / "u.genre").write_text("Action\n")
    with pytest.raises(CommandError, match=r"u\.genre does not list genres as NAME\|NUMBER"):
        call_command("import_movielens", str(folder))
