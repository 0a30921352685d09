"""One fault each, at a random moment of a run, and what must be so afterwards. To be imported when Django is set up."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db import DatabaseError, connection
from django.utils import timezone

from customers.models import Customer, Purchase
from recommender.engine.bundle.manifest import read_manifest
from recommender.engine.errors import BundleError
from recommender.models import ModelVersion, TrainingRun, TrainingSchedule
from recommender.registry.promotion import bundle_folder, live_version
from recommender.registry.pruning import prune_bundles
from recommender.training import queueing
from recommender.training.runs import work_folder
from tests.faults.world import STALE_AFTER, World

QUICK = {
    **{"epochs": 6, "learning_rate": 1e-2, "dim": 16, "profile_rank": 4, "rating_dim": 4},
    **{"bootstrap": 50, "batch_targets": 512},
}
ENDS_WITHIN = 180.0  # seconds
ANSWERS_WITHIN = 20.0
State = TrainingRun.State


@dataclass(frozen=True)
class Outcome:
    """How a trial went. wrong : what must not be, in sentences; none is what we want."""

    fault: str
    moment: float  # seconds after the run was queued
    state: str
    attempts: int
    seconds: float
    unanswered: int
    wrong: list[str]


@dataclass
class Scene:
    """A trial in progress."""

    world: World
    rng: random.Random

    def moment(self) -> float:
        return self.rng.uniform(0, self.world.length)

    def pass_time(self, seconds: float) -> None:
        """Let time go by while visitors ask for lists."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.world.ask()
            time.sleep(min(0.3, max(left, 0)))

    def run(self) -> TrainingRun:
        return persistently(lambda: queueing.queue_run(parameters=QUICK))


def persistently(do: Callable):
    """The watcher's own questions to a database whose connections are being cut."""
    for _ in range(20):
        try:
            return do()
        except DatabaseError:
            connection.close_if_unusable_or_obsolete()
            time.sleep(0.3)
    return do()


# --- the faults -------------------------------------------------------------------------------------------------------


def kill_worker(scene: Scene) -> tuple[TrainingRun, float]:
    run, moment = scene.run(), scene.moment()
    scene.pass_time(moment)
    scene.world.kill("worker")
    scene.pass_time(scene.rng.uniform(0, 4))
    scene.world.start("worker")
    return run, moment


def kill_beat(scene: Scene) -> tuple[TrainingRun, float]:
    """A schedule falls due, and the clock dies about when it would notice."""
    before = TrainingRun.objects.count()
    customer = Customer.objects.order_by("?").first()
    Purchase.objects.create(customer=customer, product=Purchase.objects.order_by("?")[0].product, time=timezone.now())
    TrainingSchedule.objects.update_or_create(
        pk=1,
        defaults={"hour": timezone.localtime().hour, "settled": timezone.now() - timedelta(days=1), "active": True},
    )
    moment = scene.rng.uniform(0, STALE_AFTER)
    scene.pass_time(moment)
    scene.world.kill("beat")
    scene.pass_time(scene.rng.uniform(0, 4))
    scene.world.start("beat")
    deadline = time.monotonic() + 60
    while TrainingRun.objects.count() == before and time.monotonic() < deadline:
        scene.pass_time(0.5)
    scene.pass_time(STALE_AFTER)  # time enough to start it twice
    TrainingSchedule.objects.update(active=False)
    assert TrainingRun.objects.count() == before + 1, f"{TrainingRun.objects.count() - before} runs of one schedule"
    return TrainingRun.objects.latest("pk"), moment


def cut_database(scene: Scene) -> tuple[TrainingRun, float]:
    run, moment = scene.run(), scene.moment()
    scene.pass_time(moment)
    for _ in range(scene.rng.randint(1, 4)):
        scene.world.cut_connections()
        scene.pass_time(scene.rng.uniform(0, 1))
    return run, moment


def fill_disk(scene: Scene) -> tuple[TrainingRun, float]:
    run, moment = scene.run(), scene.moment()
    scene.pass_time(moment)
    live = live_version()
    assert live is not None
    bundle = sum(part["bytes"] for part in read_manifest(bundle_folder(live.name))["files"].values())
    filler = scene.world.fill_disk(leave=scene.rng.randint(0, int(1.5 * bundle)))
    try:
        wait_for_end(scene, run)
    finally:
        filler.unlink()
    return run, moment


def stop_broker(scene: Scene) -> tuple[TrainingRun, float]:
    """The broker, and the cache with it, is gone for some seconds and has lost every message."""
    moment = scene.rng.uniform(-0.2, 1) * scene.world.length
    if moment < 0:
        scene.world.kill("broker")
    run = scene.run()
    scene.pass_time(max(moment, 0))
    if moment >= 0:
        scene.world.kill("broker")
    scene.pass_time(scene.rng.uniform(0.5, 6))
    scene.world.start("broker")
    return run, moment


def pause_worker(scene: Scene) -> tuple[TrainingRun, float]:
    """A worker hangs until it is taken for dead, another goes on, and then the first one wakes up."""
    run, moment = scene.run(), scene.moment()
    scene.pass_time(moment)
    scene.world.pause("worker")
    scene.world.start("second worker")
    scene.pass_time(2.2 * STALE_AFTER + scene.rng.uniform(0, 4))
    scene.world.wake("worker")
    wait_for_end(scene, run)
    scene.pass_time(scene.world.length)  # the woken one may do what it likes
    scene.world.kill("second worker")
    return run, moment


FAULTS = {
    "worker": (kill_worker, "kill -9 of the training worker"),
    "beat": (kill_beat, "kill -9 of beat while a schedule falls due"),
    "database": (cut_database, "every database connection cut, 1 to 4 times"),
    "disk": (fill_disk, "disk full, with 0 to 1.5 bundles of room left"),
    "broker": (stop_broker, "broker and cache gone for some seconds, messages lost"),
    "pause": (pause_worker, "a worker hangs, is taken for dead, and wakes up"),
}


# --- the trial --------------------------------------------------------------------------------------------------------


def trial(world: World, fault: str, rng: random.Random) -> Outcome:
    scene, started, unanswered = Scene(world, rng), time.monotonic(), world.unanswered
    wrong: list[str] = []
    try:
        run, moment = FAULTS[fault][0](scene)
    except AssertionError as error:
        return Outcome(fault, 0, "", 0, time.monotonic() - started, 0, [str(error)])
    wait_for_end(scene, run)
    persistently(run.refresh_from_db)
    lost = world.unanswered - unanswered
    wrong += persistently(lambda: untrue(run))
    if not answers_again(scene):
        wrong.append("the live model does not answer")
    following = undisturbed(world)
    if following.state not in (State.PROMOTED, State.REFUSED):
        wrong.append(f"the next run is {following.state}: {following.error or following.phase}")
    wrong += untrue(following)
    prune_bundles(keep=3)
    return Outcome(fault, moment, run.state, run.attempt, time.monotonic() - started, lost, wrong)


def undisturbed(world: World) -> TrainingRun:
    """A run from beginning to end that nobody disturbs."""
    run = queueing.queue_run(parameters=QUICK)
    wait_for_end(Scene(world, random.Random(0)), run)
    run.refresh_from_db()
    if run.finished is not None:
        world.lengths.append((run.finished - run.created).total_seconds())
    return run


def wait_for_end(scene: Scene, run: TrainingRun) -> None:
    deadline = time.monotonic() + ENDS_WITHIN
    while time.monotonic() < deadline:
        scene.world.supervise()
        persistently(run.refresh_from_db)
        if not run.is_active:
            return
        scene.pass_time(0.5)


def answers_again(scene: Scene) -> bool:
    deadline = time.monotonic() + ANSWERS_WITHIN
    while time.monotonic() < deadline:
        if scene.world.ask():
            return True
        time.sleep(0.3)
    return False


def untrue(run: TrainingRun) -> list[str]:
    """What the rows say that is not so, in sentences."""
    wrong = []
    version = ModelVersion.objects.filter(run=run).first()
    if run.is_active:
        wrong.append(f"run {run.pk} is {run.state} for ever")
    if (version is not None) != (run.state in (State.PROMOTED, State.REFUSED)):
        wrong.append(f"run {run.pk} is {run.state} and has {'a' if version else 'no'} version")
    if run.state == State.PROMOTED and version is not None and not version.promotions.exists():
        wrong.append(f"run {run.pk} is promoted and its version never was")
    if run.state == State.FAILED and not run.error:
        wrong.append(f"run {run.pk} failed and does not say why")
    if work_folder(run).exists() and not run.is_active:
        wrong.append(f"run {run.pk} has ended and its work lies there")
    for listed in ModelVersion.objects.filter(pruned=None):
        try:
            read_manifest(bundle_folder(listed.name))
        except BundleError as error:
            wrong.append(f"version {listed.name} is listed: {error}")
    if TrainingRun.objects.filter(state__in=TrainingRun.ACTIVE).exclude(pk=run.pk).exists():
        wrong.append("another run is active")
    return wrong
