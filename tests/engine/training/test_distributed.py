"""Two processes that train one model, as torchrun starts them: the same step, the same quality, one bundle."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from recommender.engine.bundle.manifest import read_manifest
from recommender.engine.bundle.standalone import StandaloneRecommender

ROOT = Path(__file__).resolve().parents[3]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def run(*words, processes=2):
    """How the engine's own Python ends, started by torchrun as two processes or as it is."""
    environment = {"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [*(TORCHRUN if processes == 2 else [sys.executable]), *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


# First a model that draws nothing while it learns: whatever differs is not chance. Batches hold seven people, whom two
# processes cannot share evenly, and one batch holds a single person, so that the second process has nothing to do.
# Then one that would learn for long, and is asked to stop. Processes take longer to start than to do either.
LEARN_AND_STOP = """
import os
import sys
import numpy as np
import torch
from pathlib import Path
from recommender.engine.training import distributed
from recommender.engine.config import TrainConfig
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.splits import split
from recommender.engine.errors import TrainingCancelled
from recommender.engine.data.tables import read_snapshot
from recommender.engine.training.trainer import train_two_tower_model

torch.cpu._is_avx512_bf16_supported = lambda: False  # in full precision what differs is no rounding either
with distributed.joined():
    tables = read_snapshot(Path(sys.argv[1]))
    data = TwoTowerDataset.build(tables, split(tables, "last-out"))
    config = TrainConfig(dim=16, profile_rank=4, rating_dim=4, epochs=3, learning_rate=1e-2, batch_targets=60,
                         dropout=0.0, item_id_dropout=0.0, later=0)
    trained = train_two_tower_model(data, config)
    curve = np.array([[entry["loss"], entry["ndcg_10"]] for entry in trained.curve])
    weights = trained.model.state_dict()
    np.savez(f"{sys.argv[2]}-{distributed.rank()}.npz", start=trained.start, curve=curve,
             trace=weights["items.trace.weight"], gru=weights["users.gru.weight_hh_l0"])
    asked = []
    try:
        train_two_tower_model(data, TrainConfig(dim=16, epochs=1000, patience=1000), on_epoch=asked.append,
                              should_stop=lambda: distributed.is_rank_zero() and len(asked) == 2)
    except TrainingCancelled:
        print(f"process {distributed.rank()} stopped after {len(asked)} epochs")
# A thread of gloo's that is still there when the interpreter ends may abort it.
left = [Path(f"/proc/self/task/{thread}/comm").read_text().strip() for thread in os.listdir("/proc/self/task")]
assert not [name for name in left if "gloo" in name], left
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("distributed") / "script.py"
    path.write_text(LEARN_AND_STOP)
    return path


@pytest.fixture(scope="module")
def two(snapshot, script):
    """How two processes ended; what they learned lies beside the script."""
    return run(script, snapshot, script.parent / "two")


def test_two_processes_take_the_steps_of_one(snapshot, script, two):
    run(script, snapshot, script.parent / "one", processes=1)
    one, first, second = (np.load(script.parent / f"{name}.npz") for name in ("one-0", "two-0", "two-1"))
    assert one["start"] == first["start"] == second["start"]
    np.testing.assert_array_equal(first["curve"], second["curve"])
    np.testing.assert_allclose(first["curve"], one["curve"], rtol=0.01)
    for name in ("trace", "gru"):
        np.testing.assert_array_equal(first[name], second[name])
        np.testing.assert_allclose(first[name], one[name], atol=1e-4)


def test_the_command_line_makes_one_good_bundle(snapshot, tmp_path):
    words = ("-m", "recommender.engine", "train", "--data", snapshot, "--epochs", "2", "--json", "--tune", "2")
    done = run(*words, "--out", tmp_path / "out" / "b", "--work", tmp_path / "work")
    report = json.loads(done.stdout)  # and nothing else: the other process is silent
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b"]
    assert read_manifest(tmp_path / "out" / "b")["fingerprint"] == report["fingerprint"]
    assert len(report["study"]) == 2
    assert report["paired"]["popularity"]["low"] > 0
    assert len(StandaloneRecommender.from_bundle(tmp_path / "out" / "b").recommend_for_user("u3", top_k=5)) == 5


def test_when_one_is_asked_to_stop_all_stop(two):
    for rank in (0, 1):  # their lines may run into each other
        assert f"process {rank} stopped after 2 epochs" in two.stdout
