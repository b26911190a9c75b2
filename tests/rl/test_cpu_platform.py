"""veRL's platform without a GPU."""

import pytest
import torch

from storm_calm.rl.verl_cpu.cpu_platform import log_probabilities

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("given", "computed"),
    [(torch.float64, torch.float64), (torch.float32, torch.float32), (torch.bfloat16, torch.float32)],
)
def test_log_probabilities_and_their_gradients_are_those_of_a_softmax(given, computed):
    torch.manual_seed(0)
    logits = torch.randn(2, 5, 50_000, dtype=given, requires_grad=True)
    labels = torch.randint(50_000, (2, 5))
    expected = logits.to(computed).log_softmax(-1).gather(-1, labels[..., None])[..., 0]
    found = log_probabilities(logits, labels)
    assert found.dtype == computed
    torch.testing.assert_close(found, expected)
    weights = torch.rand(2, 5, dtype=computed)
    gradients = [torch.autograd.grad((one * weights).sum(), logits)[0] for one in (expected, found)]
    torch.testing.assert_close(gradients[1], gradients[0])
