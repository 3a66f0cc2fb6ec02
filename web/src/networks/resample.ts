/** Resizing as Pillow does it: a triangle filter that widens when it shrinks, columns first, 8 bits in between. */

/** Interleaved RGB, 8 bits. */
export interface Pixels {
  readonly data: Uint8Array;
  readonly height: number;
  readonly width: number;
}

/** For each output position: where its weights begin, and the weights. */
interface Filter {
  readonly starts: Int32Array;
  readonly weights: Float64Array[];
}

/** The picture in another size. */
export function resample(picture: Pixels, height: number, width: number): Pixels {
  if (picture.height === height && picture.width === width) return picture;
  const wide = picture.width === width ? picture : acrossColumns(picture, width);
  return wide.height === height ? wide : acrossRows(wide, height);
}

function triangle(from: number, to: number): Filter {
  const scale = from / to;
  const reach = Math.max(scale, 1);
  const starts = new Int32Array(to);
  const weights: Float64Array[] = [];
  for (let at = 0; at < to; at++) {
    const centre = (at + 0.5) * scale;
    const start = Math.max(Math.trunc(centre - reach + 0.5), 0);
    const end = Math.min(Math.trunc(centre + reach + 0.5), from);
    const own = new Float64Array(end - start);
    let sum = 0;
    for (let k = 0; k < own.length; k++) {
      const distance = Math.abs((start + k - centre + 0.5) / reach);
      sum += own[k] = Math.max(1 - distance, 0);
    }
    for (let k = 0; k < own.length; k++) own[k]! /= sum;
    starts[at] = start;
    weights.push(own);
  }
  return { starts, weights };
}

function acrossColumns({ data, height, width }: Pixels, newWidth: number): Pixels {
  const { starts, weights } = triangle(width, newWidth);
  const out = new Uint8Array(height * newWidth * 3);
  for (let column = 0; column < newWidth; column++) {
    const own = weights[column]!;
    const first = starts[column]! * 3;
    for (let row = 0; row < height; row++) {
      let red = 0.5, green = 0.5, blue = 0.5;
      for (let k = 0, at = row * width * 3 + first; k < own.length; k++, at += 3) {
        const weight = own[k]!;
        red += weight * data[at]!;
        green += weight * data[at + 1]!;
        blue += weight * data[at + 2]!;
      }
      const to = (row * newWidth + column) * 3;
      out[to] = red;
      out[to + 1] = green;
      out[to + 2] = blue;
    }
  }
  return { data: out, height, width: newWidth };
}

function acrossRows({ data, height, width }: Pixels, newHeight: number): Pixels {
  const { starts, weights } = triangle(height, newHeight);
  const line = width * 3;
  const out = new Uint8Array(newHeight * line);
  const sums = new Float64Array(line);
  for (let row = 0; row < newHeight; row++) {
    sums.fill(0.5);
    const own = weights[row]!;
    for (let k = 0; k < own.length; k++) {
      const weight = own[k]!;
      const from = (starts[row]! + k) * line;
      for (let at = 0; at < line; at++) sums[at]! += weight * data[from + at]!;
    }
    out.set(sums, row * line);
  }
  return { data: out, height: newHeight, width };
}

/** A rectangle of the picture. */
export function crop(picture: Pixels, { left, top, right, bottom }: { left: number; top: number; right: number; bottom: number }): Pixels {
  const height = bottom - top, width = right - left;
  if (height === picture.height && width === picture.width) return picture;
  const data = new Uint8Array(height * width * 3);
  for (let row = 0; row < height; row++) {
    const start = ((top + row) * picture.width + left) * 3;
    data.set(picture.data.subarray(start, start + width * 3), row * width * 3);
  }
  return { data, height, width };
}

/** Red, green and blue of what a canvas gives. */
export function withoutAlpha(rgba: Uint8ClampedArray | Uint8Array, height: number, width: number): Pixels {
  const data = new Uint8Array(height * width * 3);
  for (let from = 0, to = 0; to < data.length; from += 4, to += 3) {
    data[to] = rgba[from]!;
    data[to + 1] = rgba[from + 1]!;
    data[to + 2] = rgba[from + 2]!;
  }
  return { data, height, width };
}
