"""Models with choices, in each way in which Keras models are written."""

import keras

import retiarii.nn.keras as knn


def sequential():
    width = knn.ValueChoice([4, 8], label="width")
    return knn.Sequential(
        [
            knn.Input((6, 6, 1)),
            knn.Conv2D(width, knn.ValueChoice([1, 3], label="kernel"), padding="same"),
            knn.LayerChoice(
                {"conv": knn.Conv2D(width * 2, knn.ValueChoice([1, 3], label="inner")), "skip": knn.Identity()},
                label="op",
            ),
            knn.Repeat(lambda index: knn.Conv2D(width, 1, name=f"block{index}"), (0, 2), label="depth"),
            knn.GlobalAveragePooling2D(),
            keras.layers.Dense(3),
        ]
    )


@knn.model_wrapper
class Block(keras.Model):
    def __init__(self, width):
        super().__init__()
        self.first = knn.Dense(width, activation=knn.ValueChoice(["relu", "tanh"]))
        self.second = knn.LayerChoice([knn.Dense(3), keras.layers.Dense(3, activation="relu")])

    def call(self, x):
        return self.second(self.first(x))


@knn.model_wrapper
def functional(classes=3):
    inputs = keras.Input((6, 6, 1))
    x = knn.Flatten()(inputs)
    first = Block(knn.ValueChoice([4, 8], label="first"))(x)
    second = knn.Repeat(Block(4), (1, 2), label="depth")(first)
    picked = knn.InputChoice(2, n_chosen=None, reduction="concat", label="skip")([first, second])
    x = second if picked is None else picked
    return keras.Model(inputs, keras.layers.Dense(classes)(x))


MODELS = {
    "sequential": sequential,
    "functional": functional,
    "subclass": lambda: Block(knn.ValueChoice([4, 8], label="width")),
}
