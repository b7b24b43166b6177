"""Ultralytics' classification as its documentation shows it: ``YOLO("yolo26n-cls").train(epochs=100, imgsz=224)``."""

from __future__ import annotations

from protocol import tell_answer, tell_epoch, tell_phase, told
from ultralytics import YOLO

EPOCHS, SIDE, ACCURACY = 100, 224, "metrics/accuracy_top1"


def main() -> None:
    options = told()
    model = YOLO(f"yolo26n-cls.{'yaml' if options.random else 'pt'}")
    if options.fetch:
        return
    model.add_callback("on_train_start", lambda _: tell_phase(EPOCHS))
    # Each epoch saves after it was validated; at the end the best of them is validated once more.
    model.add_callback("on_model_save", lambda trainer: tell_epoch(trainer.metrics[ACCURACY]))
    model.add_callback("on_train_end", lambda trainer: tell_answer(trainer.metrics[ACCURACY]))
    model.train(data=str(options.data), epochs=min(options.epochs, EPOCHS), imgsz=SIDE, project="runs")


if __name__ == "__main__":
    main()
