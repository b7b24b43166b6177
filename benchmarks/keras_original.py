"""Recipe `mobilenetv2-two-phase` beside its original in Keras: seconds, same pictures, same run.

    python -m venv keras && keras/bin/pip install tensorflow-cpu
    python benchmarks/keras_original.py PHOTOS --keras keras/bin/python [--views 2] [--epochs 10] [--rounds 3]

PHOTOS holds train/ and val/. The original is Keras' transfer-learning tutorial: MobileNetV2 at 160, batches of 32,
flips and rotations, Adam 1e-4 on the head, then RMSprop 1e-5 from layer 100 up. Its weights do not change how long a
step takes, so it starts from random ones, which need no download; the epochs after the first of each phase are timed,
and multiplied. headstart carries out the recipe with the bundled backbone at its own epochs, batch and size, as many
fixed views of each picture as ``--views`` says, or new ones in every epoch: from files and an empty cache to trained
weights, with decoding, converting the network and checkpoints; first the frozen phase alone, then, from an empty cache
again, both. On neither side are the loading of libraries and what follows training counted. The sides take turns for as
many rounds as said; nothing else should run on the machine.

Measured with --views 2 on 2,000 + 500 cats and dogs and 2 AMD Zen 3 cores (AVX2, f32), medians of two rounds, taken
twice: Keras 328.4 and 702.4 s, then 309.1 and 669.4 s; headstart 24.0 and 148.8 s, then 22.6 and 138.7 s. The frozen
phase is 13.7 times as fast (13.5 to 13.9), then 13.6 times (9.5 to 17.7: Keras' first phase took 409.5 and 208.7 s);
both phases 4.7 times (4.4 to 5.0), then 4.8 times (4.2 to 5.4). With --views 3 one round gave 9.7 and 6.2 times. The
recipe ends at 0.982 on the 500 with two fixed views; at 0.986, 0.984 and 0.984 with seeds 0, 1 and 2 and new views in
every epoch. On 2 Zen 4 cores that compute in bf16, with --views 3, before: 10.5 and 3.8 times, Keras 174.8 and 377.0 s,
headstart 16.5 and 113.9 s.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

from headstart.backbones.space import NetworkSpec
from headstart.finetune.job import Job
from headstart.finetune.loop import finetune
from headstart.images.folder import scan
from headstart.recipes import records

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
    model.fit(train, validation_data=val, epochs=2, verbose=0)
    return (time.perf_counter() - start) / 2

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


def ours(photos: Path, epochs: int, views: int | None, phases: int) -> tuple[float, float]:
    """Seconds of training as many ``phases``, and accuracy on the validation pictures after the last epoch."""
    recipe = records.get("mobilenetv2-two-phase").with_epochs(epochs)
    recipe = (recipe if views is None else recipe.with_views(views)).on("efficientnet_lite0")
    plan = replace(recipe.plan, phases=recipe.plan.phases[:phases])
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        network = NetworkSpec.named(recipe.backbone, cache=cache)
        start = time.perf_counter()
        images = scan(photos)
        train, val = (np.flatnonzero(images.split == split) for split in ("train", "val"))
        job = Job(network=network, images=images, train=train, val=val, plan=plan)
        tuned = finetune(job, checkpoint=cache / "checkpoint")
        return time.perf_counter() - start, tuned.history.epochs[-1].val_accuracy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--keras", type=Path, required=True, help="a Python that has TensorFlow")
    parser.add_argument("--views", type=int)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    found = []
    for number in range(1, options.rounds + 1):
        first, second = (options.epochs * seconds for seconds in original(options.keras, options.photos))
        frozen, _ = ours(options.photos, options.epochs, options.views, 1)
        both, accuracy = ours(options.photos, options.epochs, options.views, 2)
        found.append((first, first + second, frozen, both, first / frozen, (first + second) / both))
        print(f"round {number}: {line(found[-1])}; validation accuracy {accuracy:.4f}", flush=True)
    print(f"medians: {line(tuple(map(median, zip(*found, strict=True))))}")


def line(seconds: tuple[float, ...]) -> str:
    """What a round, or the median of all, shows."""
    return (
        "Keras {:.1f} and {:.1f} s, headstart {:.1f} and {:.1f} s: "
        "the frozen phase {:.1f} times as fast, both {:.1f} times"
    ).format(*seconds)


if __name__ == "__main__":
    main()
