"""The doctor finds an installation well, or says what is not, and its exit code tells."""

from __future__ import annotations

import re
from importlib import metadata

import pytest

from plastic import __main__ as program
from plastic import doctor
from plastic.engine import Network, machine


@pytest.fixture
def without(monkeypatch):
    """Pretend that a library is not installed, or of another version."""

    def without(name, version=None):
        held = metadata.version

        def asked(library):
            if library == name and version is None:
                raise metadata.PackageNotFoundError(library)
            return version if library == name else held(library)

        monkeypatch.setattr(metadata, "version", asked)

    return without


def test_all_is_well_here(capsys):
    assert program.main(["doctor", "--seconds", "0"]) == 0
    said = capsys.readouterr().out
    titles = [line for line in said.splitlines() if line and not line.startswith((" ", "!"))]
    assert titles == ["versions", "machine", "extras", "self-check", "all is well"]
    assert re.search(r"networks +8 trained by both engines in \d", said)
    assert re.search(r"vectors +(\d+ bits, \d+ floats at once|not known)", said)
    assert re.search(r"cache +\d+ kernels in ", said)


def test_every_library_of_the_metadata_is_looked_at():
    held = {text for text, extra in doctor.requirements() if extra not in ("dev", "extras")}
    lines = doctor.versions() + doctor.extras()
    looked_at = {finding.name.rpartition(" ")[2] for finding in lines}
    assert {re.split(r"[^\w.-]", text)[0] for text in held} <= looked_at


def test_an_extra_that_is_absent_is_told_with_its_command_and_no_illness(without):
    without("torch")
    (found,) = [finding for finding in doctor.extras() if finding.name == "[torch] torch"]
    assert found.value == (
        'not installed, for networks to PyTorch and back: pip install "plastic[torch]"'
    )
    assert found.is_well


def test_one_that_is_too_old_is(without):
    without("torch", "2.3.1+cpu")
    (found,) = [finding for finding in doctor.extras() if finding.name == "[torch] torch"]
    assert found.value == (
        '2.3.1+cpu, but torch>=2.4 is needed: pip install "plastic[torch]" -U'
    )
    assert not found.is_well


def test_what_plastic_needs_and_is_not_there_is_an_illness(without, capsys):
    without("pyarrow")
    assert program.main(["doctor", "--seconds", "0"]) == 1
    said = capsys.readouterr().out
    assert re.search(r'^! pyarrow +not installed: pip install "plastic"$', said, re.MULTILINE)
    assert said.splitlines()[-2:] == [
        "not well:",
        'pyarrow: not installed: pip install "plastic"',
    ]


def test_an_engine_that_is_wrong_is_found_out(monkeypatch):
    learn = Network.learn

    def wrong(network, *arguments, **options):
        losses = learn(network, *arguments, **options)
        network.weights[0] += 1e-8 * (network.dtype == "float64")
        return losses

    monkeypatch.setattr(Network, "learn", wrong)
    assert all(finding.is_well for finding in doctor.self_check(0))  # both are wrong alike
    monkeypatch.setattr(
        Network,
        "learn",
        lambda network, *a, **k: (
            wrong if type(network._engine).__name__ == "FastEngine" else learn
        )(network, *a, **k),
    )
    ill = [finding.name for finding in doctor.self_check(0) if not finding.is_well]
    assert ill == ["float64"]


def test_an_engine_that_fails_is_told_in_a_line(monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("no registers left\nand more")

    monkeypatch.setattr(Network, "learn", fails)
    (found,) = doctor.self_check(0)
    assert (found.value, found.is_well) == ("fails: RuntimeError: no registers left", False)


def test_a_machine_that_cannot_compile_or_keep_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "compiles", lambda: False)
    monkeypatch.setattr(machine, "kernel_cache", lambda: machine.Cache(tmp_path, 0, False))
    monkeypatch.setattr(machine, "vector_bits", lambda: None)
    found = {finding.name: finding for finding in doctor.machine()}
    assert "NUMBA_DISABLE_JIT is set" in found["compiler"].value
    assert found["cache"].value.endswith("set NUMBA_CACHE_DIR to a folder that can")
    assert found["vectors"].value.startswith("not known")
    assert [name for name, finding in found.items() if not finding.is_well] == [
        "compiler",
        "cache",
    ]
    monkeypatch.setattr(machine, "kernel_cache", lambda: machine.Cache(tmp_path, 0, True))
    assert doctor.machine()[-1].value.endswith("takes up to half a minute")


def test_an_engine_that_cannot_be_imported_is_told(monkeypatch):
    def broken():
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(machine, "kernel_cache", broken)
    (_, found) = doctor.machine()
    assert (
        found.value
        == "cannot be imported: RuntimeError: cannot cache function: no locator available"
    )
    assert not found.is_well


def test_the_width_is_that_of_the_processor_asked_for(monkeypatch):
    monkeypatch.setattr(machine.config, "CPU_FEATURES", "+sse2,+avx2,-avx512f")
    assert machine.vector_bits() == 256
    monkeypatch.setattr(machine.config, "CPU_FEATURES", "-sse2")
    assert machine.vector_bits() is None


def test_the_programs_are_listed(capsys):
    assert program.main([]) == 0
    said = capsys.readouterr().out
    assert (
        "plastic-run (python -m experiments.run)\n      One run, from a configuration" in said
    )


def test_a_command_that_is_none_is_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        program.main(["nurse"])
    assert ended.value.code == 2
    assert "invalid choice: 'nurse'" in capsys.readouterr().err


def test_help_and_version_import_nothing_heavy(process, tmp_path):
    for argument in ("--help", "--version"):
        ended = process("-X", "importtime", "-m", "plastic", argument, cwd=tmp_path)
        assert ended.code == 0
        assert not re.search(r"\| +(numpy|numba|hydra|pandas)$", ended.err, re.MULTILINE)
