"""What `manage.py check` says of each mistake that can be seen before training: its number, and the line to write."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core.checks import run_checks
from django.db import connection, connections
from django.db.models import Count, Q
from django.utils import timezone

from recommender import extras
from recommender.source import Count as Counted
from recommender.source import Sum, site_checks
from tests.foreign import conftest, sources, world
from tests.foreign.models import Article, Card, Line, Order, Reader, Tenant

User = get_user_model()
OF_WORKERS = [f"recommender.W04{n}" for n in range(10)]  # recommender/training/workers.py: there is no Celery app here
FEWEST_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "tests.foreign"]
PROCESSORS = ["django.contrib.auth.context_processors.auth"]


def templates(**options):
    return [{"BACKEND": "django.template.backends.django.DjangoTemplates", **options}]


def without(name: str) -> dict:
    from django.conf import settings

    return {"MIDDLEWARE": [path for path in settings.MIDDLEWARE if name not in path]}


# What is written in the source -> the number of the message, and what it or its hint says.
IN_THE_SOURCE = [
    ({"item_categorical": ["shelff"]}, "E005", "Did you mean shelf?"),
    ({"customer_categoricals": ["reader__country"]}, "E002", "customer_categorical"),
    ({"items": Article.objects}, "E003", "items must be a queryset, such as Product.objects.all()"),
    ({"item_filters": "shelf"}, "E004", "must be a list of field names"),
    ({"interaction_customer": "article"}, "E006", "no foreign key to"),
    ({"customers": Reader.objects.all(), "customer_user": "number"}, "E006", "Did you mean"),
    ({"customer_numerical": ["n"], "customer_from_interactions": {"n": "price"}}, "E007", "Latest(field)"),
    ({"customer_categorical": ["n"], "customer_from_interactions": {"n": Counted()}}, "E007", "customer_numerical"),
    ({"item_numerical": ["price"], "item_multi": ["price"]}, "E008", "named twice: price"),
    ({"item_key": "price"}, "E009", "keys are text or whole numbers"),
    (
        {"customer_numerical": ["n"], "customer_from_interactions": {"n": Sum("order__placed")}},
        "E011",
        "which holds no numbers",
    ),
    ({"item_categorical": ["topics__name"]}, "E012", "item_multi = ['topics__name']"),
    ({"item_updated": "stock__number"}, "E012", "Annotate the queryset with one value"),
    ({"items": Article.objects.all().union(Article.objects.all())}, "E013", "managed = False"),
    ({"interactions": Line.objects.order_by("pk")[:10]}, "E013", "Leave out [...]"),
    ({"customers": User.objects.values("pk")}, "E013", "Leave out .values()"),
    ({"interactions": Line.objects.annotate(n=Count("order__line"))}, "E013", "Write the annotation as a Subquery"),
    ({"items": Article.objects.using("other")}, "E014", "read all of them from one"),
    ({"items": Article.objects.filter(topics__public=True)}, "W013", "items = Article.objects.filter(...).distinct()"),
    (
        {"item_key": "sku"},
        "W014",
        'items = Article.objects.annotate(key=Concat("tenant_id", Value("/"), "sku", output_field=CharField()))',
    ),
    ({"item_key": "shelf"}, "W014", 'item_key = "pk", or the name of a field with unique=True.'),
    ({"item_key": "isbn"}, "W015", "items = Article.objects.exclude(isbn=None)"),
    ({"customers": Reader.objects.all(), "customer_key": "number", **sources.OneToOne.__dict__}, "W016", '"pk"'),
    (
        {"customers": Card.objects.all(), "customer_user": "user", "interaction_customer": "order__card"},
        "W017",
        "Make 'user' a OneToOneField",
    ),
    ({"interaction_stored": None}, "W018", 'interaction_stored = "order__stored"'),
    ({"interaction_stored": "article__changed"}, "W019", 'interaction_stored = "order__stored"'),
    ({"all_customers": Reader.objects.all(), "customer_key": "username"}, "E005", "Reader of all_customers"),
    ({"item_available": Q(in_stock=True)}, "E005", "item_available cannot be asked of Article"),
    ({"item_group": "topics"}, "E012", "one value"),
    ({"item_group": "tenant"}, "E006", "There are: parent."),
    ({"interactions_withheld": Order.objects.all()}, "E036", "interactions_withheld = Line.objects.filter(...)"),
    ({"interaction_stored": "article__tenant__slug"}, "E034", 'interaction_stored = "order__stored"'),
    ({"interaction_stored": "order__card__agrees"}, "E034", "a BooleanField: every list would fail"),
    ({"item_scope": "tenant", "scope_of": lambda self: "north"}, "E037", "def scope_of(self, request)"),
    ({"interaction_rating": "article__shelf"}, "W050", "a field of numbers"),
    ({"interaction_quantity": "article__code"}, "W050", "'article__code', a UUIDField"),
    ({"interaction_amount": "article__sku"}, "W050", "a field of numbers"),
    ({"item_numerical": ["code"]}, "W050", "Move 'code' to item_categorical"),
    ({"customer_numerical": ["username"]}, "W050", "Move 'username' to customer_categorical"),
    ({"item_vector": "sku"}, "W050", "such as a JSONField"),
    ({"interaction_time": "number"}, "W052", "read as Unix seconds"),
    ({"interaction_time": "article__shelf"}, "E033", "'article__shelf', a CharField"),
    (
        {"customers": Reader.objects.all(), "customer_user": None, "interaction_customer": "order__user__reader"},
        "W051",
        'customer_user = "user"',
    ),
    ({"all_customers": Card.objects.all()}, "E035", "all_customers = "),
]

# What is written in the settings.
IN_THE_SETTINGS = [
    ({"RECOMMENDER_SOURCE": ""}, "E001", 'RECOMMENDER_SOURCE = "shop.source.ShopSource"'),
    ({"RECOMMENDER_SOURCE": "tests.foreign.models.Article"}, "E001", "class ShopSource(RecommenderSource)"),
    ({"RECOMMENDER_SOURCE": "tests.foreign.sources.Nobody"}, "E001", "cannot be loaded"),
    ({"USE_TZ": False}, "E010", "USE_TZ = True"),
    ({"BUNDLE_ROOT": None}, "E015", 'BUNDLE_ROOT = BASE_DIR / "bundles"'),
    ({"BUNDLE_ROOT": __file__}, "E016", "is a file"),
    ({"TEMPLATES": templates()}, "W021", '"APP_DIRS": True'),
    ({"TEMPLATES": templates(APP_DIRS=True, OPTIONS={"context_processors": PROCESSORS})}, "W022", "processors.request"),
    ({"BUNDLE_ROOT": "/usr/recommender/bundles"}, "W020", "Let the user of the workers own '/usr'"),
    ({"BUNDLE_ROOT": "/proc/recommender/bundles"}, "E017", 'BUNDLE_ROOT = BASE_DIR / "bundles"'),
    (without("Session"), "W023", "SessionMiddleware"),
    (without("Authentication"), "W024", "AuthenticationMiddleware"),
    ({"INSTALLED_APPS": [*FEWEST_APPS, "recommender"]}, "W025", '"rest_framework", "recommender"'),
]


def guests_alone() -> None:
    Order.objects.update(user=None)


def old() -> None:
    Order.objects.update(placed=timezone.now() - timedelta(days=500))


def twins() -> None:
    Article.objects.create(tenant=Tenant.objects.create(slug="south"), sku="A1")


def a_long_one() -> None:
    Article.objects.filter(sku="A1").update(sku="k" * 300)


def other_articles() -> None:
    tenant = Tenant.objects.get()
    Line.objects.update(article=Article.objects.create(tenant=tenant, sku="S", parent=Article.objects.first()))


def variants_of_variants() -> None:
    first = Article.objects.order_by("pk").first()
    for n in range(2):
        first = Article.objects.create(tenant=first.tenant, sku=f"S{n}", parent=first)


# What stands in the rows, and the source that reads them.
IN_THE_ROWS = [
    (twins, {"item_key": "sku"}, "W030", 'Concat("tenant_id", Value("/"), "sku")'),
    (None, {"item_key": "isbn"}, "W031", f"rows without one are left out: {world.ARTICLES}"),
    (a_long_one, {"item_key": "sku"}, "W032", "events and dismissals of longer keys are refused"),
    (None, {"items": Article.objects.filter(shelf="none")}, "W033", "items leaves out all rows"),
    (None, {"item_available": Q(stock__number__gt=0)}, "W034", "stock__number__gt"),
    (guests_alone, {}, "W035", "interaction_customer"),
    (old, {}, "W036", "Name the moment of the purchase"),
    (None, {"customers": User.objects.filter(is_staff=True)}, "W037", "consent"),
    (other_articles, {"items": Article.objects.filter(parent=None)}, "W038", 'item_group = "parent"'),
    (variants_of_variants, {"item_group": "parent"}, "W029", "the item that is listed"),
    (None, {}, "W039", 'In Order.Meta: indexes = [models.Index(fields=["placed"])]'),
    (None, {"item_available": Q(shelf="crime")}, "W039", 'In Article.Meta: indexes = [models.Index(fields=["shelf"])]'),
]


def messages(**options) -> list[tuple[str, str]]:
    found = run_checks(include_deployment_checks=False, **options)
    ours = [message for message in found if message.id not in OF_WORKERS]
    return [(message.id, f"{message.msg} {message.hint or ''}") for message in ours]


def told(found: list[tuple[str, str]], number: str) -> str:
    texts = [text for of, text in found if of == f"recommender.{number}"]
    assert texts, found
    return " ".join(texts)


@pytest.fixture
def written(source, settings):
    def write(attributes: dict):
        attributes = {name: value for name, value in attributes.items() if not name.startswith("__")}
        sources.Broken = type("Broken", (sources.UsersAsCustomers,), {**attributes, "__module__": sources.__name__})
        settings.RECOMMENDER_SOURCE = "tests.foreign.sources.Broken"
        conftest.forget()

    return write


@pytest.mark.parametrize(("attributes", "number", "line"), IN_THE_SOURCE)
def test_a_mistake_in_the_source_is_said_with_the_line_to_write(written, settings, attributes, number, line):
    settings.DATABASES = {**settings.DATABASES, "other": settings.DATABASES["default"]}
    written(attributes)
    text = told(messages(tags=None), number)
    assert line in text
    assert "Broken" in text


@pytest.mark.parametrize(("changed", "number", "line"), IN_THE_SETTINGS)
def test_a_mistake_in_the_settings_is_said_with_the_line_to_write(settings, monkeypatch, changed, number, line):
    monkeypatch.setattr("os.access", lambda place, mode: not str(place).startswith("/usr"))  # root may all
    for name, value in changed.items():
        setattr(settings, name, value)
    conftest.forget()
    from recommender.source import check_site, check_source

    found = [(one.id, f"{one.msg} {one.hint or ''}") for one in [*check_source(None), *check_site(None)]]
    assert line in told(found, number)


@pytest.mark.parametrize(("plant", "attributes", "number", "line"), IN_THE_ROWS)
def test_a_mistake_in_the_rows_is_said_by_check_database(
    stocked, written, monkeypatch, plant, attributes, number, line
):
    monkeypatch.setattr("recommender.source.data_checks.LARGE_TABLE", 10)
    if plant:
        plant()
    written(attributes)
    assert line in told(messages(databases=["default"]), number)
    assert f"recommender.{number}" not in [of for of, _ in messages()]  # without --database no row is read


def test_a_project_without_mistakes_is_told_nothing(stocked, source, tmp_path, settings):
    source(sources.UsersAsCustomers)
    settings.BUNDLE_ROOT = tmp_path
    assert [of for of, _ in messages(databases=["default"]) if of.startswith("recommender")] == []


@pytest.mark.django_db(transaction=True)
def test_checks_of_rows_survive_tables_that_are_not_there_yet(source):
    source(sources.UsersAsCustomers)
    table = Line._meta.db_table
    with connection.schema_editor() as editor:
        editor.alter_db_table(Line, table, "moved")
    try:
        assert [of for of, _ in messages(databases=["default"]) if of.startswith("recommender")] == []
    finally:
        with connection.schema_editor() as editor:
            editor.alter_db_table(Line, "moved", table)


@pytest.mark.django_db(transaction=True)
def test_checks_of_rows_survive_columns_that_are_not_there_yet(source):
    world.fill()
    source(sources.UsersAsCustomers)
    with connection.schema_editor() as editor:
        editor.execute("ALTER TABLE foreign_order RENAME COLUMN placed TO was_placed")
    try:
        found = [(of, text) for of, text in messages(databases=["default"]) if of.startswith("recommender")]
        assert [of for of, _ in found] == ["recommender.I010"]
        assert "manage.py migrate" in found[0][1]
    finally:
        with connection.schema_editor() as editor:
            editor.execute("ALTER TABLE foreign_order RENAME COLUMN was_placed TO placed")


def test_a_database_that_the_recommender_was_never_tried_on_is_named(source, monkeypatch):
    monkeypatch.setattr(connections["default"], "vendor", "oracle")
    found = [(one.id, f"{one.msg} {one.hint}") for one in site_checks.check_site(None)]
    assert "MariaDB" in told(found, "W026")


def test_an_extra_that_nobody_asked_for_is_not_missing(monkeypatch, settings):
    monkeypatch.setattr(extras, "is_installed", lambda name: False)
    assert [one.id for one in site_checks.check_extras(None)] == [
        "recommender.I001",
        "recommender.I002",
        "recommender.I004",
    ]
    settings.RECOMMENDER_RETRIEVAL_ADDRESS = "http://milvus:19530"
    assert "recommender.W006" in [one.id for one in site_checks.check_extras(None)]


def test_the_table_has_at_least_25_mistakes():
    assert len({row[-2] for row in (*IN_THE_SOURCE, *IN_THE_SETTINGS, *IN_THE_ROWS)}) >= 25
