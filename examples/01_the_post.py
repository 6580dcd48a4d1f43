"""The post's network, trained by the right rules and by the rules as they were published.

Run it with ``python examples/01_the_post.py``.
"""

from plastic.activations import Activation
from plastic.nodes import Neuron, OnlyValueNode, sigmoid

# The post prints this trace and not its weights; fitting the trace gives them.  The weights
# of the input that is 0 never matter.
FROM_INPUT = (-0.8595159408319295, 0.31515939204226673)
FROM_HIDDEN = (-0.038695509266085906, -1.312283411237427)
FIRST_PREDICTION = 0.3164361610425274
PRINTED = (  # iteration, prediction after the update, delta before it
    (0, 0.32657710522677447, -0.1072586480775171),
    (10, 0.4415525266173307, -0.12064604031894759),
    (20, 0.5671375430896027, -0.12042266995804322),
    (30, 0.6786449484649778, -0.10682852048130946),
    (40, 0.7629424086375847, -0.08813787434902805),
    (50, 0.8217956529633006, -0.07090071583417984),
    (60, 0.8621824084446924, -0.057166614239916765),
    (70, 0.8902997752001611, -0.046734101273643504),
    (80, 0.9103944828898858, -0.03886092820194152),
    (90, 0.9251703458761689, -0.03285918444207968),
    (100, 0.936332287594344, -0.028210440799005393),
)
TARGET, LAST_ITERATION = 1, 100

wrong_slope = Activation("sigmoid", 0, sigmoid.function, lambda y: 2 * sigmoid(y) - 1)


class PublishedNeuron(Neuron):
    """A neuron that follows the post to the letter; each switch corrects one rule."""

    slope = wrong_slope
    rate_for_all = False
    deltas_first = False

    def __init__(self) -> None:
        super().__init__(self.slope)

    def backpropagate(self, learning_rate: float = 0.1) -> None:
        if not self.deltas_first:
            self.update_weights(learning_rate)
        for node in self.input_nodes:
            node.hidden_delta_function()
            node.backpropagate(learning_rate if self.rate_for_all else 0.1)
        if self.deltas_first:
            self.update_weights(learning_rate)


class RightDerivative(PublishedNeuron):
    slope = sigmoid


class RateForAll(PublishedNeuron):
    rate_for_all = True


class DeltasFirst(PublishedNeuron):
    deltas_first = True


class AllCorrected(RightDerivative, RateForAll, DeltasFirst):
    pass


def build(kind: type[Neuron]) -> Neuron:
    """The post's network, from the weights behind its trace."""
    zero, one, output = OnlyValueNode(0), OnlyValueNode(1), kind()
    for weight_in, weight_out in zip(FROM_INPUT, FROM_HIDDEN, strict=True):
        hidden = kind()
        zero.connect_forward(hidden, weight=0.0)
        one.connect_forward(hidden, weight_in)
        hidden.connect_forward(output, weight_out)
    return output


def train(kind: type[Neuron]) -> list[tuple[int, float, float]]:
    """The trace that the post prints, but of every iteration."""
    output, trace = build(kind), []
    for iteration in range(LAST_ITERATION + 1):
        delta = output.output_delta_function(TARGET)
        output.backpropagate(1)
        trace.append((iteration, output.get_output(), delta))
    return trace


print("1. The network, and how the right rules train it (learning rate 1)\n")
build(Neuron).print_structure(1)
print(f"\n{'iteration':>11} {'prediction':>12} {'delta':>10}")
for iteration, prediction, delta in train(Neuron)[::10]:
    print(f"{iteration:11} {prediction:12.6f} {delta:10.6f}")

print("\n2. The post's printed trace, brought back by its published rules\n")
rows = train(PublishedNeuron)[::10]
residual = abs(float(build(PublishedNeuron).get_output()) - FIRST_PREDICTION)
for row, printed in zip(rows, PRINTED, strict=True):
    residual = max(
        residual, *(abs(ours - theirs) for ours, theirs in zip(row, printed, strict=True))
    )
assert residual < 1e-12, f"the trace is not the post's: off by {residual}"
print(f"   largest residual over {len(PRINTED)} rows: {residual:.1e} (allowed: 1e-12)")

print(f"\n3. What each correction changes, after iteration {LAST_ITERATION}\n")
print(f"   {'rules':38} {'prediction':>10} {'loss':>10}")
for title, kind in {
    "as published": PublishedNeuron,
    "derivative y * (1 - y)": RightDerivative,
    "learning rate 1 for every neuron": RateForAll,
    "all deltas before any weight": DeltasFirst,
    "all three": AllCorrected,
    "plastic.nodes": Neuron,
}.items():
    prediction = float(train(kind)[-1][1])
    print(f"   {title:38} {prediction:10.6f} {0.5 * (prediction - TARGET) ** 2:10.2e}")
assert train(AllCorrected) == train(Neuron), "three corrections should make the right rules"
print("\n   The last two rows agree in every digit of every iteration.")
print("   The published derivative gets nearer because it is too large close to the target;")
print("   it is not the slope of the loss, which only the last two rows go down.")
