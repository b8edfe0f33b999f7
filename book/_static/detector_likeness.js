// Compare a film with the films that the network was trained on, as cxrlib/training/unusual.py and
// cxrlib/images/likeness.py do. detector.js makes a worker of this function's text.
"use strict";

function detectorLikeness() {
  const EPSILON = 1e-6;

  /** Return the ranks of a thumbnail's gray levels without its border, divided by their number. */
  function centralRanks(thumbnail, side, edge) {
    const order = Array.from(thumbnail.keys()).sort((a, b) => thumbnail[a] - thumbnail[b]);
    const ranks = new Float64Array(thumbnail.length);
    for (let first = 0, next; first < order.length; first = next) {
      for (next = first + 1; next < order.length && thumbnail[order[next]] === thumbnail[order[first]]; ) next++;
      for (let i = first; i < next; i++) ranks[order[i]] = (first + next + 1) / 2 / thumbnail.length; // equal levels share
    }
    return rowsOf(ranks, side).slice(edge, side - edge).map((row) => row.slice(edge, side - edge));
  }

  /** Return a square as a list of rows. */
  function rowsOf(square, side) {
    return Array.from({ length: side }, (_, y) => Array.from(square.slice(y * side, (y + 1) * side)));
  }

  /** Return a square, given in rows, turned counter-clockwise by a quarter. */
  function quarterTurn(rows) {
    return rows.map((_, y) => rows.map((row) => row[rows.length - 1 - y]));
  }

  /** Return Pearson's correlation at each position of the template in the ranks; 0 where one of them is constant. */
  function correlations(ranks, template) {
    const centred = (values) => {
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      return values.map((value) => value - mean);
    };
    const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
    const theirs = centred(template.flat());
    const found = [];
    const positions = ranks.length - template.length + 1;
    for (let y = 0; y < positions; y++) {
      for (let x = 0; x < positions; x++) {
        const ours = centred(template.flatMap((_, i) => ranks[y + i].slice(x, x + template.length)));
        const norm = Math.sqrt(dot(ours, ours) * dot(theirs, theirs));
        found.push(norm > 1e-12 ? dot(ours, theirs) / norm : 0);
      }
    }
    return found;
  }

  /** Return the likeness of a thumbnail to a chest film: as it is, inverted, upside down, or turned by a quarter. */
  function likenesses(thumbnail, { side, edge, template }) {
    const turns = [centralRanks(thumbnail, side, edge)];
    for (let i = 1; i < 4; i++) turns.push(quarterTurn(turns[i - 1]));
    const found = turns.map((ranks) => correlations(ranks, template));
    const [upright, left, half, right] = found.map((each) => Math.max(...each));
    const inverted = -Math.min(...found[0], ...found[2]);
    return { upright, inverted, "upside down": half, turned: Math.max(left, right) };
  }

  /** Return the mean, the contrast and the sharpness of an image, as `measure` of cxrlib/training/unusual.py. */
  function measure(image, size) {
    const mean = image.reduce((sum, value) => sum + value, 0) / image.length;
    const contrast = Math.sqrt(image.reduce((sum, value) => sum + (value - mean) ** 2, 0) / image.length);
    const mirrored = (place) => (place < 0 ? 1 : place === size ? size - 2 : place);
    let detail = 0;
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const beside = image[y * size + mirrored(x - 1)] + image[y * size + mirrored(x + 1)];
        const above = image[mirrored(y - 1) * size + x] + image[mirrored(y + 1) * size + x];
        detail += (beside + above - 4 * image[y * size + x]) ** 2;
      }
    }
    const sharpness = Math.log((Math.sqrt(detail / image.length) + EPSILON) / (contrast + EPSILON));
    return { mean, contrast, sharpness };
  }

  /** Return warnings about an image that the network gets, and its thumbnail. Refuse what is not a chest film. */
  function check(image, thumbnail, size, reference) {
    if (Math.max(...thumbnail) === Math.min(...thumbnail)) throw new Error("constant image; a chest film is needed.");
    const likeness = likenesses(thumbnail, reference);
    const best = Math.max(...Object.values(likeness));
    const needed = Math.min(reference.minLikeness, reference.likeness);
    const found = `its likeness to the training films is ${best.toFixed(3)}`;
    if (best < needed) {
      throw new Error(
        `does not look like a chest film: ${found}, and at least ${needed.toFixed(3)} is needed; give a frontal chest film.`,
      );
    }
    const warnings = [];
    if (best < reference.likeness) {
      warnings.push(`looks little like a chest film: ${found}, below ${reference.likeness.toFixed(3)}. Look at the film`);
    }
    const looks = Object.keys(reference.looks);
    const look = looks.reduce((a, b) => (likeness[b] > likeness[a] ? b : a));
    if (likeness[look] > likeness.upright + reference.lead) {
      const numbers = `is ${likeness.upright.toFixed(2)}, and then ${likeness[look].toFixed(2)}`;
      warnings.push(`looks ${reference.looks[look]} (its likeness to a chest film ${numbers})`);
    }
    for (const [figure, value] of Object.entries(measure(image, size))) {
      const [low, high] = reference[figure];
      const margin = reference.margin * (high - low);
      if (value >= low - margin && value <= high + margin) continue;
      const theirs = `${low.toFixed(3)} to ${high.toFixed(3)}`;
      warnings.push(`${figure} is ${value.toFixed(3)}, far from the training films' ${theirs}: ${reference.hints[figure]}`);
    }
    return warnings;
  }

  return { check };
}
