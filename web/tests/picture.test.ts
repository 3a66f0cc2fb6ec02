import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { formatOf } from "../src/picture/format.ts";
import { withoutMetadata } from "../src/picture/jpeg.ts";
import { maskAt, maskOver, moved, scaled } from "../src/picture/masks.ts";

const sample = new Uint8Array(readFileSync(new URL("../src/images/sample.jpg", import.meta.url)));
const bytes = (...pieces: (string | readonly number[])[]) =>
  new Uint8Array(pieces.flatMap((piece) => (typeof piece === "string" ? [...piece].map((c) => c.charCodeAt(0)) : piece)));

describe("a file's kind and size", () => {
  it("of a JPEG", () => expect(formatOf(sample)).toEqual({ kind: "JPEG", width: 720, height: 720 }));
  it("of a PNG", () => {
    const png = bytes([0x89], "PNG\r\n", [0x1a, 0x0a, 0, 0, 0, 13], "IHDR", [0, 0, 1, 2, 0, 0, 3, 4]);
    expect(formatOf(png)).toEqual({ kind: "PNG", width: 258, height: 772 });
  });
  it("of WebPs of three kinds", () => {
    const size = { kind: "WebP", width: 258, height: 772 };
    const riff = ["RIFF", [0, 0, 0, 0], "WEBP"] as const;
    expect(formatOf(bytes(...riff, "VP8X", [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 3, 3, 0]))).toEqual(size);
    expect(formatOf(bytes(...riff, "VP8L", [0, 0, 0, 0, 0x2f, 0x01, 0xc1, 0xc0, 0x00]))).toEqual(size);
    expect(formatOf(bytes(...riff, "VP8 ", Array(10).fill(0), [2, 1, 4, 3]))).toEqual(size);
  });
  it.each(["", "GIF89a", "\xff\xd8\xff", "RIFF0000WEBPVP9 0000"])("%j is none", (text) => expect(formatOf(bytes(text))).toBeNull());
  it("of a JPEG cut before its size is unknown", () => expect(formatOf(sample.subarray(0, 20))).toBeNull());
});

describe("what leaves is the picture alone", () => {
  const note = (marker: number, text: string) => bytes([0xff, marker, 0, text.length + 2], text);
  const noted = bytes([...sample.subarray(0, 2)], [...note(0xe1, "Exif canary")], [...note(0xe2, "ICC_PROFILE")], [...note(0xfe, "comment")], [...sample.subarray(2)]);
  const joined = (pieces: Uint8Array[]) => new Uint8Array(pieces.flatMap((piece) => [...piece]));
  it("profile, Exif and comment are gone, all else is as it was", () => expect(joined(withoutMetadata(noted))).toEqual(joined(withoutMetadata(sample))));
  it("and nothing of the picture is", () => expect(formatOf(joined(withoutMetadata(noted)))).toEqual(formatOf(sample)));
  it.each([0, 1, 3, 200])("what ends after %i bytes is refused", (length) => expect(() => withoutMetadata(sample.slice(0, length))).toThrow());
});

describe("masks", () => {
  const extent = { width: 200, height: 100 };
  it("are larger than the face by the service's scale", () => {
    const mask = maskOver({ box: [10, 20, 30, 60] }, 1.3);
    expect(mask).toMatchObject({ x: 20, y: 40, radiusX: 13, radiusY: 26, found: true });
  });
  it("stay in the picture and above nothing", () => {
    const mask = maskAt(50, 50, extent);
    expect(moved(mask, -5, 500, extent)).toMatchObject({ x: 0, y: 100 });
    expect(scaled(mask, 0.001, extent).radiusX).toBeGreaterThan(0);
    expect(scaled(mask, 1000, extent).radiusX).toBeLessThanOrEqual(200);
  });
});
