// Classify pictures with an exported model in Node, with onnxruntime-node and sharp.
//     npm install onnxruntime-node sharp
//     node classify.mjs photos.onnx new.jpg other.png
// One JSON document a picture, of the model's golden ones if none is given. Expected: its answers, to 1e-3.
import { readFileSync } from "node:fs";
import { InferenceSession, Tensor } from "onnxruntime-node";
import sharp from "sharp";
process.env.ORT_DISABLE_TELEMETRY ??= "1"; // before a model is opened: it reports its use to its makers

function metadata(file) { // of an ONNX file: field 14 of the protocol buffer holds pairs of a key and a value
  let at = 0;
  const number = (bytes, value = 0, unit = 1) => {
    for (;;) { const byte = bytes[at++]; value += (byte & 127) * unit; unit *= 128; if (byte < 128) return value; }
  };
  while (at < file.length) {
    const field = number(file), size = number(file);
    if ((field & 7) === 0) continue; // a number, which was read as the size
    if (field >> 3 !== 14) { at += size; continue; }
    const end = at + size, pair = [];
    while (at < end) { number(file); const length = number(file); pair.push(file.toString("utf8", at, at += length)); }
    if (pair[0] === "headstart") return JSON.parse(pair[1]);
  }
}

const [path, ...pictures] = process.argv.slice(2), file = readFileSync(path);
const model = metadata(file), session = await InferenceSession.create(file);
const golden = model.golden.map(({ name, data }) => [name, Buffer.from(data, "base64")]);
for (const [picture, source] of pictures.length ? pictures.map((name) => [name, name]) : golden) {
  const decoded = sharp(source).rotate().toColourspace("srgb").ensureAlpha().raw();
  const { data, info: { width, height } } = await decoded.toBuffer({ resolveWithObject: true });
  const onWhite = (_, i) => Math.round(255 + (data[i + ~~(i / 3)] - 255) * data[4 * ~~(i / 3) + 3] / 255);
  const image = new Tensor("uint8", Uint8Array.from({ length: 3 * width * height }, onWhite), [1, height, width, 3]);
  const found = Object.entries(await session.run({ image })).map(([name, { data }]) => [name, [...data]]);
  const { probabilities, logits, ...rest } = Object.fromEntries(found);
  const named = Object.fromEntries(model.classes.map((name, i) => [name, probabilities[i]]));
  const label = model.classes[probabilities.indexOf(Math.max(...probabilities))];
  const said = { novelty: rest.novelty[0], unsure: !!rest.unsure[0], unfamiliar: !!rest.unfamiliar[0] };
  console.log(JSON.stringify({ picture, label, probabilities: named, logits, ...said }));
}
