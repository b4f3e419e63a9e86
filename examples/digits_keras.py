"""Search a small convolutional network in Keras on the handwritten digits that ship with scikit-learn.

Run it with ``python examples/digits_keras.py``; it takes a minute and a half on two cores. PyTorch is not imported.
"""

import os

os.environ["KERAS_BACKEND"] = "jax"  # before Keras is imported

import keras
import numpy as np
from sklearn.datasets import load_digits

import retiarii.nn.keras as knn
from retiarii import RetiariiExeConfig, RetiariiExperiment
from retiarii.evaluator.keras import KerasEvaluator
from retiarii.strategy import ASHA

NUM_TRIALS, EPOCHS = (2, 2) if os.environ.get("RETIARII_EXAMPLE_FAST") else (12, 9)

digits = load_digits()
images = (digits.images[..., None] / 16).astype(np.float32)
labels = digits.target
train, valid, test = slice(0, 1000), slice(1000, 1400), slice(1400, 1797)


@knn.model_wrapper
def net():
    width = knn.ValueChoice([8, 16, 32], label="width")
    inputs = keras.Input((8, 8, 1))
    x = knn.Conv2D(width, knn.ValueChoice([3, 5], label="kernel"), padding="same", activation="relu")(inputs)
    candidates = {
        "conv": knn.Conv2D(width, 3, padding="same", activation="relu"),
        "separable": knn.SeparableConv2D(width, 3, padding="same", activation="relu"),
    }
    y = knn.LayerChoice(candidates, label="op")(x)
    x = knn.InputChoice(2, n_chosen=None, label="skip")([x, y])
    x = y if x is None else x
    x = knn.Repeat(lambda i: knn.Conv2D(width, 3, padding="same", activation="relu"), (0, 2), label="depth")(x)
    x = keras.layers.GlobalMaxPooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(10, activation="softmax")(x))


evaluator = KerasEvaluator(
    images[train],
    labels[train],
    validation_data=(images[valid], labels[valid]),
    optimizer={"class_name": "adam", "config": {"learning_rate": knn.FloatRange(1e-3, 3e-2, log=True, label="lr")}},
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
    batch_size=64,
)
search = ASHA("epochs", min_fidelity=1, max_fidelity=EPOCHS, reduction_factor=3)
experiment = RetiariiExperiment(net(), evaluator, strategy=search)


if __name__ == "__main__":
    experiment.run(RetiariiExeConfig("local", trial_concurrency=2, max_trial_number=NUM_TRIALS, seed=0))
    print("best architecture:", experiment.export_top_models()[0], experiment.top_hyperparameters()[0])
    [model] = experiment.export_top_models(formatter="instance", weights=True)
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    accuracy = model.evaluate(images[test], labels[test], verbose=0, return_dict=True)["accuracy"]
    print(f"accuracy on digits not used so far: {accuracy:.3f}")
