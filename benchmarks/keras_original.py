"""Recipe `mobilenetv2-two-phase` beside its original in Keras: seconds, same pictures, same run.

    python -m venv keras && keras/bin/pip install tensorflow-cpu
    python benchmarks/keras_original.py PHOTOS --keras keras/bin/python [--views 4] [--epochs 10]

PHOTOS holds train/ and val/. The original is Keras' transfer-learning tutorial: MobileNetV2 at 160, batches of 32,
flips and rotations, Adam 1e-4 on the head, then RMSprop 1e-5 from layer 100 up. Its weights do not change how long a
step takes, so it starts from random ones, which need no download; the second of two epochs of each phase is timed, and
multiplied. headstart runs the recipe with the bundled trunk at its own epochs, batch and size, from files and an empty
cache to the trained network: decoding, converting the network, everything. With --views, as many fixed views of each
picture in place of new ones in every epoch. The two run one after the other; nothing else should run on the machine.

Expected: @@
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ORIGINAL = """
import json, sys, time
import tensorflow as tf

def pictures(part):
    folder = f"{sys.argv[1]}/{part}"
    found = tf.keras.utils.image_dataset_from_directory(folder, shuffle=True, batch_size=32, image_size=(160, 160))
    return found.prefetch(tf.data.AUTOTUNE)

train, val = pictures("train"), pictures("val")
augment = tf.keras.Sequential([tf.keras.layers.RandomFlip("horizontal"), tf.keras.layers.RandomRotation(0.2)])
base = tf.keras.applications.MobileNetV2(input_shape=(160, 160, 3), include_top=False, weights=None)
base.trainable = False
inputs = tf.keras.Input(shape=(160, 160, 3))
x = tf.keras.applications.mobilenet_v2.preprocess_input(augment(inputs))
x = tf.keras.layers.GlobalAveragePooling2D()(base(x, training=False))
model = tf.keras.Model(inputs, tf.keras.layers.Dense(1)(tf.keras.layers.Dropout(0.2)(x)))

def epoch(optimiser):
    loss = tf.keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(optimizer=optimiser, loss=loss, metrics=["accuracy"])
    model.fit(train, validation_data=val, epochs=1, verbose=0)
    start = time.perf_counter()
    model.fit(train, validation_data=val, epochs=1, verbose=0)
    return time.perf_counter() - start

first = epoch(tf.keras.optimizers.Adam(1e-4))
base.trainable = True
for layer in base.layers[:100]:
    layer.trainable = False
print(json.dumps([first, epoch(tf.keras.optimizers.RMSprop(1e-5))]))
"""


def original(python: Path, photos: Path) -> list[float]:
    """Seconds an epoch takes, of both phases."""
    words = [str(python), "-c", ORIGINAL, str(photos)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    return list(json.loads(done.stdout.splitlines()[-1]))


def ours(photos: Path, epochs: int, views: int | None) -> tuple[float, dict[int, float], float]:
    """Seconds of the whole command, of the epochs of each phase, and the accuracy."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        words = [sys.executable, "-m", "headstart", "recipes", "run", "mobilenetv2-two-phase", str(photos)]
        words += ["-o", str(run), "--backbone", "efficientnet_lite0", "--epochs", str(epochs), "--json"]
        words += ["--views", str(views)] if views else []
        start = time.perf_counter()
        environment = {**os.environ, "HEADSTART_CACHE": f"{folder}/cache"}
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True, env=environment)
        whole = time.perf_counter() - start
        history = json.loads((run / "history.json").read_text(encoding="utf-8"))
        phases: dict[int, float] = {}
        for epoch in history["epochs"]:
            phases[epoch["phase"]] = phases.get(epoch["phase"], 0.0) + epoch["seconds"]
        return whole, phases, json.loads(done.stdout)["accuracy"]["value"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--keras", type=Path, required=True, help="a Python that has TensorFlow")
    parser.add_argument("--views", type=int)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    first, second = (options.epochs * seconds for seconds in original(options.keras, options.photos))
    print(
        f"Keras      frozen phase {first:6.1f} s, both {first + second:6.1f} s   ({options.epochs} epochs each)",
        flush=True,
    )
    whole, phases, accuracy = ours(options.photos, options.epochs, options.views)
    frozen = whole - phases[2]  # decoding, converting and saving are counted with the first phase
    print(f"headstart  frozen phase {frozen:6.1f} s, both {whole:6.1f} s   accuracy {accuracy:.4f}")
    print(f"{first / frozen:.1f} and {(first + second) / whole:.1f} times as fast")


if __name__ == "__main__":
    main()
