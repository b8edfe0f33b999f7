// The sliders of lessons 2 and 8, where no kernel runs: all that they show was made by book/explorers.py when the
// site was built, and is only looked up here. volumeData and thresholdData come from scripts beside this one.
"use strict";

/** Start an explorer if it stands on this page: draw now, and whenever a control moves. */
function startExplorer(name, prepare, draw) {
  const form = document.querySelector(`[data-explorer="${name}"]`);
  if (!form) return;
  form.show = (part, text) => { form.querySelector(`[data-show="${part}"]`).textContent = text; };
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => draw(form));
  prepare(form);
  draw(form);
  form.hidden = false;
}

/** Let a slider move over the places of a list. */
function slideOver(slider, list, start) {
  slider.max = list.length - 1;
  slider.value = start;
}

/** Say where a slider stands, to the eye and to who listens. */
function tell(form, slider, text) {
  form.show(slider.name, text);
  slider.setAttribute("aria-valuetext", text);
}

/** Set attributes of an element. */
function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}

function prepareVolume(form) {
  const { size, volumes, start } = volumeData;
  slideOver(form.elements.volume, volumes, start);
  set(form.querySelector(".film"), { viewBox: `0 0 ${size} ${size}` });
  set(form.querySelector("image"), { width: size * volumes.length, height: size }); // all volumes, side by side
}

function drawVolume(form) {
  const { volume, side, posture, view, outline } = form.elements;
  const place = Number(volume.value);
  const strip = `${side.value}-${posture.value}-${view.value}`;
  const film = volumeData.strips[strip][place];
  set(form.querySelector("image"), { href: `../_static/explorers/${strip}.jpg`, x: -place * volumeData.size });
  set(form.querySelector(".finding"), { d: outline.checked ? film.outline : "" });
  form.querySelector("title").textContent = `A simulated chest film: ${film.caption}`;
  tell(form, volume, `${volumeData.volumes[place].toLocaleString("en")} mL`);
  form.show("told", film.caption);
}

const ROC_SIDE = 256; // of the unit square, in the units of its SVG

/** Return where a point of the ROC curve lies in its picture. */
function inSquare(falseAlarms, sensitivity) {
  return [falseAlarms * ROC_SIDE, (1 - sensitivity) * ROC_SIDE];
}

function prepareThreshold(form) {
  const { settings, missed, start, roc } = thresholdData;
  slideOver(form.elements.threshold, settings, start);
  slideOver(form.elements.missed, missed, missed.indexOf(10));
  set(form.querySelector("polyline"), { points: roc.map((point) => inSquare(...point).join()).join(" ") });
  for (const share of [0, 0.5, 1]) {
    const [x, y] = inSquare(share, share);
    form.querySelector(".axes").innerHTML += `<text x="${x}" y="${ROC_SIDE + 16}" text-anchor="middle">${share}</text>
      <text x="-7" y="${y + 4}" text-anchor="end">${share}</text>`;
  }
}

function drawThreshold(form) {
  const { threshold, missed } = form.elements;
  const at = thresholdData.settings[threshold.value];
  const price = thresholdData.missed[missed.value];
  const [x, y] = inSquare(at.fp / (at.fp + at.tn), at.tp / (at.tp + at.fn));
  set(form.querySelector("circle"), { cx: x, cy: y });
  set(form.querySelector(".way"), { d: `M${x} ${ROC_SIDE}V${y}H0` });
  for (const count of ["tp", "fn", "fp", "tn"]) form.show(count, at[count].toLocaleString("en"));
  tell(form, threshold, at.threshold);
  tell(form, missed, price === 1 ? "1 false alarm" : `${price} false alarms`);
  const rates = [`sensitivity ${at.sensitivity}`, `specificity ${at.specificity}`];
  const cost = (price * at.fn + at.fp).toLocaleString("en");
  form.querySelector("title").textContent = `ROC curve, with a dot at threshold ${at.threshold}: ${rates.join(", ")}`;
  form.show("told", [...rates, `${at.fn} x ${price} + ${at.fp} = a cost of ${cost}`].join("\n"));
}

document.addEventListener("DOMContentLoaded", () => {
  startExplorer("volume", prepareVolume, drawVolume);
  startExplorer("threshold", prepareThreshold, drawThreshold);
});
