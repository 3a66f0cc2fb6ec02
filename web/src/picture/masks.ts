/** Solid ellipses over faces. */

import type { Face } from "../networks/faces.ts";

export const MASK_COLOUR = "#000";
const SMALLEST_PX = 6;
const DEFAULT_SHARE = 0.07;

/** Centre and half axes, in pixels of the picture. */
export interface Mask {
  readonly id: number;
  readonly x: number;
  readonly y: number;
  readonly radiusX: number;
  readonly radiusY: number;
  /** Whether the detector found a face there, rather than a person having put it there. */
  readonly found: boolean;
}

export interface Extent {
  readonly width: number;
  readonly height: number;
}

let next = 1;

/** A mask over a found face, `scale` times its box. */
export function maskOver({ box: [x0, y0, x1, y1] }: Pick<Face, "box">, scale: number): Mask {
  const radiusX = (scale * (x1 - x0)) / 2, radiusY = (scale * (y1 - y0)) / 2;
  return { id: next++, x: (x0 + x1) / 2, y: (y0 + y1) / 2, radiusX, radiusY, found: true };
}

/** A mask that a person adds. */
export function maskAt(x: number, y: number, { width, height }: Extent): Mask {
  const radiusX = Math.max(Math.min(width, height) * DEFAULT_SHARE, SMALLEST_PX);
  return { id: next++, x, y, radiusX, radiusY: radiusX * 1.25, found: false };
}

/** The mask elsewhere; its centre stays in the picture. */
export function moved(mask: Mask, x: number, y: number, { width, height }: Extent): Mask {
  return { ...mask, x: Math.min(Math.max(x, 0), width), y: Math.min(Math.max(y, 0), height) };
}

/** The mask larger or smaller. */
export function scaled(mask: Mask, factor: number, { width, height }: Extent): Mask {
  const largest = Math.max(width, height);
  const radius = (value: number) => Math.min(Math.max(value * factor, SMALLEST_PX), largest);
  return { ...mask, radiusX: radius(mask.radiusX), radiusY: radius(mask.radiusY) };
}

/** Paint the masks over what a canvas shows. */
export function cover(context: CanvasRenderingContext2D, masks: readonly Mask[]): void {
  context.fillStyle = MASK_COLOUR;
  for (const { x, y, radiusX, radiusY } of masks) {
    context.beginPath();
    context.ellipse(x, y, radiusX, radiusY, 0, 0, 2 * Math.PI);
    context.fill();
  }
}
