/**
 * Where the detector looks, and what its answers mean: the same rule as discreet.inference.faces, which explains it.
 * One view of the whole picture; of large pictures also overlapping tiles at full size, for small faces.
 */

import type { Box } from "./assemble.ts";
import { roundHalfEven } from "./letterbox.ts";

export interface Face {
  /** In pixels of the picture; may reach over its edge. */
  readonly box: Box;
  readonly score: number;
}

/** A part of the picture, and the size at which the detector sees it. */
export interface View {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  readonly height: number;
  readonly width: number;
}

/** Of one view, at a quarter of its size: heat [1, h, w], log sizes [2, h, w], offsets [2, h, w]; rows before columns. */
export interface Answer {
  readonly heat: Float32Array;
  readonly size: Float32Array;
  readonly offset: Float32Array;
}

export const LARGEST_SIDE_PX = 2048;
const THRESHOLD = 0.25, OVERLAP_IOU = 0.3;
const FULL_SIDE_PX = 640, SMALLEST_SIDE_PX = 256, TILE_PX = 640, OVERLAP_PX = 96;
const STRIDE = 32, CELL_PX = 4;

/** What the detector looks at, the whole picture first. */
export function views(height: number, width: number): View[] {
  const longest = Math.max(height, width);
  const zoom = Math.min(FULL_SIDE_PX, Math.max(longest, SMALLEST_SIDE_PX)) / longest;
  const all = [{ left: 0, top: 0, right: width, bottom: height, height: toStride(height * zoom), width: toStride(width * zoom) }];
  if (longest <= FULL_SIDE_PX) return all;
  for (const [top, bottom] of tiles(height)) {
    for (const [left, right] of tiles(width)) {
      all.push({ left, top, right, bottom, height: toStride(bottom - top), width: toStride(right - left) });
    }
  }
  return all;
}

function toStride(length: number): number {
  return Math.max(STRIDE, Math.ceil(length / STRIDE) * STRIDE);
}

function tiles(length: number): [number, number][] {
  if (length <= TILE_PX) return [[0, length]];
  const count = Math.ceil((length - OVERLAP_PX) / (TILE_PX - OVERLAP_PX));
  return Array.from({ length: count }, (_, at) => {
    const start = roundHalfEven((at * (length - TILE_PX)) / (count - 1));
    return [start, start + TILE_PX];
  });
}

/** Faces of one view, in pixels of the picture. Numbers that are none are an error, not an absence of faces. */
export function decode({ heat, size, offset }: Answer, view: View): Face[] {
  if (![heat, size, offset].every((map) => map.every(Number.isFinite))) throw new Error("the detector failed");
  const columns = view.width / CELL_PX, area = heat.length;
  const scaleY = (view.bottom - view.top) / view.height, scaleX = (view.right - view.left) / view.width;
  const found: Face[] = [];
  for (let at = 0; at < area; at++) {
    if (!(heat[at]! > THRESHOLD)) continue;
    const y = (Math.floor(at / columns) + offset[at]! + 0.5) * CELL_PX * scaleY + view.top;
    const x = ((at % columns) + offset[area + at]! + 0.5) * CELL_PX * scaleX + view.left;
    const halfHeight = (Math.exp(size[at]!) * CELL_PX * scaleY) / 2;
    const halfWidth = (Math.exp(size[area + at]!) * CELL_PX * scaleX) / 2;
    found.push({ box: [x - halfWidth, y - halfHeight, x + halfWidth, y + halfHeight], score: heat[at]! });
  }
  return found;
}

/** Of faces that overlap, the surest alone. */
export function suppress(faces: readonly Face[]): Face[] {
  const kept: Face[] = [];
  for (const face of [...faces].sort((a, b) => b.score - a.score)) {
    if (kept.every((other) => overlap(face.box, other.box) < OVERLAP_IOU)) kept.push(face);
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
