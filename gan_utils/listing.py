"""A function of tensors as a list of its operations: the same bits, without Python's and vmap's part of the work."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Sequence
from types import BuiltinFunctionType, MethodDescriptorType
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.fx import Graph, GraphModule, Node
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only, tree_unflatten
from torch.utils.weak import WeakTensorKeyDictionary

from gan_utils import checks

__all__ = ["listed"]

aten = torch.ops.aten
_RESHAPES = {aten.view.default, aten._unsafe_view.default}
_IDLE = {aten.detach.default, aten.alias.default}
_VIEWS = _RESHAPES | _IDLE | {aten.expand.default, aten.select.int, aten.transpose.int}


def listed(function: Callable, *arguments: Any) -> Callable:
    """Return ``function`` as the operations that it does on tensors like these ``arguments``, trees of tensors.

    What comes back is called like the function, with arguments of the same shapes (ValueError for trees of another form; the
    order of a dict's keys does not matter), and gives the same bits sooner: for loops of your own round
    :func:`~gan_utils.gan.step`, as ``fit(compile="replay")`` does it. The function is called once, on copies.
    Numbers that Python works out on the way, and tensors from elsewhere, are frozen into the list.

    Raises:
        TypeError: ``function`` is none.
        ValueError: it asks for the numbers in a tensor, to branch on them, or to leave some out. Else what it raises itself.

    Example:
        >>> twice = gu.listed(lambda x: 2 * x, torch.zeros(2))
        >>> twice(torch.tensor([1.0, 2.0]))
        tensor([2., 4.])
    """
    arguments = tree_map_only(Tensor, lambda t: copy.deepcopy(t.detach()), arguments)
    leaves, taken = tree_flatten(arguments)
    with _Recorder(leaves) as recorder:
        made, form = tree_flatten(checks.kind("function", function, Callable)(*arguments))
    recorder.graph.output([recorder.node(x) if isinstance(x, Tensor) else x for x in made])
    _tidy(recorder.graph)
    forward = GraphModule(recorder.home, recorder.graph).forward
    return lambda *given: tree_unflatten(forward(*taken.flatten_up_to(given)), form)


class _Recorder(TorchDispatchMode):
    """Writes down every operation, and which tensors went in and came out. (FX's tracer takes seven to ten times as long.)"""

    def __init__(self, given: Sequence[Any]) -> None:
        super().__init__()
        self.graph, self.home, self.nodes = Graph(), torch.nn.Module(), WeakTensorKeyDictionary()
        for i, leaf in enumerate(given):
            self._note(leaf, self.graph.placeholder(f"given_{i}"))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        places = func is aten.index.Tensor and all(at is None or at.dtype != torch.bool for at in args[1])
        if {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape} & {*func.tags} and not places:
            raise ValueError(f"function must not depend on the numbers in a tensor; {func} asks for them.")
        out = func(*args, **(kwargs or {}))
        self._note(out, self.graph.call_function(func, *tree_map_only(Tensor, self.node, (args, kwargs or {}))))
        return out

    def _note(self, value: Any, node: Node) -> None:
        if isinstance(value, Tensor):
            node.meta["layout"] = value.shape, value.stride()
            self.nodes[value] = node
        for i, part in enumerate(value if isinstance(value, (tuple, list)) else ()):
            self._note(part, self.graph.call_function(operator.getitem, (node, i)))

    def node(self, tensor: Tensor) -> Node:
        if tensor not in self.nodes:  # from elsewhere: a constant
            name = f"constant_{len(self.home._buffers)}"
            self.home.register_buffer(name, tensor)
            self._note(tensor, self.graph.get_attr(name))
        return self.nodes[tensor]


def _tidy(graph: Graph) -> None:
    """Leave out what nobody reads, views that change nothing, and those that there are already; vmap leaves many of each.

    Only views are shared. They name memory and make none, so nothing can come between a view and its double.
    """
    first: dict[str, Node] = {}
    for node in list(graph.nodes):
        if node.target not in _VIEWS:
            continue
        source, *how = node.args
        # The stride of a dimension of size 1 depends on the way to it, and on that stride which of its kernels a product takes.
        certain = 1 not in node.meta["layout"][0]
        if certain and node.target in _RESHAPES and source.target in _RESHAPES:
            source = source.args[0]
            node.args = (source, *how)
        idle = node.target in _IDLE or (certain and node.meta["layout"] == source.meta["layout"])
        there = source if idle else first.setdefault(f"{node.target}{node.args}", node)
        if there is not node:
            node.replace_all_uses_with(there)
            graph.erase_node(node)
    graph.eliminate_dead_code()
    for node in graph.nodes:
        node.target = _binding(node.target)


def _binding(target: Any) -> Any:
    """Return PyTorch's own function or method for an operation, which is called in half the time, where it has one."""
    name = target.overloadpacket.__name__ if isinstance(target, OpOverload) and target.namespace == "aten" else ""
    found = (getattr(home, name, None) for home in (torch, torch.Tensor))
    return next((it for it in found if isinstance(it, (BuiltinFunctionType, MethodDescriptorType))), target)
