"""What stands on *Why this?* in a project that overrides nothing."""

from pathlib import Path

from django.template import Context, Template
from django.urls import reverse

import recommender
from recommender.serving.answer import Reason

OURS = Path(recommender.__file__).parent / "templates" / "recommender" / "evidence_actions.html"


def shown(reason: Reason, item: str | None = "Blue <lamp>") -> str:
    template = Template(OURS.read_text(encoding="utf-8"))
    return template.render(Context({"reason": reason, "evidence_item": item, "here": "/why/?next=%2F"}))


def test_what_was_looked_at_can_be_forgotten_on_why_this_in_any_project():
    html = shown(Reason("because_you_viewed", item="a/b"))
    assert f'action="{reverse("recommender:forget-view", args=["a/b"])}"' in html
    assert 'name="next" value="/why/?next=%2F"' in html
    assert "Forget that I looked at Blue &lt;lamp&gt;" in html


def test_what_was_bought_or_is_gone_has_no_such_button():
    assert "<form" not in shown(Reason("because_you_bought", item="a"))
    assert "<form" not in shown(Reason("because_of_your_profile", field="age"))
    assert "<form" not in shown(Reason("because_you_viewed", item="a"), None)
