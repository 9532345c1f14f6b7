"""A function as a list of its operations: what it gives is what the function gives, bit for bit, with less to do."""

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.fx.experimental.proxy_tensor import make_fx

from gan_utils.listing import listed


def operations(module):
    return [node.target for node in module.graph.nodes if node.op == "call_function"]


def ensemble_gradient(net):
    def loss(params, x):
        return functional_call(net, params, (x,)).square().mean()

    params = {name: torch.stack([p.detach(), p.detach() + 0.1]) for name, p in net.named_parameters()}
    return vmap(grad(loss)), params


def test_the_list_gives_the_same_bits_with_fewer_operations():
    torch.manual_seed(0)
    function, params = ensemble_gradient(nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 4), nn.Linear(4, 1)))
    x = torch.randn(2, 16, 3)
    module, raw = listed(function, params, x), make_fx(function)(params, x)
    for given in (x, torch.randn(2, 16, 3)):
        found, wanted = module(params, given), function(params, given)
        assert all(torch.equal(found[name], wanted[name]) for name in params)
    assert len(operations(module)) < 0.75 * len(operations(raw))


def in_place_beside_views(x):
    y = x.clone()
    one, other = y.view(-1), y.view(-1)
    one.add_(1)
    other.mul_(y.view(3, 4).view(4, 3).view(12))
    return y, other.view(2, 6).view(2, 6), y.expand(4, 3)


def two_copies(x):
    one, other = x.clone(), x.clone()
    one.mul_(2)
    return one, other, x.view(4, 3)


def views_of_many_kinds(x):
    turned = x.transpose(0, 1)
    again = x.transpose(0, 1) + turned.transpose(0, 1).T
    return (
        again,
        x[1] + x[1] * x[2],
        x.unsqueeze(0).expand(1, 4, 3),
        x.sum(1, keepdim=True).expand(4, 3).contiguous().view(12),
    )


def square_turned(x):
    square = x @ (x + 1).T
    return square.transpose(0, 1), square.T - square


def thin(x):
    row = x[:, :1].T
    return row.view(1, 4), row.view(4).view(1, 4), x.unsqueeze(1).view(4, 3).view(4, 1, 3).transpose(0, 1)


TALL = torch.arange(12.0).sin().view(4, 3)
CASES = [(f, TALL) for f in (in_place_beside_views, two_copies, views_of_many_kinds, square_turned, thin)]


@pytest.mark.parametrize("function, x", [*CASES, (views_of_many_kinds, TALL.view(3, 4).T), (square_turned, TALL.T)])
def test_shared_views_and_changes_in_place_do_not_get_in_each_others_way(function, x):
    found, wanted = listed(function, x)(x.clone()), function(x.clone())
    assert all(torch.equal(a, b) and a.stride() == b.stride() for a, b in zip(found, wanted, strict=True))


def test_what_nobody_reads_is_left_out():
    def function(x):
        (x @ x.T).softmax(0)
        return x + 1

    assert len(operations(listed(function, torch.zeros(3, 2)))) == 1


def test_a_view_of_a_view_is_one_view():
    module = listed(lambda x: x.view(12).view(3, 4).view(2, 6) + 1, torch.zeros(4, 3))
    assert operations(module) == [torch.Tensor.view, torch.add]
