// Below each result of the search: where it comes from, and the words around what was found.
"use strict";

const KINDS = [["notebooks/", "Lesson"], ["book/reference/", "Library"], ["CHANGELOG", "Library"], ["", "Page"]];
const AROUND = 110; // characters before and after the word

/** Return the words around the first of some terms in a text, with the term marked, as a paragraph. */
function context(text, terms, start) {
  const lower = text.toLowerCase();
  const places = terms.map((term) => [lower.indexOf(term, start), term]).filter(([place]) => place >= 0);
  const [place, term] = places.sort((a, b) => a[0] - b[0])[0] ?? [start, ""];
  const first = text.indexOf(" ", Math.max(0, place - AROUND)) + 1; // whole words only
  const begin = place < AROUND ? 0 : Math.min(first, place);
  const end = Math.max(place + term.length, text.lastIndexOf(" ", place + term.length + AROUND));
  const paragraph = document.createElement("p");
  paragraph.className = "context";
  const mark = document.createElement("mark");
  mark.textContent = text.slice(place, place + term.length);
  paragraph.append(begin ? "… " : "", text.slice(begin, place), mark, text.slice(place + term.length, end), " …");
  return paragraph;
}

/** Add kind and context to a result. */
function explain(item, terms) {
  const link = item.querySelector("a");
  if (!link || item.querySelector(".kind")) return;
  const docname = decodeURI(link.getAttribute("href")).split("#")[0].replace(/\.html$/, "");
  const kind = document.createElement("span");
  kind.className = "kind";
  kind.textContent = KINDS.find(([folder]) => docname.startsWith(folder))[1];
  item.prepend(kind);
  const text = searchTexts[docname];
  if (!text || item.querySelector("span:not(.kind)")) return; // a name of the library says itself where it is
  const section = link.textContent.split(" > ").pop();
  item.append(context(text, terms, Math.max(0, text.indexOf(section))));
}

document.addEventListener("DOMContentLoaded", () => {
  const query = new URLSearchParams(location.search).get("q") ?? "";
  const terms = query.toLowerCase().split(/\s+/).filter(Boolean);
  const results = document.querySelector("#search-results");
  const explainAll = () => results.querySelectorAll("ul.search li").forEach((item) => explain(item, terms));
  new MutationObserver(explainAll).observe(results, { childList: true, subtree: true });
  document.querySelector(".sidebar-search")?.focus();
});
