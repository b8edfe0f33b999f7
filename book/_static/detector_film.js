// Read a film in the browser as cxrlib/images reads it: the format, PNG and JPEG, min-max, a square, area averaging.
// detector.js makes a worker of this function's text. Each refusal is an Error whose message a reader sees.
"use strict";

function detectorFilm() {
  const MAX_SIDE = 6000; // pixels, as in cxrlib/images/headers.py
  const COLOR_SPREAD = 0.1; // these two as in cxrlib/images/png_jpeg.py
  const MAX_COLOR_FRACTION = 0.001;

  /** Return bytes as a text with one character a byte. */
  function latin1(bytes, start = 0, end = bytes.length) {
    let text = "";
    for (let i = start; i < Math.min(end, bytes.length); i++) text += String.fromCharCode(bytes[i]);
    return text;
  }

  const DICOM = /^(?:[^]{128}DICM|[\x02\x08]\0[^]\0(?:[A-Z]{2}|[^][^]\0\0)|\0\x08\0[^][A-Z]{2})/;
  const PICTURES = {
    PNG: /^\x89PNG\r\n\x1a\n/, JPEG: /^\xff\xd8\xff(?!\xf7)/, "JPEG-LS": /^\xff\xd8\xff\xf7/,
    TIFF: /^(?:II[*+]\0|MM\0[*+])/, BMP: /^BM[^]{4}\0\0\0\0/, GIF: /^GIF8[79]a/,
    "JPEG 2000": /^(?:\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51)/, "JPEG XL": /^(?:\0\0\0\x0cJXL \r\n\x87\n|\xff\x0a)/,
    WebP: /^RIFF[^]{4}WEBP/, AVIF: /^[^]{4}ftypavi[fs]/, HEIC: /^[^]{4}ftyp(?:hei|hev|mif1|msf1)/,
    NIfTI: /^(?:[^]{344}n[i+]1\0|[^]{4}n[i+]2\0\r\n\x1a\n)/, NRRD: /^NRRD000/, "PGM/PPM": /^P[1-6]\s+[\d#]/,
  };
  const OTHERS = { PDF: /^%PDF-/, ZIP: /^PK(?:\x03\x04|\x05\x06)/, gzip: /^\x1f\x8b\x08/, NumPy: /^\x93NUMPY/ };

  /** Return "PNG", "JPEG" or "DICOM", or refuse a file of another format by its name (cxrlib/images/formats.py). */
  function formatOf(bytes) {
    const start = latin1(bytes, 0, 1024);
    if (!start) throw new Error("the file is empty (0 bytes); copy or download it again.");
    if (DICOM.test(start)) return "DICOM";
    const named = (formats) => Object.keys(formats).find((name) => formats[name].test(start));
    const picture = named(PICTURES);
    if (picture === "PNG" || picture === "JPEG") return picture;
    if (picture) throw new Error(`the file is in the format ${picture}, which is not read; convert it to PNG.`);
    const other = named(OTHERS);
    if (other) throw new Error(`the file is in the format ${other}; a film must be PNG, JPEG or DICOM.`);
    if (start.startsWith("version https://git-lfs")) {
      throw new Error("the file is a Git LFS pointer; fetch the film itself with git lfs pull.");
    }
    if (/^\W*<.*(?:html|head|body|script)/is.test(start)) {
      throw new Error("the file is a web page (HTML), not a film; a download that needs a sign-in ends so.");
    }
    throw new Error("not a readable PNG, JPEG or DICOM file.");
  }

  /** Refuse a film that declares no pixels, or too many. */
  function checkSize(columns, rows) {
    if (Math.min(columns, rows) < 1 || Math.max(columns, rows) > MAX_SIDE) {
      throw new Error(`has ${columns}x${rows} pixels; each side must have 1 to 6,000.`);
    }
  }

  /** Return bytes that "deflate" has packed, unpacked. At most `limit` bytes are unpacked. */
  async function inflate(parts, limit) {
    const reader = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
    const result = new Uint8Array(limit);
    let length = 0;
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        const part = value.subarray(0, limit - length);
        result.set(part, length);
        length += part.length;
        if (length === limit) break;
      }
    } catch {
      // the packed bytes are damaged or cut off: the result is too short
    }
    return result.subarray(0, length);
  }

  const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
    for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
    return n;
  });

  /** Return the checksum of a part of a PNG (ISO/IEC 15948, annex D). */
  function checksum(bytes, start, end) {
    let sum = 0xffffffff;
    for (let i = start; i < end; i++) sum = CRC[(sum ^ bytes[i]) & 255] ^ (sum >>> 8);
    return (sum ^ 0xffffffff) >>> 0;
  }

  /** Return the chunks of a PNG: the header, the palette, the transparency, the packed pixels, and texts. */
  function pngChunks(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const chunks = { IDAT: [], texts: {} };
    for (let start = 8; ; ) {
      if (start + 12 > bytes.length) throw new Error("the file is damaged or cut off.");
      const end = start + 12 + view.getUint32(start);
      if (end > bytes.length) throw new Error("the file is damaged or cut off.");
      if (checksum(bytes, start + 4, end - 4) !== view.getUint32(end - 4)) {
        throw new Error(`the file is damaged: the checksum of its part at byte ${start.toLocaleString("en")} is wrong.`);
      }
      const kind = latin1(bytes, start + 4, start + 8);
      const content = bytes.subarray(start + 8, end - 4);
      if (kind === "IEND") return chunks;
      if (kind === "IDAT") chunks.IDAT.push(content);
      else if (kind === "tEXt") {
        const [keyword, text] = latin1(content, 0, 4000).split("\0");
        chunks.texts[keyword] = text;
      } else chunks[kind] ??= content;
      start = end;
    }
  }

  /** Undo the filter of each row of a PNG in place (ISO/IEC 15948, clause 9). Return the place after the rows. */
  function unfilter(data, start, rows, length, step) {
    for (let row = 0; row < rows; row++) {
      const kind = data[start++];
      for (let i = 0; i < length; i++) {
        const left = i >= step ? data[start + i - step] : 0;
        const up = row ? data[start + i - length - 1] : 0;
        const corner = row && i >= step ? data[start + i - length - 1 - step] : 0;
        let guess = 0;
        if (kind === 1) guess = left;
        else if (kind === 2) guess = up;
        else if (kind === 3) guess = (left + up) >> 1;
        else if (kind === 4) {
          const toLeft = Math.abs(up - corner);
          const toUp = Math.abs(left - corner);
          const toCorner = Math.abs(left + up - 2 * corner);
          guess = toLeft <= toUp && toLeft <= toCorner ? left : toUp <= toCorner ? up : corner;
        }
        data[start + i] += guess;
      }
      start += length;
    }
    return start;
  }

  const PASSES = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];
  // of an interlaced PNG (clause 8.2): the first column and row, and the steps to the next

  /** Return the samples of a PNG: {width, height, channels, full, samples}, where full is white. */
  async function decodePng(chunks) {
    const header = new DataView(chunks.IHDR.buffer, chunks.IHDR.byteOffset, 13);
    const [width, height] = [header.getUint32(0), header.getUint32(4)];
    checkSize(width, height);
    const [bits, color, interlaced] = [8, 9, 12].map((place) => header.getUint8(place));
    const channels = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }[color];
    const passes = interlaced ? PASSES : [[0, 0, 1, 1]];
    const sizes = passes.map(([x, y, dx, dy]) => [Math.ceil((width - x) / dx), Math.ceil((height - y) / dy)]);
    const bytesOf = (columns) => Math.ceil((columns * channels * bits) / 8);
    const needed = sizes.reduce((sum, [w, h]) => sum + (w > 0 && h > 0 ? h * (1 + bytesOf(w)) : 0), 0);
    const data = await inflate(chunks.IDAT, needed);
    if (!(data.length === needed)) throw new Error("the file is damaged or cut off.");
    const samples = bits === 16 ? new Uint16Array(width * height * channels) : new Uint8Array(width * height * channels);
    const scale = color === 3 || bits >= 8 ? 1 : 255 / (2 ** bits - 1);
    let start = 0;
    passes.forEach(([x, y, dx, dy], pass) => {
      const [columns, rows] = sizes[pass];
      if (columns < 1 || rows < 1) return;
      const length = bytesOf(columns);
      const end = unfilter(data, start, rows, length, Math.max((channels * bits) >> 3, 1));
      for (let row = 0; row < rows; row++) {
        const from = start + row * (length + 1) + 1;
        for (let i = 0; i < columns * channels; i++) {
          const pixel = (y + row * dy) * width + x + Math.floor(i / channels) * dx;
          let value;
          if (bits === 8) value = data[from + i];
          else if (bits === 16) value = (data[from + 2 * i] << 8) | data[from + 2 * i + 1];
          else value = ((data[from + ((i * bits) >> 3)] >> (8 - bits - ((i * bits) & 7))) & (2 ** bits - 1)) * scale;
          samples[pixel * channels + (i % channels)] = value;
        }
      }
      start = end;
    });
    const picture = { width, height, channels, full: bits === 16 ? 65535 : 255, samples };
    return color === 3 ? withPalette(picture, chunks) : picture;
  }

  /** Return a picture with the colours of its palette in place of their numbers. */
  function withPalette(picture, { PLTE, tRNS }) {
    const samples = new Uint8Array(picture.samples.length * 4);
    picture.samples.forEach((number, i) => {
      samples.set(PLTE.subarray(3 * number, 3 * number + 3), 4 * i);
      samples[4 * i + 3] = tRNS?.[number] ?? 255;
    });
    return { ...picture, channels: 4, samples };
  }

  /** Return one channel of a picture and warnings. Refuse colour. (cxrlib/images/png_jpeg.py) */
  function toGray({ width, height, channels, full, samples }) {
    if (channels === 1) return { width, height, pixels: samples, full, warnings: [] };
    const pixels = new samples.constructor(width * height);
    const alpha = channels % 2 === 0;
    let colored = 0;
    let transparent = 0;
    for (let i = 0, p = 0; i < pixels.length; i++, p += channels) {
      pixels[i] = samples[p];
      if (channels > 2) {
        const [red, green, blue] = [samples[p], samples[p + 1], samples[p + 2]];
        if (Math.max(red, green, blue) - Math.min(red, green, blue) > COLOR_SPREAD * full) colored++;
        pixels[i] = green; // it equals the others, and JPEG preserves it best
      }
      if (alpha && samples[p + channels - 1] < full) {
        transparent++;
        pixels[i] = Math.floor((pixels[i] * samples[p + channels - 1]) / full);
      }
    }
    if (colored > MAX_COLOR_FRACTION * pixels.length) {
      const found = `red, green and blue differ in ${((100 * colored) / pixels.length).toFixed(1)}% of the pixels`;
      throw new Error(`a picture in colour (${found}). A chest film is gray; cxr predict --accept color reads it as gray.`);
    }
    const share = Math.round((100 * transparent) / pixels.length);
    const warnings = transparent ? [`partly transparent (${share}%): laid on black`] : [];
    return { width, height, pixels, full, warnings };
  }

  /** Return the Exif orientation, 1 to 8, in the Exif data of a PNG (CIPA DC-008, 4.6.5.1). */
  function orientationIn(exif) {
    if (!exif) return 1;
    try {
      const view = new DataView(exif.buffer, exif.byteOffset, exif.byteLength);
      const little = exif[0] === 0x49;
      const start = view.getUint32(4, little);
      for (let entry = 0; entry < view.getUint16(start, little); entry++) {
        const place = start + 2 + 12 * entry;
        if (view.getUint16(place, little) === 0x0112) return view.getUint16(place + 8, little);
      }
    } catch {
      // the data are damaged: the film stays as it is stored
    }
    return 1;
  }

  /** Turn and mirror a film from its stored to its right orientation. */
  function turn(film, orientation) {
    if (orientation < 2 || orientation > 8) return film;
    const { width, height, pixels } = film;
    const swaps = orientation > 4;
    const [columns, rows] = swaps ? [height, width] : [width, height];
    const turned = new pixels.constructor(pixels.length);
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) {
        const [a, b] = swaps ? [y, x] : [x, y]; // column and row in the file, before they are counted from the end
        const column = [2, 3, 7, 8].includes(orientation) ? width - 1 - a : a;
        const row = [3, 4, 6, 7].includes(orientation) ? height - 1 - b : b;
        turned[y * columns + x] = pixels[row * width + column];
      }
    }
    return { ...film, width: columns, height: rows, pixels: turned };
  }

  /** Return the film in a PNG. `prepared` names how a copy that cxr prepare wrote was normalised. */
  async function readPng(bytes) {
    const chunks = pngChunks(bytes);
    if (chunks.IHDR?.length !== 13) throw new Error("it does not begin with the size of the picture.");
    const picture = await decodePng(chunks);
    const film = turn(toGray(picture), orientationIn(chunks.eXIf));
    const isOurs = picture.channels === 1 && picture.full === 65535; // another program may have kept the texts
    if (!isOurs || !chunks.texts.cxrlib) return film;
    const stored = chunks.texts["cxrlib-warnings"];
    return { ...film, prepared: chunks.texts.cxrlib, warnings: stored ? JSON.parse(stored).map(([, text]) => text) : [] };
  }

  /** Return what the frame header of a JPEG declares (ITU-T T.81, B.2.2): the marker, the bits, the sides, the channels. */
  function jpegFrame(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let place = 2; place + 9 < bytes.length; ) {
      if (bytes[place] !== 0xff) { place++; continue; }
      const code = bytes[place + 1];
      if (code === 0xff) { place++; continue; }
      if (code >= 0xc0 && code <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(code)) {
        const [rows, columns] = [view.getUint16(place + 5), view.getUint16(place + 7)];
        return { code, bits: bytes[place + 4], rows, columns, channels: bytes[place + 9] };
      }
      place += code === 0x01 || (code >= 0xd0 && code <= 0xd8) ? 2 : 2 + view.getUint16(place + 2);
    }
    throw new Error("the file is damaged: it does not say how large the picture is.");
  }

  /** Return the samples of a JPEG, as the browser decodes and turns it. */
  async function decodeJpeg(bytes) {
    const { code, bits, rows, columns } = jpegFrame(bytes);
    checkSize(columns, rows);
    if (code > 0xc2 || bits !== 8) {
      throw new Error("a JPEG that no browser decodes (lossless, arithmetic or of 12 bits); convert it to PNG.");
    }
    let bitmap;
    try {
      bitmap = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }), { colorSpaceConversion: "none" });
    } catch {
      throw new Error("the file is damaged or cut off.");
    }
    const { width, height } = bitmap;
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    return { width, height, channels: 4, full: 255, samples: context.getImageData(0, 0, width, height).data };
  }

  /** Return a film's pixels as an image: {width, height, image}, from 0 to 1, dense is bright. */
  function normalize({ width, height, pixels, full, prepared }) {
    if (prepared === "minmax") return { width, height, image: Float32Array.from(pixels, (value) => value / full) };
    if (prepared) throw new Error(`was prepared with normalize='${prepared}', but 'minmax' is wanted.`);
    let low = Infinity;
    let high = -Infinity;
    for (const value of pixels) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    if (!(high > low)) throw new Error(`constant image: the range to normalise is ${low} to ${high}.`);
    return { width, height, image: Float32Array.from(pixels, (value) => (value - low) / (high - low)) };
  }

  /** Return the image in the middle of a black square. */
  function padToSquare({ width, height, image }) {
    const side = Math.max(width, height);
    const [left, top] = [(side - width) >> 1, (side - height) >> 1];
    const square = new Float32Array(side * side);
    for (let y = 0; y < height; y++) square.set(image.subarray(y * width, (y + 1) * width), (y + top) * side + left);
    return { side, square };
  }

  /** Return for each pixel of the result [[place, weight], ...], as OpenCV's INTER_AREA weighs a row. */
  function areaWeights(side, size) {
    const scale = side / size;
    return Array.from({ length: size }, (_, to) => {
      const [start, end] = [to * scale, (to + 1) * scale];
      const cell = Math.min(scale, side - start);
      const last = Math.min(Math.floor(end), side - 1);
      const first = Math.min(Math.ceil(start), last);
      const weights = [];
      if (first - start > 1e-3) weights.push([first - 1, (first - start) / cell]);
      for (let place = first; place < last; place++) weights.push([place, 1 / cell]);
      if (end - last > 1e-3) weights.push([last, Math.min(end - last, 1, cell) / cell]);
      return weights;
    });
  }

  /** Return the same for a square that is enlarged, as OpenCV's INTER_LINEAR weighs a row. */
  function linearWeights(side, size) {
    return Array.from({ length: size }, (_, to) => {
      const place = Math.min(Math.max(((to + 0.5) * side) / size - 0.5, 0), side - 1);
      const first = Math.floor(place);
      return [[first, 1 - place + first], [Math.min(first + 1, side - 1), place - first]];
    });
  }

  /** Return a square of another size: shrunk by area averaging, or enlarged by bilinear interpolation. */
  function resize(square, side, size) {
    if (side === size) return Float32Array.from(square);
    const weights = (side > size ? areaWeights : linearWeights)(side, size);
    const rows = new Float64Array(size * side); // each row of the result, still as wide as the square
    weights.forEach((parts, to) => {
      for (const [from, weight] of parts) {
        for (let x = 0; x < side; x++) rows[to * side + x] += square[from * side + x] * weight;
      }
    });
    const result = new Float32Array(size * size);
    for (let y = 0; y < size; y++) {
      weights.forEach((parts, to) => {
        let sum = 0;
        for (const [from, weight] of parts) sum += rows[y * side + from] * weight;
        result[y * size + to] = Math.min(Math.max(sum, 0), 1);
      });
    }
    return result;
  }

  /** Return an image in steps of 16 bits, as cxrlib keeps it. */
  function quantize(image) {
    return image.map((value) => Math.fround(Math.round(value * 65535) / 65535));
  }

  return { formatOf, checkSize, readPng, jpegFrame, decodeJpeg, toGray, normalize, padToSquare, resize, quantize, latin1 };
}
