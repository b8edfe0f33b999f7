// Lesson 2: one film, or two films of the same person, with fluid of any volume.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const { volumes, start, strips, size } = volumeData;

  function prepare(form) {
    Explorer.slideOver(form.elements.volume, volumes, start);
  }

  function draw(form) {
    const { volume, outline, compare } = form.elements;
    const [first, second] = form.querySelectorAll("[data-film]");
    Explorer.tell(form, volume, `${volumes[volume.value].toLocaleString("en")} mL`);
    second.hidden = !compare.checked;
    form.querySelector(".note").hidden = !outline.checked;
    drawFilm(form, first);
    if (compare.checked) drawFilm(form, second);
  }

  function drawFilm(form, figure) {
    const { elements } = form, which = figure.dataset.film, place = Number(elements.volume.value);
    const strip = [elements.side, elements[`posture-${which}`], elements[`view-${which}`]].map((c) => c.value).join("-");
    const film = strips[strip][place];
    const outline = elements.outline.checked ? film.outline : "";
    const title = `A simulated chest film: ${film.caption}`;
    Explorer.showFilm(figure.querySelector("svg"), { strip, place, count: volumes.length, size, outline, title });
    const angle = film.angle ? `fraction of the costophrenic angle that is fluid: ${film.angle}`
      : "the costophrenic angle is not on this film";
    figure.querySelector("output").textContent = `${film.caption}\n${angle}`;
  }

  Explorer.start("volume", prepare, draw);
});
