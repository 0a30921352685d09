"""What the towers are made of."""

import pytest
import torch

from recommender.engine.model.towers import Dropout


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_dropout_drops_its_share_at_random_and_keeps_the_mean(share: float) -> None:
    torch.manual_seed(0)
    dropout, values = Dropout(share), torch.ones(301, 333, requires_grad=True)
    dropped = dropout(values)
    dropped.sum().backward()
    assert torch.equal(values.grad, dropped.detach())
    dropped = dropped.detach()
    assert (dropped == 0).float().mean() == pytest.approx(share, abs=0.01)
    for of_axis in (0, 1):
        assert ((dropped == 0).float().mean(of_axis) - share).abs().max() < 0.2, "no row or column has more of it"
    assert dropped.mean() == pytest.approx(1, abs=0.01)
    assert not torch.equal(dropout(values), dropped)


def test_nothing_is_dropped_of_a_model_that_serves() -> None:
    values = torch.randn(5, 3)
    assert torch.equal(Dropout(0.5).eval()(values), values)
    assert torch.equal(Dropout(0.0)(values), values)
