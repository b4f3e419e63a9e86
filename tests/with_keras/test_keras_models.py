"""Keras models with choices: their spaces, and what architectures make of them."""

import random

import keras
import numpy as np
import pytest
from keras_models import MODELS, Block, functional, sequential

import retiarii.nn.keras as knn
from retiarii.errors import ArchitectureError, ChoiceMisuseError, DomainError, FreezeError, LabelConflictError
from retiarii.evaluator import dumps, loads
from retiarii.space import Categorical, Subset, both, when

# Keras's own, when it computes with torch:
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

IMAGES = np.random.default_rng(0).random((2, 6, 6, 1)).astype("float32")


def arrays_of(network):
    return [tuple(variable.shape) for variable in network.weights]


def test_the_space_of_a_sequential_model_has_labels_domains_conditions_and_places():
    space = knn.extract_space(sequential())
    assert [choice.label for choice in space] == ["width", "kernel", "op", "inner", "depth"]
    assert space["width"] == Categorical("width", (4, 8))
    assert space["op"].values == ("conv", "skip")
    assert space["inner"].condition == when("op", "conv")
    assert space["kernel"].declared_at == "Sequential.layers[1].kernel_size"
    assert space.size == 2 * 2 * 3 * (2 + 1)


def test_the_space_of_code_has_automatic_labels_and_conditions():
    space = knn.extract_space(functional())
    assert [choice.label for choice in space] == [
        "first",
        "model_1_1",
        "model_1_2",
        "depth",
        "model_2_1",
        "model_2_2",
        "skip",
    ]
    assert space["skip"] == Subset("skip", (0, 1), min_chosen=0, max_chosen=2)
    assert knn.extract_space(functional()) == space


def test_a_choice_in_two_conditions_is_active_in_both():
    inner = knn.LayerChoice([knn.Dense(knn.ValueChoice([1, 2], label="w")), knn.Identity()], label="inner")
    space = knn.extract_space(knn.LayerChoice([inner, knn.Identity()], label="outer"))
    assert space["w"].condition == both(when("outer", 0), when("inner", 0))


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("seed", range(4))
def test_freeze_and_fixed_arch_give_the_same_plain_model(kind, seed):
    model = MODELS[kind]()
    architecture = knn.extract_space(model).sample(random.Random(seed))
    frozen = knn.freeze(model, architecture)
    with knn.fixed_arch(architecture):
        built = MODELS[kind]()
    x = IMAGES if kind != "subclass" else IMAGES[:, :, 0, 0]
    assert frozen(x).shape == built(x).shape == (2, 3)
    assert arrays_of(frozen) == arrays_of(built)
    assert not isinstance(frozen, knn.Blueprint)
    for layer in frozen._flatten_layers():
        assert "retiarii" not in type(layer).__module__ or isinstance(layer, knn.PickedInputs)


def test_a_frozen_model_has_the_chosen_values():
    chosen = {"width": 8, "kernel": 3, "op": "conv", "inner": 3, "depth": 2}
    network = knn.freeze(sequential(), chosen)
    assert [type(layer).__name__ for layer in network.layers] == [
        "Conv2D",
        "Conv2D",
        "Sequential",
        "GlobalAveragePooling2D",
        "Dense",
    ]
    assert network.layers[0].filters == 8
    assert network.layers[1].filters == 16
    assert network.layers[1].kernel_size == (3, 3)
    assert [layer.name for layer in network.layers[2].layers] == ["block0", "block1"]
    assert isinstance(knn.freeze(sequential(), {**chosen, "depth": 0}).layers[2], keras.layers.Identity)


def test_a_block_that_is_one_layer_is_copied_with_unique_names_and_weights_of_its_own():
    block = knn.Dense(knn.ValueChoice([4, 8], label="width"), name="block")
    model = knn.Sequential([knn.Input((4,)), knn.Repeat(block, (1, 3), label="depth")])
    assert [choice.label for choice in knn.extract_space(model)] == ["depth", "width"]
    network = knn.freeze(model, {"depth": 3, "width": 4}).layers[0]
    assert [layer.name for layer in network.layers] == ["block", "block_1", "block_2"]
    assert not np.array_equal(network.layers[0].get_weights()[0], network.layers[1].get_weights()[0])


def test_copies_of_code_choose_the_same():
    model = knn.Sequential([knn.Input((3,)), knn.Repeat(Block(knn.ValueChoice([4, 8], label="w")), (1, 2), label="d")])
    space = knn.extract_space(model)
    assert len(space) == 4
    network = knn.freeze(model, {"d": 2, "w": 8, "model_1": "tanh", "model_2": 0})
    assert [block.first.units for block in network.layers[0].layers] == [8, 8]


def test_a_layer_that_stands_twice_is_shared():
    shared = knn.Dense(knn.ValueChoice([4, 8], label="width"))
    first, second = (knn.Sequential([shared, layer]) for layer in (knn.ReLU(), knn.Dense(4)))
    network = knn.freeze(knn.Sequential([first, second]), {"width": 4})
    assert network.layers[0].layers[0] is network.layers[1].layers[0]


def test_layers_without_choices_keep_their_weights_and_stay_as_they_were():
    dense = keras.layers.Dense(2)
    dense.build((None, 4))
    model = knn.Sequential([knn.Input((4,)), dense, knn.Dense(knn.ValueChoice([1, 2], label="w"))])
    first, second = (knn.freeze(model, {"w": 1}) for _ in range(2))
    assert first.layers[0] is not dense
    np.testing.assert_array_equal(first.layers[0].get_weights()[0], dense.get_weights()[0])
    assert not np.array_equal(first.layers[1].get_weights()[0], second.layers[1].get_weights()[0])


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: knn.LSTM(knn.ValueChoice([2, 3], label="c")), (2, 5, 4)),
        (lambda: knn.Bidirectional(knn.GRU(knn.ValueChoice([2, 3], label="c"))), (2, 5, 4)),
        (lambda: knn.TimeDistributed(knn.Dense(knn.ValueChoice([2, 3], label="c"))), (2, 5, 4)),
        (lambda: knn.RNN([knn.LSTMCell(knn.ValueChoice([2, 3], label="c"))]), (2, 5, 4)),
        (lambda: knn.MultiHeadAttention(knn.ValueChoice([2, 3], label="c"), key_dim=2), None),
        (lambda: knn.Dropout(rate=knn.ValueChoice([0.1, 0.2], label="c")), (2, 4)),
        (lambda: knn.BatchNormalization(momentum=knn.ValueChoice([0.9, 0.99], label="c")), (2, 4)),
        (lambda: knn.Dense(4, activation=knn.ValueChoice([keras.activations.relu, None], label="c")), (2, 4)),
        (lambda: knn.Conv2D(2, (knn.ValueChoice([1, 3], label="c"), 1)), (2, 6, 6, 1)),
        (
            lambda: knn.Dense(knn.ValueChoice([4, 8], label="c") // 2, kernel_regularizer=keras.regularizers.L2(0.1)),
            (2, 4),
        ),
    ],
)
def test_arguments_of_any_layer_may_be_choices(make, shape):
    model = make()
    space = knn.extract_space(model)
    assert [choice.label for choice in space] == ["c"]
    for architecture in space.grid():
        layer = knn.freeze(model, architecture)
        if shape is not None:
            assert layer(np.ones(shape, "float32")).shape[0] == 2


@pytest.mark.parametrize("reduction", ["sum", "mean", "concat", "none"])
def test_chosen_inputs_are_reduced_as_said(reduction):
    model = knn.InputChoice(3, n_chosen=2, reduction=reduction, label="in")
    tensors = [np.full((1, 2), float(number)) for number in range(3)]
    found = knn.freeze(model, {"in": [0, 2]})(tensors)
    expected = {"sum": tensors[2], "mean": tensors[2] / 2, "concat": np.concatenate([tensors[0], tensors[2]], -1)}
    if reduction == "none":
        assert len(found) == 2
    else:
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(found), expected[reduction])


def test_inputs_have_names_and_a_frozen_model_can_be_saved(tmp_path):
    @knn.model_wrapper
    def net():
        inputs = keras.Input((4,))
        parts = {"a": keras.layers.Dense(2)(inputs), "b": keras.layers.Dense(2)(inputs)}
        return keras.Model(inputs, knn.InputChoice(choose_from=["a", "b"], label="in")(parts))

    assert knn.extract_space(net())["in"].values == ("a", "b")
    network = knn.freeze(net(), {"in": "b"})
    network.save(tmp_path / "net.keras")
    x = np.ones((1, 4), "float32")
    again = keras.saving.load_model(tmp_path / "net.keras")
    np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(each(x)) for each in (network, again)))


def test_a_decorated_class_is_a_class_to_subclass_and_to_ask_for():
    class Wider(Block):
        pass

    with knn.fixed_arch({"model_1": "relu", "model_2": 0}):
        network = Block(4)
    assert isinstance(network, Block)
    assert isinstance(Wider.__mro__[1], type)


@pytest.mark.parametrize("kind", MODELS)
def test_blueprints_travel(kind):
    model = MODELS[kind]()
    copy = loads(dumps(model, "model"))
    assert knn.extract_space(copy) == knn.extract_space(model)


def test_the_names_of_keras_are_here_and_types_others_are_not():
    assert "Conv2D" in dir(knn)
    assert knn.Model is keras.Model
    assert knn.Conv2D == keras.layers.Conv2D
    assert loads(dumps(knn.Conv2D, "layer")) is knn.Conv2D
    with pytest.raises(AttributeError, match=r"no attribute 'Convv2D', and neither has keras\.layers"):
        knn.Convv2D  # noqa: B018


# What is refused, and how


def test_a_wrong_architecture_names_the_label():
    good = {"width": 8, "kernel": 3, "op": "skip", "depth": 2}
    for bad, message in [
        ({**good, "width": 5}, "'width' has value 5"),
        ({**good, "op": "pool"}, "'op' has value 'pool'"),
        ({**good, "widht": 8}, "widht"),
        ({"width": 8}, "kernel"),
    ]:
        with pytest.raises(ArchitectureError, match=message):
            knn.freeze(sequential(), bad)
        with pytest.raises(ArchitectureError, match=message), knn.fixed_arch(bad):
            sequential()
    assert knn.freeze(sequential(), {**good, "other": 1}, strict=False).built


def test_a_blueprint_is_no_layer_yet():
    layer = knn.Dense(4)
    with pytest.raises(ChoiceMisuseError, match=r"Dense.*not built yet.*model_wrapper"):
        layer(IMAGES)
    with pytest.raises(AttributeError, match=r"'add'.*blueprint"):
        knn.Sequential([]).add(layer)


def test_built_models_have_no_space():
    with pytest.raises(TypeError, match=r"Dense.*expected a model of retiarii\.nn\.keras.*is built"):
        knn.extract_space(keras.layers.Dense(2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: knn.LayerChoice([]), "candidate|values"),
        (lambda: knn.LayerChoice([1], label="op"), "'op' has the candidate 0: 1, expected a layer"),
        (lambda: knn.LayerChoice(knn.Dense(1), label="op"), "expected a list or a dict"),
        (lambda: knn.LayerChoice([(layer := knn.Dense(1)), layer], label="op"), "one layer as two candidates"),
        (lambda: knn.InputChoice(label="in"), "the number of its inputs"),
        (lambda: knn.InputChoice(2, reduction="max", label="in"), "expected one of sum, mean"),
        (lambda: knn.InputChoice(2, n_chosen=2, prior=[0.5, 0.5], label="in"), "only n_chosen=1"),
        (lambda: knn.Repeat([knn.Dense(1)], (1, 2)), "got 1 blocks, but may need 2"),
        (lambda: knn.Repeat(lambda: 3, (1, 2)), "Block 0 of Repeat is 3"),
        (lambda: knn.Repeat(knn.Dense(1), 0), "one above 0"),
        (lambda: knn.ValueChoice([keras.layers.Dense(1)], label="v"), "is a module"),
    ],
)
def test_impossible_choices_are_refused(make, message):
    with pytest.raises(DomainError, match=message):
        make()


def test_code_must_make_the_same_choices_whatever_the_values_are():
    @knn.model_wrapper
    def net(deep):
        layers = [knn.Input((4,)), knn.Dense(knn.ValueChoice([4, 8], label="width"))]
        if deep:
            layers.append(knn.Dense(knn.ValueChoice([4, 8], label="second")))
        return knn.Sequential(layers)

    model = net(knn.ValueChoice([False, True], label="deep"))
    with pytest.raises(FreezeError, match="'second', which it does not make with the default"):
        knn.freeze(model, {"deep": True, "width": 4})


def test_code_must_return_a_layer():
    @knn.model_wrapper
    def net():
        return 3

    with pytest.raises(FreezeError, match=r"net\(\) .* returned an object of type int"):
        knn.extract_space(net())


def test_only_functions_and_layers_are_marked():
    with pytest.raises(TypeError, match="@model_wrapper got 3"):
        knn.model_wrapper(3)


def test_labels_that_two_parts_numbered_are_refused():
    model = knn.Sequential([Block(4), Block(4)])
    with pytest.raises(LabelConflictError, match=r"'model_1' was given twice.*marked with @model_wrapper"):
        knn.extract_space(model)
