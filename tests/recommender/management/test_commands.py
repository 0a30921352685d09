"""What `recommend` and `predict_rating` print is the API's answer; what makes no sense is one sentence."""

import json

import pytest
from django.core.management import CommandError, call_command

from customers.models import Customer
from recommender.models import Promotion
from recommender.serving import live as serving
from tests.recommender import planted_runs
from tests.shop import category_of


@pytest.fixture
def run(capsys):
    def command(*words: str) -> str:
        call_command(*words)
        return capsys.readouterr().out

    return command


def last_object(printed: str) -> dict:
    return json.loads(printed.splitlines()[-1])


def test_the_last_line_is_the_apis_answer(trained, run, client):
    printed = last_object(run("recommend", "--profile", '{"Gender": "F"}', "--count", "4", "--json"))
    sent = {"profile": {"Gender": "F"}, "count": 4}
    answered = client.post("/api/v1/recommendations/", sent, content_type="application/json").json()
    changing = {"recommendation_id", "next_page_token"}
    assert set(printed) == set(answered)
    assert {k: v for k, v in printed.items() if k not in changing} == {
        k: v for k, v in answered.items() if k not in changing
    }
    assert printed["source"] == "two_tower"
    assert len(printed["items"]) == 4


def test_bought_items_are_listed_when_asked_for(trained, run):
    new = last_object(run("recommend", "--customer", "C0", "--count", "48", "--json"))["items"]
    every = last_object(run("recommend", "--customer", "C0", "--count", "48", "--include-purchased", "--json"))["items"]
    assert (len(new), len(every)) == (40, 48)


def test_an_unknown_customer_is_no_error(stocked, run):
    answer = last_object(run("recommend", "--customer", "no-such-customer", "--json"))
    assert (answer["source"], answer["fallback_reason"]) == ("popular", "unknown_customer")


def test_a_promoted_version_whose_files_are_elsewhere_is_not_said_to_be_none(stocked, run, settings, tmp_path):
    Promotion.objects.create(version=planted_runs.version("v1"))
    settings.BUNDLE_ROOT = tmp_path / "elsewhere"
    serving.forget_live_state()
    for told in (run("recommend", "--customer", "C2"), run("predict_rating", "--customer", "C2", "--item", "P0")):
        assert f"Version v1 does not open: {tmp_path / 'elsewhere' / 'v1'} is not a bundle" in told
        assert "it has no manifest.json" in told
        assert "No model has been promoted yet" not in told


def test_people_get_a_table(trained, run):
    printed = run("recommend", "--customer", "C2", "--count", "3")
    assert printed.startswith("From model v1.")
    assert "because you bought P" in printed
    Customer.objects.filter(key="C2").update(personalisation=False)
    assert run("recommend", "--customer", "C2").startswith(
        "What most people buy. This customer opted out of personalisation."
    )


@pytest.mark.django_db
def test_an_empty_shop_is_said_to_be_empty(run):
    assert "There is nothing to list." in run("recommend", "--profile", "{}")


@pytest.mark.parametrize("who", [("--customer", "C0"), ("--profile", '{"Country": "Atlantis"}'), ("--profile", "{}")])
@pytest.mark.parametrize(
    "what", [("--item", "P1"), ("--item-features", '{"products": "iPhone 14"}'), ("--item-features", "{}")]
)
def test_a_rating_is_printed_for_every_pair(trained, run, who, what):
    answer = last_object(run("predict_rating", *who, *what, "--json"))
    assert answer["model_version"] == "v1"
    assert 0 <= answer["rating"] <= 5


@pytest.mark.parametrize("features", [{"Product_Category": "Kitchen"}, {"name": "Kitchen thing", "price": 12}])
def test_what_is_like_a_described_item_is_listed(trained, run, features):
    printed = last_object(run("recommend", "--kind", "similar", "--item-features", json.dumps(features), "--json"))
    assert printed["source"] == "two_tower"
    assert [category_of(item["item"]) for item in printed["items"]].count("Kitchen") >= 8


def test_without_a_model_what_has_the_described_category_is_listed(stocked, run):
    asked = ("--kind", "similar", "--item-features", '{"Product_Category": "Kitchen"}', "--count", "5", "--json")
    printed = last_object(run("recommend", *asked))
    assert (printed["source"], printed["fallback_reason"]) == ("popular", "no_model")
    assert {category_of(item["item"]) for item in printed["items"]} == {"Kitchen"}


def test_people_are_told_where_a_rating_comes_from(stocked, run):
    assert "by the average of what people gave." in run("predict_rating", "--profile", "{}", "--item", "P1")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["recommend", "--profile", "not json"], "--profile is not JSON: "),
        (["recommend", "--profile", "[1]"], '--profile must be a JSON object such as {"Age": 28}, not [1].'),
        (["recommend", "--profile", '{"Age": "old"}'], "profile: Age: 'old' is not a number."),
        (["recommend", "--profile", '{"Shoe_Size": 44}'], "profile: 'Shoe_Size' is no field of a profile; there are "),
        (
            ["recommend", "--profile", "{}", "--count", "0"],
            "count: count is 0; it must be a whole number from 1 to 100.",
        ),
        (["recommend"], "one of the arguments --customer --profile is required"),
        (["recommend", "--profile", "{}", "--customer", "C0"], "not allowed with argument"),
        (["recommend", "--kind", "popular", "--item", "P1"], "--kind popular takes no --item."),
        (["recommend", "--kind", "similar"], "--kind similar needs --item KEY or --item-features JSON."),
        (
            ["recommend", "--kind", "similar", "--item", "P1", "--item-features", "{}"],
            "--kind similar needs --item KEY or --item-features JSON.",
        ),
        (
            ["recommend", "--kind", "bought_together", "--item-features", "{}"],
            "--kind bought_together takes no --item-features.",
        ),
        (["recommend", "--kind", "similar", "--item-features", '{"price": "dear"}'], "price: 'dear' is not a number."),
        (["recommend", "--kind", "similar", "--item", "P1", "--item", "P2"], "--kind similar takes one --item, not 2."),
        (["predict_rating", "--profile", "{}"], "one of the arguments --item --item-features is required"),
        (["predict_rating", "--profile", "{}", "--item", "nothing"], "item: There is no item 'nothing'."),
        (["predict_rating", "--profile", "{}", "--item-features", "7"], "--item-features must be a JSON object"),
        (
            ["predict_rating", "--profile", "{}", "--item-features", '{"colour": "red"}'],
            "item_features: 'colour' is no",
        ),
    ],
)
@pytest.mark.django_db
@pytest.mark.parametrize("world", ["stocked", "trained"])
def test_what_makes_no_sense_is_one_sentence(request, world, words, sentence):
    request.getfixturevalue(world)
    with pytest.raises(CommandError) as caught:
        call_command(*words)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
