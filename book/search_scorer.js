// The order of what the search finds: first lessons, then pages, then the library's names and the log of changes.
const LESSON = 2000, PAGE = 1000, IN_TITLE = 500;
const searchedFor = (new URLSearchParams(location.search).get("q") ?? "").trim().toLowerCase();

var Scorer = {
  score: ([docname, title, , , found, , kind]) => {
    const score = found + (title.toLowerCase().includes(searchedFor) ? IN_TITLE : 0);
    if (docname.startsWith("notebooks/")) return score + LESSON;
    const isReference = kind === "object" || docname.startsWith("book/reference/") || docname === "CHANGELOG";
    return isReference ? score : score + PAGE;
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
