"""Writes what a bundle holds: towers as ONNX and safetensors, item vectors, encoders, the assets of the standalone."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file
from torch import Tensor

from recommender.engine.bundle.neighbours import CONTENT, QUESTIONS
from recommender.engine.bundle.repeats import REPEATS, Repeats
from recommender.engine.config import TrainConfig
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.inputs import ANSWER, EVENTS, UserInputs, Vectors
from recommender.engine.errors import BundleError
from recommender.engine.model.towers import TwoTowerHybrid, UserTower
from recommender.engine.training.questions import learn_questions

Tensors = dict[str, Tensor]
OF_PURCHASES = (*EVENTS, "trace", "moment", "states")


def save_model(model: TwoTowerHybrid, data: TwoTowerDataset, folder: Path, repeats: Repeats | None = None) -> None:
    """What a StandaloneRecommender opens: `model`, `artifacts.json` and `assets`, in a folder that may be there."""
    folder = Path(folder)
    save_towers(model, data, folder / "model", repeats)
    save_artifacts(data, model, folder / "artifacts.json")
    save_assets(data, folder / "assets")
    rank, width = np.load(folder / "model" / "item_rank.npy"), model.sizes.width
    if model.sizes.item_content:
        np.save(folder / "model" / CONTENT, data.item_content)
    np.save(folder / "model" / QUESTIONS, learn_questions(rank, width, data.first_row, data.item))


class _UserTowerPart(torch.nn.Module):
    """One method of the user tower, as a module that can be exported."""

    def __init__(self, users: UserTower, method: str):
        super().__init__()
        self.users, self.method = users, method

    def forward(self, *inputs: Tensor) -> Tensor:
        return getattr(self.users, self.method)(*inputs)


def save_towers(model: TwoTowerHybrid, data: TwoTowerDataset, folder: Path, repeats: Repeats | None = None) -> None:
    """Both towers, the weights, the vectors of every known item and what people come back to, then a check that ONNX
    answers as torch does."""
    folder.mkdir(parents=True)
    if repeats is not None:
        repeats.save(folder / REPEATS)
    model = model.cpu().eval()
    items = Vectors(*(part.numpy() for part in model.item_vectors(torch.from_numpy(data.item_features))))
    for name in ("rank", "rate", "trace"):
        np.save(folder / f"item_{name}.npy", getattr(items, name))
    save_file({n: t.contiguous() for n, t in model.state_dict().items()}, folder / "weights.safetensors")
    model.users.rater().save(folder / "rater.npz")
    person = _example(data, items, model.config)
    state = torch.zeros(len(person["length"]), model.config.dim)
    history = {name: person[name] for name in EVENTS} | {"before": state}
    answer = {"state": state} | {name: person[name] for name in ANSWER}
    item = {"row": torch.tensor([0, -1]), "features": torch.from_numpy(data.item_features[[0, 0]])}
    if model.sizes.item_content:
        item["content"] = torch.from_numpy(data.item_content[[0, 0]])
    _export(_UserTowerPart(model.users, "states").eval(), history, ["states"], folder / "history.onnx")
    _export(_UserTowerPart(model.users, "answer").eval(), answer, ["rank"], folder / "user_tower.onnx")
    _export(model.items, item, ["rank", "rate", "trace"], folder / "item_tower.onnx")
    _check(model, history, answer, person, item, folder)


def _example(data: TwoTowerDataset, items: Vectors, config: TrainConfig) -> Tensors:
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
    feed = inputs.latest(config.max_history).feed(items)
    return {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in feed.items()}


def _export(module: torch.nn.Module, example: Tensors, outputs: list[str], path: Path) -> None:
    """How many people or items may vary, and of what is read of each purchase, how many there are."""
    varying = {name: {0: "n", 1: "purchases"} if name in OF_PURCHASES else {0: "n"} for name in [*example, *outputs]}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            tuple(example.values()),
            path,
            input_names=list(example),
            output_names=outputs,
            dynamic_axes=varying,
            dynamo=False,  # keeps the GRU one operator; the newer exporter takes ten times as long for the same graph
        )


@torch.no_grad()
def _check(
    model: TwoTowerHybrid, history: Tensors, answer: Tensors, person: Tensors, item: Tensors, folder: Path
) -> None:
    # Another number than was traced, too: tracing bakes in what is not written with care.
    for n in (len(person["length"]), 1):
        (states,) = _run(folder / "history.onnx", history, n)
        last = states[np.arange(n), (person["length"][:n].numpy() - 1).clip(min=0)]
        (rank,) = _run(folder / "user_tower.onnx", answer | {"state": torch.from_numpy(last)}, n)
        expected = model.users(**{name: values[:n] for name, values in person.items()})
        _compare([rank], [expected], folder / "user_tower.onnx")
        placed = model.items(**{name: values[:n] for name, values in item.items()})
        _compare(_run(folder / "item_tower.onnx", item, n), placed, folder / "item_tower.onnx")


def _run(path: Path, example: Tensors, n: int) -> list[np.ndarray]:
    import onnxruntime as ort

    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {i.name: example[i.name][:n].numpy() for i in session.get_inputs()})


def _compare(found: Sequence[np.ndarray], expected: Sequence[Tensor], path: Path) -> None:
    for ours, theirs in zip(found, expected, strict=True):
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
    data.encoders.content.save_components(path)


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
