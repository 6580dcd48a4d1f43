"""A network comes back from its file as it was, and other libraries can read the file."""

import json
import struct

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import OPTIMIZERS, PAIRS, random_data, random_network, random_rows

from plastic.errors import InvalidNetwork, InvalidParameter, ResultsError
from plastic.interop import load_network, load_parameters, save_network
from plastic.topology import encode


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    pair=st.sampled_from(PAIRS),
    dtype=st.sampled_from(["float32", "float64"]),
    biases=st.booleans(),
)
def test_there_and_back_every_bit_is_the_same(tmp_path_factory, seed, pair, dtype, biases):
    network = random_network(seed, "every", *pair, dtype=dtype, biases=biases)
    path = save_network(network, tmp_path_factory.mktemp("net") / "a.safetensors")
    back = load_network(path)
    assert (back.loss, back.dtype, back.use_biases) == (network.loss, dtype, biases)
    arrays, described = encode(network.topology)
    held, told = encode(back.topology)
    assert told == described
    assert {name: values.tobytes() for name, values in held.items()} == {
        name: values.tobytes() for name, values in arrays.items()
    }
    X, _ = random_data(seed, 9)
    assert np.array_equal(back.predict(X), network.predict(X))


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_it_learns_on_as_if_nothing_had_been(optimizer, tmp_path):
    X, Y = random_data(0, 40)
    network = random_network(0, dtype="float32")
    network.learn(X, Y, random_rows(0, 20, 8, 40), optimizer)
    back = load_network(save_network(network, tmp_path / "a.safetensors"))
    assert back.topology.step == 20
    rows = random_rows(1, 20, 8, 40)
    losses = [one.learn(X, Y, rows, optimizer) for one in (network, back)]
    assert np.array_equal(*losses)
    assert np.array_equal(network.weights, back.weights)


def test_the_library_itself_reads_the_file(tmp_path):
    network = random_network(3)
    path = save_network(network, tmp_path / "a.safetensors")
    tensors = safetensors.numpy.load_file(path)
    assert np.array_equal(tensors["connection.weight"], network.weights)
    assert np.array_equal(tensors["neuron.bias"], network.biases)
    with safetensors.safe_open(path, framework="np") as file:
        assert json.loads(file.metadata()["plastic"])["loss"] == "cross_entropy"


def test_the_same_network_gives_the_same_file(tmp_path):
    files = [save_network(random_network(4), tmp_path / name) for name in "ab"]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_the_engine_may_be_another(tmp_path):
    network = random_network(5)
    path = save_network(network, tmp_path / "a.safetensors")
    back = load_network(path, engine="nodes")
    X, _ = random_data(5, 7)
    np.testing.assert_allclose(back.predict(X), network.predict(X), atol=1e-12)
    assert load_network(path, dtype="float32").dtype == "float32"


def told(**values):
    """A file whose metadata tell something else."""

    def damage(path):
        tensors = safetensors.numpy.load_file(path)
        with safetensors.safe_open(path, framework="np") as file:
            held = json.loads(file.metadata()["plastic"])
        safetensors.numpy.save_file(tensors, path, {"plastic": json.dumps(held | values)})

    return damage


def without(name):
    def damage(path):
        tensors = safetensors.numpy.load_file(path)
        with safetensors.safe_open(path, framework="np") as file:
            metadata = file.metadata()
        del tensors[name]
        safetensors.numpy.save_file(tensors, path, metadata)

    return damage


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-5])


def of_others(path):
    safetensors.numpy.save_file({"a": np.zeros(3)}, path)


def no_json(path):
    safetensors.numpy.save_file({"a": np.zeros(3)}, path, {"plastic": "{"})


def no_header(path):
    path.write_bytes(struct.pack("<Q", 3) + b"abc")


DAMAGES = {
    "is not a readable safetensors file": [cut_short, no_header, no_json],
    "holds tensors, but no network of plastic's": [of_others],
    "the network is of format 2, this version reads 1": [told(version=2)],
    "topology must be a dict, but the file tells None": [told(topology=None)],
    "biases must be a bool, but the file tells 'yes'": [told(biases="yes")],
    "holds no tensor 'connection.weight'": [without("connection.weight")],
    "there is no array 'structure.rank'": [without("structure.rank")],
}


@pytest.mark.parametrize(
    ("said", "damage"), [(said, damage) for said, all_ in DAMAGES.items() for damage in all_]
)
def test_what_is_no_network_is_refused_by_name(said, damage, tmp_path):
    path = save_network(random_network(0), tmp_path / "a.safetensors")
    damage(path)
    with pytest.raises(InvalidNetwork) as caught:
        load_network(path)
    assert said in str(caught.value)


@pytest.mark.parametrize("values", [{"loss": "hinge"}, {"dtype": "float16"}])
def test_a_choice_that_is_none_is_refused(values, tmp_path):
    path = save_network(random_network(0), tmp_path / "a.safetensors")
    told(**values)(path)
    with pytest.raises(InvalidParameter, match=f"{next(iter(values))} must be one of"):
        load_network(path)


def test_a_file_that_is_not_there_and_a_folder_that_is_not(tmp_path):
    with pytest.raises(ResultsError, match="there is no file"):
        load_network(tmp_path / "none.safetensors")
    with pytest.raises(ResultsError, match="cannot be written"):
        save_network(random_network(0), tmp_path / "none" / "a.safetensors")


def test_parameters_are_read_without_the_network(tmp_path):
    network = random_network(6)
    found = load_parameters(save_network(network, tmp_path / "a.safetensors"))
    structure = network.topology.structure
    assert np.array_equal(found.connection, structure.connection_ids)
    assert np.array_equal(found.weight, network.weights)
    assert np.array_equal(found.neuron, structure.neuron_ids)
    assert np.array_equal(found.bias, network.biases)


def test_parameters_that_do_not_fit_are_refused(tmp_path):
    path = save_network(random_network(6), tmp_path / "a.safetensors")
    tensors = safetensors.numpy.load_file(path)
    with safetensors.safe_open(path, framework="np") as file:
        metadata = file.metadata()
    tensors["connection.weight"] = tensors["connection.weight"][:-1]
    safetensors.numpy.save_file(tensors, path, metadata)
    with pytest.raises(InvalidNetwork, match=r"holds \d+ weights of \d+ connections"):
        load_parameters(path)
    with pytest.raises(ResultsError, match="there is no file"):
        load_parameters(tmp_path / "b.safetensors")
