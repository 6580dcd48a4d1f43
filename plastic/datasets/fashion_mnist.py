"""Fashion-MNIST: photographs of clothes, read from IDX files or fetched from OpenML."""

from __future__ import annotations

import gzip
import os
import zlib
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plastic.datasets.base import Dataset
from plastic.datasets.preparing import from_parts
from plastic.errors import DataUnavailable, InvalidData, InvalidParameter, check_count

Bytes = NDArray[np.uint8]
Part = tuple[NDArray[np.generic], NDArray[np.generic]]

CLASSES = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
PIXELS = (28, 28)
PARTS = ("train", "t10k")
IMAGES = "{}-images-idx3-ubyte"
LABELS = "{}-labels-idx1-ubyte"
N_TRAIN_ON_OPENML = 60_000
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")


def fashion_mnist(
    rng: np.random.Generator,
    *,
    folder: str | None = None,
    n_train: int | None = None,
    n_test: int | None = None,
    openml: bool = True,
    reward_size: int | float = 0.1,
    scale: str = "unit",
) -> Dataset:
    """70,000 photographs of clothes, 28 by 28 pixels in 256 grey levels, in ten classes.

    The four IDX files, gzipped or not, are looked for in `folder`; without `folder` first in
    ``$PLASTIC_DATA/fashion-mnist``, then where Debian's package ``dataset-fashion-mnist``
    puts them; and then they are fetched from OpenML, which keeps a copy in
    ``~/scikit_learn_data``.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the reward samples.
    folder : str, optional
        Where the IDX files lie.
    n_train, n_test : int, optional
        Take the first so many of the 60,000 published training and 10,000 test samples.
    openml : bool
        Whether they may be fetched from OpenML.
    reward_size : int or float
        How many of the training samples taken, or which fraction of them, are for the reward.
    scale : {'unit', 'standardize', 'none'}
        As in `from_arrays`; ``unit`` divides by 255.

    Raises
    ------
    DataUnavailable
        If the files are not found and cannot be fetched.
    InvalidData
        If a file is not what its name says.
    InvalidParameter
        If more samples are asked for than there are, or as in `from_arrays`.

    References
    ----------
    Xiao, Rasul & Vollgraf (2017), Fashion-MNIST: a Novel Image Dataset for Benchmarking
    Machine Learning Algorithms, arXiv:1708.07747.
    """
    for name, count in (("n_train", n_train), ("n_test", n_test)):
        if count is not None:
            check_count(name, count)
    found = find_folder(folder)
    train, test = (
        _from_openml(openml) if found is None else (read_part(found, p) for p in PARTS)
    )
    dataset = from_parts(
        "fashion_mnist",
        _first("n_train", n_train, train),
        _first("n_test", n_test, test),
        rng,
        reward_size=reward_size,
        scale=scale,
        classes=CLASSES,
    )
    whole = dataset.n_inputs == PIXELS[0] * PIXELS[1]
    return replace(dataset, image=PIXELS if whole else None)


def find_folder(folder: str | None = None) -> Path | None:
    """The folder that holds the four files, or None.

    Raises
    ------
    DataUnavailable
        If `folder` is given and lacks one of them.
    """
    if folder is not None:
        given = Path(folder).expanduser()
        missing = [name for name in _names() if _find(given, name) is None]
        if missing:
            raise DataUnavailable(f"{given} lacks {' and '.join(missing)}. {_ways()}")
        return given
    usual = [DEBIAN_FOLDER]
    if data := os.environ.get("PLASTIC_DATA"):
        usual.insert(0, Path(data).expanduser() / "fashion-mnist")
    complete = (place for place in usual if all(_find(place, name) for name in _names()))
    return next(complete, None)


def read_part(folder: Path, part: str) -> tuple[Bytes, Bytes]:
    """Images, shape (n_samples, n_pixels), and labels of 'train' or 't10k'.

    Raises
    ------
    InvalidData
        If a file is not what its name says, or if the two do not belong together.
    """
    images = read_idx(_existing(folder, IMAGES.format(part)), n_axes=3)
    path = _existing(folder, LABELS.format(part))
    labels = read_idx(path, n_axes=1)
    if len(images) != len(labels):
        raise InvalidData(f"{path} holds {len(labels)} labels for {len(images)} images")
    if labels.max() >= len(CLASSES):
        raise InvalidData(
            f"{path} holds label {labels.max()}: labels must lie in 0 to {len(CLASSES) - 1}"
        )
    return images.reshape(len(images), -1), labels


def read_idx(path: Path, n_axes: int) -> Bytes:
    """Read an IDX file of bytes, gzipped if its name ends in .gz.

    Its header is big-endian: two bytes 0, the type (8, unsigned bytes), the number of axes,
    then four bytes for the length of each.

    Raises
    ------
    InvalidData
        If the header is another one, or if there is more or less than it announces.

    References
    ----------
    LeCun, Cortes & Burges, The MNIST database of handwritten digits, "file formats".
    """
    try:
        content = (
            gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        )
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InvalidData(f"{path} is not a whole gzip file: {error}") from error
    start = 4 + 4 * n_axes
    magic = bytes([0, 0, 8, n_axes])
    if content[:4] != magic:
        raise InvalidData(
            f"{path} must start with bytes {magic.hex(' ')} (IDX), got {content[:4].hex(' ')}"
        )
    shape = tuple(
        int(n) for n in np.frombuffer(content[4:start].ljust(start - 4, b"\0"), ">u4")
    )
    if len(content) < start or 0 in shape:
        raise InvalidData(f"{path} holds no samples, or its header is cut short")
    announced = start + int(np.prod(shape, dtype=object))
    if len(content) != announced:
        raise InvalidData(
            f"{path} must hold {announced} bytes by its header, got {len(content)}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _from_openml(allowed: bool) -> tuple[Part, Part]:
    if not allowed:
        raise DataUnavailable(f"Fashion-MNIST was not found. {_ways()}")
    from sklearn.datasets import fetch_openml

    try:
        bunch = fetch_openml("Fashion-MNIST", version=1, as_frame=False)
    except (OSError, HTTPException, ValueError) as error:
        raise DataUnavailable(
            f"Fashion-MNIST was not found, and OpenML did not give it ({error}). {_ways()}"
        ) from error
    X, y = bunch.data, bunch.target.astype(np.int64)
    cut = N_TRAIN_ON_OPENML
    return (X[:cut], y[:cut]), (X[cut:], y[cut:])


def _first(name: str, count: int | None, part: Part) -> Part:
    X, y = part
    if count is not None and count > len(X):
        raise InvalidParameter(f"{name} must be at most {len(X)}, got {count}")
    return X[:count], y[:count]


def _names() -> list[str]:
    return [pattern.format(part) for part in PARTS for pattern in (IMAGES, LABELS)]


def _find(folder: Path, name: str) -> Path | None:
    candidates = (folder / name, folder / f"{name}.gz")
    return next((path for path in candidates if path.is_file()), None)


def _existing(folder: Path, name: str) -> Path:
    path = _find(folder, name)
    if path is None:
        raise DataUnavailable(f"{folder} lacks {name}. {_ways()}")
    return path


def _ways() -> str:
    return (
        "There are three ways: put the four IDX files into $PLASTIC_DATA/fashion-mnist or a "
        f"folder named by 'folder'; install Debian's package dataset-fashion-mnist "
        f"({DEBIAN_FOLDER}); or allow openml while there is a network"
    )
