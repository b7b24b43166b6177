"use strict";
// All text is put in as text: a class or a file may be named like markup.
const SHOWN = 5, AT_ONCE = 4, SMALLEST = 0.0005;
const byId = (id) => document.getElementById(id);
const percent = (p) => p >= 0.9995 && p < 1 ? "> 99.9 %" : p > 0 && p < SMALLEST ? "< 0.1 %" : (100 * p).toFixed(1) + " %";
const waiting = [];
let running = 0;

function say(text) { byId("said").textContent = text; }

function bar([label, probability]) {
  const row = document.createElement("li"), name = document.createElement("bdi"),
    length = document.createElement("progress"), number = document.createElement("span");
  name.textContent = label;
  length.value = probability;
  length.setAttribute("aria-label", label);
  number.textContent = percent(probability);
  row.append(name, length, number);
  return row;
}

function doubts(row) {
  const said = [];
  if (row.unfamiliar) said.push("Unfamiliar: unlike the pictures it was trained on.");
  if (row.unsure) said.push("Unsure: answers like this are often wrong.");
  if (row.prediction_set && row.prediction_set.length > 1) said.push("Cannot rule out: " + row.prediction_set.join(", ") + ".");
  if (row.answer !== null) said.push("By cost: " + row.answer + ".");
  return said.join(" ");
}

function begin(file) {
  const shown = byId("answer").content.cloneNode(true).firstElementChild;
  const picture = shown.querySelector("img");
  picture.onerror = () => { picture.hidden = true; };
  picture.src = URL.createObjectURL(file);
  shown.querySelector(".file").textContent = file.name;
  shown.querySelector(".best").textContent = "…";
  byId("answers").prepend(shown);
  return shown;
}

function fill(shown, row) {
  const best = shown.querySelector(".best"), name = document.createElement("bdi"), probability = document.createElement("small");
  name.textContent = row.label;
  probability.textContent = percent(row.probability);
  best.replaceChildren(name, probability);
  shown.querySelector(".doubts").textContent = doubts(row);
  shown.classList.toggle("doubtful", Boolean(row.unfamiliar || row.unsure));
  shown.querySelector(".bars").replaceChildren(...row.top.map(bar));
}

function refuse(shown, what, why) {
  shown.querySelector(".best").textContent = what;
  shown.querySelector(".doubts").textContent = why.charAt(0).toUpperCase() + why.slice(1);
  shown.classList.add("doubtful");
}

async function send(file, shown) {
  const picture = await file.arrayBuffer().catch(() => null);
  if (!picture) return refuse(shown, "No answer", "This file cannot be read.");
  const token = byId("token"), headers = token && token.value ? { Authorization: "Bearer " + token.value } : {};
  for (;;) {
    const response = await fetch("predict?top=" + SHOWN, { method: "POST", body: picture, headers });
    const body = await response.json();
    if (response.status === 503) {
      await new Promise((done) => setTimeout(done, 1000 * Number(response.headers.get("Retry-After") || 1)));
    } else if (response.ok) {
      return fill(shown, body.predictions[0]);
    } else {
      const why = body.problems[0].found.replace(/^picture 1: /, "");
      return refuse(shown, "No answer", why + ".");
    }
  }
}

async function next() {
  if (running === AT_ONCE || !waiting.length) return;
  const [file, shown] = waiting.shift();
  running += 1;
  try {
    await send(file, shown);
  } catch (error) {
    refuse(shown, "No answer", "The server cannot be reached. Try again in a moment.");
  }
  running -= 1;
  say(running + waiting.length ? running + waiting.length + " under way" : "");
  next();
}

function take(files) {
  for (const file of files) waiting.push([file, begin(file)]);
  say(waiting.length ? waiting.length + " under way" : "");
  for (let i = 0; i < AT_ONCE; i++) next();
}

byId("file").addEventListener("change", (event) => { take([...event.target.files]); event.target.value = ""; });
byId("drop").addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("paste", (event) => take([...event.clipboardData.files]));
document.addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("over"); });
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("over"); });
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  take([...event.dataTransfer.files]);
});
