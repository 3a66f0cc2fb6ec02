/** Stacks of equally large maps of numbers, and reading them between their samples. */

import type { Frame } from "./letterbox.ts";

/** `count` maps of height × width, one after the other. */
export interface Maps {
  readonly data: Float32Array;
  readonly count: number;
  readonly height: number;
  readonly width: number;
}

/** For each position: the sample before it, the one after, and how much of the latter. */
export interface Positions {
  readonly before: Int32Array;
  readonly after: Int32Array;
  readonly share: Float32Array;
}

/** Rows and columns of an answer on a map that covers the whole canvas. */
export function positionsInFrame(
  frame: Frame, map: { height: number; width: number }, rows: number, columns: number,
): [Positions, Positions] {
  const y = (at: number) => ((frame.top + ((at + 0.5) / rows) * frame.innerHeight) * map.height) / frame.canvasHeight;
  const x = (at: number) => ((frame.left + ((at + 0.5) / columns) * frame.innerWidth) * map.width) / frame.canvasWidth;
  return [neighbours(rows, map.height, y), neighbours(columns, map.width, x)];
}

/** Rows or columns of an answer of another size. */
export function positionsOfResize(from: number, to: number): Positions {
  return neighbours(to, from, (at) => ((at + 0.5) / to) * from);
}

function neighbours(count: number, length: number, place: (at: number) => number): Positions {
  const before = new Int32Array(count), after = new Int32Array(count), share = new Float32Array(count);
  for (let at = 0; at < count; at++) {
    const inside = Math.min(Math.max(place(at) - 0.5, 0), length - 1);
    before[at] = Math.floor(inside);
    after[at] = Math.min(before[at]! + 1, length - 1);
    share[at] = inside - before[at]!;
  }
  return { before, after, share };
}

/** Call `take(index, value)` for every pixel of an answer read bilinearly from one map. */
export function readBilinear(
  map: Float32Array, width: number, [rows, columns]: [Positions, Positions], take: (index: number, value: number) => void,
): void {
  const line = new Float32Array(width);
  for (let row = 0, index = 0; row < rows.before.length; row++) {
    const above = rows.before[row]! * width, below = rows.after[row]! * width, down = rows.share[row]!;
    for (let at = 0; at < width; at++) line[at] = map[above + at]! + (map[below + at]! - map[above + at]!) * down;
    for (let column = 0; column < columns.before.length; column++, index++) {
      const start = line[columns.before[column]!]!;
      take(index, start + (line[columns.after[column]!]! - start) * columns.share[column]!);
    }
  }
}
