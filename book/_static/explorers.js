// What the explorers of lessons 1, 2 and 8 share. All numbers and films that they show were made by
// book/explorers.py when the site was built. The scripts only look them up.
"use strict";

const Explorer = {
  /** Start an explorer if it stands on this page: draw now, and whenever a control moves. */
  start(name, prepare, draw) {
    const form = document.querySelector(`[data-explorer="${name}"]`);
    if (!form) return;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => draw(form));
    form.hidden = false; // before the first drawing, which needs widths
    prepare(form);
    draw(form);
  },

  /** Let a slider move over the places of a list. */
  slideOver(slider, list, start) {
    slider.max = list.length - 1;
    slider.value = start;
  },

  /** Show a text in the parts of the form that have this name. */
  show(form, part, text) {
    for (const element of form.querySelectorAll(`[data-show="${part}"]`)) element.textContent = text;
  },

  /** Say where a slider stands, to the eye and to those who listen. */
  tell(form, slider, text) {
    Explorer.show(form, slider.name, text);
    slider.setAttribute("aria-valuetext", text);
  },

  /** Set attributes of an element. */
  set(element, attributes) {
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  },

  /** Show one film of a strip, in which all films lie side by side. */
  showFilm(svg, { strip, place, count, size, outline = "", title }) {
    const { set } = Explorer;
    set(svg, { viewBox: `0 0 ${size} ${size}` });
    set(svg.querySelector("image"), {
      href: `../_static/explorers/${strip}.webp`, x: -place * size, width: size * count, height: size,
    });
    svg.querySelector("title").textContent = title;
    if (svg.querySelector(".finding")) set(svg.querySelector(".finding"), { d: outline });
  },
};
