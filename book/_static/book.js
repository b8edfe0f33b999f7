// What the theme leaves out for those who listen to a page, or move in it by keyboard.
"use strict";

/** Let a picture that is shown smaller than it is be opened at its own size: type in charts is small on a phone. */
function enlarge(picture) {
  if (picture.naturalWidth < 1.15 * picture.clientWidth || picture.closest("a, button")) return;
  const button = document.createElement("button");
  button.className = "enlarge";
  button.type = "button";
  button.title = "Enlarge this picture";
  picture.replaceWith(button);
  button.append(picture);
  button.addEventListener("click", () => showLarge(picture));
}

/** Show a picture at its own size above the page, until it is closed. */
function showLarge(picture) {
  const dialog = document.createElement("dialog");
  const [frame, close, large] = ["div", "button", "img"].map((name) => document.createElement(name));
  dialog.className = "picture";
  dialog.setAttribute("aria-label", "Picture at its own size");
  frame.tabIndex = 0; // to be scrolled by the arrow keys
  Object.assign(large, { src: picture.src, alt: picture.alt });
  close.textContent = "Close";
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", (event) => { // a script of Sphinx takes this key from the browser
    if (event.key === "Escape") dialog.close();
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    picture.parentElement.focus();
  });
  frame.append(large);
  dialog.append(frame, close);
  document.body.append(dialog);
  dialog.showModal();
}

window.addEventListener("load", () => document.querySelectorAll(".cell_output img, figure img").forEach(enlarge));

document.addEventListener("DOMContentLoaded", () => {
  for (const summary of document.querySelectorAll("details.above-input > summary")) {
    summary.removeAttribute("aria-label"); // its text says the same, and more
  }
  for (const heading of document.querySelectorAll('[role="heading"]:not([aria-level])')) {
    heading.setAttribute("aria-level", "2");
  }
  document.querySelector(".sidebar-drawer")?.setAttribute("aria-label", "The whole course");
  document.querySelector(".toc-drawer")?.setAttribute("aria-label", "On this page");
  for (const box of document.querySelectorAll("pre, .cell_output, .table-wrapper, math")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0; // to be scrolled by the arrow keys
  }
});

// The search shows words of the pages from a script (search_context.js), for a page on a disk may not read another.
DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
