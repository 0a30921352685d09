"""Writes what a bundle holds: towers as ONNX and safetensors, item vectors, encoders, the assets of the standalone."""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file

from recommender.engine.config import TrainConfig
from recommender.engine.dataset import TwoTowerDataset
from recommender.engine.errors import BundleError
from recommender.engine.inputs import UserInputs, Vectors
from recommender.engine.towers import TwoTowerHybrid

LISTS, RATINGS = ("history", "trace", "bucket", "gap"), ("factors", "rating")
USER_INPUTS = (*LISTS, "length", *RATINGS, "read", "known", "ids", "numbers")


def save_model(model: TwoTowerHybrid, data: TwoTowerDataset, folder: Path) -> None:
    """What a StandaloneRecommender opens: `model`, `artifacts.json` and `assets`, in a folder that may be there."""
    folder = Path(folder)
    save_towers(model, data, folder / "model")
    save_artifacts(data, model, folder / "artifacts.json")
    save_assets(data, folder / "assets")


def save_towers(model: TwoTowerHybrid, data: TwoTowerDataset, folder: Path) -> None:
    """Both towers, the weights and the vectors of every known item, then a check that ONNX answers as torch does."""
    folder.mkdir(parents=True)
    model = model.cpu().eval()
    items = Vectors(*(part.numpy() for part in model.item_vectors(torch.from_numpy(data.item_features))))
    for name in ("rank", "rate", "trace"):
        np.save(folder / f"item_{name}.npy", getattr(items, name))
    save_file({n: t.contiguous() for n, t in model.state_dict().items()}, folder / "weights.safetensors")
    example = _example(data, items, model.config)
    shapes = {name: {0: "people"} for name in USER_INPUTS}
    for names, length in ((LISTS, "length"), (RATINGS, "read")):
        shapes |= {name: {0: "people", 1: length} for name in names}
    _export(model.users, example, shapes, ["rank", "rate"], folder / "user_tower.onnx")
    item_example = (torch.tensor([0, -1]), torch.from_numpy(data.item_features[[0, 0]]))
    item_shapes = {"row": {0: "items"}, "features": {0: "items"}}
    _export(model.items, item_example, item_shapes, ["rank", "rate", "trace"], folder / "item_tower.onnx")
    _check(model.users, example, list(USER_INPUTS), folder / "user_tower.onnx")
    _check(model.items, item_example, ["row", "features"], folder / "item_tower.onnx")


def _example(data: TwoTowerDataset, items: Vectors, config: TrainConfig) -> tuple[torch.Tensor, ...]:
    """Three made-up people with histories of 2, 1 and no purchases, to trace and to check the tower with."""
    some = np.arange(2) % data.n_items
    none = np.zeros(0)
    histories = [
        (some, np.array([0.0, 7e6]), np.array([4.0, np.nan])),
        (some[:1], np.zeros(1), np.array([2.0])),
        (none.astype(np.int64), none, none),
    ]
    ids = np.tile(data.bare_ids[:1], (3, 1))
    numbers = np.tile(data.bare_numbers[:1], (3, 1))
    inputs = UserInputs.of(histories, np.array([2.0, 1.0, 0.0]), ids, numbers, config.max_history)
    feed = inputs.feed(items, config.max_history)
    return tuple(torch.from_numpy(np.ascontiguousarray(feed[n])) for n in USER_INPUTS)


def _export(
    module: torch.nn.Module,
    example: tuple[torch.Tensor, ...],
    inputs: dict[str, dict[int, str]],
    outputs: list[str],
    path: Path,
) -> None:
    """inputs : the sizes that may vary, by name. The outputs vary in their first, as the last input does."""
    varying = next(reversed(inputs.values()))
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            example,
            path,
            input_names=list(inputs),
            output_names=outputs,
            dynamic_axes=inputs | dict.fromkeys(outputs, varying),
            dynamo=False,  # keeps the GRU one operator; the newer exporter takes ten times as long for the same graph
        )


def _check(module: torch.nn.Module, example: tuple[torch.Tensor, ...], names: list[str], path: Path) -> None:
    import onnxruntime as ort

    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    wanted = {i.name for i in session.get_inputs()}
    for n in (
        len(example[0]),
        1,
    ):  # another number than was traced, too: tracing bakes in what is not written with care
        part = tuple(t[:n] for t in example)
        feed = {name: t.numpy() for name, t in zip(names, part, strict=True) if name in wanted}
        with torch.no_grad():
            expected = module(*part)
        for ours, theirs in zip(session.run(None, feed), expected, strict=True):
            if ours.shape != theirs.shape or not np.allclose(ours, theirs.numpy(), atol=1e-4):
                raise BundleError(f"{path.name} does not answer as the trained tower does; nothing was saved.")


def save_artifacts(data: TwoTowerDataset, model: TwoTowerHybrid, path: Path) -> None:
    """How a person becomes numbers, and whose vector each row of the item vectors is, as JSON."""
    saved = {
        "encoders": data.encoders.to_dict(),
        "max_history": model.config.max_history,
        "reads": model.reads,
        "items": data.tables.item_keys.tolist(),
    }
    path.write_text(json.dumps(saved) + "\n", encoding="utf-8")


def save_assets(data: TwoTowerDataset, folder: Path) -> None:
    """Items with their features, people as they stand after their last purchase, and every history."""
    folder.mkdir(parents=True)
    tables = data.tables
    items = {"item": pa.array(tables.item_keys.tolist(), pa.string())}
    items |= {f: pa.array(tables.items[f].tolist(), pa.string()) for f in tables.schema.item_categorical}
    items["purchases"] = pa.array(np.bincount(tables.item, minlength=data.n_items).astype(np.int64))
    items["available"] = pa.array(tables.available)
    pq.write_table(pa.table(items), folder / "items.parquet")
    users = {"user": pa.array(tables.user_keys.tolist(), pa.string())}
    users |= {name: pa.array(column.tolist()) for name, column in data.user_columns_now().items()}
    pq.write_table(pa.table(users), folder / "users.parquet")
    np.save(folder / "history_first_row.npy", data.first_row)
    np.save(folder / "history_item.npy", data.item)
    np.save(folder / "history_time.npy", data.time)
    np.save(folder / "history_rating.npy", data.rating)
    np.save(folder / "history_role.npy", data.role)
