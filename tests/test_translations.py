"""Every page in another language: no text stays English, and what programs read is written as programs read it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import django
import pytest
from django.utils.translation import trans_real

from tests import every_page

pytestmark = pytest.mark.django_db

# --- what programs read of a page -------------------------------------------------------------------------------------

NUMBERS = ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height", "opacity", "stroke-width", "viewbox")
NUMBERS += ("min", "max", "step", "colspan", "rows", "cols", "tabindex", "maxlength", "minlength")
NUMBER = re.compile(r"(-?(\d+(\.\d+)?|\.\d+)(px|%|em|rem|vw)?|any|100%|auto|none)")
POINT = re.compile(r"-?\d+(\.\d+)?,-?\d+(\.\d+)?")
GROUPED = re.compile(r"(?:^|[/=&-])\d{1,3}(?:[.,\s\u202f]|%C2%A0)\d{3}(?:$|[/&?#-])")  # an id or a page: 1.234


class Page(HTMLParser):
    """The texts and the attributes of a page."""

    UNSEEN = ("script", "style", "code", "template", "svg-none")

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.inside: list[tuple[str, bool]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.tags.append((tag, attributes))
        if tag not in ("input", "br", "img", "meta", "link", "line", "rect", "circle", "polyline", "hr", "source"):
            foreign = attributes.get("lang", "") not in ("", "de") and tag != "html"
            unseen = tag in self.UNSEEN or foreign or "material-symbols-outlined" in attributes.get("class", "")
            self.inside.append((tag, unseen))
        if not any(unseen for _, unseen in self.inside):
            visible = ("aria-label", "title", "placeholder", "alt")
            self.texts += [attributes[name] for name in visible if attributes.get(name)]

    def handle_endtag(self, tag: str) -> None:
        for at in range(len(self.inside) - 1, -1, -1):
            if self.inside[at][0] == tag:
                del self.inside[at:]
                return

    def handle_data(self, data: str) -> None:
        if data.strip() and not any(unseen for _, unseen in self.inside):
            self.texts.append(" ".join(data.split()))


def unreadable(page: Page) -> Iterator[str]:
    """Attributes that a program would read wrongly."""
    for tag, attributes in page.tags:
        numbers = [
            name
            for name in NUMBERS
            if name in attributes and not (tag == "meta" or (name == "step" and not attributes[name]))
        ]
        if tag in ("meter", "progress") or attributes.get("type") in ("number", "range"):
            numbers += [name for name in ("value",) if attributes.get(name)]
        for name in numbers:
            for part in attributes[name].split():
                if not NUMBER.fullmatch(part):
                    yield f"<{tag} {name}={attributes[name]!r}>"
        if "points" in attributes and not all(map(POINT.fullmatch, attributes["points"].split())):
            yield f"<{tag} points={attributes['points']!r}>"
        if re.search(r"\d,\d", attributes.get("style", "")):
            yield f"<{tag} style={attributes['style']!r}>"
        for name, value in attributes.items():
            addresses = ("href", "action", "formaction", "src", "id", "for", "name", "hx-get", "hx-post")
            if (name in addresses or name.startswith("data-")) and GROUPED.search(value):
                yield f"<{tag} {name}={value!r}>"
        if tag in ("input", "button", "option") and GROUPED.fullmatch(attributes.get("value", "")):
            yield f"<{tag} value={attributes['value']!r}>"


# --- what people read -------------------------------------------------------------------------------------------------

OPEN, CLOSE = "⟦", "⟧"
MARKED = re.compile(f"{OPEN}[^{OPEN}{CLOSE}]*{CLOSE}")
WORD = re.compile(r"(?<!\w)[A-Za-z]{3,}(?!\w)")
DATA = {
    *("NDCG", "MRR", "RMSE", "Gini", "Recall", "SHA", "JSON", "CSV", "GIF", "URL", "TOTP", "HTML"),  # names of things
    *("Two", "Towers", "English", "Deutsch", "Français", "Fran", "ais"),  # the site, its languages
    *("alpha", "beta", "example", "com", "Test", "Standard", "Express", "Same", "Day", "Pending"),  # data and settings
    *("esc", "json", "csv", "home", "order", "cart"),  # a key, formats, scenarios
    *("popular", "similar", "trending", "True"),  # codes; unfold's icon of a yes
    "Search",  # the picture of a magnifier in Django's own admin
    "Authenticators",  # allauth's model has no name that could be translated
    *("softmax", "bpr", "bce", "learning", "rate", "dim", "UTC", "None", "null"),  # settings of the engine
}

if django.VERSION >= (6, 0):
    DATA |= {"Filter", "Pagination", "Select", "option"}  # of Django's own admin, which has no German for them yet


@pytest.fixture
def marked(monkeypatch) -> None:
    """A language in which every text that is looked up is marked, ours and those of Django and of other packages."""
    german = trans_real.translation("de")

    def mark(key: object) -> str:
        text = key[0] if isinstance(key, tuple) else key
        return f"{OPEN}{str(text).rpartition(chr(4))[2]}{CLOSE}"

    catalogs = [{key: mark(key) for key in texts if key} for texts in german._catalog._catalogs]
    monkeypatch.setattr(german._catalog, "_catalogs", catalogs)


def english(page: Page) -> list[str]:
    """The texts with a word that is neither marked nor data."""
    rest = "\n".join(page.texts)  # a marked text may go on beyond a link
    while MARKED.search(rest):
        rest = MARKED.sub(" ", rest)
    return list(dict.fromkeys(line.strip() for line in rest.split("\n") if set(WORD.findall(line)) - DATA))


# --- the pages --------------------------------------------------------------------------------------------------------


def pages(client) -> Iterator[tuple[str, Page]]:
    """Every page: of a visitor, of a customer, and of the admin."""
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "de"
    shopper = every_page.customer()
    for who in (None, shopper):
        if who is not None:
            client.force_login(who)
        for address in every_page.PAGES:
            answer = client.get(address)
            assert answer.status_code in (200, 302, 404), address
            if answer.status_code != 302:
                yield f"{address} of {who or 'a visitor'}", Page(answer.content.decode())
    owner, addresses = every_page.owner()
    client.force_login(owner)
    for address in addresses:
        answer = client.get(address)
        assert answer.status_code in (200, 403), address  # some rows are only written by services
        yield address, Page(answer.content.decode())


def test_what_programs_read_of_a_page_is_written_for_programs(client, trained, settings):
    settings.USE_THOUSAND_SEPARATOR = True
    found = [f"{name}: {wrong}" for name, page in pages(client) for wrong in unreadable(page)]
    assert not found, "\n".join(found)


@pytest.mark.usefixtures("marked")
def test_no_text_of_any_page_stays_english(client, trained):
    found = [f"{name}: {text}" for name, page in pages(client) for text in english(page)]
    assert not found, "\n".join(found)


def test_the_checks_find_what_they_look_for():
    """On a page with one fault of each kind."""
    faults = Page(
        '<svg viewBox="0 0 10 10"><rect x="74,6" width="1.234"/><polyline points="1.0,2.0 3,5,4"/></svg>'
        '<input type="number" value="1,5"><a href="?page=1.000">Next</a><div id="run-1.234" style="width: 1,5%"></div>'
        '<p>⟦From <a title="Home"></a>⟧ ⟦here⟧ to there</p><script>let hidden</script>'
    )
    for wrong, kind in zip(unreadable(faults), ("x=", "points=", "value=", "href=", "style=", "id="), strict=True):
        assert kind in wrong
    assert english(faults) == ["Next", "to there"]


# --- what no page shows until somebody does something -----------------------------------------------------------------

ROOT = Path(__file__).resolve().parent.parent
SAYS = {  # what is called with a sentence that a person or the caller of the API reads
    *("success", "error", "warning", "info", "message_user", "add_error"),
    *("ValidationError", "NotFound", "PermissionDenied", "NotAuthenticated", "AuthenticationFailed", "ParseError"),
    *("RecommendationError", "TrainingError", "ExperimentError", "NothingChanged", "StateConflict", "EventChanged"),
    *("NotForSale", "CartRefused", "OrderRefused", "RatingRefused", "ProductInUse", "KeyRefused", "refuse"),
}
OF_DEVELOPERS = (
    "engine",
    "management",
    "migrations",
    "importing",
    "seeding.py",
    "checks.py",
    "data_checks.py",
    "celery.py",
)


def bare_sentences(source: str) -> list[str]:
    """Sentences in calls of SAYS that nobody can translate: no literal in them is an argument of another call."""
    found = []
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            is_log = isinstance(call.func, ast.Attribute) and getattr(call.func.value, "id", "") in ("log", "logger")
            given = [*call.args, *(word.value for word in call.keywords if word.arg in ("detail", "title", "error"))]
            if name in SAYS and not is_log:
                found += [f"{call.lineno}: {ast.unparse(value)}" for value in given if is_sentence(value)]
    return found


def is_sentence(value: ast.expr) -> bool:
    if isinstance(value, ast.JoinedStr):
        return any(re.search("[A-Za-z]", str(part.value)) for part in value.values if isinstance(part, ast.Constant))
    if isinstance(value, ast.List | ast.Dict):
        return any(is_sentence(part) for part in (value.elts if isinstance(value, ast.List) else value.values))
    return isinstance(value, ast.Constant) and isinstance(value.value, str) and " " in value.value.strip()


def test_no_message_is_a_bare_string():
    found = []
    for app in ("recommender", "recsite", "catalog", "customers"):
        for file in sorted((ROOT / app).rglob("*.py")):
            if not set(file.relative_to(ROOT).parts) & set(OF_DEVELOPERS):
                bare = bare_sentences(file.read_text(encoding="utf-8"))
                found += [f"{file.relative_to(ROOT)}:{sentence}" for sentence in bare]
    assert not found, "\n".join(found)


def test_the_look_at_messages_finds_what_it_looks_for():
    planted = 'messages.error(request, f"Run {run} is gone.")\nraise ValidationError({"a": ["No such a."]})\n'
    assert len(bare_sentences(planted)) == 2
    assert bare_sentences('messages.error(request, _("Run is gone."))\nlog.info("run is gone")') == []
