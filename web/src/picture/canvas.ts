/** Canvases that hold pictures. Each is known here, so that all can be wiped at once. */

import { type Pixels, withoutAlpha } from "../networks/resample.ts";

const living = new Set<WeakRef<HTMLCanvasElement>>();

/** An empty canvas. */
export function newCanvas(width: number, height: number): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  living.add(new WeakRef(canvas));
  return canvas;
}

/** Let go of every picture that any canvas holds. */
export function wipeAll(): void {
  for (const reference of living) {
    const canvas = reference.deref();
    if (canvas) canvas.width = canvas.height = 0;
  }
  living.clear();
}

/** Its pixels, as the networks take them. */
export function pixelsOf(canvas: HTMLCanvasElement): Pixels {
  const { data } = canvas.getContext("2d", { willReadFrequently: true })!.getImageData(0, 0, canvas.width, canvas.height);
  return withoutAlpha(data, canvas.height, canvas.width);
}

/** Its content as a file. */
export function encode(canvas: HTMLCanvasElement, type: "image/jpeg" | "image/png", quality?: number): Promise<Blob> {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the browser could not encode it"))), type, quality);
  });
}
