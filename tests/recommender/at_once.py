"""Things that several processes do at the same moment, each over a connection of its own.

`python -m tests.recommender.at_once` does them in the database of DATABASE_URL and prints what came of it, as JSON: the
SQLite database of the tests lies in the memory of one process, and takes one connection.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import django

STARTS, ROUNDS = 6, 5


def outcomes(deed: Callable[[int], None], times: int = STARTS) -> list[str]:
    """What became of a deed done so many times at once: "done", or the name of its error."""
    from django.db import connections

    gate, found = threading.Barrier(times), [""] * times

    def do(number: int) -> None:
        try:
            gate.wait(10)
            deed(number)
            found[number] = "done"
        except Exception as error:  # noqa: BLE001 (it is what is told)
            found[number] = type(error).__name__
        finally:
            connections.close_all()

    threads = [threading.Thread(target=do, args=(number,)) for number in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def start_runs() -> dict[str, object]:
    """STARTS starts at once, ROUNDS times; after each round the run that started ends."""
    from recommender.models import TrainingRun
    from recommender.training import runs

    told: list[str] = []
    active = []
    for _ in range(ROUNDS):
        told += outcomes(lambda number: runs.start_run(parameters={}) and None)
        active.append(TrainingRun.objects.active().count())
        for run in TrainingRun.objects.active():
            runs.cancel_run(run=run)
    return {"told": Counter(told), "active": active}


def start_experiments() -> dict[str, object]:
    """STARTS planned experiments, each started by another process at once."""
    from recommender import experiments
    from recommender.models import Experiment

    arms = [{"diversity": 0.0}, {"diversity": 0.5}]
    planned = [experiments.plan_experiment(name=f"Try {n}", arms=arms) for n in range(STARTS)]
    told = outcomes(lambda number: experiments.start_experiment(experiment=planned[number]) and None)
    return {"told": Counter(told), "running": Experiment.objects.filter(state="running").count()}


DEEDS = {"start_runs": start_runs, "start_experiments": start_experiments}


def did(deed: str, own_database: Path) -> dict[str, object]:
    """What came of a deed in the test's database, or in an SQLite file where that takes one connection."""
    from django.db import connection

    if connection.vendor != "sqlite":
        return DEEDS[deed]()
    here = {"DATABASE_URL": f"sqlite:///{own_database}", "VAR_DIR": str(own_database.parent), "DEBUG": "1"}
    command = [sys.executable, "-m", "tests.recommender.at_once", deed]
    ran = subprocess.run(command, env={**os.environ, **here}, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recsite.settings")
    django.setup()
    print(json.dumps(DEEDS[sys.argv[1]]()))
