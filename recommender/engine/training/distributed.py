"""Several processes that train one model, as `torchrun --nproc-per-node=2 -m recommender.engine train` starts them.

Each reads the same snapshot and takes its share of every batch. The gradients of all are averaged before a step, so
that the step is the one a single process would take, and the weights stay the same everywhere. What is computed once is
computed by the first process: closed forms, validation, ratings, the report, the bundle. Alone, nothing here does
anything.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn

# The others wait while the first fits closed forms or validates; on a large catalog that takes its time.
PATIENCE = timedelta(hours=6)
T = TypeVar("T")


@contextmanager
def joined() -> Iterator[None]:
    """Work together with the processes that torchrun started, for the length of the block."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    # torch imports this when the first optimizer is made, and its functions take the group of that moment as a default.
    # The group, and gloo's threads, would outlive the block, and such a thread may bring the ending interpreter down.
    importlib.import_module("torch.distributed.nn.functional")
    if torch.cuda.is_available():
        torch.cuda.set_device(device())
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


def device() -> torch.device:
    """Where this process computes: on a CUDA device of its own, where there is one."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())


def rank() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_rank_zero() -> bool:
    return rank() == 0


def my_share(of: Sequence[T]) -> Sequence[T]:
    """Every n-th of them, a different one for each of n processes."""
    return of[rank() :: dist.get_world_size()] if dist.is_initialized() else of


def broadcast_from_rank_zero(number: float) -> float:
    """The number that the first process has."""
    if not dist.is_initialized():
        return number
    shared = torch.tensor([number], dtype=torch.float64, device=device())
    dist.broadcast(shared, src=0)
    return shared.item()


def sum_of(number: float) -> float:
    """The sum of the numbers that the processes have."""
    if not dist.is_initialized():
        return number
    shared = torch.tensor([number], dtype=torch.float64, device=device())
    dist.all_reduce(shared)
    return shared.item()


def broadcast_weights(model: nn.Module) -> None:
    """Give every process the weights of the first."""
    if dist.is_initialized():
        for tensor in model.state_dict().values():
            dist.broadcast(tensor, src=0)


def average_gradients(parameters: Sequence[nn.Parameter], weight: int) -> float:
    """Make each gradient the mean over the processes, each counting by its `weight`; gives back the sum of weights.

    A process whose share of a batch was empty has weight 0 and no gradients, and takes part all the same.
    """
    if not dist.is_initialized():
        return weight
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = torch.cat([*(g.flatten() for g in gradients), torch.ones(1, device=device())]) * weight
    dist.all_reduce(flat)
    *sums, total = flat.split([*(p.numel() for p in parameters), 1])
    for parameter, summed in zip(parameters, sums, strict=True):
        parameter.grad = (summed / total.clamp(min=1)).view_as(parameter)
    return total.item()
