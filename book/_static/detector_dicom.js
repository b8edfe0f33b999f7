// Read a chest film in DICOM in the browser, as cxrlib/images/dicom does: uncompressed, or as baseline JPEG, which the
// browser decodes. What is rare is refused by a sentence that names it; `cxr predict` reads more. No text of the header
// is kept or shown. detector.js makes a worker of this function's text.
"use strict";

function detectorDicom(films, rules) {
  const IMPLICIT = "1.2.840.10008.1.2";
  const EXPLICIT = "1.2.840.10008.1.2.1";
  const BASELINE = "1.2.840.10008.1.2.4.50";
  const LONG = ["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"]; // lengths of 4 bytes
  const UNDEFINED = 0xffffffff;
  const PIXEL_DATA = 0x7fe00010;
  const PADDING_LEVELS = 32; // these as in cxrlib/images/dicom/display.py
  const PADDING_FRACTION = 0.001;
  const PADDING_GAP_OF_MINIMUM = 0.125;
  const MAX_CHANNEL_SPREAD = 8;
  const MAX_CLIPPED = 0.9;
  const MUCH_CLIPPED = 0.6;
  const MAX_VALUE = 1e30;

  const TAGS = { // those that hold binary numbers have the letter N; PS3.6
    TransferSyntaxUID: [0x00020010], SOPClassUID: [0x00080016], Modality: [0x00080060], Intent: [0x00080068],
    BodyPart: [0x00180015], ShutterShape: [0x00181600], ViewPosition: [0x00185101], ImagerPixelSpacing: [0x00181164],
    NominalScannedPixelSpacing: [0x00182010], PatientOrientation: [0x00200020], SamplesPerPixel: [0x00280002, "N"],
    Photometric: [0x00280004], NumberOfFrames: [0x00280008], Rows: [0x00280010, "N"], Columns: [0x00280011, "N"],
    PixelSpacing: [0x00280030], PixelAspectRatio: [0x00280034], BitsAllocated: [0x00280100, "N"],
    BitsStored: [0x00280101, "N"], HighBit: [0x00280102, "N"], PixelRepresentation: [0x00280103, "N"],
    PixelPaddingValue: [0x00280120, "N"], PixelPaddingRangeLimit: [0x00280121, "N"], WindowCenter: [0x00281050],
    WindowWidth: [0x00281051], RescaleIntercept: [0x00281052], RescaleSlope: [0x00281053], VOILUTFunction: [0x00281056],
    ModalityLUTSequence: [0x00283000], VOILUTSequence: [0x00283010], PresentationLUTShape: [0x20500020],
    PixelIntensityRelationship: [0x00281040], PixelIntensityRelationshipSign: [0x00281041, "N"],
  };

  /** Refuse a film that only the command line reads. */
  function onlyPredict(reason) {
    throw new Error(`${reason}, which this page does not read; cxr predict may read it.`);
  }

  /** Return the elements of a file by their tags: {start, end} of each value, and the fragments of compressed pixels. */
  function parse(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const elements = new Map();
    let place = films.latin1(bytes, 128, 132) === "DICM" ? 132 : 0;
    let isExplicit = /[A-Z]{2}/.test(films.latin1(bytes, place + 4, place + 6));
    let isMeta = true;

    /** Return the tag, the place of the value and its length, of the element at a place. */
    const head = (at) => {
      const tag = view.getUint16(at, true) * 65536 + view.getUint16(at + 2, true);
      if (tag >= 0xfffee000 || !isExplicit) return { tag, value: at + 8, length: view.getUint32(at + 4, true) };
      const isLong = LONG.includes(films.latin1(bytes, at + 4, at + 6));
      if (isLong) return { tag, value: at + 12, length: view.getUint32(at + 8, true) };
      return { tag, value: at + 8, length: view.getUint16(at + 6, true) };
    };

    /** Return the place after a sequence or an item of undefined length. */
    const skip = (at, delimiter) => {
      for (;;) {
        const { tag, value, length } = head(at);
        if (tag === delimiter) return value;
        const inner = tag === 0xfffee000 ? 0xfffee00d : 0xfffee0dd;
        at = length === UNDEFINED ? skip(value, inner) : value + length;
      }
    };

    try {
      while (place + 8 <= bytes.length) {
        if (isMeta && view.getUint16(place, true) !== 2) {
          isMeta = false;
          const syntax = elements.has(TAGS.TransferSyntaxUID[0]) ? text(bytes, elements, "TransferSyntaxUID")[0] : "";
          if (syntax) isExplicit = syntax !== IMPLICIT;
          checkSyntax(syntax || (isExplicit ? EXPLICIT : IMPLICIT));
        }
        const { tag, value, length } = head(place);
        if (tag === PIXEL_DATA && length === UNDEFINED) {
          elements.set(tag, { fragments: fragmentsAt(bytes, view, value) });
          return elements;
        }
        place = length === UNDEFINED ? skip(value, 0xfffee0dd) : value + length;
        elements.set(tag, { start: value, end: place });
      }
    } catch (error) {
      if (error instanceof RangeError) throw new Error("is cut off or damaged; copy or download it again.");
      throw error;
    }
    return elements;
  }

  /** Refuse a transfer syntax that a browser cannot read. */
  function checkSyntax(syntax) {
    if ([IMPLICIT, EXPLICIT, BASELINE].includes(syntax)) return;
    onlyPredict(`a DICOM film whose pixels are stored as ${rules.syntaxes[syntax] ?? "something unknown"}`);
  }

  /** Return the fragments of compressed pixels, without the table of offsets (PS3.5, A.4). */
  function fragmentsAt(bytes, view, place) {
    const fragments = [];
    for (;;) {
      const [tag, length] = [view.getUint32(place, true), view.getUint32(place + 4, true)];
      if (tag !== 0xe000fffe) break;
      if (place + 8 + length > bytes.length) throw new RangeError();
      fragments.push(bytes.subarray(place + 8, place + 8 + length));
      place += 8 + length;
    }
    return fragments.slice(1);
  }

  /** Return the values of an element as texts in upper case; empty values are left out. */
  function text(bytes, elements, name) {
    const element = elements.get(TAGS[name][0]);
    if (!element) return [];
    const words = films.latin1(bytes, element.start, Math.min(element.end, element.start + 10000)).split("\\");
    return words.map((word) => word.replace(/^[ \0]+|[ \0]+$/g, "").toUpperCase()).filter(Boolean);
  }

  /** Return functions that read words and numbers of a header. */
  function readerOf(bytes, elements) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const words = (name) => text(bytes, elements, name);
    const numbers = (name, isSigned = false) => {
      const [tag, kind] = TAGS[name];
      const element = elements.get(tag);
      if (!element) return [];
      if (kind !== "N") return words(name).map((word) => (/^[-+.\dE ]+$/.test(word) ? Number(word) : NaN));
      const count = (element.end - element.start) >> 1;
      const read = (i) => (isSigned ? view.getInt16(i, true) : view.getUint16(i, true));
      return Array.from({ length: count }, (_, i) => read(element.start + 2 * i));
    };
    const has = (name) => elements.has(TAGS[name][0]) && elements.get(TAGS[name][0]).end > elements.get(TAGS[name][0]).start;
    const hasTag = (tag) => elements.has(tag);
    return { words, numbers, has, hasTag };
  }

  /** Return why an image is not a chest radiograph, or "" (`refusal` of cxrlib/images/dicom/header.py). */
  function refusal({ words, hasTag }) {
    const word = modality(words);
    if (rules.otherModalities.includes(word)) return `Modality ${word}`;
    const kind = words("SOPClassUID")[0] ?? "";
    if (kind.startsWith(rules.imageClasses) && !rules.chestClasses.includes(kind)) return "another kind of image (SOP class)";
    if (rules.chestModalities.includes(word)) return "";
    if (rules.sliceTags.some(hasTag)) return `Modality ${word}, and it is a slice of the body`;
    const part = otherPart(words);
    if (part) return `Modality ${word}, body part ${part}`;
    const isChest = isChestPart(words) || viewOf(words) || rules.chestClasses.includes(kind);
    return word !== "unknown" || isChest ? "" : "Modality unknown";
  }

  /** Return the Modality if it is a word that we know, or "missing", or "unknown". */
  function modality(words) {
    const found = words("Modality");
    const known = [...rules.chestModalities, ...rules.otherModalities, ...rules.possibleModalities];
    return known.find((word) => found.includes(word)) ?? (found.length ? "unknown" : "missing");
  }

  function isChestPart(words) {
    return new RegExp(rules.chestPart).test(words("BodyPart").join(" "));
  }

  /** Return the first part of the body in the header that is not the chest, or "". */
  function otherPart(words) {
    if (isChestPart(words)) return "";
    const found = words("BodyPart").join(" ").split(/[^A-Z]+/).flatMap((word) => [word, word.replace(/S$/, "")]);
    return found.find((part) => rules.otherParts.includes(part)) ?? "";
  }

  /** Return "PA", "AP", "LATERAL" or "", by View Position and Patient Orientation. */
  function viewOf(words) {
    const position = words("ViewPosition").join(" ");
    if (/^(?:L|R|LEFT |RIGHT )?LAT(?:ERAL)?$|^[LR]LO?$|^XTABLE ?LATERAL$/.test(position)) return "LATERAL";
    const named = ["AP", "PA"].filter((view) => position.split(/[\W_]+/).includes(view));
    if (named.length === 1) return named[0];
    const axes = words("PatientOrientation").map((word) => word[0]);
    const runs = (letters) => axes.some((axis) => letters.includes(axis));
    return runs("AP") && runs("HF") ? "LATERAL" : "";
  }

  /** Return warnings about what is unusual in a header. */
  function headerWarnings({ words, numbers }) {
    const warnings = [];
    const word = modality(words);
    if (!rules.chestModalities.includes(word)) {
      warnings.push(`its Modality is ${word} (usual are ${rules.chestModalities.join(", ")}): read as a chest film`);
    }
    if (words("BodyPart").length && !isChestPart(words)) {
      warnings.push(`body part examined is ${otherPart(words) || "unknown"}, not CHEST`);
    }
    if (viewOf(words) === "LATERAL") warnings.push("a lateral film; frontal ones are expected");
    const isBrightInAir = words("Photometric")[0] === "MONOCHROME2" && numbers("PixelIntensityRelationshipSign")[0] === 1;
    const isLinear = words("PixelIntensityRelationship")[0] === "LIN";
    if (words("Intent")[0] === "FOR PROCESSING" || (isBrightInAir && isLinear)) {
      warnings.push("its pixels are raw (for processing): the contrast may be wrong, or black and white exchanged");
    }
    return warnings;
  }

  /** Return how the pixels lie in the file. Refuse what this page does not read. */
  function layoutOf({ words, numbers, has, hasTag }) {
    if (!hasTag(PIXEL_DATA)) throw new Error("a DICOM file without an image, or cut off before the pixels; copy it again.");
    const frames = numbers("NumberOfFrames")[0] ?? 1;
    if (frames !== 1) throw new Error(`has ${frames} frames; a chest film has 1.`);
    const layout = {};
    for (const name of ["Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"]) {
      layout[name] = numbers(name)[0];
      if (layout[name] === undefined) onlyPredict(`a DICOM film without the element ${name}`);
    }
    films.checkSize(layout.Columns, layout.Rows);
    layout.photometric = words("Photometric")[0] ?? "";
    const { SamplesPerPixel: samples, BitsAllocated: allocated, BitsStored: stored, HighBit: high } = layout;
    if (![1, 3].includes(samples)) throw new Error(`has ${samples} values for each pixel; it must have 1 (gray) or 3 (colour).`);
    if (samples === 1 && !["MONOCHROME1", "MONOCHROME2"].includes(layout.photometric)) {
      onlyPredict("a DICOM film that is neither MONOCHROME1 nor MONOCHROME2");
    }
    if (![8, 16].includes(allocated)) throw new Error(`BitsAllocated is ${allocated}; it must be 8 or 16.`);
    if (high !== stored - 1 || stored > allocated) onlyPredict("a DICOM film with unusual bits");
    if (has("ShutterShape")) onlyPredict("a DICOM film with a display shutter");
    if (has("ModalityLUTSequence") || has("VOILUTSequence")) onlyPredict("a DICOM film with a look-up table");
    for (const name of ["PixelAspectRatio", "ImagerPixelSpacing", "PixelSpacing", "NominalScannedPixelSpacing"]) {
      const [height, width] = numbers(name);
      if (height > 0 && width > 0 && Math.abs(height / width - 1) > 0.01) onlyPredict("a DICOM film whose pixels are not square");
    }
    return layout;
  }

  /** Return the pixels as they are stored: one number each. Refuse colour. */
  async function storedPixels(bytes, element, layout) {
    const { Rows: rows, Columns: columns, SamplesPerPixel: samples, BitsAllocated: allocated } = layout;
    if (element.fragments) return jpegPixels(element.fragments, layout);
    const length = rows * columns * samples;
    const needed = (length * allocated) / 8;
    const found = Math.min(element.end, bytes.length) - element.start;
    if (found < needed) {
      const counts = `${found.toLocaleString("en")} of ${needed.toLocaleString("en")}`;
      throw new Error(`is probably cut off: it has ${counts} bytes of pixels; copy it again.`);
    }
    if (samples === 3) onlyPredict("an uncompressed DICOM film with three channels");
    const copy = bytes.slice(element.start, element.start + needed).buffer;
    const kinds = { 8: [Uint8Array, Int8Array], 16: [Uint16Array, Int16Array] };
    const stored = new kinds[allocated][layout.PixelRepresentation](copy); // browsers run on little-endian machines
    const low = layout.PixelRepresentation ? -(2 ** (layout.BitsStored - 1)) : 0;
    if (stored.some((value) => value < low || value >= low + 2 ** layout.BitsStored)) {
      onlyPredict("a DICOM film with values outside its stored bits");
    }
    return stored;
  }

  /** Return the pixels of a baseline JPEG inside DICOM. */
  async function jpegPixels(fragments, { Rows: rows, Columns: columns, SamplesPerPixel: samples, photometric }) {
    const data = new Uint8Array(await new Blob(fragments).arrayBuffer());
    const frame = films.jpegFrame(data);
    if (frame.rows !== rows || frame.columns !== columns || frame.channels !== samples) {
      const theirs = `${frame.columns}x${frame.rows} with ${frame.channels} channels`;
      throw new Error(`its compressed image is ${theirs}, but its header says ${columns}x${rows} with ${samples}.`);
    }
    if (photometric === "RGB") onlyPredict("a DICOM film with a JPEG in red, green and blue");
    const picture = await films.decodeJpeg(data);
    const pixels = new Uint8Array(rows * columns);
    for (let i = 0; i < pixels.length; i++) {
      const [red, green, blue] = picture.samples.subarray(4 * i, 4 * i + 3);
      pixels[i] = green;
      if (Math.max(red, green, blue) - Math.min(red, green, blue) > MAX_CHANNEL_SPREAD) {
        throw new Error(`a picture in colour (${photometric}); cxr predict --accept color reads it as gray.`);
      }
    }
    return pixels;
  }

  /** Return a padding value as the pixels hold it: some programs write -32768 as 32768. */
  function asStored(value, bits, isSigned) {
    const low = isSigned ? -(2 ** (bits - 1)) : 0;
    if (value >= low && value < low + 2 ** bits) return value;
    if (isSigned && value >= 0 && value < 2 ** bits) return value - 2 ** bits;
    return bits > 8 ? ((((value - low) % 65536) + 65536) % 65536) + low : value;
  }

  /** Mark the levels that are padding: declared, or far from all others (`_find_padding` of display.py). */
  function findPadding(numbers, layout, low, counts, warnings) {
    const { BitsStored: bits, PixelRepresentation: sign } = layout;
    const isPadding = new Uint8Array(counts.length);
    const declared = numbers("PixelPaddingValue", sign === 1).slice(0, 1);
    if (declared.length) {
      const ends = [...declared, ...numbers("PixelPaddingRangeLimit", sign === 1).slice(0, 1)];
      const stored = ends.map((value) => asStored(value, bits, sign === 1) - low);
      isPadding.fill(1, Math.max(Math.min(...stored), 0), Math.max(Math.max(...stored) + 1, 0));
    }
    const total = counts.reduce((sum, count) => sum + count, 0);
    for (;;) {
      const used = [];
      counts.forEach((count, level) => { if (count && !isPadding[level]) used.push(level); });
      if (used.length <= PADDING_LEVELS) return isPadding;
      let cut = 1;
      for (let i = 1; i < used.length; i++) if (used[i] - used[i - 1] > used[cut] - used[cut - 1]) cut = i;
      const isLow = cut <= used.length >> 1;
      const [few, rest] = isLow ? [used.slice(0, cut), used.slice(cut)] : [used.slice(cut), used.slice(0, cut)];
      const isMinimum = isLow && sign === 1 && used[0] + low === -(2 ** (bits - 1));
      const gap = (isMinimum ? PADDING_GAP_OF_MINIMUM : 1) * (rest.at(-1) - rest[0]);
      const isCommon = few.reduce((sum, level) => sum + counts[level], 0) >= PADDING_FRACTION * total;
      const isFew = few.length <= PADDING_LEVELS && rest.length > PADDING_LEVELS;
      if (used[cut] - used[cut - 1] <= gap || !isCommon || !isFew) return isPadding;
      for (const level of few) isPadding[level] = 1;
      const found = isLow ? `up to ${used[cut - 1] + low} lie far below` : `from ${used[cut] + low} lie far above`;
      warnings.push(`pixels ${found} all others: taken as padding`);
    }
  }

  /** Return the levels after rescale slope and intercept (PS3.3, C.11.1). */
  function rescale(numbers, levels, warnings) {
    const [slope, intercept] = [numbers("RescaleSlope")[0], numbers("RescaleIntercept")[0]];
    if (slope === undefined && intercept === undefined) return levels;
    const values = levels.map((level) => level * (slope ?? 1) + (intercept ?? 0));
    const isFinite = values.every((value) => Math.abs(value) < MAX_VALUE);
    if (slope !== 0 && isFinite && (values.length === 1 || values[0] !== values.at(-1))) return values;
    warnings.push("the rescale slope and intercept are left out: they cannot be right");
    return levels;
  }

  /** Return the values in the first window that can be, or unchanged (PS3.3, C.11.2). */
  function applyWindow({ words, numbers }, values, counts, warnings) {
    const [centers, widths] = [numbers("WindowCenter"), numbers("WindowWidth")];
    const kind = words("VOILUTFunction").join(" ") || "LINEAR";
    const reasons = [];
    if (!centers.length !== !widths.length) {
      reasons.push(`the window is left out: it has no ${widths.length ? "center" : "width"}`);
    }
    for (let i = 0; i < Math.min(centers.length, widths.length); i++) {
      const { windowed, clipped, fault } = windowOf(values, counts, centers[i], widths[i], kind);
      if (fault) {
        reasons.push(`the window is left out: ${fault}`);
        continue;
      }
      const share = Math.round(100 * clipped);
      if (clipped > MUCH_CLIPPED) warnings.push(`the window shows ${share}% of the pixels as plain black or white`);
      values = windowed;
      break;
    }
    if (reasons.length) warnings.push(reasons[0]);
    return values;
  }

  /** Return the values in a window, the fraction of pixels outside, and why the window cannot be. */
  function windowOf(values, counts, center, width, kind) {
    if (!Number.isFinite(center) || !Number.isFinite(width)) return { fault: "its center or width is not a number" };
    if (!["LINEAR", "LINEAR_EXACT", "SIGMOID"].includes(kind)) return { fault: "its VOI LUT function is unknown" };
    if (width <= 0 || (kind === "LINEAR" && width < 1)) return { fault: "its width is too small" };
    const clip = (middle, half) => (value) => Math.min(Math.max(value, middle - half), middle + half);
    let shown = clip(center, width / 2);
    if (kind === "SIGMOID") shown = (value) => Math.tanh((2 * (value - center)) / width);
    else if (kind === "LINEAR" && width > 1) shown = clip(center - 0.5, (width - 1) / 2);
    else if (kind === "LINEAR") shown = (value) => Number(value > center - 0.5);
    const windowed = values.map(shown);
    const reach = kind === "SIGMOID" ? width : width / 2;
    let [outside, total, low, high] = [0, 0, Infinity, -Infinity];
    values.forEach((value, level) => {
      total += counts[level];
      if (value <= center - reach || value >= center + reach) outside += counts[level];
      if (counts[level]) [low, high] = [Math.min(low, windowed[level]), Math.max(high, windowed[level])];
    });
    const clipped = outside / total;
    if (clipped > MAX_CLIPPED || low === high) return { fault: "it shows nearly all pixels as plain black or white" };
    return { windowed, clipped, fault: "" };
  }

  /** Return the film in a DICOM file as it is to be displayed: {width, height, pixels, warnings}. Dense is bright. */
  async function readDicom(bytes) {
    const elements = parse(bytes);
    const reader = readerOf(bytes, elements);
    const reason = refusal(reader);
    if (reason) throw new Error(`not a chest film (${reason}). cxr predict --accept modality reads it all the same.`);
    const warnings = headerWarnings(reader);
    const layout = layoutOf(reader);
    const stored = await storedPixels(bytes, elements.get(PIXEL_DATA), layout);
    const low = stored.reduce((a, b) => Math.min(a, b), Infinity);
    const high = stored.reduce((a, b) => Math.max(a, b), -Infinity);
    const counts = new Uint32Array(high - low + 1);
    for (const value of stored) counts[value - low]++;
    const isGray = layout.SamplesPerPixel === 1;
    let isPadding = isGray ? findPadding(reader.numbers, layout, low, counts, warnings) : new Uint8Array(counts.length);
    if (counts.every((count, level) => !count || isPadding[level])) isPadding = new Uint8Array(counts.length);
    const used = counts.map((count, level) => (isPadding[level] ? 0 : count));
    let values = Float64Array.from(counts, (_, level) => level + low);
    if (isGray) values = applyWindow(reader, rescale(reader.numbers, values, warnings), used, warnings);
    const isInverse = reader.words("PresentationLUTShape")[0] === "INVERSE";
    const range = values.filter((_, level) => used[level]);
    if (isGray && isInverse && layout.photometric === "MONOCHROME2") {
      warnings.push("its header says MONOCHROME2 and Presentation LUT Shape INVERSE: low values are taken as white");
    }
    let [darkest, brightest] = [range.reduce((a, b) => Math.min(a, b)), range.reduce((a, b) => Math.max(a, b))];
    if (layout.photometric === "MONOCHROME1" || (isGray && isInverse)) {
      values = values.map((value) => brightest - value);
      [darkest, brightest] = [0, brightest - darkest];
    }
    const pixels = Float64Array.from(stored, (value) => (isPadding[value - low] ? darkest : values[value - low]));
    return { width: layout.Columns, height: layout.Rows, pixels, warnings };
  }

  return { readDicom };
}
