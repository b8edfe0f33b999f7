// The detector: a simulated film with a slider, and the visitor's own film, scored by the course's network in the
// browser. The simulated films and their scores come from detector/films.js, which book/detector.py writes. The network
// runs in a worker. A page opened from a disk may start a worker only from a text, so it is made of functions' texts.
"use strict";

/** Start the detector if it stands on this page. */
function startDetector(root) {
  const { numbers, films } = globalThis.detectorFilms;
  const part = (name) => root.querySelector(`#detector-${name}`);
  const form = root.querySelector("form");
  const { threshold, volume, opacity, layer, border, patient } = form.elements;
  const state = { threshold: numbers.threshold, own: null, film: null, request: 0 };

  /** Show a text beside a slider, to the eye and to those who listen. */
  function tell(slider, text) {
    form.querySelector(`[data-show="${slider.name}"]`).textContent = text;
    slider.setAttribute("aria-valuetext", text);
  }

  /** Return the simulated films of the patient and the posture that are chosen. */
  function choice() {
    return films.filter((film) => film.patient === patient.value && film.posture === form.elements.posture.value);
  }

  /** Show the film of the slider, with its score. */
  function drawSimulated() {
    const chosen = choice();
    volume.max = chosen.length - 1;
    state.film = chosen[volume.value];
    const { ml, posture } = state.film;
    tell(volume, `${ml.toLocaleString("en")} mL`);
    part("most").textContent = `${chosen.at(-1).ml.toLocaleString("en")} mL`;
    const image = part("simulated");
    image.src = `../_static/detector/${state.film.patient}-${posture}-${ml}.webp`;
    image.alt = `A simulated chest film, ${posture === "upright" ? "standing" : "lying"}, with ${ml} mL of fluid on the patient's right, which is on the left of the picture.`;
    part("border").setAttribute("d", border.checked ? state.film.outline : "");
    drawAnswer(state.film.score);
    drawHeat(decodeHeat(state.film.heat[layer.value]));
  }

  /** Return a heat map that films.js holds as text. */
  function decodeHeat(text) {
    const values = Array.from(atob(text), (letter) => letter.charCodeAt(0) / 255);
    return { size: Math.sqrt(values.length), values };
  }

  /** Show a score, the threshold, and what follows. */
  function drawAnswer(score) {
    const finding = score >= state.threshold;
    root.dataset.score = score;
    root.dataset.threshold = state.threshold;
    root.dataset.finding = finding;
    part("fill").style.width = `${100 * score}%`;
    part("mark").style.left = `${100 * state.threshold}%`;
    tell(threshold, state.threshold.toFixed(2));
    const side = finding ? "above" : "below";
    const call = finding ? "The network finds an effusion." : "The network finds no effusion.";
    let truth = "";
    if (!state.own && state.film.ml) truth = finding ? " That is right." : " It misses the fluid.";
    if (!state.own && !state.film.ml) truth = finding ? " That is a false alarm." : " That is right.";
    showReach();
    part("verdict").textContent = `Score ${score.toFixed(3)}, ${side} the threshold. ${call}${truth}`;
  }

  /** Say from which volume on the network calls every film of this patient, at the threshold that is set. */
  function showReach() {
    const from = (posture) => {
      const rising = films.filter((film) => film.patient === patient.value && film.posture === posture);
      const missed = rising.findLastIndex((film) => film.score < state.threshold);
      const next = rising[missed + 1];
      if (!next) return `not even ${rising.at(-1).ml.toLocaleString("en")} mL`;
      return next.ml ? `${next.ml.toLocaleString("en")} mL or more` : "nothing: it calls the film without fluid, too";
    };
    part("reach").hidden = Boolean(state.own);
    part("reach").querySelector("p").textContent =
      `At threshold ${state.threshold.toFixed(2)}, it finds ${from("upright")} when the patient stands, and ${from("supine")} when the patient lies. Fluid in a lying patient spreads behind the lung, so it makes a thin haze.`;
  }

  /** Draw a small heat map over the film, enlarged bilinearly. Hotter places are brighter and less transparent. */
  function drawHeat({ size, values }) {
    const canvas = part("heat");
    const context = canvas.getContext("2d", { willReadFrequently: true }); // drawn by the processor, at each move
    const picture = context.createImageData(canvas.width, canvas.height);
    const heat = enlarge(values, size, canvas.width);
    const largest = Math.max(...heat) || 1;
    heat.forEach((value, i) => {
      const share = value / largest;
      picture.data.set([225 + 30 * share, 60 + 130 * share, 20 * share, 255 * share ** 0.8], 4 * i);
    });
    context.putImageData(picture, 0, 0);
    canvas.style.opacity = opacity.value;
    tell(opacity, `${Math.round(100 * opacity.value)} %`);
  }

  /** Draw what is shown anew: the film of the slider, or the answer to an own film. */
  async function draw() {
    if (!state.own) {
      drawSimulated();
      return;
    }
    drawAnswer(state.own.score);
    const own = state.own;
    own.heats[layer.value] ??= await ask("heat", { layer: layer.value });
    if (state.own === own) drawHeat(own.heats[layer.value]);
  }

  /** Read and score a file of the visitor. */
  async function readFile(file) {
    const request = ++state.request;
    root.dataset.state = "busy";
    part("message").textContent = "";
    part("warnings").replaceChildren();
    part("verdict").textContent = "The network reads the film.";
    try {
      const answer = await ask("score", { bytes: new Uint8Array(await file.arrayBuffer()) });
      if (request !== state.request) return; // another file was chosen in the meantime
      showOwn(answer);
      await draw();
    } catch (error) {
      if (request !== state.request) return;
      part("message").textContent = `${file.name}: ${error.message}`;
      forgetOwn();
      delete root.dataset.score;
      delete root.dataset.finding;
      part("verdict").textContent = "The network gives this file no score. The simulated film is shown.";
      part("fill").style.width = "0";
    }
    root.dataset.state = "ready";
  }

  /** Show an own film in place of the simulated one. */
  function showOwn({ score, warnings, side, picture }) {
    state.own = { score, heats: {} };
    const canvas = part("own");
    canvas.width = canvas.height = side;
    const pixels = new ImageData(side, side);
    picture.forEach((gray, i) => pixels.data.set([gray, gray, gray, 255], 4 * i));
    canvas.getContext("2d").putImageData(pixels, 0, 0);
    part("border").setAttribute("d", "");
    part("warnings").replaceChildren(...warnings.map((text) => {
      const item = document.createElement("li");
      item.textContent = `Warning: ${text}${text.endsWith("?") ? "" : "."}`;
      return item;
    }));
    showWhich(true);
  }

  /** Show the simulated film again. */
  function forgetOwn() {
    state.own = null;
    part("warnings").replaceChildren();
    showWhich(false);
    drawSimulated();
  }

  /** Show the parts that belong to an own film, or those of the simulated one. */
  function showWhich(isOwn) {
    part("own").hidden = part("back").hidden = !isOwn;
    part("simulated").hidden = part("knobs").disabled = isOwn;
  }

  const waiting = new Map();
  let worker = null;
  const begun = [];

  /** Give the worker a task, and return its answer. Tasks wait until the network is there. */
  function ask(task, given) {
    const id = crypto.randomUUID?.() ?? String(Math.random());
    return new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject });
      if (worker) worker.postMessage({ id, task, ...given });
      else begun.push({ id, task, ...given });
    });
  }

  /** Start the worker with the weights, which weights.js has brought. */
  async function startWorker() {
    const parts = [detectorFilm, detectorLikeness, detectorNetwork].map((each) => `(${each})()`);
    const source = `(${detectorWorker})(${parts.join(",")},${detectorDicom});`;
    worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
    worker.onmessage = ({ data: { id, result, error } }) => {
      const { resolve, reject } = waiting.get(id);
      waiting.delete(id);
      if (error === undefined) resolve(result);
      else reject(new Error(error));
    };
    const started = ask("start", { weights: globalThis.detectorWeights, ...numbers });
    delete globalThis.detectorWeights;
    for (const message of begun.splice(0)) worker.postMessage(message);
    await started;
    if (root.dataset.state === "loading") root.dataset.state = "ready";
  }

  /** Load the weights, and then the other films, once the page is drawn. */
  function loadTheRest() {
    performance.mark("detector-weights");
    const script = document.createElement("script");
    script.src = "../_static/detector/weights.js";
    script.onload = startWorker;
    script.onerror = () => { part("message").textContent = "The network's weights could not be loaded. Load the page again."; };
    document.head.append(script);
    keepNear();
  }

  const kept = []; // films that the browser has loaded

  /** Load the films that the slider may show next. */
  function keepNear() {
    kept.length = 0;
    for (const { patient: name, posture, ml } of choice()) {
      const image = new Image();
      image.src = `../_static/detector/${name}-${posture}-${ml}.webp`;
      kept.push(image);
    }
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", ({ target }) => {
    if (target.type === "file") return;
    if (target === threshold) state.threshold = Number(threshold.value);
    if (target === patient || target.name === "posture") keepNear();
    if (!state.own) part("message").textContent = "";
    draw();
  });
  part("file").addEventListener("change", ({ target }) => {
    const [file] = target.files;
    if (file) readFile(file);
    target.value = ""; // the same file may be chosen again
  });
  part("back").addEventListener("click", () => {
    state.request++;
    forgetOwn();
    part("volume").focus();
  });
  root.addEventListener("dragover", (event) => { event.preventDefault(); root.classList.add("detector-over"); });
  root.addEventListener("dragleave", () => root.classList.remove("detector-over"));
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    root.classList.remove("detector-over");
    const [file] = event.dataTransfer.files;
    if (file) readFile(file);
  });

  threshold.value = numbers.threshold;
  volume.max = choice().length - 1;
  volume.value = choice().findIndex((film) => `${film.ml}` === volume.dataset.start);
  drawSimulated();
  /** Load the rest once the browser has drawn the page. In a hidden tab, that is when somebody looks at it. */
  function afterPaint() {
    new PerformanceObserver((entries, observer) => {
      if (!entries.getEntriesByName("first-contentful-paint").length) return;
      observer.disconnect();
      loadTheRest();
    }).observe({ type: "paint", buffered: true });
  }

  if (document.readyState === "complete") afterPaint();
  else window.addEventListener("load", afterPaint);
}

/** Return a small square map as a larger one, as OpenCV's bilinear interpolation enlarges it. */
function enlarge(values, size, side) {
  const places = Array.from({ length: side }, (_, to) => Math.min(Math.max(((to + 0.5) * size) / side - 0.5, 0), size - 1));
  const result = new Float32Array(side * side);
  places.forEach((y, row) => {
    const top = Math.floor(y);
    const bottom = Math.min(top + 1, size - 1);
    places.forEach((x, column) => {
      const left = Math.floor(x);
      const right = Math.min(left + 1, size - 1);
      const upper = values[top * size + left] * (1 - x + left) + values[top * size + right] * (x - left);
      const lower = values[bottom * size + left] * (1 - x + left) + values[bottom * size + right] * (x - left);
      result[row * side + column] = upper * (1 - y + top) + lower * (y - top);
    });
  });
  return result;
}

if (document.getElementById("detector")) startDetector(document.getElementById("detector"));
