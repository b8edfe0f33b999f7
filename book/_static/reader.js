// What the browser keeps of its reader: guesses, answers and progress. Nothing of it leaves the browser.
// The names are those of cxrlib.course.reader, so that a lesson finds a guess of an earlier one.
"use strict";

const Reader = (() => {
  const PLACE = "cxrlib reader";
  let kept = {}; // used alone where the browser refuses to keep something

  function read() {
    try { return JSON.parse(localStorage.getItem(PLACE)) ?? kept; } catch { return kept; }
  }

  /** Write all values. Return whether the browser keeps them beyond this page. */
  function write(values) {
    kept = values;
    const text = JSON.stringify(values);
    try { localStorage.setItem(PLACE, text); return localStorage.getItem(PLACE) === text; } catch { return false; }
  }

  return {
    recall: (name) => read()[name],
    keep: (name, value) => write({ ...read(), [name]: value }),
    forget: (...names) => write(Object.fromEntries(Object.entries(read()).filter(([name]) => !names.includes(name)))),
    forgetAll: () => write({}),
  };
})();

{
  const FINISHED = "lessons finished", OPENED = "lessons opened";
  const NOT_KEPT = "Your browser does not allow this page to keep it. It is forgotten when you leave.";

  /** Take a guess, and show the one that was kept. */
  function startGuess(form) {
    const { guess, clear } = form.elements, name = form.dataset.guess;
    const tell = (text) => { form.querySelector("output").textContent = text; };
    guess.value = Reader.recall(name) ?? "";
    clear.hidden = guess.value === "";
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const value = guess.type === "number" ? guess.valueAsNumber : guess.value;
      const stays = Reader.keep(name, value);
      clear.hidden = false;
      tell(`Your guess: ${value}. ${stays ? "It is kept in this browser." : NOT_KEPT}`);
      document.dispatchEvent(new Event("guessed"));
    });
    clear.addEventListener("click", () => {
      Reader.forget(name);
      form.reset();
      guess.value = "";
      clear.hidden = true;
      guess.focus();
      tell("Your guess is cleared.");
      document.dispatchEvent(new Event("guessed"));
    });
    form.hidden = false;
  }

  /** Keep the answers of a quiz, and reply to them when the reader asks. */
  function startQuiz(form) {
    const name = form.dataset.questions, questions = [...form.querySelectorAll("fieldset")];
    const chosen = (question) => question.querySelector("input:checked");
    const silence = () => {
      for (const reply of form.querySelectorAll(".reply")) reply.hidden = true;
      form.querySelector("output").textContent = "";
    };
    for (const [number, answer] of Object.entries(Reader.recall(name) ?? {})) {
      const field = form.querySelector(`[name="${number}"][value="${answer}"]`);
      if (field) field.checked = true;
    }
    form.addEventListener("change", () => {
      silence();
      const answers = questions.map(chosen).filter(Boolean).map((field) => [field.name, field.value]);
      Reader.keep(name, Object.fromEntries(answers));
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      for (const question of questions) showReply(question, chosen(question));
      const right = questions.filter((question) => chosen(question)?.value === question.dataset.right).length;
      const open = questions.filter((question) => !chosen(question)).length;
      form.querySelector("output").textContent =
        `${right} of ${questions.length} are right.${open ? ` ${open} have no answer yet.` : ""}`;
    });
    form.elements.clear.addEventListener("click", () => {
      form.reset();
      silence();
      Reader.forget(name);
      form.querySelector("output").textContent = "Your answers are cleared.";
    });
  }

  function showReply(question, field) {
    const reply = question.querySelector(".reply");
    reply.hidden = !field;
    if (field) reply.textContent = field.value === question.dataset.right ? "Right." : `Not right: ${field.dataset.reply}.`;
  }

  /** Return the number of the lesson that an address leads to, such as "08", or undefined. */
  function lessonOf(address) {
    return /\/notebooks\/(\d\d)_[^/]*\.html$/.exec(new URL(address, location.href).pathname)?.[1];
  }

  /** Return how many lessons the list at the side has. The link to this page itself is among them. */
  function countLessons() {
    return new Set([...document.querySelectorAll(".sidebar-tree a[href]")].map((link) => lessonOf(link.href)).filter(Boolean)).size;
  }

  /** Mark the links to lessons that the reader has opened or finished. */
  function markLessons() {
    const finished = Reader.recall(FINISHED) ?? [], opened = Reader.recall(OPENED) ?? [];
    for (const mark of document.querySelectorAll(".lesson-mark")) mark.remove();
    for (const link of document.querySelectorAll(".sidebar-tree a[href], .cards a[href]")) {
      const lesson = lessonOf(link.href);
      const state = finished.includes(lesson) ? "finished" : opened.includes(lesson) ? "opened" : "";
      if (!state || link.hash) continue;
      const sign = state === "finished" ? "✓" : "·";
      link.insertAdjacentHTML("beforeend", `<span class="lesson-mark"><span aria-hidden="true">${sign}</span>
        <span class="only-heard">${state}</span></span>`);
    }
  }

  /** Put the reader's progress at the end of a lesson. */
  function startProgress(lesson) {
    const article = document.querySelector("article");
    if (!article) return;
    const opened = Reader.recall(OPENED) ?? [];
    if (!opened.includes(lesson)) Reader.keep(OPENED, [...opened, lesson].sort());
    article.insertAdjacentHTML("beforeend", `<section class="progress" aria-label="Your progress">
      <button type="button" name="finished">I have finished this lesson</button>
      <output></output>
      <div><button type="button" name="clear">clear my progress</button>
      <button type="button" name="clear-all">clear guesses and answers, too</button></div></section>`);
    const section = article.querySelector(".progress"), button = (name) => section.querySelector(`[name="${name}"]`);
    const finished = () => Reader.recall(FINISHED) ?? [];
    const show = (text) => {
      button("finished").setAttribute("aria-pressed", finished().includes(lesson));
      section.querySelector("output").textContent = text ?? progress();
      markLessons();
    };
    const progress = () => {
      const stays = Reader.keep(FINISHED, finished());
      return `Finished: ${finished().length} of ${countLessons()} lessons. Opened: ${(Reader.recall(OPENED) ?? []).length}. `
        + (stays ? "This is kept in your browser alone." : NOT_KEPT);
    };
    button("finished").addEventListener("click", () => {
      const others = finished().filter((other) => other !== lesson);
      Reader.keep(FINISHED, finished().includes(lesson) ? others : [...others, lesson].sort());
      show();
    });
    button("clear").addEventListener("click", () => {
      Reader.forget(FINISHED, OPENED);
      show("Your progress is cleared.");
    });
    button("clear-all").addEventListener("click", () => {
      Reader.forgetAll();
      location.reload(); // so that no field on the page shows what is forgotten
    });
    show();
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("form[data-guess]").forEach(startGuess);
    document.querySelectorAll("form[data-questions]").forEach(startQuiz);
    const lesson = lessonOf(location.href);
    if (lesson) startProgress(lesson); else markLessons();
  });
}
