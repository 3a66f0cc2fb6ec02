/** What a file is, from its first bytes: its kind and how large a picture it would become, before it is decoded. */

export type Kind = "JPEG" | "PNG" | "WebP";

export interface Format {
  readonly kind: Kind;
  readonly width: number;
  readonly height: number;
}

/** Kind and size of a picture's file; null where it is none that is taken, or is damaged. */
export function formatOf(bytes: Uint8Array): Format | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    if (view.getUint32(0) === 0x89504e47) return { kind: "PNG", width: view.getUint32(16), height: view.getUint32(20) };
    if (view.getUint16(0) === 0xffd8) return jpeg(view);
    if (view.getUint32(0) === 0x52494646 && view.getUint32(8) === 0x57454250) return webp(view);
  } catch {
    // It ends too early.
  }
  return null;
}

function jpeg(view: DataView): Format | null {
  for (let at = 2; ; ) {
    if (view.getUint8(at) !== 0xff) return null;
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return { kind: "JPEG", height: view.getUint16(at + 5), width: view.getUint16(at + 7) };
    at += 2 + view.getUint16(at + 2);
  }
}

function webp(view: DataView): Format | null {
  const three = (at: number) => view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
  const size = (width: number, height: number): Format => ({ kind: "WebP", width, height });
  switch (view.getUint32(12)) {
    case 0x56503858: // VP8X
      return size(three(24) + 1, three(27) + 1);
    case 0x5650384c: { // VP8L
      const bits = view.getUint32(21, true);
      return size((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1);
    }
    case 0x56503820: // VP8
      return size(view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff);
    default:
      return null;
  }
}
