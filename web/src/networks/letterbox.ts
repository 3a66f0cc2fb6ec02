/** Fitting a picture of any shape onto the canvas of a network. The same sums as discreet.inference.letterbox. */

import { type Pixels, resample } from "./resample.ts";

/** Where a picture lies on a canvas; all in pixels. */
export interface Frame {
  readonly height: number;
  readonly width: number;
  readonly canvasHeight: number;
  readonly canvasWidth: number;
  readonly top: number;
  readonly left: number;
  readonly innerHeight: number;
  readonly innerWidth: number;
}

/** Height and width. */
export type Size = readonly [number, number];
export type Colour = readonly [number, number, number];

/** As large as fits, centred. */
export function fit(height: number, width: number, canvas: Size, enlarge = true): Frame {
  const [canvasHeight, canvasWidth] = canvas;
  let zoom = Math.min(canvasHeight / height, canvasWidth / width);
  if (!enlarge) zoom = Math.min(zoom, 1);
  const innerHeight = Math.min(Math.max(roundHalfEven(height * zoom), 1), canvasHeight);
  const innerWidth = Math.min(Math.max(roundHalfEven(width * zoom), 1), canvasWidth);
  const top = Math.floor((canvasHeight - innerHeight) / 2);
  const left = Math.floor((canvasWidth - innerWidth) / 2);
  return { height, width, canvasHeight, canvasWidth, top, left, innerHeight, innerWidth };
}

/** Of several canvases, those with about as many pixels as the one the network was trained at; all where none has. */
export function alike(sizes: readonly Size[], trained: Size): readonly Size[] {
  const ratio = ([height, width]: Size) => (height * width) / (trained[0] * trained[1]);
  const found = sizes.filter((size) => ratio(size) >= 0.7 && ratio(size) <= 1.4);
  return found.length > 0 ? found : sizes;
}

/** The canvas on which a picture leaves least empty; the first of several. */
export function bestCanvas(height: number, width: number, canvases: readonly Size[]): Size {
  const filled = (canvas: Size) => {
    const zoom = Math.min(canvas[0] / height, canvas[1] / width);
    return (height * zoom * (width * zoom)) / (canvas[0] * canvas[1]);
  };
  return canvases.reduce((best, canvas) => (filled(canvas) > filled(best) ? canvas : best));
}

/** The canvas with the picture on it, RGB. */
export function place(picture: Pixels, frame: Frame, padding: Colour): Pixels {
  const { canvasHeight, canvasWidth, top, left, innerHeight, innerWidth } = frame;
  const canvas = new Uint8Array(canvasHeight * canvasWidth * 3);
  for (let at = 0; at < canvas.length; at += 3) canvas.set(padding, at);
  const resized = resample(picture, innerHeight, innerWidth);
  for (let row = 0; row < innerHeight; row++) {
    const line = resized.data.subarray(row * innerWidth * 3, (row + 1) * innerWidth * 3);
    canvas.set(line, ((top + row) * canvasWidth + left) * 3);
  }
  return { data: canvas, height: canvasHeight, width: canvasWidth };
}

/** Python's round: halves go to the even neighbour. */
export function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}
