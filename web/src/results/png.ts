/**
 * Reading and writing PNGs whose pixels are ids. A browser's own decoder gives colours, and colours are not ids:
 * two parts may share one. 8 bits or fewer a pixel, palette or grey, not interlaced.
 */

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const GREY = 0, INDEXED = 3;

export interface Ids {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** The ids of a PNG that the service sent. */
export async function readIds(png: Uint8Array): Promise<Ids> {
  if (!SIGNATURE.every((byte, at) => png[at] === byte)) throw new Error("not a PNG");
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  const compressed: Uint8Array[] = [];
  let width = 0, height = 0, depth = 0;
  for (let at = 8; at + 12 <= png.length; ) {
    const length = view.getUint32(at);
    const kind = String.fromCharCode(...png.subarray(at + 4, at + 8));
    const body = png.subarray(at + 8, at + 8 + length);
    if (kind === "IHDR") {
      width = view.getUint32(at + 8);
      height = view.getUint32(at + 12);
      depth = body[8]!;
      if (depth > 8 || (body[9] !== GREY && body[9] !== INDEXED) || body[12] !== 0) throw new Error("not a map of ids");
    }
    if (kind === "IDAT") compressed.push(body);
    at += length + 12;
  }
  const lines = await through(new DecompressionStream("deflate"), compressed);
  return { width, height, data: unpack(unfilter(lines, height, Math.ceil((width * depth) / 8)), width, height, depth) };
}

/** Undo the filters; with ids of at most 8 bits the neighbour on the left is one byte away. */
function unfilter(lines: Uint8Array, height: number, stride: number): Uint8Array {
  if (lines.length < height * (stride + 1)) throw new Error("the PNG is cut off");
  const out = new Uint8Array(height * stride);
  for (let row = 0; row < height; row++) {
    const filter = lines[row * (stride + 1)]!;
    for (let at = 0; at < stride; at++) {
      const here = row * stride + at;
      const left = at > 0 ? out[here - 1]! : 0;
      const above = row > 0 ? out[here - stride]! : 0;
      const corner = at > 0 && row > 0 ? out[here - stride - 1]! : 0;
      out[here] = lines[row * (stride + 1) + 1 + at]! + predicted(filter, left, above, corner);
    }
  }
  return out;
}

function predicted(filter: number, left: number, above: number, corner: number): number {
  if (filter === 0) return 0;
  if (filter === 1) return left;
  if (filter === 2) return above;
  if (filter === 3) return (left + above) >> 1;
  const guess = left + above - corner;
  const toLeft = Math.abs(guess - left), toAbove = Math.abs(guess - above), toCorner = Math.abs(guess - corner);
  if (toLeft <= toAbove && toLeft <= toCorner) return left;
  return toAbove <= toCorner ? above : corner;
}

function unpack(packed: Uint8Array, width: number, height: number, depth: number): Uint8Array {
  if (depth === 8) return packed;
  const out = new Uint8Array(width * height), stride = packed.length / height, inByte = 8 / depth;
  for (let at = 0; at < out.length; at++) {
    const column = at % width, row = Math.floor(at / width);
    const byte = packed[row * stride + Math.floor(column / inByte)]!;
    out[at] = (byte >> (8 - depth * ((column % inByte) + 1))) & ((1 << depth) - 1);
  }
  return out;
}

/** An indexed PNG: the pixels are the ids, the palette shows them in colour. */
export async function writeIds({ width, height, data }: Ids, palette: readonly (readonly [number, number, number])[]) {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, INDEXED, 0, 0, 0], 8);
  const lines = new Uint8Array(height * (width + 1));
  for (let row = 0; row < height; row++) lines.set(data.subarray(row * width, (row + 1) * width), row * (width + 1) + 1);
  const pixels = await through(new CompressionStream("deflate"), [lines]);
  const chunks = [chunk("IHDR", header), chunk("PLTE", Uint8Array.from(palette.flat())), chunk("IDAT", pixels)];
  return joined([Uint8Array.from(SIGNATURE), ...chunks, chunk("IEND", new Uint8Array())]);
}

function chunk(kind: string, body: Uint8Array): Uint8Array {
  const out = new Uint8Array(body.length + 12);
  const view = new DataView(out.buffer);
  view.setUint32(0, body.length);
  for (let at = 0; at < 4; at++) out[4 + at] = kind.charCodeAt(at);
  out.set(body, 8);
  view.setUint32(body.length + 8, crc(out.subarray(4, body.length + 8)));
  return out;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

function crc(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of bytes) value = CRC_TABLE[(value ^ byte) & 0xff]! ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

async function through(stream: GenericTransformStream, pieces: readonly Uint8Array[]): Promise<Uint8Array> {
  const source = new Blob(pieces as readonly BlobPart[] as BlobPart[]).stream();
  const packed = source.pipeThrough(stream as ReadableWritablePair<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>);
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}
