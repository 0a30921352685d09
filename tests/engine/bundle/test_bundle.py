import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from recommender.engine.bundle.inference import Inference
from recommender.engine.bundle.manifest import read_manifest
from recommender.engine.bundle.standalone import StandaloneRecommender
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.inputs import UserInputs
from recommender.engine.data.tables import read_snapshot
from recommender.engine.errors import BundleError


@pytest.fixture
def copy(bundle, tmp_path):
    return shutil.copytree(bundle, tmp_path / "copy")


def edit_manifest(bundle, **changes):
    path = bundle / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_manifest_says_what_the_bundle_is_and_how_good(bundle, snapshot):
    manifest = read_manifest(bundle)
    assert manifest["fingerprint"] == read_snapshot(snapshot).fingerprint()
    assert manifest["metrics"] == json.loads((bundle / "report.json").read_text())["models"][0]
    on_disk = {str(p.relative_to(bundle)) for p in bundle.rglob("*") if p.is_file()}
    assert set(manifest["files"]) == on_disk - {"manifest.json"}
    item_tower = bundle / "model" / "item_tower.onnx"
    assert manifest["files"]["model/item_tower.onnx"]["bytes"] == item_tower.stat().st_size


def test_workers_share_the_item_matrix_by_mapping_it(bundle):
    items = Inference.open(bundle).items
    for matrix in (items.rank, items.rate, items.trace):
        assert isinstance(matrix.base, np.memmap)
        assert matrix.dtype == np.float32
        assert not matrix.flags.writeable


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (lambda b: (b / "manifest.json").unlink(), "has no manifest.json"),
        (lambda b: (b / "model" / "item_rank.npy").unlink(), "item_rank.npy is missing"),
        (lambda b: (b / "artifacts.json").write_text("{}"), "altered or truncated"),
        (lambda b: (b / "model" / "item_rank.npy").write_bytes(b""), "item_rank.npy does not match"),
        (lambda b: edit_manifest(b, format=99), "format 99, .*: a newer version wrote it; upgrade"),
        (lambda b: edit_manifest(b, format=2), "format 2, .*: train again"),
        (lambda b: edit_manifest(b, format=None), "is not the manifest of a bundle"),
        (lambda b: edit_manifest(b, files=["model"]), "does not list the files"),
        (lambda b: edit_manifest(b, files={"artifacts.json": "?"}), "artifacts.json does not match"),
        (lambda b: (b / "manifest.json").write_text("[]"), "is not the manifest of a bundle"),
        (lambda b: (b / "manifest.json").write_text("{"), "cannot be read"),
    ],
)
def test_a_damaged_bundle_is_refused_with_a_sentence(copy, break_it, sentence):
    break_it(copy)
    with pytest.raises(BundleError, match=sentence):
        Inference.open(copy)


def test_a_single_flipped_byte_is_noticed(copy):
    file = copy / "model" / "item_rank.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(BundleError, match="altered"):
        read_manifest(copy)


def test_onnx_and_torch_answer_alike(snapshot, bundle):
    import torch
    from safetensors.torch import load_file

    from recommender.engine.config import TrainConfig
    from recommender.engine.evaluation.metrics import case_inputs
    from recommender.engine.model.scorer import TorchScorer
    from recommender.engine.model.towers import TowerSizes, TwoTowerHybrid

    data = TwoTowerDataset.build(read_snapshot(snapshot), encoders=Inference.open(bundle).encoders)
    config = TrainConfig.from_dict(read_manifest(bundle)["settings"])
    weights = load_file(bundle / "model" / "weights.safetensors")
    model = TwoTowerHybrid(TowerSizes.of(data, weights["items.trace.weight"].shape[1]), config)
    model.load_state_dict(weights)
    with torch.no_grad():
        scorer = TorchScorer(model, data)
        many = np.arange(150)  # more than a list is made from, fewer than ratings are read
        faithful = [(many % data.n_items, 3600.0 * many, many % 5 + 1.0)]
        for inputs in (
            case_inputs(data, data.cases(0), scorer.max_history),
            UserInputs.of(faithful, np.array([150.0]), data.bare_ids[:1], data.bare_numbers[:1], scorer.max_history),
        ):
            theirs, ours = scorer.users(inputs), Inference.open(bundle).run_users(inputs)
            np.testing.assert_allclose(ours.rank, theirs.rank, atol=1e-4)
            np.testing.assert_allclose(ours.rate, theirs.rate, atol=1e-4)


def test_serving_imports_neither_torch_nor_django(bundle):
    code = (
        "import sys; from recommender.engine import StandaloneRecommender\n"
        f"r = StandaloneRecommender.from_bundle({str(bundle)!r})\n"
        "assert len(r.recommend_for_user('u1')) == 5\n"
        "assert not {'torch', 'django', 'scipy', 'sklearn'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_onnxruntime_tells_nobody_what_is_served(bundle, tmp_path):
    """Its telemetry has a thread and keeps what it will send, under a name of this device, in the home directory."""
    code = (
        "import os; from recommender.engine import StandaloneRecommender\n"
        f"r = StandaloneRecommender.from_bundle({str(bundle)!r})\n"
        "assert len(r.recommend_for_user('u1')) == 5\n"
        "print(os.listdir(os.environ['HOME']))\n"
    )
    home = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}  # and no CI, where it is silent anyway
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=home)
    assert done.stdout == "[]\n", done.stdout + done.stderr


def test_column_lists_are_checked_against_the_artifacts(bundle):
    with pytest.raises(BundleError, match=r"user_cat_cols is .*'colour'"):
        StandaloneRecommender.from_bundle(bundle, user_cat_cols=["colour"])
    StandaloneRecommender.from_bundle(bundle, user_cat_cols=["gender"], user_num_cols=["age"], item_cat_cols=["kind"])
