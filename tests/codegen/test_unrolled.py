"""A recurrent layer is exported without walking through it, and nothing but the time it takes is another."""

import re
import time
import warnings

import pytest
import torch
from torch import nn
from torch._decomp import decomposition_table
from tsad_edge.codegen.unrolled import RULES, never_unrolled


class Last(nn.Module):
    """The last state of a recurrent layer, summed."""

    def __init__(self, kind: str, **options: object) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.layer = getattr(nn, kind)(3, 5, batch_first=True, **options)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        states, *_ = self.layer(window)
        return states.flatten(1).sum(1) + states[:, -1].sum(1)  # flatten is a view or a copy, by what memory it meets


def exported(module: nn.Module, steps: int) -> torch.export.ExportedProgram:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batch = ({0: torch.export.Dim("B")},)
        return torch.export.export(module.eval(), (torch.zeros(3, steps, 3),), dynamic_shapes=batch).run_decompositions(
            {}
        )


@pytest.mark.parametrize("options", [{}, {"num_layers": 2}, {"bidirectional": True}, {"bias": False}])
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_the_same_program_comes_out(kind: str, options: dict[str, object]) -> None:
    module = Last(kind, **options)
    slow = exported(module, 4)
    with never_unrolled():
        fast = exported(module, 4)

    def listing(program: torch.export.ExportedProgram) -> str:
        shapes = [getattr(node.meta.get("val"), "shape", None) for node in program.graph.nodes]
        return re.sub(r"sym_size_int_\d+|s\d+", "n", f"{program.graph}\n{shapes}")

    assert listing(fast) == listing(slow)
    window = torch.randn(6, 4, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert torch.equal(fast.module(check_guards=False)(window), module(window))


def test_it_takes_as_long_for_a_long_window() -> None:
    """By steps walked through it would be 100 times as long."""
    took = {}
    with never_unrolled():
        for steps in (4, 4, 400):  # the first time torch warms up
            start = time.perf_counter()
            exported(Last("LSTM"), steps)
            took[steps] = time.perf_counter() - start
    assert took[400] < 10 * took[4]


def test_torch_is_as_it_was() -> None:
    before = {operator: (dict(operator.py_kernels), decomposition_table[operator]) for operator in RULES}
    with pytest.raises(RuntimeError, match="inside"), never_unrolled():
        raise RuntimeError("inside")
    assert before == {operator: (dict(operator.py_kernels), decomposition_table[operator]) for operator in RULES}
