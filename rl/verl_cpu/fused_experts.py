"""Join the weights of experts, which veRL sends one by one, into the parameters of transformers' models.

veRL splits them for vLLM (`verl.workers.engine.fsdp.utils.unfuse_moe_params`). A mixture of experts in transformers has
one parameter for all experts of a layer.
"""

import re

import torch

_EXPERT = re.compile(r"(?P<layer>.+\.mlp\.experts)\.(?P<number>\d+)\.(?P<part>gate_proj|up_proj|down_proj)\.weight")


def fuse_experts(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the weights with `experts.gate_up_proj` and `experts.down_proj` for each layer with experts.

    Shapes: (experts, 2 * intermediate, hidden) and (experts, hidden, intermediate).
    """
    fused: dict[str, torch.Tensor] = {}
    layers: dict[str, dict[tuple[int, str], torch.Tensor]] = {}
    for name, tensor in weights.items():
        found = _EXPERT.fullmatch(name)
        if found is None:
            fused[name] = tensor
        else:
            layers.setdefault(found["layer"], {})[int(found["number"]), found["part"]] = tensor
    for layer, parts in layers.items():
        numbers = sorted({number for number, _ in parts})
        both = [torch.cat([parts[number, "gate_proj"], parts[number, "up_proj"]]) for number in numbers]
        fused[f"{layer}.gate_up_proj"] = torch.stack(both)
        fused[f"{layer}.down_proj"] = torch.stack([parts[number, "down_proj"] for number in numbers])
    return fused
