"""Ultralytics' classification as its documentation shows it: ``YOLO("yolo26n-cls").train(epochs=100, imgsz=224)``."""

from __future__ import annotations

from protocol import tell_epoch, tell_phase, told
from ultralytics import YOLO

EPOCHS, SIDE = 100, 224


def main() -> None:
    options = told()
    model = YOLO(f"yolo26n-cls.{'yaml' if options.random else 'pt'}")
    if options.fetch:
        return
    model.add_callback("on_train_start", lambda _: tell_phase(EPOCHS))
    model.add_callback("on_fit_epoch_end", lambda trainer: tell_epoch(trainer.metrics["metrics/accuracy_top1"]))
    model.train(data=str(options.data), epochs=min(options.epochs, EPOCHS), imgsz=SIDE, project="runs")


if __name__ == "__main__":
    main()
