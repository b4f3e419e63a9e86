"""`KerasEvaluator`: training with ``fit``, in one go and in parts."""

import keras
import numpy as np
import pytest

import retiarii.nn.keras as knn
from retiarii.errors import ArgumentError, EvaluatorError, MetricError, TrialPruned
from retiarii.evaluator import TrialContext, run_evaluation, serialize
from retiarii.evaluator.keras import KerasEvaluator
from retiarii.testing.evaluators import EvaluatorConformance

# Keras's own, when it computes with torch:
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

X = np.random.default_rng(0).random((60, 4)).astype("float32")
Y = (X.sum(1) > 2).astype("int32")


def model():
    width = knn.ValueChoice([4, 8], label="width")
    return knn.Sequential(
        [knn.Input((4,)), knn.Dense(width, activation="relu"), knn.Dropout(0.2), knn.Dense(2, activation="softmax")]
    )


def network():
    return knn.freeze(model(), {"width": 4})


def evaluator(**arguments):
    given = {
        "validation_data": (X[40:], Y[40:]),
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
        "batch_size": 10,
        **arguments,
    }
    return KerasEvaluator(X[:40], Y[:40], **given)


class TestConformance(EvaluatorConformance):
    fidelity = "epochs"
    amounts = (1, 3)

    @pytest.fixture
    def evaluator(self):
        adam = {"class_name": "adam", "config": {"learning_rate": knn.ValueChoice([0.01, 0.1], label="lr")}}
        return evaluator(optimizer=adam, epochs=2)

    @pytest.fixture
    def base_model(self):
        return model()


def test_metrics_of_each_epoch_are_reported_and_those_of_the_last_returned():
    told = []
    metrics = run_evaluation(evaluator(epochs=3), network(), TrialContext(on_report=told.append))
    assert len(told) == 3
    assert told[-1] == metrics
    assert metrics["default"] == metrics["val_accuracy"]
    assert {*metrics} == {"default", "val_accuracy", "val_loss"}


def test_the_search_ends_a_training():
    def end(metrics):
        raise TrialPruned("enough")

    with pytest.raises(TrialPruned, match="enough"):
        run_evaluation(evaluator(epochs=3), network(), TrialContext(on_report=end))


def test_choices_may_be_arguments_of_fit_compile_and_optimizers():
    searched = evaluator(
        batch_size=knn.ValueChoice([10, 20], label="batch"),
        epochs=knn.ValueChoice([1, 2], label="epochs"),
        optimizer=serialize(keras.optimizers.SGD, learning_rate=knn.FloatRange(0.01, 0.1, label="lr")),
    )
    assert {choice.label for choice in searched.search_space} == {"batch", "epochs", "lr"}
    fixed = searched.fix({"batch": 20, "epochs": 1, "lr": 0.05})
    trained = network()
    run_evaluation(fixed, trained, TrialContext())
    assert float(trained.optimizer.learning_rate) == pytest.approx(0.05)


def test_one_optimizer_and_its_callbacks_serve_many_models():
    stopping = keras.callbacks.EarlyStopping("val_loss", patience=0, min_delta=10.0)
    shared = evaluator(optimizer=keras.optimizers.Adam(0.01), epochs=5, callbacks=[stopping])
    for _ in range(2):
        told = []
        run_evaluation(shared, network(), TrialContext(on_report=told.append))
        assert len(told) == 2  # it stopped early
    assert not shared.compile_kwargs["optimizer"].built


def test_a_metric_to_compare_by_is_named_where_it_is_not_clear():
    with pytest.raises(MetricError, match=r"not clear by which metric.*KerasEvaluator\(\.\.\., monitor="):
        run_evaluation(evaluator(metrics=["accuracy", "sparse_categorical_accuracy"]), network(), TrialContext())
    with pytest.raises(MetricError, match=r"compared by 'val_acc', but fit\(\) logged .*Did you mean 'val_accuracy'"):
        run_evaluation(evaluator(monitor="val_acc"), network(), TrialContext())
    metrics = run_evaluation(evaluator(monitor="val_loss"), network(), TrialContext())
    assert metrics["default"] == metrics["val_loss"]


def test_arguments_that_the_evaluator_gives_itself_are_refused():
    with pytest.raises(ArgumentError, match="initial_epoch"):
        evaluator(initial_epoch=3)


def test_parts_that_do_not_fit_are_refused(tmp_path):
    def context(number, epochs, parent=None):
        folder = tmp_path / str(number)
        parent_folder = None if parent is None else tmp_path / str(parent)
        return TrialContext(
            number, fidelity={"epochs": epochs}, folder=folder, parent=parent, parent_folder=parent_folder
        )

    run_evaluation(evaluator(), network(), context(0, 2))
    with pytest.raises(EvaluatorError, match="trains for 1 epochs, but trial 0, which it continues, was trained for 2"):
        run_evaluation(evaluator(), network(), context(1, 1, parent=0))
    with pytest.raises(EvaluatorError, match=r"fidelity epochs=1\.5, expected a whole number"):
        run_evaluation(evaluator(), network(), context(1, 1.5))
    with pytest.raises(EvaluatorError, match=r"cannot be read .* of another model"):
        run_evaluation(evaluator(), knn.freeze(model(), {"width": 8}), context(1, 3, parent=0))
    (tmp_path / "0" / "training.npz").write_bytes(b"damaged")
    with pytest.raises(EvaluatorError, match="cannot be read"):
        run_evaluation(evaluator(), network(), context(1, 3, parent=0))


def test_a_model_that_learns_its_input_from_the_data_goes_on_from_its_parent(tmp_path):
    def net():
        return keras.Sequential([keras.layers.Dense(4), keras.layers.Dense(2, activation="softmax")])

    whole = run_evaluation(evaluator(), net(), TrialContext(seed=3, fidelity={"epochs": 2}))
    assert whole
    run_evaluation(evaluator(), net(), TrialContext(fidelity={"epochs": 1}, folder=tmp_path / "0"))
    told = []
    context = TrialContext(1, fidelity={"epochs": 3}, parent=0, parent_folder=tmp_path / "0", on_report=told.append)
    run_evaluation(evaluator(), net(), context)
    assert len(told) == 2
