"""Training, promoting and looking back from the command line: what is printed, and what makes it fail."""

import json
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from recommender.engine.errors import SnapshotError
from recommender.engine.evaluation.report import Report
from recommender.engine.training import pipeline
from recommender.models import Promotion, TrainingRun
from recommender.registry import promotion as versions
from recommender.serving import recommend
from recommender.training import execution as training
from tests import shop
from tests.recommender import planted_runs

ROOT = Path(__file__).resolve().parents[3]
State = TrainingRun.State


@pytest.fixture
def run(capsys, settings, tmp_path):
    """Runs a command and gives back what it printed on stdout."""
    settings.BUNDLE_ROOT = tmp_path / "bundles"

    def command(*words: str) -> str:
        call_command(*words)
        return capsys.readouterr().out

    return command


@pytest.fixture
def learns(monkeypatch, bundle):
    """The engine at its boundary: `learns(ours=.1)` makes it write a bundle whose report says so, in no time."""

    def plant(problem: Exception | None = None, **quality: float) -> None:
        def build(data, out, *, config, progress, **options):
            progress(pipeline.Progress("training", 0.5, f"with {config.loss} and {config.epochs} epochs"))
            if problem is not None:
                raise problem
            shutil.copytree(bundle, out)
            return Report(**planted_runs.report(**quality))

        monkeypatch.setattr(pipeline, "build_bundle", build)

    return plant


# --- train ------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_the_last_line_of_train_is_one_json_object_and_the_model_serves(run, learns):
    shop.stock_the_shop()
    learns(ours=0.108)
    printed = run("train", "--json").splitlines()
    assert len(printed) == 1
    answer = json.loads(printed[0])
    assert set(answer) == {"run", "version", "promoted", "reason", "metrics", "left_out", "out_of_time", "seconds"}
    assert answer["out_of_time"] is False
    assert answer["promoted"] is True
    assert "NDCG@10 .108 beside .043 for popularity" in answer["reason"]
    assert answer["metrics"]["two_tower"]["ndcg_10"] == 0.108
    assert answer["metrics"]["popularity"]["ndcg_10"] == 0.043
    assert answer["metrics"]["paired"]["popularity"]["low"] > 0
    assert answer["seconds"] >= 0
    assert TrainingRun.objects.get(pk=answer["run"]).state == State.PROMOTED
    assert recommend(customer="C0").model_version == answer["version"]


@pytest.mark.django_db(transaction=True)
def test_a_refused_run_is_no_failure_of_the_command(run, learns):
    shop.stock_the_shop()
    learns(ours=0.01)
    answer = json.loads(run("train", "--json"))
    assert answer["promoted"] is False
    assert "worse than popularity" in answer["reason"]
    assert recommend(customer="C0").source == "popular"


@pytest.mark.django_db(transaction=True)
def test_without_json_the_models_stand_beside_each_other(run, learns, capsys):
    shop.stock_the_shop()
    learns()
    lines = run("train").splitlines()
    head = next(line for line in lines if "HR@10" in line)
    assert "NDCG@10    95 % interval" in head
    assert next(line for line in lines if line.startswith("this model")).split()[2:6] == [".108", ".094", "to", ".122"]
    assert any(line.startswith("popularity") and "+.065" in line and line.endswith("better") for line in lines)
    assert lines[-1].endswith("is live.")


@pytest.mark.django_db(transaction=True)
def test_the_trials_of_a_tuning_stand_below_what_they_led_to(run, learns):
    shop.stock_the_shop()
    learns(study=planted_runs.STUDY)
    lines = run("train", "--tune", "2").splitlines()
    head = next(at for at, line in enumerate(lines) if "tried on validation" in line)
    assert lines[head + 1].split()[:5] == ["1", ".1310", "7", "31", "done"]
    assert lines[head + 2].split()[:5] == ["2", ".1420", "5", "22", "chosen"]
    assert lines[head + 2].endswith("dim 64, learning_rate 0.0021")


@pytest.mark.django_db(transaction=True)
def test_what_is_asked_for_reaches_the_run(run, learns):
    shop.stock_the_shop()
    learns()
    run("train", "--loss", "bpr", "--epochs", "3", "--minutes", "2.5", "--seed", "9", "--warm-start", "--tune", "5")
    asked = {"loss": "bpr", "epochs": 3, "minutes": 2.5, "seed": 9, "tune": 5, "warm_start": True}
    assert TrainingRun.objects.get().parameters == asked


@pytest.mark.django_db(transaction=True)
def test_a_run_that_its_time_limit_ended_says_so(run, learns):
    shop.stock_the_shop()
    learns(out_of_time=True, minutes=2.5)
    assert "The limit of 2.5 minutes ended training; the best model until then was kept." in run("train")
    learns()
    assert "ended training" not in run("train")


@pytest.mark.django_db(transaction=True)
def test_a_failed_training_is_one_sentence(run, learns):
    shop.stock_the_shop()
    learns(SnapshotError("interactions: row 3 has no time."))
    with pytest.raises(CommandError, match=r"^interactions: row 3 has no time\.$"):
        run("train")
    assert TrainingRun.objects.get().state == State.FAILED


@pytest.mark.django_db(transaction=True)
def test_an_empty_shop_is_one_sentence(run):
    with pytest.raises(CommandError, match="There are no interactions: a model needs purchases to learn from"):
        run("train")


@pytest.mark.django_db
def test_a_second_run_at_once_is_refused(run):
    active = TrainingRun.objects.create(state=State.TRAINING)
    with pytest.raises(CommandError, match=f"Run {active.pk} is training; one run at a time"):
        run("train")


@pytest.mark.django_db
def test_a_run_that_nobody_takes_up_is_ended_by_the_command_that_train_names(run):
    waiting = TrainingRun.objects.create(state=State.QUEUED)
    with pytest.raises(CommandError, match=f"`manage.py cancel_run {waiting.pk}` ends that one"):
        run("train")
    assert f"Run {waiting.pk} was cancelled." in run("cancel_run", str(waiting.pk))
    waiting.refresh_from_db()
    assert waiting.state == State.CANCELLED
    with pytest.raises(CommandError, match="is cancelled; only a run that has not ended"):
        run("cancel_run", str(waiting.pk))
    with pytest.raises(CommandError, match="There is no run 999"):
        run("cancel_run", "999")


@pytest.mark.django_db
def test_who_cancels_a_run_whose_process_was_killed_is_told_when_the_next_may_start(run, settings):
    settings.RECOMMENDER_STALE_AFTER = 120.0
    seen = timezone.now()
    killed = TrainingRun.objects.create(state=State.TRAINING, attempt=1, heartbeat=seen)
    then = timezone.localtime(seen + timedelta(minutes=2))
    said = run("cancel_run", str(killed.pk))
    assert f"ends within seconds; if its process died, a new run may start at {then:%H:%M:%S}." in said


@pytest.mark.django_db
@pytest.mark.parametrize("epochs", ["0", "-1"])
def test_a_setting_out_of_range_is_one_sentence(run, epochs):
    with pytest.raises(CommandError, match=f"epochs is {epochs}; it must be 1 or more"):
        run("train", "--epochs", epochs)
    assert not TrainingRun.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_stopping_the_command_cancels_the_run_and_leaves_no_traceback(run, learns, monkeypatch):
    shop.stock_the_shop()
    learns()

    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "_write_heartbeat", interrupt)
    monkeypatch.setattr(training, "HEARTBEAT_SECONDS", 0.0)
    with pytest.raises(CommandError, match="Stopped"):
        run("train")
    assert not TrainingRun.objects.get().is_active


def test_the_bar_goes_to_stderr_and_nothing_but_the_answer_to_stdout(own_database, tmp_path):
    """As somebody's script sees it: a process of its own, an empty shop, one sentence and exit status 1."""
    environment = {
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
        "BUNDLE_ROOT": str(tmp_path / "bundles"),
        "VAR_DIR": str(tmp_path / "var"),
    }

    command = [sys.executable, "manage.py", "train", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "There are no interactions" in done.stderr
    assert "Traceback" not in done.stderr


# --- promote, roll back, look back ------------------------------------------------------------------------------------


@pytest.fixture
def bundled(bundle, run, settings):
    def make(name, **quality):
        shutil.copytree(bundle, settings.BUNDLE_ROOT / name)
        return planted_runs.version(name, **quality)

    return make


@pytest.mark.django_db
def test_promote_makes_a_version_live_and_is_recorded(run, bundled):
    bundled("v1")
    assert run("promote", "v1", "--reason", "Tried on staging") == "Version v1 is live.\n"
    promotion = Promotion.objects.get()
    assert (promotion.version.name, promotion.action, promotion.by) == ("v1", "promote", None)
    assert promotion.reason == "Tried on staging"


@pytest.mark.django_db
def test_promote_against_the_gate_takes_override_and_a_reason(run, bundled):
    bundled("v1", ours=0.01)
    with pytest.raises(CommandError, match="worse than popularity"):
        run("promote", "v1")
    with pytest.raises(CommandError, match="Say why"):
        run("promote", "v1", "--override")
    answer = json.loads(run("promote", "v1", "--override", "--reason", "A strike", "--json"))
    assert answer == {"version": "v1", "action": "override", "reason": "A strike"}


@pytest.mark.django_db
def test_promoting_what_is_not_there_names_what_is(run, bundled):
    with pytest.raises(CommandError, match="no version 'v9'; none yet"):
        run("promote", "v9")
    bundled("v1")
    with pytest.raises(CommandError, match="no version 'v9'; the latest are v1"):
        run("promote", "v9")


@pytest.mark.django_db
def test_roll_back_goes_to_what_served_before(run, bundled):
    for name in ("v1", "v2"):
        bundled(name)
        run("promote", name)
    assert run("roll_back") == "Version v1 is live again.\n"
    assert versions.live_version().name == "v1"
    with pytest.raises(CommandError, match="no earlier version"):
        run("roll_back")


@pytest.mark.django_db
def test_runs_and_versions_are_listed_the_newest_first(run):
    assert "no runs yet" in run("runs")
    assert "no versions yet" in run("versions")
    Promotion.objects.create(version=planted_runs.version("v1"))
    planted_runs.version("v2", ours=0.01)
    TrainingRun.objects.create(state=State.FAILED, error="There are no interactions.")
    runs = run("runs").splitlines()[1:]
    assert [line.split()[1] for line in runs] == ["failed", "refused", "promoted"]
    assert runs[0].endswith("There are no interactions.")
    assert runs[2].split()[-4:] == [".108", ".043", "version", "v1"]
    versions = run("versions").splitlines()[1:]
    assert [line.split()[0] for line in versions] == ["v2", "*"]
    assert ".094 to .122" in versions[1]
    assert len(run("versions", "--count", "1").splitlines()) == 2


@pytest.mark.django_db
def test_runs_and_versions_for_scripts(run):
    Promotion.objects.create(version=planted_runs.version("v1"))
    (listed,) = json.loads(run("runs", "--json"))
    assert (listed["state"], listed["version"]) == ("promoted", "v1")
    (version,) = json.loads(run("versions", "--json"))
    assert (version["version"], version["live"], version["passed_gate"]) == ("v1", True, True)
    assert version["metrics"]["ndcg_10"] == 0.108


@pytest.mark.django_db
@pytest.mark.parametrize("count", ["0", "x", "-3"])
def test_a_count_that_is_none_is_refused(run, count):
    with pytest.raises(CommandError, match="whole number"):
        run("runs", f"--count={count}")
