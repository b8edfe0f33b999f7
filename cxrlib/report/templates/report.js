"use strict";
// The threshold of the report moves, and the gallery of errors is filtered. The formulas are those of
// cxrlib.evaluation (estimate.proportion, rates.predictive_values, decisions.net_benefit), line by line.

const FILMS = JSON.parse(document.getElementById("films").textContent);  // threshold, score, label, patient
const N = FILMS.score.length;
const Z = 1.959963984540054;  // the quantile of the normal distribution for an interval of 95 %
const UNDEFINED = [NaN, NaN, NaN];
const LOWEST = 0.001;  // the left end of the slider and of the histogram
const find = (id) => document.getElementById(id);

// ---- statistics: hits are 0 or 1, patients are whole numbers; an estimate is [value, low, high] ----

function sumByPatient(values, patients) {
  const sums = new Map();
  values.forEach((value, i) => sums.set(patients[i], (sums.get(patients[i]) || 0) + value));
  return sums;
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function effectiveSize(hits, patients) {
  const n = hits.length, fraction = mean(hits);
  const residuals = [...sumByPatient(hits.map((hit) => hit - fraction), patients).values()];
  const count = residuals.length;
  if (fraction === 0 || fraction === 1 || count < 2) return count;
  const squares = residuals.reduce((sum, residual) => sum + residual ** 2, 0);
  const variance = count / (count - 1) * squares / n ** 2;
  return n / Math.max(1, variance / (fraction * (1 - fraction) / n));
}

function proportion(hits, patients) {
  if (!hits.length) return UNDEFINED;
  const fraction = mean(hits), size = effectiveSize(hits, patients);
  const centre = (fraction + Z ** 2 / (2 * size)) / (1 + Z ** 2 / size);
  const half = Z / (1 + Z ** 2 / size) * Math.sqrt(fraction * (1 - fraction) / size + Z ** 2 / (4 * size ** 2));
  const low = Math.max(0, centre - half), high = Math.min(1, centre + half);
  return [fraction, Math.min(low, fraction), Math.max(high, fraction)];
}

function predictiveValue(se, sp, prevalence, nFinding, nOther) {
  const called = se * prevalence + (1 - sp) * (1 - prevalence);
  if (called <= 0) return UNDEFINED;
  const value = se * prevalence / called;
  se = (se * nFinding + 0.5) / (nFinding + 1);  // half a film is added to each count, so the logarithms are finite
  sp = (sp * nOther + 0.5) / (nOther + 1);
  const centre = Math.log(se * prevalence / ((1 - sp) * (1 - prevalence)));
  const error = Math.sqrt((1 - se) / (se * (nFinding + 1)) + sp / ((1 - sp) * (nOther + 1)));
  const sigmoid = (x) => 1 / (1 + Math.exp(-x));
  return [value, Math.min(sigmoid(centre - Z * error), value), Math.max(sigmoid(centre + Z * error), value)];
}

function netBenefit(threshold, prevalence, overAll) {
  if (threshold >= 1) return UNDEFINED;
  const parts = [1, 0].map((label) => {
    const films = FILMS.label.flatMap((own, i) => prevalence === null || own === label ? [i] : []);
    let worth = label ? 1 : threshold / (1 - threshold);
    if (prevalence !== null) worth *= label ? prevalence : 1 - prevalence;
    const patients = films.map((i) => FILMS.patient[i]);
    const hits = films.map((i) => Number(FILMS.label[i] === label && (FILMS.score[i] >= threshold) !== overAll));
    const fraction = proportion(hits, patients);
    return {
      ends: fraction.map((end) => worth * end),
      errors: sumByPatient(hits.map((hit) => hit - fraction[0]), patients),
    };
  });
  const [[found, foundLow, foundHigh], [lost, lostLow, lostHigh]] = parts.map((part) => part.ends);
  const norm = (sums) => Math.sqrt([...sums.values()].reduce((sum, error) => sum + error ** 2, 0));
  const scale = norm(parts[0].errors) * norm(parts[1].errors);
  let product = 0;
  for (const [patient, error] of parts[0].errors) product += error * (parts[1].errors.get(patient) || 0);
  const correlation = scale > 0 ? product / scale : 0;
  const reach = (a, b) => Math.sqrt(Math.max(0, a ** 2 + b ** 2 - 2 * correlation * a * b));
  const value = found - lost;
  const low = value - reach(found - foundLow, lostHigh - lost);
  const high = value + reach(foundHigh - found, lost - lostLow);
  return overAll ? [0 - value, 0 - high, 0 - low] : [value, low, high];
}

function measure(threshold, prevalence) {
  const called = FILMS.score.map((score) => Number(score >= threshold));
  const patients = (films) => films.map((i) => FILMS.patient[i]);
  const rate = (films, isHit) => [films.map(isHit), patients(films)];
  const select = (isIn) => called.flatMap((_, i) => isIn(i) ? [i] : []);
  const positive = select((i) => FILMS.label[i] === 1), negative = select((i) => FILMS.label[i] === 0);
  const flagged = select((i) => called[i]), passed = select((i) => !called[i]);
  const hit = rate(positive, (i) => called[i]), spared = rate(negative, (i) => 1 - called[i]);
  const sensitivity = proportion(...hit), specificity = proportion(...spared);
  const sizes = [effectiveSize(...hit), effectiveSize(...spared)];
  const tp = hit[0].reduce((sum, one) => sum + one, 0), tn = spared[0].reduce((sum, one) => sum + one, 0);
  const values = (p) => [
    predictiveValue(sensitivity[0], specificity[0], p, ...sizes),
    predictiveValue(specificity[0], sensitivity[0], 1 - p, sizes[1], sizes[0]),
  ];
  const observed = [
    proportion(...rate(flagged, (i) => FILMS.label[i])),
    proportion(...rate(passed, (i) => 1 - FILMS.label[i])),
  ];
  const [ppv, npv] = prevalence === null ? observed : values(prevalence);
  return {
    tp, fn: positive.length - tp, fp: negative.length - tn, tn, sensitivity, specificity, ppv, npv, values,
    benefit: netBenefit(threshold, prevalence, false), benefitOverAll: netBenefit(threshold, prevalence, true),
  };
}

// ---- text ----

function format(number, digits) {
  // Python rounds an exact tie to the even digit, and toFixed rounds it away from 0
  const size = Math.abs(number), floor = Math.floor(size * 10 ** digits);
  const isTie = /^50*$/.test(size.toFixed(60).split(".")[1].slice(digits));
  return isTie && floor % 2 === 0 ? (Math.sign(number) * floor / 10 ** digits).toFixed(digits) : number.toFixed(digits);
}

function estimate(ends, digits = 3) {
  if (Number.isNaN(ends[0])) return "not defined";
  const [value, low, high] = ends.map((end) => format(end, digits));
  return `${value} (${low} to ${high})`;
}

function write(name, text) {
  for (const place of document.querySelectorAll(`[data-live="${name}"]`)) place.textContent = text;
}

// ---- the threshold ----

let threshold = FILMS.threshold;

function numberIn(id, isRight) {
  // the number of a field, or null where it is empty or wrong; a wrong one is marked
  const field = find(id), number = field.value.trim() === "" ? NaN : Number(field.value);
  const isEmpty = field.value === "" && !field.validity.badInput, isGood = isRight(number);
  field.setAttribute("aria-invalid", String(!isGood && !(isEmpty && id === "prevalence")));
  return isGood ? number : null;
}

function show() {
  const prevalence = numberIn("prevalence", (p) => p > 0 && p < 1);
  const [missed, alarm] = ["cost-missed", "cost-alarm"].map((id) => numberIn(id, (cost) => cost > 0));
  const result = measure(threshold, prevalence);
  const count = (number) => number.toLocaleString("en-US");
  for (const name of ["tp", "fn", "fp", "tn"]) write(name, count(result[name]));
  for (const name of ["sensitivity", "specificity", "ppv", "npv"]) write(name, estimate(result[name]));
  write("benefit", estimate(result.benefit, 4));
  write("benefit-over-all", estimate(result.benefitOverAll, 4));
  write("at-threshold", format(threshold, 4));
  write("at-prevalence", prevalence === null ? "among these films" : `at the prevalence ${prevalence}`);
  const isPriced = missed !== null && alarm !== null;
  write("cost", isPriced ? count(missed * result.fn + alarm * result.fp) : "not known: both costs must be above 0");
  write("cheapest", isPriced ? format(alarm / (alarm + missed), 4) : "not known");
  find("use-cheapest").disabled = !isPriced;
  for (const row of document.querySelectorAll("[data-prevalence]")) {
    const [ppv, npv] = result.values(Number(row.dataset.prevalence));
    row.querySelector(".ppv").textContent = estimate(ppv);
    row.querySelector(".npv").textContent = estimate(npv);
  }
  const place = (Math.log10(Math.min(1, Math.max(LOWEST, threshold))) + 3) / 3;
  find("threshold-line").setAttribute("transform", `translate(${300 * place} 0)`);
}

function moveTo(value, field) {
  threshold = value;
  find("threshold-number").setAttribute("aria-invalid", "false");
  if (field !== "number") find("threshold-number").value = format(value, 4);
  if (field !== "slider") find("threshold-slider").value = Math.log10(Math.max(LOWEST, value));
  find("threshold-slider").setAttribute("aria-valuetext", `threshold ${format(value, 4)}`);
  show();
}

function say() {
  find("said").textContent = find("sentence").textContent;  // a screen reader reads it out once the hand rests
}

function startThreshold() {
  const slider = find("threshold-slider"), field = find("threshold-number"), drawing = find("histogram");
  slider.addEventListener("input", () => moveTo(10 ** Number(slider.value), "slider"));
  field.addEventListener("input", () => {
    const number = numberIn("threshold-number", (value) => value >= 0 && value <= 1);
    if (number !== null) moveTo(number, "number");
  });
  for (const id of ["prevalence", "cost-missed", "cost-alarm"]) find(id).addEventListener("input", show);
  for (const id of ["threshold-slider", "threshold-number"]) find(id).addEventListener("change", say);
  find("use-run").addEventListener("click", () => { moveTo(FILMS.threshold); say(); });
  find("use-cheapest").addEventListener("click", () => {
    const [missed, alarm] = ["cost-missed", "cost-alarm"].map((id) => Number(find(id).value));
    moveTo(alarm / (alarm + missed));
    say();
  });
  const drag = (event) => {
    const box = drawing.getBoundingClientRect();  // the drawing is 360 units wide; its scale begins at 44
    const place = ((event.clientX - box.left) * 360 / box.width - 44) / 300;
    moveTo(10 ** (3 * Math.min(1, Math.max(0, place)) - 3));
  };
  drawing.addEventListener("pointerdown", (event) => { drawing.setPointerCapture(event.pointerId); drag(event); });
  drawing.addEventListener("pointermove", (event) => { if (event.buttons) drag(event); });
  moveTo(threshold);
}

// ---- the gallery, the contents and the printer ----

function startGallery() {
  const form = find("filter");
  if (!form) return;
  const films = [...document.querySelectorAll(".films li")], choices = [...form.querySelectorAll("select")];
  form.addEventListener("input", () => {
    for (const film of films) film.hidden = choices.some(({ name, value }) => value && film.dataset[name] !== value);
    find("num-shown").textContent = `${films.filter((film) => !film.hidden).length} of ${films.length} are shown.`;
    const outline = find("show-outline");
    document.body.classList.toggle("no-outline", Boolean(outline) && !outline.checked);
  });
}

function startContents() {
  const links = [...document.querySelectorAll("nav a")];
  const watcher = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      for (const link of links) link.removeAttribute("aria-current");
      const link = links.find(({ hash }) => hash === `#${target.getAttribute("aria-labelledby")}`);
      if (!link) continue;
      link.setAttribute("aria-current", "true");
      const bar = link.closest("nav");
      if (bar.scrollWidth > bar.clientWidth) bar.scrollLeft = link.offsetLeft - bar.clientWidth / 3;
    }
  }, { rootMargin: "-20% 0px -75% 0px" });
  for (const section of document.querySelectorAll("main section")) watcher.observe(section);
}

function unfoldForPrint() {
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const part of folded) part.open = true;
  });
  addEventListener("afterprint", () => { for (const part of folded) part.open = false; });
}

for (const part of document.querySelectorAll("[data-needs-script]")) part.hidden = false;
for (const form of document.forms) form.addEventListener("submit", (event) => event.preventDefault());  // Enter
startThreshold();
startGallery();
startContents();
unfoldForPrint();
