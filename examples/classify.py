"""Classify pictures with an exported model: ONNX Runtime and Pillow alone, nothing of headstart.

    pip install onnxruntime pillow
    python classify.py photos.onnx new.jpg other.png

One JSON document a picture. Without pictures the model's own golden ones are answered. Expected: what the model answers
for the same pixels, to 1e-3.
"""

import base64
import io
import json
import os
import sys

import numpy as np
from PIL import Image, ImageOps

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before it is imported: it reports its use to its makers
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
model = json.loads(session.get_modelmeta().custom_metadata_map["headstart"])
golden = {each["name"]: io.BytesIO(base64.b64decode(each["data"])) for each in model["golden"]}

for name, file in ({path: path for path in sys.argv[2:]} or golden).items():
    image = ImageOps.exif_transpose(Image.open(file))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    pixels = np.asarray(image.convert("RGB"))
    outputs = [output.name for output in session.get_outputs()]
    answer = dict(
        zip(outputs, (value[0].tolist() for value in session.run(None, {"image": pixels[None]})), strict=True)
    )
    probabilities = dict(zip(model["classes"], answer.pop("probabilities"), strict=True))
    label = max(probabilities, key=probabilities.__getitem__)
    print(json.dumps({"picture": name, "label": label, "probabilities": probabilities, **answer}))
