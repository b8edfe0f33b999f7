// Lessons 1 and 8: two histograms with a line to drag. Beside them the ROC curve, or what it means for 1,000 people.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const { settings, start, costs, prevalences, formula, bars, roc } = thresholdData;
  const { set, show, tell } = Explorer;
  const LOWEST = -3, BOTTOM = 44, LEFT = 46, TOP = 12; // the power of ten at the left; margins in pixels
  const log = (score) => Math.max(Math.log10(score), LOWEST);
  const number = (value) => value.toLocaleString("en", { maximumSignificantDigits: 3 });
  const NAMES = ["no effusion", "effusion"];
  const GUESSES = { "threshold of lesson 1": "your guess in lesson 1", "cut of lesson 8": "your guess above" };

  const tried = new Set(); // places of the thresholds at which the line was left

  function prepare(form) {
    const { threshold, cost, prevalence } = form.elements;
    Explorer.slideOver(threshold, settings, start[0]);
    Explorer.slideOver(cost, costs, start[1]);
    if (prevalence) Explorer.slideOver(prevalence, prevalences, start[2]);
    letDrag(form, form.querySelector(".histogram"));
    form.elements.formula?.addEventListener("click", () => {
      moveTo(form, formula[cost.value][prevalence.value]);
    });
    document.addEventListener("guessed", () => draw(form));
    form.addEventListener("change", () => tried.add(threshold.value));
    let width = 0;
    new ResizeObserver(() => { // only a new width changes the drawing: its height follows from it
      if (form.clientWidth !== width) draw(form);
      width = form.clientWidth;
    }).observe(form);
  }

  /** Move the threshold to the setting that is nearest to a score. */
  function moveTo(form, score) {
    const distance = settings.map((setting) => Math.abs(log(Number(setting.threshold)) - log(score)));
    form.elements.threshold.value = distance.indexOf(Math.min(...distance));
    draw(form);
  }

  /** Let the pointer drag the line. The slider has the focus, so that the arrow keys move the line, too. */
  function letDrag(form, svg) {
    const follow = (event) => {
      const fraction = (event.clientX - svg.getBoundingClientRect().left - LEFT) / (svg.clientWidth - LEFT - 8);
      moveTo(form, 10 ** (LOWEST * (1 - Math.min(Math.max(fraction, 0), 1))));
    };
    svg.addEventListener("pointerdown", (event) => {
      svg.setPointerCapture(event.pointerId);
      form.elements.threshold.focus({ preventScroll: true });
      event.preventDefault(); // or the browser would take the focus away again, and mark text
      follow(event);
    });
    svg.addEventListener("pointermove", (event) => {
      if (svg.hasPointerCapture(event.pointerId)) follow(event);
    });
    svg.addEventListener("pointerup", () => tried.add(form.elements.threshold.value));
  }

  function draw(form) {
    const { threshold, cost, prevalence } = form.elements;
    const at = settings[threshold.value], price = costs[cost.value];
    tell(form, threshold, at.threshold);
    tell(form, cost, price === 1 ? "1 false alarm" : `${price} false alarms`);
    const lines = [{ kind: "threshold", name: "threshold", value: Number(at.threshold), text: at.threshold }];
    if (prevalence) {
      const value = formula[cost.value][prevalence.value];
      lines.push({ kind: "formula", name: "the cost formula", value, text: number(value) });
      drawPeople(form, at, price);
    } else drawCurve(form, at, price);
    for (const [kept, name] of Object.entries(GUESSES)) {
      const value = Reader.recall(kept);
      if (value > 0 && (prevalence || kept !== "cut of lesson 8")) {
        lines.push({ kind: "guess", name, value, text: number(value) });
      }
    }
    drawHistogram(form.querySelector(".histogram"), lines);
  }

  /** Draw both histograms and vertical lines at the scores that are named. One unit is one pixel. */
  function drawHistogram(svg, lines) {
    const width = Math.round(svg.getBoundingClientRect().width) || 400, height = Math.round(Math.min(300, width * 0.7));
    const highest = Math.max(...bars.flat()), floor = height - BOTTOM;
    const x = (score) => LEFT + (log(score) - LOWEST) / -LOWEST * (width - LEFT - 8);
    const y = (part) => floor - (part / highest) * (floor - TOP);
    const step = (width - LEFT - 8) / bars[0].length;
    const shape = (values) => `M${LEFT} ${floor}${values.map((v) => `V${y(v)}h${step}`).join("")}V${floor}Z`;
    const ticks = [0.001, 0.01, 0.1, 1].map((score) => `<text x="${x(score)}" y="${floor + 17}"
      text-anchor="${score === 1 ? "end" : "middle"}">${score}</text><path class="tick" d="M${x(score)} ${floor}v4"/>`);
    const heights = [0, 0.2, 0.4].filter((part) => part < highest).map((part) => `<text x="${LEFT - 6}" y="${y(part) + 4}"
      text-anchor="end">${part}</text>`);
    const drawn = lines.map(({ kind, value }) => `<path class="line ${kind}" d="M${x(value)} ${TOP - 4}V${floor}"/>`);
    set(svg, { viewBox: `0 0 ${width} ${height}`, height });
    svg.querySelector("g").innerHTML = `
      <path class="bars nofinding" d="${shape(bars[0])}"/><path class="bars effusion" d="${shape(bars[1])}"/>
      <path class="axis" d="M${LEFT} ${TOP}V${floor}H${width - 8}"/>${ticks.join("")}${heights.join("")}
      <text x="${(LEFT + width) / 2}" y="${height - 8}" text-anchor="middle">score</text>
      <text transform="translate(13 ${(TOP + floor) / 2}) rotate(-90)" text-anchor="middle">fraction of the class</text>
      ${drawn.reverse().join("")}<circle class="grip" cx="${x(lines[0].value)}" cy="${TOP + 2}" r="8"/>`;
    const named = lines.map(({ name, text }) => `${name} ${text}`);
    svg.querySelector("title").textContent = `Histograms of the scores of both classes, with lines at: ${named.join(", ")}`;
    const classes = [1, 0].map((label) => `<span><i class="swatch ${label ? "effusion" : "nofinding"}"></i>${NAMES[label]}</span>`);
    svg.parentElement.querySelector(".legend").innerHTML = classes.join("") + lines.map(({ kind, name, text }) =>
      `<span><svg class="swatch" viewBox="0 0 24 8" aria-hidden="true"><path class="line ${kind}" d="M0 4H24"/></svg>${name}: ${text}</span>`).join("");
  }

  /** Draw 1,000 people as marks, and say what they cost. The kinds differ in colour and in shape. */
  function drawPeople(form, at, price) {
    const { cost, prevalence } = form.elements, place = prevalence.value;
    const [found, missed, alarms] = at.people[place], svg = form.querySelector(".people");
    const kinds = { found, missed, alarm: alarms, alone: 1000 - found - missed - alarms };
    const words = { found: "found", missed: "missed", alarm: "false alarms", alone: "rightly left alone" };
    const marks = {
      found: "m-3.6 0a3.6 3.6 0 1 0 7.2 0a3.6 3.6 0 1 0-7.2 0", missed: "m-3.4-3.4l6.8 6.8m0-6.8l-6.8 6.8",
      alarm: "m0-3.8l4 7h-8z", alone: "m-1.2 0h2.4",
    };
    let before = 0;
    for (const [kind, count] of Object.entries(kinds)) {
      const places = Array.from({ length: count }, (_, i) => before + i);
      const d = places.map((i) => `M${(i % 40) * 10 + 5} ${Math.floor(i / 40) * 10 + 5}${marks[kind]}`).join("");
      set(svg.querySelector(`.${kind}`), { d });
      before += count;
    }
    tell(form, prevalence, `${prevalences[place]}`);
    for (const part of ["tp", "fn", "fp", "tn"]) show(form, part, at[part].toLocaleString("en"));
    for (const rate of ["sensitivity", "specificity"]) show(form, rate, at[rate]);
    for (const value of ["ppv", "npv"]) show(form, value, at[value][place]);
    const text = `Of 1,000 people: ${found} found, ${missed} missed, ${alarms} false alarms.`;
    svg.querySelector("title").textContent = text;
    svg.parentElement.querySelector(".legend").innerHTML = Object.entries(kinds).map(([kind, count]) =>
      `<span><svg class="swatch people" viewBox="-5 -5 10 10" aria-hidden="true"><path class="${kind}" d="M0 0${marks[kind]}"/></svg>${count} ${words[kind]}</span>`).join("");
    const total = (missed * price + alarms).toLocaleString("en");
    form.querySelector("output").textContent = `${text}\nCost: ${missed} x ${price} + ${alarms} = ${total}`;
    const cut = number(1 / (1 + price)), score = number(formula[cost.value][place]);
    show(form, "rule", `The formula calls a film from a probability of 1 / (1 + ${price}) = ${cut} on. `
      + `At a prevalence of ${prevalences[place]} that is a score of ${score}.`);
  }

  /** Draw the ROC curve with a dot at the threshold, and a star where the reader stands on the quiz. */
  function drawCurve(form, at, price) {
    const svg = form.querySelector(".roc"), width = Math.round(svg.getBoundingClientRect().width) || 300;
    const side = Math.min(width - LEFT - 8, 300), height = side + BOTTOM + TOP;
    const x = (rate) => LEFT + rate * side, y = (rate) => TOP + (1 - rate) * side;
    const rates = ({ tp, fn, fp, tn }) => [fp / (fp + tn), tp / (tp + fn)];
    const [alarmRate, sensitivity] = rates(at), earlier = [...tried].map((place) => rates(settings[place]));
    const ticks = [0, 0.5, 1].map((r) => `<text x="${x(r)}" y="${y(0) + 17}" text-anchor="middle">${r}</text>
      <text x="${LEFT - 6}" y="${y(r) + 4}" text-anchor="end">${r}</text>`);
    const you = ownRates();
    set(svg, { viewBox: `0 0 ${width} ${height}`, height });
    svg.querySelector("g").innerHTML = `<rect x="${LEFT}" y="${TOP}" width="${side}" height="${side}"/>
      <path class="guessing" d="M${x(0)} ${y(0)}L${x(1)} ${y(1)}"/>
      <path class="way" d="M${x(alarmRate)} ${y(0)}V${y(sensitivity)}H${x(0)}"/>
      <polyline points="${roc.map(([a, b]) => `${x(a)},${y(b)}`).join(" ")}"/>${ticks.join("")}
      <text x="${x(0.5)}" y="${height - 8}" text-anchor="middle">false alarm rate</text>
      <text transform="translate(13 ${y(0.5)}) rotate(-90)" text-anchor="middle">sensitivity</text>
      ${earlier.map(([a, b]) => `<circle class="tried" cx="${x(a)}" cy="${y(b)}" r="3"/>`).join("")}
      ${you ? `<path class="you" d="M${x(you[0])} ${y(you[1])}m0-9l6 18-15-11h18l-15 11z"/>` : ""}
      <circle cx="${x(alarmRate)}" cy="${y(sensitivity)}" r="6"/>`;
    const text = `sensitivity ${sensitivity.toFixed(2)}, false alarm rate ${alarmRate.toFixed(2)}`;
    svg.querySelector("title").textContent = `ROC curve, with a dot at the threshold ${at.threshold}: ${text}`;
    svg.parentElement.querySelector(".legend").innerHTML = `<span>● this threshold</span>
      ${earlier.length ? "<span>• tried before</span>" : ""}${you ? "<span>★ you, on the 12 films</span>" : ""}`;
    const cost = (price * at.fn + at.fp).toLocaleString("en");
    form.querySelector("output").textContent =
      `${at.tp} of ${at.tp + at.fn} effusions found, ${at.fn} missed, ${at.fp} false alarms on ${(at.fp + at.tn).toLocaleString("en")} other films: ${text}.
Cost: ${price} x ${at.fn} + ${at.fp} = ${cost}`;
  }

  /** Return the reader's false alarm rate and sensitivity on the quiz of lesson 1, if it was played. */
  function ownRates() {
    const answers = Reader.recall("answers of lesson 1"), { films } = quizData;
    if (answers?.length !== films.length) return undefined;
    return [0, 1].map((label) => {
      const called = answers.filter((_, i) => films[i].label === label);
      return called.reduce((sum, call) => sum + call, 0) / called.length;
    });
  }

  Explorer.start("roc", prepare, draw);
  Explorer.start("threshold", prepare, draw);
});
