"""The procedure of Keras' transfer-learning tutorial: MobileNetV2, its head first, then from layer 100 up."""

from __future__ import annotations

import tensorflow as tf
from protocol import tell_epoch, tell_phase, told
from tensorflow import keras

EPOCHS, BATCH, SIDE, FROM_LAYER = 10, 32, 160, 100


def main() -> None:
    options = told()
    shape = (SIDE, SIDE, 3)
    weights = None if options.random else "imagenet"
    base = keras.applications.MobileNetV2(input_shape=shape, include_top=False, weights=weights)
    if options.fetch:
        return
    load = keras.utils.image_dataset_from_directory
    train, val = (load(options.data / s, batch_size=BATCH, image_size=shape[:2]) for s in ("train", "val"))
    classes = len(train.class_names)
    train, val = (part.prefetch(tf.data.AUTOTUNE) for part in (train, val))
    if classes == 2:
        units, loss = 1, keras.losses.BinaryCrossentropy(from_logits=True)
        metric = keras.metrics.BinaryAccuracy(threshold=0.0, name="accuracy")
    else:
        units, loss = classes, keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        metric = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    augment = keras.Sequential([keras.layers.RandomFlip("horizontal"), keras.layers.RandomRotation(0.2)])
    base.trainable = False
    inputs = keras.Input(shape=shape)
    x = base(keras.applications.mobilenet_v2.preprocess_input(augment(inputs)), training=False)
    x = keras.layers.Dropout(0.2)(keras.layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, keras.layers.Dense(units)(x))

    def fit(optimiser: keras.optimizers.Optimizer) -> None:
        model.compile(optimizer=optimiser, loss=loss, metrics=[metric])
        tell_phase(EPOCHS)
        told_of = keras.callbacks.LambdaCallback(on_epoch_end=lambda _, logs: tell_epoch(logs["val_accuracy"]))
        model.fit(train, validation_data=val, epochs=min(options.epochs, EPOCHS), verbose=0, callbacks=[told_of])

    fit(keras.optimizers.Adam(1e-4))
    base.trainable = True
    for layer in base.layers[:FROM_LAYER]:
        layer.trainable = False
    fit(keras.optimizers.RMSprop(1e-5))


if __name__ == "__main__":
    main()
