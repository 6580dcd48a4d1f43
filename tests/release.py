"""What a release is checked for: ``make release-check``, and in parts by test_release.py.

Wheel and source distribution are built, their metadata validated as an index would, and the
tests of the source distribution are run against the installed wheel, outside of the checkout.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from base64 import urlsafe_b64encode
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parent.parent
NOT_SHIPPED = ("results", ".ci", ".git")


def build(folder):
    """Build both into a folder; wheel and source distribution."""
    made = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    (wheel,), (source,) = Path(folder).glob("*.whl"), Path(folder).glob("*.tar.gz")
    return wheel, source


def metadata_of(file):
    """The metadata in a wheel or a source distribution, as bytes."""
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as archive:
            (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
            return archive.read(name)
    with tarfile.open(file) as archive:
        return archive.extractfile(f"{file.name.removesuffix('.tar.gz')}/PKG-INFO").read()


def names_in(source):
    """Files of a source distribution, without its own folder."""
    with tarfile.open(source) as archive:
        return {m.name.partition("/")[2] for m in archive.getmembers() if m.isfile()}


def problems_of(content):
    """What an index would object to in metadata."""
    from packaging.metadata import Metadata
    from trove_classifiers import classifiers

    held = Metadata.from_email(content, validate=True)  # raises, naming every wrong field
    if held.description_content_type != "text/markdown":
        yield f"the description is {held.description_content_type}, not text/markdown"
    if not (held.description or "").startswith("# plastic"):
        yield "the README is not the description"
    if not held.summary or len(held.summary) > 512:
        yield "the summary must have 1 to 512 characters"
    if not held.license_expression or not held.license_files:
        yield "there is no licence"
    for classifier in set(held.classifiers or ()) - set(classifiers):
        yield f"there is no classifier {classifier!r}"
    extras = set(held.provides_extra or ())
    for requirement in held.requires_dist or ():
        if requirement.url:
            yield f"{requirement} names an address"
        marked = str(requirement.marker or "")
        if "extra" in marked and not any(f'"{extra}"' in marked for extra in extras):
            yield f"{requirement} is of an extra that there is not"


def records_of(wheel):
    """Files of a wheel whose contents are not what its RECORD says."""
    with zipfile.ZipFile(wheel) as archive:
        (record,) = (n for n in archive.namelist() if n.endswith(".dist-info/RECORD"))
        rows = [line.split(",") for line in archive.read(record).decode().splitlines()]
        assert {name for name, *_ in rows} == set(archive.namelist())
        for name, stated, _ in rows:
            digest = urlsafe_b64encode(hashlib.sha256(archive.read(name)).digest()).decode()
            if name != record and stated != f"sha256={digest.rstrip('=')}":
                yield name


def programs_of(wheel):
    """The entry points of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("entry_points.txt"))
        lines = archive.read(name).decode().splitlines()
    pairs = (line.split(" = ") for line in lines if " = " in line)
    return [EntryPoint(name, value, "console_scripts") for name, value in pairs]


def unpack(source, folder):
    """Unpack a source distribution; its folder."""
    with tarfile.open(source) as archive:
        archive.extractall(folder, filter="data")
    return Path(folder) / source.name.removesuffix(".tar.gz")


def install(wheel, folder):
    """Install a wheel alone into a folder."""
    quietly = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *quietly, "--target", str(folder), str(wheel)],
        check=True,
    )


def run_tests(place, site, *arguments):
    """Run the tests of an unpacked source distribution on the installed wheel; exit code."""
    return subprocess.run(  # -P: without it, Python would find the source before the wheel
        [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(site)},
        check=False,
    ).returncode


def on_all_cores():
    """What makes pytest run tests at the same time, where that is installed."""
    there = find_spec("xdist") is not None
    return ["-n", "auto", "--maxprocesses", "4", "--dist", "worksteal"] if there else []


def main():
    """Build, validate, unpack, install and test; 0 if a release could be published."""
    with tempfile.TemporaryDirectory() as folder:
        wheel, source = build(Path(folder) / "dist")
        problems = [
            f"{file.name}: {problem}"
            for file in (wheel, source)
            for problem in problems_of(metadata_of(file))
        ]
        problems += [f"{wheel.name}: {name} is not as recorded" for name in records_of(wheel)]
        for problem in problems:
            print(problem)
        for file in (wheel, source):
            print(f"{file.name}: {file.stat().st_size / 1024:.0f} KiB, metadata checked")
        install(wheel, Path(folder) / "site")
        place = unpack(source, folder)
        arguments = sys.argv[1:] or ["tests", *on_all_cores()]
        code = run_tests(place, Path(folder) / "site", *arguments)
        return 1 if problems else code


if __name__ == "__main__":
    sys.exit(main())
