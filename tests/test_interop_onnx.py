"""onnxruntime predicts what the network predicts, and the checker accepts the model."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import EVERY, PAIRS, random_data, random_network

from plastic.edits import AddNeurons
from plastic.engine import Network
from plastic.errors import ResultsError
from plastic.topology import Topology
from plastic.topology.wiring import dense, erk

onnx = pytest.importorskip("onnx", reason="onnx is not installed: make extras")
runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: make extras")

from plastic.interop import save_onnx, to_onnx  # noqa: E402

TOLERANCE = {"float64": 1e-12, "float32": 1e-6}
"""Largest difference of a prediction from one computed in float64, for values of order 1."""

drawn = settings(max_examples=40, deadline=None, derandomize=True, database=None)


def answers(model, X):
    onnx.checker.check_model(model, full_check=True)
    session = runtime.InferenceSession(model.SerializeToString())
    kind = {"tensor(float)": "float32", "tensor(double)": "float64"}
    (given,) = session.get_inputs()
    (found,) = session.run(["Y"], {"X": np.asarray(X, kind[given.type])})
    return found


@drawn
@given(seed=st.integers(0, 2**32 - 1), pair=st.sampled_from(PAIRS), biases=st.booleans())
def test_any_graph_of_every_activation(seed, pair, biases):
    network = random_network(seed, "every", *pair, biases=biases)
    X, _ = random_data(seed, 9)
    difference = answers(to_onnx(network), X) - network.predict(X)
    assert np.abs(difference).max() <= TOLERANCE["float64"]


@drawn
@given(seed=st.integers(0, 2**32 - 1), pair=st.sampled_from(PAIRS))
def test_in_float32_too(seed, pair):
    network = random_network(seed, "mixed", *pair, dtype="float32")
    X = random_data(seed, 9)[0].astype("float32")
    found, wanted = answers(to_onnx(network), X), network.predict(X)
    assert found.dtype == np.float32
    scale = max(1, np.abs(wanted).max())
    assert np.abs(found - wanted).max() <= TOLERANCE["float32"] * scale


@pytest.mark.parametrize("hidden", EVERY)
def test_every_activation(hidden):
    network = random_network(0, hidden)
    X, _ = random_data(0, 5)
    np.testing.assert_allclose(answers(to_onnx(network), X), network.predict(X), atol=1e-12)


def test_a_sparse_network_of_layers_is_a_small_file_and_a_short_chain(tmp_path):
    rng = np.random.default_rng(0)
    sizes = {}
    for density, wire in ((1.0, dense), (0.15, erk)):
        topology = wire(64, 10, density, rng, hidden=[256, 256])
        network = Network(topology).initialize(rng)
        X = rng.normal(size=(7, 64)).astype("float32")
        model = onnx.load(save_onnx(network, tmp_path / "net.onnx"))
        np.testing.assert_allclose(answers(model, X), network.predict(X), atol=1e-6)
        sizes[density] = (tmp_path / "net.onnx").stat().st_size / topology.n_connections
    told = [node.op_type for node in model.graph.node]
    weights = ["ConstantOfShape", "ScatterElements", "Reshape"]
    assert told.count("Gather") <= 2  # where a layer does not read all of the one before
    operators = [name for name in told if name not in ("Gather", *weights)]
    layer = ["MatMul", "Add"]
    assert operators == [*layer, "Relu", *layer, "Relu", *layer, "Softmax"]
    assert sizes[1.0] < 5  # bytes a connection
    assert sizes[0.15] < 16


def test_neurons_without_a_way_in_answer_too():
    topology = Topology(2, 2)
    network = Network(topology, "mse", dtype="float64")
    network.biases[2:] = [1, -2]
    assert np.array_equal(answers(to_onnx(network), np.ones((3, 2))), [[1, -2]] * 3)
    topology.apply(AddNeurons(1, keep_stranded=True))
    assert answers(to_onnx(network), np.ones((1, 2))).shape == (1, 2)


def test_the_number_of_samples_is_free_and_the_model_says_whose_it_is():
    model = to_onnx(random_network(1))
    (given,) = model.graph.input
    assert given.type.tensor_type.shape.dim[0].dim_param == "n_samples"
    assert model.producer_name == "plastic"
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert told["loss"] == "cross_entropy"
    assert told["input_ids"] == "0 1 2 3"


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ResultsError, match="cannot be written"):
        save_onnx(random_network(0), tmp_path / "none" / "net.onnx")
