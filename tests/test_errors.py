"""Errors that need no part of plastic to be raised."""

import sys

import pytest

from plastic.errors import MissingExtra, PlasticError, require_extra


class TestRequireExtra:
    def test_a_library_that_is_there_is_imported(self):
        assert require_extra("json", "torch") is sys.modules["json"]
        assert require_extra("json.decoder", "torch") is sys.modules["json.decoder"]

    @pytest.mark.parametrize("name", ["no_such", "no_such.part"])
    def test_one_that_is_not_is_named_with_the_command(self, name):
        with pytest.raises(MissingExtra) as caught:
            require_extra(name, "onnx")
        said = 'this needs no_such, which is not installed: pip install "plastic[onnx]"'
        assert str(caught.value) == said
        assert isinstance(caught.value, PlasticError)
        assert isinstance(caught.value, ImportError)
        assert caught.value.name == "no_such"

    def test_one_that_is_hidden_counts_as_missing(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "torch", None)
        with pytest.raises(MissingExtra, match="this needs torch"):
            require_extra("torch", "torch")

    def test_what_a_library_itself_lacks_is_not_blamed_on_the_extra(
        self, tmp_path, monkeypatch
    ):
        (tmp_path / "broken_one.py").write_text("import lacked_by_broken_one")
        monkeypatch.syspath_prepend(str(tmp_path))
        with pytest.raises(ModuleNotFoundError, match="lacked_by_broken_one"):
            require_extra("broken_one", "torch")
