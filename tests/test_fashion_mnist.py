"""Fashion-MNIST: read from files, fetched at last, and refused by name."""

import gzip
import sys

import numpy as np
import pytest
import sklearn.datasets
from samples import assert_same, generator

from plastic import datasets
from plastic.datasets.fashion_mnist import find_folder, read_idx, read_part
from plastic.errors import DataUnavailable, InvalidData, InvalidParameter


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header + array.astype(np.uint8).tobytes()


def write_idx_files(folder, n_train=50, n_test=20, packed=False):
    random = generator(7)
    written = {}
    for part, n in (("train", n_train), ("t10k", n_test)):
        images = random.integers(0, 256, (n, 3, 4))
        images[0, 0, 0] = 255
        labels = np.arange(n) % 10
        written[part] = images.reshape(n, -1), labels
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            name = f"{part}-{kind}-ubyte"
            content = idx(array)
            folder.mkdir(parents=True, exist_ok=True)
            if packed:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)
    return written


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """No files in the usual places, and no network."""
    monkeypatch.delenv("PLASTIC_DATA", raising=False)
    module = sys.modules["plastic.datasets.fashion_mnist"]
    monkeypatch.setattr(module, "DEBIAN_FOLDER", tmp_path / "debian")

    def unreachable(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", unreachable)
    return tmp_path


@pytest.mark.parametrize("packed", [False, True])
def test_fashion_mnist_reads_files(alone, packed):
    written = write_idx_files(alone / "here", packed=packed)
    dataset = datasets.fashion_mnist(generator(), folder=str(alone / "here"), reward_size=10)
    X, labels = written["t10k"]
    assert np.allclose(dataset.test.X, X / 255)
    assert np.array_equal(dataset.test.y.argmax(axis=1), labels)
    assert [len(split) for split in dataset.splits.values()] == [40, 10, 20]
    assert dataset.reward.y.sum(axis=0).tolist() == [1] * 10
    seen = np.concatenate([dataset.train.X, dataset.reward.X])
    assert np.allclose(np.sort(seen, axis=0), np.sort(written["train"][0] / 255, axis=0))
    assert_same(
        dataset,
        datasets.fashion_mnist(generator(), folder=str(alone / "here"), reward_size=10),
    )


def test_fashion_mnist_takes_the_first_samples(alone):
    written = write_idx_files(alone)
    dataset = datasets.fashion_mnist(
        generator(), folder=str(alone), n_train=30, n_test=7, reward_size=10, scale="none"
    )
    assert np.array_equal(dataset.test.X, written["t10k"][0][:7])
    seen = np.concatenate([dataset.train.X, dataset.reward.X])
    assert np.array_equal(np.sort(seen, axis=0), np.sort(written["train"][0][:30], axis=0))
    with pytest.raises(InvalidParameter, match="n_train must be at most 50, got 51"):
        datasets.fashion_mnist(generator(), folder=str(alone), n_train=51)
    with pytest.raises(InvalidParameter, match="n_test must be a whole number of at least 1"):
        datasets.fashion_mnist(generator(), folder=str(alone), n_test=0)


def test_fashion_mnist_looks_in_the_usual_places_in_order(alone, monkeypatch):
    assert find_folder() is None
    write_idx_files(alone / "debian")
    assert find_folder() == alone / "debian"
    monkeypatch.setenv("PLASTIC_DATA", str(alone / "data"))
    assert find_folder() == alone / "debian"
    write_idx_files(alone / "data" / "fashion-mnist")
    assert find_folder() == alone / "data" / "fashion-mnist"
    write_idx_files(alone / "mine")
    assert find_folder(str(alone / "mine")) == alone / "mine"


def test_fashion_mnist_comes_from_openml_at_last(alone, monkeypatch):
    asked = []

    class Bunch:
        data = generator().integers(0, 256, (60, 12)).astype(float)
        target = (np.arange(60) % 10).astype(str).astype(object)

    def fetch(*args, **kwargs):
        asked.append((args, kwargs))
        return Bunch

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch)
    monkeypatch.setattr(sys.modules["plastic.datasets.fashion_mnist"], "N_TRAIN_ON_OPENML", 40)
    dataset = datasets.fashion_mnist(generator(), reward_size=10, scale="none")
    assert asked == [(("Fashion-MNIST",), {"version": 1, "as_frame": False})]
    assert np.array_equal(dataset.test.X, Bunch.data[40:].astype(np.float32))
    assert np.array_equal(dataset.test.y.argmax(axis=1), np.arange(40, 60) % 10)


def test_fashion_mnist_out_of_reach_names_all_three_ways(alone):
    with pytest.raises(DataUnavailable, match="no network") as offline:
        datasets.fashion_mnist(generator())
    with pytest.raises(DataUnavailable, match="was not found") as forbidden:
        datasets.fashion_mnist(generator(), openml=False)
    with pytest.raises(DataUnavailable, match="lacks train-images-idx3-ubyte and") as elsewhere:
        datasets.fashion_mnist(generator(), folder=str(alone / "nowhere"))
    for caught in (offline, forbidden, elsewhere):
        for way in ("$PLASTIC_DATA/fashion-mnist", "dataset-fashion-mnist", "openml"):
            assert way in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"must start with bytes 00 00 08 03 \(IDX\), got $"),
        (idx(np.zeros(4)), "must start with bytes 00 00 08 03 .* got 00 00 08 01"),
        (idx(np.zeros((2, 3, 4)))[:9], "holds no samples, or its header is cut short"),
        (idx(np.zeros((0, 3, 4))), "holds no samples"),
        (idx(np.zeros((2, 3, 4)))[:-1], "must hold 40 bytes by its header, got 39"),
        (idx(np.zeros((2, 3, 4))) + b"x", "must hold 40 bytes by its header, got 41"),
    ],
)
def test_broken_idx_files_are_refused_by_name(tmp_path, content, message):
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(InvalidData, match=message) as caught:
        read_idx(path, n_axes=3)
    assert str(path) in str(caught.value)


WHOLE = gzip.compress(idx(np.arange(24).reshape(2, 3, 4)), mtime=0)


@pytest.mark.parametrize("content", [WHOLE[:-6], WHOLE[:20], WHOLE[1:], b"no gzip"])
def test_broken_gzip_files_are_refused_by_name(tmp_path, content):
    path = tmp_path / "images.gz"
    path.write_bytes(content)
    with pytest.raises(InvalidData, match=r"images\.gz is not a whole gzip file"):
        read_idx(path, n_axes=3)


def test_parts_that_do_not_belong_together_are_refused(tmp_path):
    write_idx_files(tmp_path)
    labels = tmp_path / "train-labels-idx1-ubyte"
    labels.write_bytes(idx(np.zeros(49)))
    with pytest.raises(InvalidData, match=r"train-labels.* holds 49 labels for 50 images"):
        read_part(tmp_path, "train")
    labels.write_bytes(idx(np.full(50, 10)))
    with pytest.raises(InvalidData, match=r"train-labels.* holds label 10: .* 0 to 9"):
        read_part(tmp_path, "train")
    labels.unlink()
    with pytest.raises(DataUnavailable, match="lacks train-labels-idx1-ubyte"):
        read_part(tmp_path, "train")


def test_an_unknown_scale_is_refused(tmp_path):
    write_idx_files(tmp_path)
    with pytest.raises(InvalidParameter, match="scale must be one of 'standardize'"):
        datasets.fashion_mnist(generator(), folder=str(tmp_path), scale="huge")
