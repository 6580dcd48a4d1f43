"""A network and its PyTorch module predict and learn the same, both ways."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import EVERY, PAIRS, random_data, random_network, smooth_data

from plastic.engine import SGD, Network
from plastic.errors import InvalidData, InvalidNetwork, InvalidParameter
from plastic.topology import encode
from plastic.topology.wiring import erk

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make extras")
from torch import nn  # noqa: E402
from torch.nn.utils import prune  # noqa: E402

from plastic.interop import from_torch, to_torch  # noqa: E402

TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
"""Largest difference of a prediction, of networks whose signals are of order 1."""

drawn = settings(max_examples=30, deadline=None, derandomize=True, database=None)


def answers(module, X):
    dtype = next(module.parameters()).dtype
    with torch.no_grad():
        return module(torch.as_tensor(X, dtype=dtype)).numpy()


class TestToTorch:
    @drawn
    @given(seed=st.integers(0, 2**32 - 1), pair=st.sampled_from(PAIRS), biases=st.booleans())
    def test_any_graph_of_every_activation_predicts_the_same(self, seed, pair, biases):
        network = random_network(seed, "every", *pair, biases=biases)
        X, _ = random_data(seed, 9)
        module = to_torch(network)
        difference = np.abs(answers(module, X) - network.predict(X))
        assert difference.max() <= TOLERANCE["float64"]
        assert np.array_equal(from_torch(module).predict(X), network.predict(X))

    @drawn
    @given(seed=st.integers(0, 2**32 - 1), pair=st.sampled_from(PAIRS))
    def test_in_float32_too(self, seed, pair):
        network = random_network(seed, "mixed", *pair, dtype="float32")
        X, _ = random_data(seed, 9)
        found, wanted = answers(to_torch(network), X), network.predict(X)
        assert found.dtype == np.float32
        scale = max(1, np.abs(wanted).max())
        assert np.abs(found - wanted).max() <= TOLERANCE["float32"] * scale

    @pytest.mark.parametrize("hidden", ["mixed", "straight_through"])
    def test_gradients_are_those_of_the_engine(self, hidden):
        network = random_network(1, hidden, "softmax", "cross_entropy")
        X, Y = smooth_data(network, 1, 20) if hidden == "mixed" else random_data(1, 20)
        module = to_torch(network)
        answer = module(torch.as_tensor(X))
        loss = -(torch.as_tensor(Y) * answer.log()).sum(axis=1).mean()
        loss.backward()
        wanted = network.gradients(X, Y)
        np.testing.assert_allclose(module.weight.grad, wanted.weights, atol=1e-12)
        computed = np.sort(network.topology.structure.computed)
        np.testing.assert_allclose(module.bias.grad, wanted.biases[computed], atol=1e-12)

    def test_training_there_is_training_here(self):
        network = random_network(2, "tanh", "identity", "mse")
        X, Y = random_data(2, 20)
        module = to_torch(network)
        before = network.weights.copy()
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
        inputs, targets = torch.as_tensor(X), torch.as_tensor(Y)
        for _ in range(30):
            optimizer.zero_grad()
            (0.5 * (module(inputs) - targets).square().sum(axis=1).mean()).backward()
            optimizer.step()
        assert np.array_equal(network.weights, before)
        rows = np.tile(np.arange(20), (30, 1))
        network.learn(X, Y, rows, SGD(0.1, momentum=0.9))
        back = from_torch(module)
        assert not np.allclose(back.weights, before)
        np.testing.assert_allclose(back.weights, network.weights, atol=1e-10)
        np.testing.assert_allclose(back.predict(X), network.predict(X), atol=1e-10)

    def test_it_comes_back_with_ids_groups_dates_and_limits(self):
        network = random_network(3)
        network.learn(*random_data(3, 20), np.zeros((4, 2), int), SGD(0.1, momentum=0.9))
        back = from_torch(to_torch(network))
        arrays, described = encode(network.topology)
        held, told = encode(back.topology)
        assert told == described
        lost = {"connection.momentum", "neuron.momentum"}  # training elsewhere outdates them
        assert set(arrays) - set(held) == lost
        for name, values in held.items():
            np.testing.assert_array_equal(values, arrays[name], err_msg=name)
        back.weights[:] = 0
        assert network.weights.any()

    def test_a_network_without_biases_has_none_there(self):
        module = to_torch(random_network(4, biases=False))
        assert module.bias is None
        assert [name for name, _ in module.named_parameters()] == ["weight"]
        assert not from_torch(module).use_biases

    def test_its_state_goes_to_another_module(self):
        X, _ = random_data(5, 6)
        one, other = (to_torch(random_network(5)) for _ in range(2))
        with torch.no_grad():
            other.weight.mul_(2)
        state = one.state_dict()
        assert list(state) == ["weight", "bias"]
        other.load_state_dict(state)
        assert np.array_equal(answers(one, X), answers(other, X))

    def test_it_moves_to_another_device_and_dtype(self):
        module = to_torch(random_network(6))
        moved = copy.deepcopy(module).to("meta")
        assert {tensor.device.type for tensor in moved.state_dict().values()} == {"meta"}
        assert moved(torch.zeros(5, 4, device="meta", dtype=torch.float64)).shape == (5, 3)
        assert answers(module.float(), np.zeros((2, 4))).dtype == np.float32
        assert from_torch(module).dtype == "float32"
        assert from_torch(module.to(torch.bfloat16)).dtype == "float32"

    def test_a_hard_threshold_passes_no_gradient(self):
        network = random_network(7, "threshold", "identity", "mse")
        module = to_torch(network)
        module(torch.ones(3, 4, dtype=torch.float64)).sum().backward()
        into = network.topology.structure.targets
        hard = network.topology.structure.activations[into] == 5
        assert hard.any()
        assert not module.weight.grad[torch.as_tensor(hard)].any()

    def test_it_says_what_it_holds(self):
        assert "4 inputs, " in repr(to_torch(random_network(8)))

    @pytest.mark.parametrize("shape", [(4,), (3, 5), (2, 3, 4)])
    def test_samples_of_another_shape_are_refused(self, shape):
        with pytest.raises(InvalidData, match=r"X must be of shape \(n_samples, 4\), got \("):
            to_torch(random_network(9))(torch.zeros(shape, dtype=torch.float64))


MODULES = {
    "relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "identity": nn.Identity,
}  # fmt: skip


def random_model(seed, *, bias=True, last=()):
    torch.manual_seed(seed)
    names = np.random.default_rng(seed).choice(list(MODULES), 2)
    layers = [nn.Linear(5, 7, bias), MODULES[names[0]](), nn.Dropout(0.5)]
    layers += [nn.Sequential(nn.Linear(7, 6, bias), MODULES[names[1]]()), nn.Linear(6, 3, bias)]
    return nn.Sequential(nn.Flatten(), *layers, *last).double().eval()


class TestFromTorch:
    @drawn
    @given(
        seed=st.integers(0, 2**32 - 1),
        bias=st.booleans(),
        last=st.sampled_from([(), (nn.Softmax(1),), (nn.Sigmoid(),), (nn.Tanh(),)]),
        amount=st.sampled_from([0.0, 0.3, 0.95, 1.0]),
        made_permanent=st.booleans(),
    )
    def test_a_sequential_dense_or_pruned(self, seed, bias, last, amount, made_permanent):
        model = random_model(seed, bias=bias, last=last)
        linear = [part for part in model.modules() if isinstance(part, nn.Linear)]
        for part in linear:
            prune.random_unstructured(part, "weight", amount)
            with torch.no_grad():
                part.weight_orig.mul_(1.5)  # as a step does that no pass has followed yet
        X = np.random.default_rng(seed).normal(size=(8, 5))
        wanted = answers(model, X)
        n_connections = sum(int(part.weight_mask.sum()) for part in linear)
        if made_permanent:
            for part in linear:
                prune.remove(part, "weight")
        network = from_torch(model)
        assert network.topology.n_connections == n_connections
        assert network.use_biases == bias
        assert np.abs(network.predict(X) - wanted).max() <= TOLERANCE["float64"]
        loss = "cross_entropy" if last and type(last[0]) in (nn.Softmax, nn.Sigmoid) else "mse"
        assert network.loss == loss

    def test_what_a_mask_keeps_is_kept_at_weight_zero(self):
        layer = nn.Linear(3, 2)
        nn.init.zeros_(layer.weight)
        assert from_torch(layer).topology.n_connections == 0
        prune.custom_from_mask(layer, "weight", torch.tensor([[1, 0, 1], [0, 0, 1]]))
        assert from_torch(layer).topology.n_connections == 3

    def test_a_bias_may_be_pruned_too(self):
        layer = nn.Linear(3, 2).double()
        prune.custom_from_mask(layer, "bias", torch.tensor([1, 0]))
        network = from_torch(layer)
        assert np.allclose(network.predict(np.zeros((1, 3)))[0, 1], 0)

    def test_sparse_layouts_are_read(self):
        model = random_model(0)
        for part in model.modules():
            if isinstance(part, nn.Linear):
                dense = part.weight.detach() * (part.weight.detach() > 0)
                part.weight = nn.Parameter(dense.to_sparse(), requires_grad=False)
        network = from_torch(model)
        assert (network.weights > 0).all()

    def test_its_layers_are_groups_that_may_connect_as_they_did(self):
        network = from_torch(random_model(1))
        topology = network.topology
        assert np.bincount(topology.structure.groups).tolist() == [5, 7, 6, 3]
        assert topology.density == 1
        rng = np.random.default_rng(0)
        assert topology.blocks == erk(5, 3, 0.5, rng, hidden=[7, 6]).blocks

    def test_logits_are_given_a_softmax(self):
        model = random_model(2)
        network = from_torch(model, output_activation="softmax")
        X = np.random.default_rng(0).normal(size=(8, 5))
        wanted = torch.softmax(torch.as_tensor(answers(model, X)), 1)
        np.testing.assert_allclose(network.predict(X), wanted, atol=1e-12)
        assert network.loss == "cross_entropy"

    def test_it_goes_back_and_learns_on(self):
        network = from_torch(random_model(3), loss="mse", threads=2)
        module = to_torch(network)
        X = np.random.default_rng(0).normal(size=(8, 5))
        np.testing.assert_allclose(answers(module, X), network.predict(X), atol=1e-12)

    def test_half_precision_becomes_single(self):
        assert from_torch(random_model(4).half()).dtype == "float32"

    @pytest.mark.parametrize(
        ("module", "said"),
        [
            (nn.Conv2d(1, 1, 1), "the module is a Conv2d, but only Linear layers and ReLU"),
            (nn.Sequential(nn.Linear(2, 2), nn.GELU()), "1 is a GELU, but only Linear"),
            (nn.Sequential(nn.Linear(2, 2), nn.Flatten()), "1 is a Flatten, but only"),
            (
                nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))),
                "0.1 is a BatchNorm1d, but only",
            ),
            (nn.Sequential(), "there is no Linear layer in Sequential"),
            (nn.Sequential(nn.ReLU(), nn.Linear(2, 2)), "0 is a ReLU before any Linear layer"),
            (nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.ReLU()), "2 is a ReLU after tanh"),
            (
                nn.Sequential(nn.Linear(2, 2), nn.Softmax(0)),
                "1 is a softmax over dimension 0; it must be 1",
            ),
            (
                nn.Sequential(nn.Linear(2, 3), nn.Linear(2, 2)),
                "0 gives 3 values, but 1 takes 2",
            ),
            (
                nn.Sequential(nn.Linear(2, 3), nn.Softmax(1), nn.Linear(3, 2)),
                "softmax must be last, but 2 follows",
            ),
        ],
    )
    def test_what_cannot_be_read_is_refused_by_name(self, module, said):
        with pytest.raises(InvalidNetwork) as caught:
            from_torch(module)
        assert str(caught.value).startswith(said)

    def test_weights_must_be_finite(self):
        layer = nn.Linear(2, 2)
        nn.init.constant_(layer.weight, float("inf"))
        with pytest.raises(InvalidNetwork, match="the module has a weight that is not finite"):
            from_torch(layer)

    def test_outputs_have_one_activation(self):
        model = random_model(5, last=[nn.Tanh()])
        with pytest.raises(InvalidNetwork, match="the outputs are tanh already, not softmax"):
            from_torch(model, output_activation="softmax")
        with pytest.raises(InvalidParameter, match="activation must be one of"):
            from_torch(nn.Linear(2, 2), output_activation="hinge")
        with pytest.raises(InvalidParameter, match="loss must be one of"):
            from_torch(nn.Linear(2, 2), loss="hinge")


def test_every_activation_goes_there():
    for hidden in EVERY:
        network = random_network(0, hidden)
        X, _ = random_data(0, 5)
        np.testing.assert_allclose(
            answers(to_torch(network), X), network.predict(X), atol=1e-12
        )
    assert isinstance(from_torch(to_torch(network)), Network)
