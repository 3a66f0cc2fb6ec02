/** Colours over the picture, painted anew from the map of ids at every change: nothing is asked of the service again. */

import { type Label, type PartMap, rgb } from "./parsed_picture.ts";

// One pixel of line on either side of an edge for so many pixels of the shorter side, as in discreet.parsing.overlay.
const SIDE_PER_LINE_PX = 640;
const LINE_DARKNESS = 0.55;

/** Marks of `edges`. */
const PART_EDGE = 1, PERSON_EDGE = 2;

/** What to show. */
export interface Shown {
  /** By part id. */
  readonly visible: ReadonlySet<number>;
  /** Number of one person, or null for all. */
  readonly person: number | null;
}

/** Which pixels lie on a line between parts, or around a person. */
export function edges({ width, height, parts, owners }: PartMap): Uint8Array {
  const marks = new Uint8Array(parts.length);
  const reach = Math.max(1, Math.round(Math.min(width, height) / SIDE_PER_LINE_PX));
  mark(marks, parts, width, height, reach, PART_EDGE);
  mark(marks, owners, width, height, reach + 1, PERSON_EDGE);
  return marks;
}

function mark(marks: Uint8Array, ids: Uint8Array, width: number, height: number, reach: number, bit: number): void {
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      for (let distance = 1; distance <= reach; distance++) {
        if (x + distance < width && ids[at] !== ids[at + distance]) {
          marks[at]! |= bit;
          marks[at + distance]! |= bit;
        }
        if (y + distance < height && ids[at] !== ids[at + distance * width]) {
          marks[at]! |= bit;
          marks[at + distance * width]! |= bit;
        }
      }
    }
  }
}

/** Paint RGBA: opaque where a shown part is, clear elsewhere. How much shows through is the canvas's own opacity. */
export function paint(map: PartMap, marks: Uint8Array, labels: readonly Label[], shown: Shown, out: Uint8ClampedArray): void {
  const colours = new Uint8Array(256 * 3).fill(128);
  for (const { id, colour } of labels) colours.set(rgb(colour), id * 3);
  const visible = Uint8Array.from({ length: 256 }, (_, id) => Number(shown.visible.has(id)));
  out.fill(0);
  for (let at = 0, to = 0; at < map.parts.length; at++, to += 4) {
    const part = map.parts[at]!;
    if (!visible[part] || (shown.person !== null && map.owners[at] !== shown.person)) continue;
    const outline = (marks[at]! & PERSON_EDGE) !== 0 && map.owners[at]! > 0;
    const light = marks[at]! & PART_EDGE ? LINE_DARKNESS : 1;
    for (let channel = 0; channel < 3; channel++) {
      out[to + channel] = outline ? 255 : colours[part * 3 + channel]! * light;
    }
    out[to + 3] = 255;
  }
}
