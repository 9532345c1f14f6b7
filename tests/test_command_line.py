"""``python -m gan_utils diagnose``: files and folders in, exit status and report out."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import gan_utils as gu
from gan_utils.__main__ import load, main

RING = gu.data.ring(std=0.05)


@pytest.fixture
def files(tmp_path):
    real, good = (RING.sample(300, gu.generator(part)) for part in range(2))
    for name, x in {"real": real, "good": good, "bad": good[:1].expand(300, 2), "few": good[:9]}.items():
        np.save(tmp_path / f"{name}.npy", x.numpy())
    return tmp_path


def call(files, fake, *more):
    return main(["diagnose", "--real", str(files / "real.npy"), "--fake", str(files / fake), *more])


@pytest.mark.parametrize(
    ("fake", "status", "says"),
    [("good.npy", 0, "healthy"), ("bad.npy", 1, "one output"), ("few.npy", 1, "too few samples")],
)
def test_status_and_text(files, capsys, fake, status, says):
    assert call(files, fake) == status
    out = capsys.readouterr()
    assert out.out.startswith(says) and not out.err


def test_json_and_report(files, capsys):
    assert call(files, "bad.npy", "--json", "--html", str(files / "report.html")) == 1
    assert json.loads(capsys.readouterr().out)["verdict"] == "one output"
    page = (files / "report.html").read_text("utf-8")
    assert "one output" in page and "data:image/png;base64," in page and "http" not in page
    assert call(files, "few.npy", "--html", str(files / "few.html")) == 1  # nothing to draw
    assert "<img" not in (files / "few.html").read_text("utf-8")


def test_training_data_are_looked_at(files, capsys):
    copies = np.load(files / "good.npy")
    np.save(files / "copies.npy", copies[np.random.default_rng(0).integers(0, 300, 300)])
    assert call(files, "copies.npy", "--train", str(files / "good.npy")) == 1
    assert capsys.readouterr().out.startswith("memorised")


def test_folders_of_images_and_bytes(tmp_path):
    images = (gu.data.mnist().images[::50]).numpy()[:, 0]
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "more").mkdir()  # a folder below it counts
    for i, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / "pictures" / ("more" if i > 60 else "") / f"{i:03}.png")
    (tmp_path / "pictures" / "._000.png").write_text("what macOS leaves beside a file")
    (tmp_path / "pictures" / "notes.txt").write_text("not an image")
    np.save(tmp_path / "bytes.npy", images)
    from_folder, from_file = load(tmp_path / "pictures"), load(tmp_path / "bytes.npy")
    assert from_folder.shape == (100, 1, 28, 28) and torch.equal(from_folder, from_file)
    assert (from_file.min(), from_file.max()) == (-1, 1)
    Image.fromarray(np.zeros((28, 28, 3), np.uint8)).save(tmp_path / "pictures" / "zz.png")
    with pytest.raises(ValueError, match=r"zz.png is \(28, 28, 3\), 000.png \(28, 28\): all must be alike"):
        load(tmp_path / "pictures")


def test_deep_greys_and_doubles_keep_what_they_hold(tmp_path):
    (tmp_path / "deep").mkdir()
    greys = np.array([[0, 256], [32_768, 65_535]], dtype=np.uint16)
    Image.fromarray(greys).save(tmp_path / "deep" / "one.png")
    assert ((load(tmp_path / "deep") + 1) * 127.5).round().flatten().tolist() == [0, 1, 128, 255]
    stamps = 1.7e9 + np.arange(6.0).reshape(3, 2)  # float32 would make one number of them
    for array in (stamps, stamps.astype(np.int64)):
        np.save(tmp_path / "stamps.npy", array)
        assert load(tmp_path / "stamps.npy").tolist() == stamps.tolist()


def test_mnist_features_are_there_by_name(tmp_path, capsys):
    images = gu.data.mnist().images
    np.save(tmp_path / "real.npy", images[::10].numpy()[:, 0])
    np.save(tmp_path / "fake.npy", images[3:2500:5].numpy()[:, 0])  # the first five digits
    status = main(
        ["diagnose", "--real", str(tmp_path / "real.npy"), "--fake", str(tmp_path / "fake.npy"), "--features", "mnist"]
    )
    assert status == 1 and capsys.readouterr().out.startswith("dropped modes")


def test_bad_input_is_status_2_and_one_line(files, capsys):
    (files / "text.npy").write_text("not numbers")
    (files / "empty").mkdir()
    (files / "broken").mkdir()
    (files / "broken" / "a.png").write_text("not an image")
    (files / "deep").mkdir()
    Image.fromarray(np.zeros((2, 2), np.float32)).save(files / "deep" / "a.tiff")
    np.save(files / "flat.npy", np.ones(5))
    np.save(files / "other.npy", np.ones((60, 3)))
    np.save(files / "words.npy", np.array([["a"]]))
    np.save(files / "nan.npy", np.full((60, 2), np.nan))
    for fake, says in {
        "missing.npy": "missing.npy does not exist",
        "text.npy": "text.npy is no .npy file",
        "empty": "empty holds no images",
        "broken": "a.png cannot be read as an image",
        "deep": "a.tiff holds numbers of no known scale (mode F)",
        "flat.npy": "flat.npy must hold one array",
        "words.npy": "words.npy must hold one array",
        "other.npy": "fake must hold samples of real's shape",
        "nan.npy": "fake holds 120 NaN",
    }.items():
        assert call(files, fake) == 2, fake
        out, err = capsys.readouterr()
        assert says in err and len(err.splitlines()) == 1 and not out
    assert call(files, "good.npy", "--html", str(files / "empty")) == 2
    out, err = capsys.readouterr()
    assert "empty" in err and "splits of the data agree" in out  # what was found is not lost
    assert call(files, "good.npy", "--html", str(files / "flat.npy" / "report.html")) == 2
    assert not capsys.readouterr().out  # no folder can be made there, which is said before the work


def test_the_report_may_go_to_a_new_folder(files):
    call(files, "good.npy", "--html", str(files / "new" / "one" / "report.html"))
    assert (files / "new" / "one" / "report.html").read_text("utf-8").startswith("<!doctype html>")


def test_nothing_pickled_is_run(files, capsys):
    class Bomb:
        def __reduce__(self):
            return (open, (str(files / "harm"), "w"))

    (files / "bomb.npy").write_bytes(pickle.dumps(Bomb()))
    np.save(files / "objects.npy", np.array([[Bomb()]], dtype=object), allow_pickle=True)
    for fake in ("bomb.npy", "objects.npy"):
        (files / "harm").unlink(missing_ok=True)
        assert call(files, fake) == 2 and not (files / "harm").exists()


def test_the_module_runs(files):
    words = ["diagnose", "--real", str(files / "real.npy"), "--fake", str(files / "bad.npy")]
    done = subprocess.run([sys.executable, "-m", "gan_utils", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stdout.startswith("one output") and not done.stderr


def test_an_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["diagnosis"])
    assert "invalid choice" in capsys.readouterr().err
