"""A function as a list of its operations: what it gives is what the function gives, bit for bit, with less to do."""

import copy

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.utils._python_dispatch import TorchDispatchMode

from gan_utils.listing import listed


class Operations(TorchDispatchMode):
    """Notes the name of every operation that is done."""

    def __init__(self):
        super().__init__()
        self.done = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.done.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def operations(function, *arguments):
    with Operations() as noted:
        function(*arguments)
    return noted.done


def ensemble_gradient(net):
    def loss(params, x):
        return functional_call(net, params, (x,)).square().mean()

    params = {name: torch.stack([p.detach(), p.detach() + 0.1]) for name, p in net.named_parameters()}
    return vmap(grad(loss)), params


def test_the_list_gives_the_same_bits_with_fewer_operations():
    torch.manual_seed(0)
    function, params = ensemble_gradient(nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 4), nn.Linear(4, 1)))
    x = torch.randn(2, 16, 3)
    replay = listed(function, params, x)
    for given in (x, torch.randn(2, 16, 3)):
        found, wanted = replay(params, given), function(params, given)
        assert all(torch.equal(found[name], wanted[name]) for name in params)
    assert len(operations(replay, params, x)) < 0.75 * len(operations(function, params, x))


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


def several_at_once(x):
    values, places = x.topk(2)
    low, high = x.chunk(2)
    return values, x.flatten()[places], torch.cat([high, low]), x.detach() * 2, (x > 0).any()


TALL = torch.arange(12.0).sin().view(4, 3)
CASES = [
    (f, TALL) for f in (in_place_beside_views, two_copies, views_of_many_kinds, square_turned, thin, several_at_once)
]


@pytest.mark.parametrize("function, x", [*CASES, (views_of_many_kinds, TALL.view(3, 4).T), (square_turned, TALL.T)])
def test_shared_views_and_changes_in_place_do_not_get_in_each_others_way(function, x):
    replay = listed(function, x)
    for given in (x, x.roll(1, 0).cos() if x.is_contiguous() else x):
        found, wanted = replay(given.clone()), function(given.clone())
        assert all(torch.equal(a, b) and a.stride() == b.stride() for a, b in zip(found, wanted, strict=True))


def test_what_nobody_reads_is_left_out():
    def function(x):
        (x @ x.T).softmax(0)
        return x + 1

    x = torch.zeros(3, 2)
    assert operations(listed(function, x), x) == ["add"]


def test_a_view_of_a_view_is_one_view():
    x = torch.zeros(4, 3)
    assert operations(listed(lambda x: x.view(12).view(3, 4).view(2, 6) + 1, x), x) == ["view", "add"]


def test_listing_changes_no_argument_and_the_list_changes_what_the_function_does():
    def onward(state, by):
        state["x"].add_(by)
        return {"sum": state["x"].sum(), "name": "x"}

    wide = torch.arange(12.0).view(3, 4)
    state = {"x": wide[:, 1:3]}  # part of a larger tensor, whose rest must stay as it is
    before = copy.deepcopy(wide)
    replay = listed(onward, state, torch.ones(()))
    assert torch.equal(wide, before)
    assert replay(state, torch.tensor(10.0)) == {"sum": state["x"].sum(), "name": "x"}
    assert torch.equal(wide[:, 1:3], before[:, 1:3] + 10) and torch.equal(wide[:, ::3], before[:, ::3])


def test_tensors_from_elsewhere_stay_and_are_seen_as_they_are_then():
    beside = torch.ones(3)
    replay = listed(lambda x: x * beside + torch.tensor([1.0, 2.0, 3.0]), torch.zeros(3))
    beside.mul_(5)
    assert replay(torch.ones(3)).tolist() == [6.0, 7.0, 8.0]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x if x.sum() > 0 else -x,
        lambda x: x * x.max().item(),
        lambda x: x[x > 0],
        lambda x: x[:, x[0] > 0],
        lambda x: x.nonzero(),
        lambda x: x.unique(),
        lambda x: torch.masked_select(x, x > 0),
    ],
)
def test_what_depends_on_the_numbers_cannot_be_listed(function):
    with pytest.raises(ValueError, match="function must not depend on the numbers in a tensor; aten"):
        listed(function, TALL)


def test_a_tree_is_taken_by_its_names_and_refused_in_another_form():
    replay = listed(lambda d: d["a"] - d["b"], {"a": torch.ones(1), "b": torch.zeros(1)})
    assert replay({"b": torch.tensor([2.0]), "a": torch.tensor([5.0])}) == 3
    for other in ({"a": torch.ones(1)}, torch.ones(2), {"a": torch.ones(1), "c": torch.ones(1)}):
        with pytest.raises(ValueError, match="mismatch"):
            replay(other)
