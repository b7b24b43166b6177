// A model in the browser: decode, run, show. Nothing is sent anywhere.
import * as ort from "./ort/ort.wasm.min.mjs";

const MOST_PIXELS = 16_000_000; // of a canvas, on phones; larger pictures are made smaller first
const FEW = 5; // classes that are shown at once
const PAUSE = 100; // milliseconds between two looks at the camera
const of = (id) => document.getElementById(id);
const percent = (p) => (p > 0.999 && p < 1 ? "> 99.9 %" : p > 0 && p < 0.001 ? "< 0.1 %" : `${(100 * p).toFixed(1)} %`);

let model, session, stream, every = false, last;

async function load() {
  document.body.classList.add("loading");
  ort.env.wasm.wasmPaths = new URL("ort/", import.meta.url).href;
  ort.env.wasm.numThreads = 1; // several would need headers that not every host sends
  model = await (await fetch("manifest.json")).json();
  of("title").textContent = document.title = model.title;
  of("classes").textContent = model.classes.length > 12
    ? `One of ${model.classes.length} classes` : `One of: ${model.classes.join(", ")}`;
  const pictures = model.training.pictures;
  of("about").textContent = `${model.backbone.name}${pictures ? `, trained on ${pictures} picture${pictures === 1 ? "" : "s"}` : ""}; exported by headstart ${model.versions.headstart}`;
  const bytes = new Uint8Array(await (await fetch("model.onnx")).arrayBuffer());
  session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  document.body.classList.remove("loading");
  of("status").textContent = "The answer will be here.";
  for (const id of ["file", "camera", "check"]) of(id).disabled = false;
  of("camera").hidden = !navigator.mediaDevices?.getUserMedia;
}

function pixels(source, width, height) {
  const scale = Math.min(1, Math.sqrt(MOST_PIXELS / (width * height)));
  const [w, h] = [width, height].map((side) => Math.max(1, Math.round(side * scale)));
  const context = new OffscreenCanvas(w, h).getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white";
  context.fillRect(0, 0, w, h);
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, w, h);
  const { data } = context.getImageData(0, 0, w, h), rgb = new Uint8Array(w * h * 3);
  for (let from = 0, to = 0; to < rgb.length; from += 4) {
    rgb[to++] = data[from]; rgb[to++] = data[from + 1]; rgb[to++] = data[from + 2];
  }
  return new ort.Tensor("uint8", rgb, [1, h, w, 3]);
}

async function decoded(blob) {
  const image = await createImageBitmap(blob, { colorSpaceConversion: "none" });
  try { return pixels(image, image.width, image.height); } finally { image.close(); }
}

async function answer(image) {
  const found = await session.run({ image });
  return {
    probabilities: [...found.probabilities.data],
    novelty: found.novelty.data[0],
    unsure: model.sure_from !== null && Boolean(found.unsure.data[0]),
    unfamiliar: model.unfamiliar_above !== null && Boolean(found.unfamiliar.data[0]),
  };
}

function show(found) {
  last = found;
  const order = found.probabilities.map((_, i) => i).sort((a, b) => found.probabilities[b] - found.probabilities[a]);
  of("status").textContent = "";
  of("answer").hidden = false;
  of("label").textContent = model.classes[order[0]];
  of("probability").textContent = `${percent(found.probabilities[order[0]])} probable`;
  of("label").classList.toggle("doubtful", found.unfamiliar);
  of("unsure").hidden = !found.unsure;
  of("unfamiliar").hidden = !found.unfamiliar;
  of("all").hidden = order.length <= FEW;
  of("all").textContent = every ? `Only the first ${FEW}` : `All ${order.length} classes`;
  of("bars").replaceChildren(...order.slice(0, every ? order.length : FEW).map((i) => {
    const [row, name, value, bar] = ["li", "span", "span", "progress"].map((tag) => document.createElement(tag));
    [name.textContent, value.textContent, bar.value] = [model.classes[i], percent(found.probabilities[i]), found.probabilities[i]];
    bar.setAttribute("aria-label", model.classes[i]);
    row.append(name, value, bar);
    return row;
  }));
}

function say(text) {
  of("answer").hidden = true;
  of("status").textContent = text;
}

const painted = () => new Promise((done) => setTimeout(done, 30));

async function classify(blob) {
  stop();
  URL.revokeObjectURL(of("picture").src);
  of("picture").src = URL.createObjectURL(blob);
  of("picture").hidden = false;
  of("hint").hidden = true;
  of("drop").classList.add("filled");
  say("Looking …");
  await painted();
  try {
    show(await answer(await decoded(blob)));
  } catch (error) {
    of("picture").hidden = true;
    of("hint").hidden = false;
    say(`This cannot be read as a picture${blob.name ? `: ${blob.name}` : ""}.`);
    console.info(error);
  }
}

async function camera() {
  if (stream) return stop();
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch {
    return say("No camera can be used: there is none, or it was not allowed.");
  }
  const video = of("video");
  video.srcObject = stream;
  await video.play();
  [of("video").hidden, of("picture").hidden, of("hint").hidden] = [false, true, true];
  of("drop").classList.add("filled");
  of("camera").textContent = "Stop the camera";
  while (stream) {
    if (video.videoWidth) show(await answer(pixels(video, video.videoWidth, video.videoHeight)));
    await new Promise((done) => setTimeout(done, PAUSE));
  }
}

function stop() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = undefined;
  of("video").hidden = true;
  of("camera").textContent = "Use the camera";
  if (of("picture").hidden) { of("hint").hidden = false; of("drop").classList.remove("filled"); }
}

async function check() {
  of("check").disabled = true;
  let apart = 0;
  for (const [number, { data, probabilities }] of model.golden.entries()) {
    of("checked").textContent = `${number + 1} of ${model.golden.length} …`;
    await painted();
    const blob = new Blob([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))]);
    const found = await answer(await decoded(blob));
    apart = Math.max(apart, ...found.probabilities.map((p, i) => Math.abs(p - probabilities[i])));
  }
  const holds = apart <= model.tolerance;
  of("checked").textContent = `${holds ? "It answers" : "It does not answer"} ${model.golden.length} test pictures as the model did: largest difference ${apart < 1e-4 ? "below 0.0001" : apart.toFixed(4)}.`;
  of("checked").dataset.apart = apart;
  of("check").disabled = false;
}

of("file").addEventListener("change", ({ target }) => { if (target.files[0]) classify(target.files[0]); target.value = ""; });
of("camera").addEventListener("click", camera);
of("check").addEventListener("click", check);
of("all").addEventListener("click", () => { every = !every; show(last); });
for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
  addEventListener(name, (event) => {
    event.preventDefault();
    of("drop").classList.toggle("over", name === "dragenter" || name === "dragover");
    const file = name === "drop" && session && event.dataTransfer.files[0];
    if (file) classify(file);
  });
}
addEventListener("paste", ({ clipboardData }) => { if (session && clipboardData.files[0]) classify(clipboardData.files[0]); });
load().catch((error) => { say(`The model cannot be loaded: ${error.message}`); console.info(error); });
