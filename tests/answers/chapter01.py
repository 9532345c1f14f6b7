"""Plausible wrong answers to chapter 1's exercises, each with a part of the message that it must get."""

from __future__ import annotations

import torch
from torch.nn.functional import logsigmoid, one_hot, softmax


def _kl(p, q):
    return torch.special.xlogy(p, p / q).sum()


def _jsd(p, q):
    m = (p + q) / 2
    return (_kl(p, m) + _kl(q, m)) / 2


def _naive_jsd(p, q):
    m = (p + q) / 2
    return ((p * (p / m).log()).sum() + (q * (q / m).log()).sum()) / 2


WRONG = {
    "1.1": [
        (lambda p_data, p_g: p_g / (p_data + p_g), "probability that a point was generated"),
        (lambda p_data, p_g: p_data / p_g, "ratio of the densities"),
        (lambda p_data, p_g: p_data.log() - p_g.log(), "logit of D*"),
        (lambda p_data, p_g: (p_data > p_g).float(), "D* is 0.25"),
    ],
    "1.2": [
        (lambda r, f: -logsigmoid(r).mean() - logsigmoid(-f).mean(), "sign is turned"),
        (lambda r, f: logsigmoid(r).mean() + logsigmoid(f).mean(), "log D(G(z))"),
        (lambda r, f: logsigmoid(r).sum() + logsigmoid(-f).sum(), "sum over the batches"),
        (lambda r, f: r.sigmoid().log().mean() + (1 - f.sigmoid()).log().mean(), "use softplus"),
        (lambda r, f: (r.sigmoid() + 1e-8).log().mean() + (1 - f.sigmoid() + 1e-8).log().mean(), "use softplus"),
        (lambda r, f: r.mean() - f.mean(), "with D = sigmoid(logit)"),
        (lambda r, f: logsigmoid(r), "should be one number"),
    ],
    "1.3": [
        (lambda p, q: 2 * _jsd(p, q), "not their sum"),
        (lambda p, q: _jsd(p, q) / torch.tensor(2.0).log(), "in bits"),
        (lambda p, q: (_kl(p, q) + _kl(q, p)) / 2, "compares p and q with each other"),
        (_kl, "Not the JSD"),
        (_naive_jsd, "without overlap"),
        (_jsd, "where both are zero"),
        (lambda p, q: (_kl((p + q) / 2, p) + _kl((p + q) / 2, q)) / 2, "KLs are turned"),
    ],
    "1.4": [
        (lambda x, y: (x - y).abs().mean(), "in order of size"),
        (lambda x, y: (x.mean() - y.mean()).abs(), "Take the absolute value"),
        (lambda x, y: (x.sort().values - y.sort().values).square().mean().sqrt(), "W2's cost"),
        (lambda x, y: (x.sort().values - y.sort().values).abs().sum(), "total distance"),
        (lambda x, y: x.sort().values - y.sort().values, "should be one number"),
        (lambda x, y: (y.sort().values - x.sort().values).mean(), "Take the absolute value"),
        (lambda x, y: (x[:, None] - y).abs().min(1).values.mean(), "Each y takes one x"),
        (lambda x, y: (x[:, None] - y).abs().min(0).values.mean(), "Each x goes to one y"),
    ],
    "1.5": [
        (lambda D: torch.softmax(20 * D, 0), "however narrow its lead"),
        (lambda D: D / D.sum(), "spreads its mass"),
        (lambda D: softmax(D, 0), "spreads its mass"),
        (lambda D: one_hot(D.argmin(), len(D)).float(), "where D is lowest"),
        (lambda D: D.eq(D.max()).float(), "tied at the top"),
        (lambda D: D.argmax(), "tensor of 4 probabilities"),
        (lambda D: D, "sum to 1"),
    ],
}

# Right in a style of their own.
ALSO_RIGHT = {
    "1.1": [
        lambda p_data, p_g: torch.sigmoid(p_data.log() - p_g.log()),
    ],
    "1.2": [
        lambda r, f: (logsigmoid(r).mean() + logsigmoid(-f).mean()).item(),
    ],
    "1.3": [
        lambda p, q: _naive_jsd(p + 1e-12, q + 1e-12),
    ],
    "1.4": [
        lambda x, y: sum(abs(a - b) for a, b in zip(sorted(x.tolist()), sorted(y.tolist()), strict=True)) / len(x),
    ],
    "1.5": [
        lambda D: one_hot(D.argmax(), len(D)),
        lambda D: D.eq(D.max()) / D.eq(D.max()).sum(),
    ],
}
