"""A function of tensors as a list of its operations: the same bits, without Python's and vmap's part of the work."""

from __future__ import annotations

from collections.abc import Callable
from types import BuiltinFunctionType, MethodDescriptorType
from typing import Any

import torch
from torch._ops import OpOverload
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx

from gan_utils import checks

__all__ = ["listed"]

aten = torch.ops.aten
_RESHAPES = {aten.view.default, aten._unsafe_view.default}
_VIEWS = _RESHAPES | {aten.expand.default, aten.select.int, aten.transpose.int}


def listed(function: Callable, *arguments: Any) -> GraphModule:
    """Return ``function`` as the operations that it does on tensors like these ``arguments``, trees of tensors.

    What comes back is called like the function, with arguments of the same shapes, and gives the same bits sooner: for loops
    of your own round :func:`~gan_utils.gan.step`, as ``fit(compile="replay")`` does it. Numbers that Python works out on the
    way, and the branches it takes, are frozen into the list, so list a function of its arguments alone.

    Raises:
        TypeError: ``function`` is none. Else what the function, or PyTorch as it follows the function, raises.

    Example:
        >>> twice = gu.listed(lambda x: 2 * x, torch.zeros(2))
        >>> twice(torch.tensor([1.0, 2.0]))
        tensor([2., 4.])
    """
    checks.kind("function", function, Callable)
    return _tidied(make_fx(function, tracing_mode="fake", _allow_non_fake_inputs=True)(*arguments))


def _tidied(module: GraphModule) -> GraphModule:
    """Leave out what nobody reads, views that change nothing, and those that there are already; vmap leaves many of each.

    Only views are shared. They name memory and make none, so nothing can come between a view and its double.
    """
    first: dict[str, Node] = {}
    for node in list(module.graph.nodes):
        if node.target not in _VIEWS:
            continue
        source, *how = node.args
        # The stride of a dimension of size 1 depends on the way to it, and on that stride which of its kernels a product takes.
        certain = 1 not in node.meta["val"].shape
        if certain and node.target in _RESHAPES and source.target in _RESHAPES:
            source = source.args[0]
            node.args = (source, *how)
        idle = certain and _layout(node) == _layout(source)
        there = source if idle else first.setdefault(f"{node.target}{node.args}", node)
        if there is not node:
            node.replace_all_uses_with(there)
            module.graph.erase_node(node)
    module.graph.eliminate_dead_code()
    for node in module.graph.nodes:
        node.target = _binding(node.target)
    module.recompile()
    return module


def _binding(target: Any) -> Any:
    """Return PyTorch's own function or method for an operation, which is called in half the time, where it has one."""
    name = target.overloadpacket.__name__ if isinstance(target, OpOverload) and target.namespace == "aten" else ""
    found = (getattr(home, name, None) for home in (torch, torch.Tensor))
    return next((it for it in found if isinstance(it, (BuiltinFunctionType, MethodDescriptorType))), target)


def _layout(node: Node) -> tuple | None:
    value = node.meta.get("val")  # a constant that the list holds has none
    return None if value is None else (value.shape, value.stride())
