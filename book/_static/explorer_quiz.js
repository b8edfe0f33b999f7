// Lesson 1: twelve films, one at a time, and then your result beside the network's.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const { films, size } = quizData;
  const ANSWERS = "answers of lesson 1"; // as in cxrlib.course.labs.lesson_01
  const effusions = films.filter((film) => film.label).length;
  let answers = [];

  function verdict(called, label) {
    return [["rightly left alone", "false alarm"], ["missed", "found"]][label][called];
  }

  function show(film, svg, outline) {
    const place = films.indexOf(film);
    const title = `Chest film ${place + 1}${outline === undefined ? "" : `: ${film.truth}`}`;
    Explorer.showFilm(svg, { strip: "quiz", place, count: films.length, size, outline, title });
  }

  /** Show the next film, or the result after the last one. */
  function advance(form) {
    const [buttons, beginning] = form.querySelectorAll(".play .buttons"), film = films[answers.length];
    const svg = form.querySelector(".play svg");
    form.querySelector(".play").hidden = !film;
    form.querySelector(".result").hidden = Boolean(film);
    if (!film) return showResult(form);
    form.querySelector(".play output").textContent = `film ${answers.length + 1} of ${films.length}: does it show an effusion?`;
    svg.removeAttribute("hidden");
    buttons.hidden = false;
    beginning.hidden = true;
    show(film, svg);
  }

  function begin(form) {
    answers = [];
    advance(form);
    form.querySelector(".play .buttons").focus({ preventScroll: true });
  }

  function answer(form, called) {
    answers.push(called);
    advance(form);
    if (answers.length < films.length) return;
    Reader.keep(ANSWERS, answers);
    form.querySelector(".result").focus({ preventScroll: true });
    form.scrollIntoView({ block: "start" });
    document.dispatchEvent(new Event("guessed"));
  }

  /** Show the first screen, which has no film. */
  function showStart(form) {
    const [buttons, beginning] = form.querySelectorAll(".play .buttons");
    answers = [];
    form.querySelector(".result").hidden = buttons.hidden = true;
    form.querySelector(".play").hidden = beginning.hidden = false;
    Explorer.set(form.querySelector(".play svg"), { hidden: "" });
    form.querySelector(".play output").textContent =
      `${films.length} films, one after the other. Say for each whether it shows an effusion.`;
  }

  function clear(form) {
    Reader.forget(ANSWERS);
    showStart(form);
    form.elements.start.focus();
    document.dispatchEvent(new Event("guessed"));
  }

  function showResult(form) {
    const rows = form.querySelectorAll(".result tbody tr");
    for (const [row, calls] of [[rows[0], answers], [rows[1], films.map((film) => film.called)]]) {
      const count = (label, called) => films.filter((film, i) => film.label === label && calls[i] === called).length;
      const cells = row.querySelectorAll("td"), others = films.length - effusions;
      cells[0].textContent = `${count(1, 1) + count(0, 0)} of ${films.length}`;
      cells[1].textContent = `${count(1, 1)} of ${effusions}`;
      cells[2].textContent = `${count(0, 1)} of ${others}`;
    }
    const gallery = form.querySelector(".gallery");
    gallery.innerHTML = films.map((film, i) => `<li><svg class="film" role="img" aria-labelledby="quiz-film-${i}">
      <title id="quiz-film-${i}"></title><image></image><path class="finding"></path></svg>
      <strong>film ${i + 1}: ${film.truth}</strong><span>network ${film.score}: ${verdict(film.called, film.label)}</span>
      <span>you: ${verdict(answers[i], film.label)}</span></li>`).join("");
    gallery.querySelectorAll("svg").forEach((svg, i) => show(films[i], svg, films[i].outline));
  }

  function prepare(form) {
    const { start, no, yes, again, clear: forget } = form.elements;
    for (const button of [start, again]) button.addEventListener("click", () => begin(form));
    [no, yes].forEach((button, called) => button.addEventListener("click", () => answer(form, called)));
    forget.addEventListener("click", () => clear(form));
    form.addEventListener("keydown", (event) => {
      const called = { n: 0, e: 1 }[event.key.toLowerCase()];
      const plain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.repeat;
      if (called === undefined || !plain || form.querySelector(".play .buttons").hidden) return;
      if (!form.querySelector(".play").hidden) answer(form, called);
    });
    showStart(form);
    const kept = Reader.recall(ANSWERS);
    if (kept?.length !== films.length) return;
    answers = kept;
    advance(form);
  }

  Explorer.start("quiz", prepare, () => {});
});
