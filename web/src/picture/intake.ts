/** From a file to pixels, within the limits of the service. Of the file nothing but its pixels is kept. */

import type { Key } from "../i18n/en.ts";
import { number, t } from "../i18n/language.ts";
import type { Policy } from "../service/policy.ts";
import { newCanvas } from "./canvas.ts";
import { formatOf } from "./format.ts";

/** A picture that is not taken; says why in the reader's language. */
export class Refused extends Error {
  constructor(readonly key: Key, readonly values: () => Record<string, string> = () => ({})) {
    super(key);
  }

  get words(): string {
    return t(this.key, this.values());
  }
}

/** The picture, upright and in sRGB, on a canvas of its own. */
export async function readPicture(file: Blob, policy: Policy): Promise<HTMLCanvasElement> {
  if (file.size > policy.max_bytes) {
    const values = () => ({ mb: number(file.size / 1e6, 1), limit: number(policy.max_bytes / 1e6, 1) });
    throw new Refused("intake.bytes", values);
  }
  const format = formatOf(new Uint8Array(await file.arrayBuffer()));
  if (!format) throw new Refused("intake.type");
  const pixels = format.width * format.height;
  if (pixels > policy.max_pixels) {
    const values = () => ({ mp: number(pixels / 1e6, 1), limit: number(policy.max_pixels / 1e6, 1) });
    throw new Refused("intake.pixels", values);
  }
  try {
    const bitmap = await createImageBitmap(file);
    const canvas = newCanvas(bitmap.width, bitmap.height);
    const context = canvas.getContext("2d")!;
    context.fillStyle = "#fff"; // below what is transparent
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(bitmap, 0, 0);
    bitmap.close();
    return canvas;
  } catch {
    throw new Refused("intake.damaged");
  }
}

/** The picture among what was dropped or pasted. */
export function fileAmong(transfer: DataTransfer | null): File | null {
  const files = [...(transfer?.files ?? [])];
  return files.find((file) => file.type.startsWith("image/")) ?? files[0] ?? null;
}

/** The picture on the clipboard, asked for by a button. */
export async function fromClipboard(): Promise<Blob> {
  let items: ClipboardItems;
  try {
    items = await navigator.clipboard.read();
  } catch {
    throw new Refused("intake.denied");
  }
  for (const item of items) {
    const type = item.types.find((name) => ["image/png", "image/jpeg", "image/webp"].includes(name));
    if (type) return item.getType(type);
  }
  throw new Refused("intake.nothing");
}
