"""A machine is warmed up once, and again when what is compiled has changed."""

from __future__ import annotations

import pytest

from experiments import warming
from experiments.warming import warm_for, warm_once


@pytest.fixture
def warmed(monkeypatch, tmp_path):
    """Kinds of numbers that a training was gone through for."""
    found = []
    monkeypatch.setattr(warming, "train_a_little", found.append)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    return found


def test_each_kind_of_numbers_is_warmed_up_once(warmed):
    for _ in range(2):
        warm_once()
        warm_once("float64")
    assert warmed == ["float32", "float64"]


def test_other_kernels_are_warmed_up_again(warmed, monkeypatch):
    warm_once()
    monkeypatch.setattr(warming, "SOURCES", warming.SOURCES[:1])
    warm_once()
    monkeypatch.setattr(warming, "version", lambda _: "0.0")
    warm_once()
    assert len(warmed) == 3


def test_where_no_mark_can_be_left_nothing_is_said(warmed, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    for _ in range(2):
        warm_once()
    assert len(warmed) == 2


def test_runs_without_kernels_need_none(warmed, config_of):
    warm_for(config_of("engine=nodes"))
    warm_for(config_of("dtype=float64"))
    assert warmed == ["float64"]


def test_a_little_training_is_one():
    warming.train_a_little("float32")
