import numpy as np
import pytest

from plastic.activations import BY_CODE, tanh
from plastic.edits import AddNeurons, Connect, Disconnect, Edit, PruneNeurons
from plastic.errors import InvalidEdit, InvalidParameter


def test_one_activation_and_group_for_all_or_one_for_each():
    one = AddNeurons(3, activation="tanh", group=4)
    same = AddNeurons(3, activation=tanh, group=[4, 4, 4])
    each = AddNeurons(3, activation=[1, 1, 1], group=np.array([4, 4, 4]))
    for edit in (one, same, each):
        np.testing.assert_array_equal(edit.activations, [tanh.code] * 3)
        np.testing.assert_array_equal(edit.groups, [4, 4, 4])
        assert edit.activations.dtype == np.int8
        assert edit.groups.dtype == np.int32


@pytest.mark.parametrize("n", [-1, 1.5, True, "2", None])
def test_neurons_are_counted_in_whole_numbers(n):
    with pytest.raises(InvalidEdit, match=r"n must be a whole number of at least 0, got"):
        AddNeurons(n)


@pytest.mark.parametrize("n", [0, 2, np.int64(2)])
def test_length_is_the_number_of_items(n):
    ids = np.arange(n)
    edits = [AddNeurons(n), PruneNeurons(ids), Connect(ids, ids + 1), Disconnect(ids)]
    assert [len(edit) for edit in edits] == [n] * 4


def test_an_edit_of_no_kind_cannot_be_made():
    with pytest.raises(TypeError, match="abstract class Edit"):
        Edit()


@pytest.mark.parametrize("ids", [[0.5], ["a"], [[1, 2]], [True], np.zeros((0, 2))])
@pytest.mark.parametrize("make", [PruneNeurons, Disconnect, lambda ids: Connect(ids, ids)])
def test_ids_are_flat_whole_numbers(make, ids):
    with pytest.raises(InvalidEdit, match="ids must be a flat array of whole numbers, got"):
        make(ids)


@pytest.mark.parametrize("ids", [7, [7], (7,), np.array([7], np.uint8), np.int32(7)])
def test_ids_may_be_given_as_anything_like_an_array(ids):
    assert Disconnect(ids).ids.dtype == np.int64
    np.testing.assert_array_equal(Disconnect(ids).ids, [7])


def test_ids_are_copied():
    ids = np.array([1, 2])
    edit = PruneNeurons(ids)
    ids[:] = 0
    np.testing.assert_array_equal(edit.ids, [1, 2])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Connect([0, 1], [2]), "targets must hold 2 items, got 1"),
        (lambda: Connect([0, 1], [2, 3], ids=[4]), "ids must hold 2 items, got 1"),
        (lambda: Connect([0], [2], columns={"weight": [1.0, 2.0]}), "weight must hold 1 items"),
        (lambda: Connect([0], [2], columns={"weight": 1.0}), "weight must hold 1 items, got 1"),
        (lambda: Connect([0], [2], scores=[1, 2, 3]), "scores must hold 1 items, got 3"),
        (lambda: Disconnect([0], scores=[]), "scores must hold 1 items, got 0"),
        (lambda: PruneNeurons([0], scores=[1, 2]), "scores must hold 1 items, got 2"),
        (lambda: AddNeurons(2, ids=[5]), "ids must hold 2 items, got 1"),
        (lambda: AddNeurons(2, activation=[0]), "activation must hold 2 items, got 1"),
        (lambda: AddNeurons(2, group=[0, 0, 0]), "group must hold 2 items, got 3"),
        (lambda: AddNeurons(2, columns={"bias": [0]}), "bias must hold 2 items, got 1"),
        (lambda: AddNeurons(2, scores=[0]), "scores must hold 2 items, got 1"),
    ],
)
def test_arrays_are_aligned(make, message):
    with pytest.raises(InvalidEdit, match=message):
        make()


@pytest.mark.parametrize("name", ["activation", "group"])
@pytest.mark.parametrize("value", [-1, 1.5, ["relu", "tanh"], [0, -3], True])
def test_codes_and_groups_are_whole_numbers(name, value):
    message = f"{name} must be whole numbers of at least 0, got"
    with pytest.raises(InvalidEdit, match=message):
        AddNeurons(2, **{name: value})


def test_the_activation_must_exist():
    with pytest.raises(InvalidParameter, match=r"activation must be one of .* got 'step'"):
        AddNeurons(1, activation="step")
    unknown = max(BY_CODE) + 1
    with pytest.raises(InvalidEdit, match=f"there is no activation of code {unknown}"):
        AddNeurons(2, activation=[0, unknown])


def test_an_edit_is_frozen():
    edit = Connect([0], [1])
    with pytest.raises(AttributeError):
        edit.sources = np.array([2])
