// The course's network in plain JavaScript: a ResNet-18 as cxrlib/model/resnet.py builds it, and Grad-CAM as
// cxrlib/evaluation/heat_maps.py computes it. detector.js makes a worker of this function's text. So the function uses
// nothing outside itself.
"use strict";

function detectorNetwork() {
  const ROWS = 64; // pixels whose windows are laid out at once: they stay in the processor's cache
  const BLOCKS = 2; // in each of the four stages
  const NORM_EPSILON = 1e-5; // of batch normalisation
  const FILM_EPSILON = 1e-6; // of the standardisation of a film

  /** Return the value of each of the 65,536 bit patterns of a number of 16 bits (IEEE 754, binary16). */
  function halfValues() {
    return Float32Array.from({ length: 65536 }, (_, bits) => {
      const sign = bits >> 15 ? -1 : 1;
      const exponent = (bits >> 10) & 31;
      const fraction = (bits & 1023) / 1024;
      return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction);
    });
  }

  /** Return the network. Its numbers come in the order of Keras: all upper bytes, then all lower bytes. */
  function build(bytes, { width, size, weight }) {
    const values = halfValues();
    const half = bytes.length / 2;
    let position = 0;
    const take = (count) => {
      const start = position;
      position += count;
      const numbers = new Float64Array(count);
      for (let i = 0; i < count; i++) numbers[i] = values[(bytes[start + i] << 8) | bytes[half + start + i]];
      return numbers;
    };
    const conv = (side, inputs, outputs, stride) => ({
      side, inputs, outputs, stride, kernel: take(side * side * inputs * outputs), panels: null, turned: null,
    });
    const norm = (channels) => {
      const [gamma, beta, mean, variance] = [0, 1, 2, 3].map(() => take(channels));
      const scale = gamma.map((value, i) => value / Math.sqrt(variance[i] + NORM_EPSILON));
      return { scale, shift: beta.map((value, i) => value - mean[i] * scale[i]) };
    };
    const network = { size, weight, stem: conv(7, 1, width, 2), blocks: [] };
    let channels = width;
    for (let stage = 0; stage < 4; stage++) {
      for (let index = 0; index < BLOCKS; index++) {
        const outputs = width << stage;
        const stride = stage > 0 && index === 0 ? 2 : 1;
        const block = { norm1: norm(channels), conv1: conv(3, channels, outputs, stride), norm2: norm(outputs) };
        block.shortcut = stride === 1 ? null : conv(1, channels, outputs, stride);
        block.conv2 = conv(3, outputs, outputs, 1);
        network.blocks.push(block);
        channels = outputs;
      }
    }
    network.norm = norm(channels);
    network.dense = take(channels);
    network.bias = take(1)[0];
    if (2 * position !== bytes.length) throw new Error("the weights do not fit the network");
    return network;
  }

  /** Return a matrix (rows, columns) in panels of 4 columns, as `multiply` reads it. */
  function panelsOf(matrix, rows, columns) {
    const panels = new Float64Array(rows * columns);
    for (let column = 0; column < columns; column++) {
      const start = (column & ~3) * rows + (column & 3);
      for (let row = 0; row < rows; row++) panels[start + 4 * row] = matrix[row * columns + column];
    }
    return panels;
  }

  /** Return the transpose of a matrix (rows, columns). */
  function transpose(matrix, rows, columns) {
    return new Float64Array(rows * columns).map((_, i) => matrix[(i % rows) * columns + Math.floor(i / rows)]);
  }

  /**
   * Write a (rows, depth) times b (depth, columns) into out from place `start` on. b is in panels of 4 columns, and
   * rows is a multiple of 4. 16 sums at a time: each number that is read is used 4 times.
   */
  function multiply(a, rows, depth, b, columns, out, start) {
    for (let column = 0; column < columns; column += 4) {
      for (let row = 0; row < rows; row += 4) {
        let p = row * depth;
        let k = column * depth;
        let s0 = 0, s1 = 0, s2 = 0, s3 = 0, t0 = 0, t1 = 0, t2 = 0, t3 = 0;
        let u0 = 0, u1 = 0, u2 = 0, u3 = 0, v0 = 0, v1 = 0, v2 = 0, v3 = 0;
        for (const end = k + 4 * depth; k < end; k += 4, p++) {
          const b0 = b[k], b1 = b[k + 1], b2 = b[k + 2], b3 = b[k + 3];
          let x = a[p];
          s0 += x * b0; s1 += x * b1; s2 += x * b2; s3 += x * b3;
          x = a[p + depth];
          t0 += x * b0; t1 += x * b1; t2 += x * b2; t3 += x * b3;
          x = a[p + 2 * depth];
          u0 += x * b0; u1 += x * b1; u2 += x * b2; u3 += x * b3;
          x = a[p + 3 * depth];
          v0 += x * b0; v1 += x * b1; v2 += x * b2; v3 += x * b3;
        }
        let to = start + row * columns + column;
        out[to] = s0; out[to + 1] = s1; out[to + 2] = s2; out[to + 3] = s3;
        to += columns;
        out[to] = t0; out[to + 1] = t1; out[to + 2] = t2; out[to + 3] = t3;
        to += columns;
        out[to] = u0; out[to + 1] = u1; out[to + 2] = u2; out[to + 3] = u3;
        to += columns;
        out[to] = v0; out[to + 1] = v1; out[to + 2] = v2; out[to + 3] = v3;
      }
    }
  }

  /** Return how a window slides over maps: the side of the result, and the sides of the maps with padding "same". */
  function windowOf({ side, stride }, size) {
    const out = Math.ceil(size / stride);
    const added = Math.max((out - 1) * stride + side - size, 0);
    return { out, before: added >> 1, padded: size + added };
  }

  /** Return maps with zeros around them. */
  function pad({ data, count, size, channels }, before, padded) {
    const result = new Float64Array(count * padded * padded * channels);
    const length = size * channels;
    for (let row = 0; row < count * size; row++) {
      const to = Math.floor(row / size) * padded + before + (row % size);
      result.set(data.subarray(row * length, (row + 1) * length), (to * padded + before) * channels);
    }
    return result;
  }

  /** Return maps without what `pad` has added, of 1 film. */
  function crop(data, before, padded, size, channels) {
    const result = new Float64Array(size * size * channels);
    for (let row = 0; row < size; row++) {
      const start = ((row + before) * padded + before) * channels;
      result.set(data.subarray(start, start + size * channels), row * size * channels);
    }
    return result;
  }

  /** Return where the window of an output pixel begins in padded maps. */
  function windowStart({ inputs, stride }, place, out, padded) {
    const film = Math.floor(place / (out * out)) * padded;
    return ((film + (Math.floor(place / out) % out) * stride) * padded + (place % out) * stride) * inputs;
  }

  /** Return the convolution of maps {data, count, size, channels}, channels last, with padding "same". */
  function convolve(maps, layer) {
    const { count, size } = maps;
    const { side, inputs, outputs } = layer;
    const { out, before, padded } = windowOf(layer, size);
    const depth = side * side * inputs;
    layer.panels ??= panelsOf(layer.kernel, depth, outputs);
    const data = pad(maps, before, padded);
    const result = new Float64Array(count * out * out * outputs);
    const windows = new Float64Array(ROWS * depth);
    for (let first = 0; first < count * out * out; first += ROWS) {
      const rows = Math.min(ROWS, count * out * out - first);
      for (let row = 0; row < rows; row++) {
        let from = windowStart(layer, first + row, out, padded);
        for (let i = 0; i < side; i++, from += padded * inputs) {
          windows.set(data.subarray(from, from + side * inputs), row * depth + i * side * inputs);
        }
      }
      multiply(windows, rows, depth, layer.panels, outputs, result, first * outputs);
    }
    return { data: result, count, size: out, channels: outputs };
  }

  /** Return the gradient with respect to the input of a convolution, from that with respect to its output, of 1 film. */
  function convolveBack(gradient, layer, size) {
    const { side, inputs, outputs } = layer;
    const { out, before, padded } = windowOf(layer, size);
    const depth = side * side * inputs;
    layer.turned ??= panelsOf(transpose(layer.kernel, depth, outputs), outputs, depth);
    const windows = new Float64Array(out * out * depth);
    multiply(gradient, out * out, outputs, layer.turned, depth, windows, 0);
    const result = new Float64Array(padded * padded * inputs);
    for (let place = 0, from = 0; place < out * out; place++) {
      let to = windowStart(layer, place, out, padded);
      for (let i = 0; i < side; i++, to += padded * inputs) {
        for (let c = 0; c < side * inputs; c++) result[to + c] += windows[from++];
      }
    }
    return crop(result, before, padded, size, inputs);
  }

  /** Return maps after batch normalisation and ReLU. */
  function activate(maps, { scale, shift }) {
    const { channels } = maps;
    const data = new Float64Array(maps.data.length);
    for (let i = 0, c = 0; i < data.length; i++, c = (c + 1) % channels) {
      data[i] = Math.max(maps.data[i] * scale[c] + shift[c], 0);
    }
    return { ...maps, data };
  }

  /** Return the gradient with respect to the input of `activate`. */
  function activateBack(gradient, active, { scale }) {
    return gradient.map((value, i) => (active.data[i] > 0 ? value * scale[i % active.channels] : 0));
  }

  /** Return a + b. */
  function add(a, b) {
    const sum = new Float64Array(a.length);
    for (let i = 0; i < sum.length; i++) sum[i] = a[i] + b[i];
    return sum;
  }

  /** Return the largest value in each window of 3 x 3, at every second place; nothing lies before the first row. */
  function pool({ data, count, size, channels }) {
    const out = size / 2;
    const result = new Float64Array(count * out * out * channels);
    for (let place = 0; place < count * out * out; place++) {
      const film = Math.floor(place / (out * out));
      const y = 2 * (Math.floor(place / out) % out);
      const x = 2 * (place % out);
      for (let c = 0; c < channels; c++) {
        let largest = -Infinity;
        for (let row = y; row < Math.min(y + 3, size); row++) {
          for (let column = x; column < Math.min(x + 3, size); column++) {
            largest = Math.max(largest, data[((film * size + row) * size + column) * channels + c]);
          }
        }
        result[place * channels + c] = largest;
      }
    }
    return { data: result, count, size: out, channels };
  }

  /** Return a film and its mirror image, both minus their mean and divided by their standard deviation. */
  function filmAndMirror(film, size) {
    const mean = film.reduce((sum, value) => sum + value, 0) / film.length;
    const variance = film.reduce((sum, value) => sum + (value - mean) ** 2, 0) / film.length;
    const data = new Float64Array(2 * film.length);
    film.forEach((value, i) => {
      const mirrored = i - (i % size) + size - 1 - (i % size);
      data[i] = data[film.length + mirrored] = (value - mean) / Math.sqrt(variance + FILM_EPSILON);
    });
    return { data, count: 2, size, channels: 1 };
  }

  /** Return the score of a film (size * size numbers in [0, 1]), and what `heat` needs to know of it. */
  function look(network, film) {
    let maps = pool(convolve(filmAndMirror(film, network.size), network.stem));
    const passed = network.blocks.map((block) => {
      const active1 = activate(maps, block.norm1);
      const active2 = activate(convolve(active1, block.conv1), block.norm2);
      const shortcut = block.shortcut ? convolve(active1, block.shortcut) : maps;
      const sum = convolve(active2, block.conv2);
      sum.data = add(sum.data, shortcut.data);
      const kept = { input: maps, active1, active2 };
      maps = sum;
      return kept;
    });
    const last = activate(maps, network.norm);
    const places = last.size ** 2;
    let logit = 0; // of both, in the mean
    last.data.forEach((value, i) => { logit += (value * network.dense[i % last.channels]) / (2 * places); });
    const score = 1 / (1 + Math.exp(Math.log(network.weight) - logit - network.bias));
    return { score, passed, output: maps, last };
  }

  /** Return Grad-CAM's small map (places * places) of a layer: stage_1 to stage_4, or last_maps. */
  function heat(network, { passed, output, last }, layer) {
    const places = last.size ** 2;
    let gradient = new Float64Array(places * last.channels).map((_, i) => network.dense[i % last.channels] / places);
    let maps = last;
    if (layer !== "last_maps") {
      gradient = activateBack(gradient, last, network.norm);
      maps = output;
      for (let index = passed.length - 1; index >= BLOCKS * Number(layer.at(-1)); index--) {
        const block = network.blocks[index];
        const { input, active1, active2 } = passed[index];
        const inner = activateBack(convolveBack(gradient, block.conv2, active2.size), active2, block.norm2);
        let sum = convolveBack(inner, block.conv1, active1.size);
        if (block.shortcut) sum = add(sum, convolveBack(gradient, block.shortcut, active1.size));
        const back = activateBack(sum, active1, block.norm1);
        gradient = block.shortcut ? back : add(back, gradient);
        maps = input;
      }
    }
    const { size, channels } = maps;
    const weights = new Float64Array(channels);
    gradient.forEach((value, i) => { weights[i % channels] += value / size ** 2; });
    const small = new Float64Array(size ** 2);
    for (let i = 0; i < small.length * channels; i++) small[Math.floor(i / channels)] += maps.data[i] * weights[i % channels];
    return { size, values: Array.from(small, (value) => Math.max(value, 0)) };
  }

  return { build, look, heat };
}
