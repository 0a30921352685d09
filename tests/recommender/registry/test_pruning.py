"""Old bundles make room; what serves, what served before and what is being made stay."""

import os
import shutil
import time

import pytest
from django.core.management import call_command

from recommender.errors import TrainingError
from recommender.models import ModelVersion, Promotion, TrainingRun
from recommender.registry import promotion as versions
from recommender.registry import storage
from recommender.registry.pruning import prune_bundles

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def bundles(settings, tmp_path):
    settings.BUNDLE_ROOT = tmp_path / "bundles"
    settings.BUNDLE_ROOT.mkdir()
    return settings.BUNDLE_ROOT


def version(name, bundles, promoted=False):
    made = ModelVersion.objects.create(name=name, passed_gate=True)
    (bundles / name).mkdir()
    (bundles / name / "manifest.json").write_text("{}")
    if promoted:
        Promotion.objects.create(version=made)
    return made


def aged(folder):
    folder.mkdir(parents=True)
    then = time.time() - 2 * storage.ORPHAN_AGE_SECONDS
    os.utime(folder, (then, then))
    return folder


def there(bundles):
    return sorted(path.name for path in bundles.iterdir())


def test_the_newest_the_live_one_and_the_one_before_stay(bundles):
    for name in ("before", "live"):
        version(name, bundles, promoted=True)
    for number in range(5):
        version(f"later-{number}", bundles)
    assert prune_bundles(keep=2) == ["later-0", "later-1", "later-2"]
    assert there(bundles) == ["before", "later-3", "later-4", "live"]
    assert ModelVersion.objects.count() == 7
    assert ModelVersion.objects.get(name="later-0").pruned is not None
    assert prune_bundles(keep=2) == []


def test_the_best_version_so_far_stays(bundles):
    for name in ("best", "tie", "before", "live"):
        version(name, bundles, promoted=True)
    assert prune_bundles(keep=1) == ["tie"]


def test_after_a_roll_back_what_serves_then_stays(bundles):
    one, two, three = (version(name, bundles, promoted=True) for name in ("one", "two", "three"))
    Promotion.objects.create(version=two, action=Promotion.Action.ROLL_BACK)
    version("four", bundles)
    assert versions.rollback_version() == one
    assert prune_bundles(keep=1) == ["three"]
    assert three.promotions.exists()


def test_a_pruned_version_cannot_be_promoted_and_says_why(bundles):
    old = version("old", bundles)
    version("new", bundles, promoted=True)
    prune_bundles(keep=1)
    with pytest.raises(TrainingError, match="Version old cannot serve: its bundle was removed on "):
        versions.promote(version=old)


def test_what_died_with_its_process_goes_after_a_day(bundles):
    running = TrainingRun.objects.create(state=TrainingRun.State.TRAINING, attempt=1)
    ended = TrainingRun.objects.create(state=TrainingRun.State.FAILED)
    half = aged(bundles / f".20260101-030000-{ended.pk}.4711.part")
    orphan = aged(bundles / f"20260101-030000-{ended.pk}")
    work = aged(bundles / ".work" / f"{ended.pk}.1")
    stays = [
        aged(bundles / ".work" / f"{running.pk}.1"),
        aged(bundles / f".20260101-030000-{running.pk}-2.4711.part"),
        aged(bundles / "made-by-hand"),
    ]
    fresh = bundles / f".20260102-030000-{ended.pk}.4711.part"
    fresh.mkdir()
    assert set(prune_bundles()) == {half.name, orphan.name, work.name}
    assert all(folder.exists() for folder in (*stays, fresh))


def test_the_command_says_what_it_removed(bundles, capsys):
    version("one", bundles)
    version("two", bundles)
    call_command("prune_bundles", "--keep", "1")
    assert capsys.readouterr().out == "Removed: one.\n"
    call_command("prune_bundles")
    assert capsys.readouterr().out == "There was nothing to remove.\n"


def test_a_folder_that_somebody_removed_is_no_obstacle(bundles):
    version("one", bundles)
    version("two", bundles)
    shutil.rmtree(bundles / "one")
    assert prune_bundles(keep=1) == ["one"]
