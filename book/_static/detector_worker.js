// What the detector computes beside the page, so that the page keeps moving: read a film, score it, and find where the
// network looks. detector.js makes a worker of this function's text, and of those that it is given.
"use strict";

function detectorWorker(films, likeness, networks, dicom) {
  const PICTURE_SIDE = 768; // pixels: the largest picture of a film that is shown
  let facts = null;
  let network = null;
  let seen = null; // what the network computed of the last film

  /** Unpack the weights, and answer once, so that the browser has compiled the functions before the first film. */
  async function start({ weights, ...given }) {
    facts = given;
    const packed = Uint8Array.from(atob(weights), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    network = networks.build(new Uint8Array(await new Response(stream).arrayBuffer()), facts);
    networks.look(network, new Float32Array(facts.size ** 2));
    return {};
  }

  /** Return the film in a file: {width, height, image, warnings}. */
  async function open(bytes) {
    const format = films.formatOf(bytes);
    let film;
    if (format === "PNG") film = await films.readPng(bytes);
    else if (format === "JPEG") film = films.toGray(await films.decodeJpeg(bytes));
    else film = await dicom(films, facts.dicom).readDicom(bytes);
    return { ...films.normalize(film), warnings: film.warnings };
  }

  /** Return the score of a film in a file, warnings, and a picture of it. */
  async function score({ bytes }) {
    const { size, reference } = facts;
    const { width, height, image, warnings } = await open(bytes);
    if (Math.max(width, height) < size) {
      warnings.push(`enlarged from ${width}x${height} to ${size} px: detail is missing`);
    }
    const { side, square } = films.padToSquare({ width, height, image });
    const small = films.quantize(films.resize(square, side, size));
    warnings.push(...likeness.check(small, films.resize(small, size, reference.side), size, reference));
    seen = networks.look(network, small);
    if (!Number.isFinite(seen.score)) throw new Error("its score is not a finite number.");
    const shown = Math.max(Math.min(side, PICTURE_SIDE), size);
    const picture = Uint8ClampedArray.from(films.resize(square, side, shown), (value) => 255 * value);
    return { score: seen.score, warnings, side: shown, picture };
  }

  /** Return the small heat map of a layer for the last film. */
  function heat({ layer }) {
    return networks.heat(network, seen, layer);
  }

  const tasks = { start, score, heat };
  let queue = Promise.resolve(); // one task after the other
  self.onmessage = ({ data: { id, task, ...given } }) => {
    queue = queue
      .then(() => tasks[task](given))
      .then((result) => self.postMessage({ id, result }), (error) => self.postMessage({ id, error: error.message }));
  };
}
