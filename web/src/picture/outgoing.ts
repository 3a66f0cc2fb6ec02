/** What leaves this device: the masked picture, encoded anew, and the same bytes decoded again to be looked at. */

import { encode, newCanvas } from "./canvas.ts";
import { withoutMetadata } from "./jpeg.ts";
import { cover, type Mask } from "./masks.ts";

// Tried in this order, until the file is small enough.
const QUALITIES = [0.93, 0.85, 0.75, 0.6];

export interface Outgoing {
  readonly file: Blob;
  /** Exactly what the file shows. */
  readonly shown: HTMLCanvasElement;
}

/** The picture with its masks. */
export function masked(picture: HTMLCanvasElement, masks: readonly Mask[]): HTMLCanvasElement {
  const canvas = newCanvas(picture.width, picture.height);
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  context.drawImage(picture, 0, 0);
  cover(context, masks);
  return canvas;
}

/** The masked picture as JPEG; null where it stays too large. */
export async function outgoing(picture: HTMLCanvasElement, masks: readonly Mask[], maxBytes: number): Promise<Outgoing | null> {
  const shown = masked(picture, masks);
  for (const quality of QUALITIES) {
    const encoded = await encode(shown, "image/jpeg", quality);
    const file = new Blob(withoutMetadata(new Uint8Array(await encoded.arrayBuffer())), { type: "image/jpeg" });
    if (file.size > maxBytes) continue;
    const bitmap = await createImageBitmap(file);
    shown.getContext("2d")!.drawImage(bitmap, 0, 0);
    bitmap.close();
    return { file, shown };
  }
  return null;
}
