/** A result as the page holds it, wherever it was made. */

import type { Box } from "../networks/assemble.ts";

export interface Label {
  readonly id: number;
  readonly name: string;
  readonly name_zh: string;
  readonly colour: string;
}

export interface Person {
  readonly score: number;
  readonly box: Box | null;
  readonly parts: readonly string[];
}

/** Part ids and numbers of persons, one a pixel; absent where the service answers names alone. */
export interface PartMap {
  readonly width: number;
  readonly height: number;
  readonly parts: Uint8Array;
  readonly owners: Uint8Array;
}

export interface Result {
  readonly labels: readonly Label[];
  readonly persons: readonly Person[];
  readonly partNames: readonly string[];
  readonly map: PartMap | null;
  /** The picture that was parsed, with all masks. */
  readonly picture: HTMLCanvasElement;
  readonly where: "device" | "service";
  readonly bytesSent: number;
  readonly milliseconds: number;
  readonly requestId: string | null;
}

export interface PartArea {
  readonly label: Label;
  readonly pixels: number;
  /** Of all parts together, without the background. */
  readonly share: number;
}

/** Parts that are there, the largest first. */
export function areas(map: PartMap, labels: readonly Label[]): PartArea[] {
  const counts = new Float64Array(256);
  for (const part of map.parts) counts[part]!++;
  const present = labels.filter(({ id }) => id > 0 && counts[id]! > 0);
  const all = present.reduce((sum, { id }) => sum + counts[id]!, 0);
  const measured = present.map((label) => ({ label, pixels: counts[label.id]!, share: counts[label.id]! / all }));
  return measured.sort((a, b) => b.pixels - a.pixels);
}

/** Red, green and blue of "#rrggbb". */
export function rgb(colour: string): readonly [number, number, number] {
  const value = Number.parseInt(colour.slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}
