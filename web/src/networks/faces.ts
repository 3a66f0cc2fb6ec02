/** What the detector's outputs say: boxes of faces. The same sums as discreet.inference.faces. */

import type { Box } from "./assemble.ts";
import type { Maps } from "./maps.ts";

export interface Face {
  readonly box: Box;
  readonly score: number;
}

export const STRIDE = 4;

/** Faces of one canvas, in its pixels: heat [1, h, w], log sizes [2, h, w] and offsets [2, h, w], rows first. */
export function decode(heat: Float32Array, sizes: Float32Array, offsets: Float32Array, { height, width }: Pick<Maps, "height" | "width">, threshold: number): Face[] {
  const found: Face[] = [];
  const area = height * width;
  for (let at = 0; at < area; at++) {
    if (!(heat[at]! > threshold)) continue;
    const tall = Math.exp(sizes[at]!) * STRIDE, wide = Math.exp(sizes[area + at]!) * STRIDE;
    const y = (Math.floor(at / width) + offsets[at]! + 0.5) * STRIDE, x = ((at % width) + offsets[area + at]! + 0.5) * STRIDE;
    found.push({ box: [x - wide / 2, y - tall / 2, x + wide / 2, y + tall / 2], score: heat[at]! });
  }
  return found;
}

/** Of faces that overlap more than `limit`, the surest. */
export function suppress(faces: readonly Face[], limit: number): Face[] {
  const kept: Face[] = [];
  for (const face of [...faces].sort((a, b) => b.score - a.score)) {
    if (kept.every((other) => overlap(face.box, other.box) <= limit)) kept.push(face);
  }
  return kept;
}

function overlap(one: Box, other: Box): number {
  const wide = Math.min(one[2], other[2]) - Math.max(one[0], other[0]);
  const tall = Math.min(one[3], other[3]) - Math.max(one[1], other[1]);
  if (wide <= 0 || tall <= 0) return 0;
  return (wide * tall) / (area(one) + area(other) - wide * tall);
}

function area([x0, y0, x1, y1]: Box): number {
  return (x1 - x0) * (y1 - y0);
}
