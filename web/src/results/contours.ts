/** Outlines of a region of pixels, along the pixels' edges, so that filling them (even-odd) gives the region back. */

/** Corners of one closed outline: x, y in turn. */
export type Outline = readonly number[];

// Directions: right, down, left, up; the region lies on the right hand.
const STEP_X = [1, 0, -1, 0], STEP_Y = [0, 1, 0, -1];

/** All outlines of the pixels for which `inside` holds; holes run the other way round. */
export function outlines(inside: (x: number, y: number) => boolean, width: number, height: number): Outline[] {
  const within = (x: number, y: number) => x >= 0 && y >= 0 && x < width && y < height && inside(x, y);
  // Every outline has an edge along the top of a pixel of the region or of a hole's lower border; marks say which are done.
  const done = new Uint8Array(width * (height + 1));
  const found: Outline[] = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (within(x, y) && !within(x, y - 1) && !done[y * width + x]) found.push(follow(within, x, y, done, width));
    }
  }
  return found;
}

/** Around the region, starting along the upper edge of a pixel, until back at the start. */
function follow(
  within: (x: number, y: number) => boolean, startX: number, startY: number, done: Uint8Array, width: number,
): Outline {
  const corners: number[] = [];
  let x = startX, y = startY, direction = 0;
  do {
    if (direction === 0) done[y * width + x] = 1;
    x += STEP_X[direction]!;
    y += STEP_Y[direction]!;
    const turned = turn(within, x, y, direction);
    if (turned !== direction) corners.push(x, y);
    direction = turned;
  } while (x !== startX || y !== startY || direction !== 0);
  return corners;
}

/** Where to go on at a corner: left where the pixel ahead on the left is inside, too; right where none ahead is. */
function turn(within: (x: number, y: number) => boolean, x: number, y: number, direction: number): number {
  // The four pixels around a corner, clockwise from the upper left.
  const around = [within(x - 1, y - 1), within(x, y - 1), within(x, y), within(x - 1, y)];
  const aheadLeft = around[(direction + 1) % 4]!;
  const aheadRight = around[(direction + 2) % 4]!;
  if (!aheadRight) return (direction + 1) % 4;
  return aheadLeft ? (direction + 3) % 4 : direction;
}

/** Twice the signed area of an outline; holes are negative. */
export function doubleArea(outline: Outline): number {
  let sum = 0;
  for (let at = 0; at < outline.length; at += 2) {
    const next = (at + 2) % outline.length;
    sum += outline[at]! * outline[next + 1]! - outline[next]! * outline[at + 1]!;
  }
  return sum;
}

/** The outlines as one SVG path. */
export function asPath(all: readonly Outline[]): string {
  return all.map((outline) => `M${pairs(outline).join("L")}Z`).join("");
}

function pairs(outline: Outline): string[] {
  const out: string[] = [];
  for (let at = 0; at < outline.length; at += 2) out.push(`${outline[at]} ${outline[at + 1]}`);
  return out;
}
