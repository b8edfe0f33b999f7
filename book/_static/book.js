// What the theme leaves out for those who listen to a page, or move in it by keyboard.
document.addEventListener("DOMContentLoaded", () => {
  for (const heading of document.querySelectorAll('[role="heading"]:not([aria-level])')) {
    heading.setAttribute("aria-level", "2");
  }
  document.querySelector(".sidebar-drawer")?.setAttribute("aria-label", "The whole course");
  document.querySelector(".toc-drawer")?.setAttribute("aria-label", "On this page");
  for (const box of document.querySelectorAll("pre, .cell_output, .table-wrapper")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0; // to be scrolled by the arrow keys
  }
});
