import { describe, expect, it } from "vitest";
import { doubleArea, outlines } from "../src/results/contours.ts";
import { cocoJson, svg } from "../src/results/files.ts";
import { areas, type Label } from "../src/results/parsed_picture.ts";
import { readIds, writeIds } from "../src/results/png.ts";
import { edges, paint } from "../src/results/recolour.ts";
import { fromRunLengths, packRuns, runLengths, unpackRuns } from "../src/results/rle.ts";

const WIDTH = 23, HEIGHT = 17;

/** Blotches that repeat from run to run. */
function blotches(seed: number, ids = 4): Uint8Array {
  let state = seed;
  const coarse = Array.from({ length: 48 }, () => {
    state = (state * 48271) % 2147483647;
    return state % ids;
  });
  return Uint8Array.from({ length: WIDTH * HEIGHT }, (_, at) => coarse[(Math.floor(at / WIDTH / 3) * 8 + Math.floor((at % WIDTH) / 3)) % 48]!);
}

const LABELS: Label[] = ["#000000", "#800000", "#00ff00", "#0000ff"].map((colour, id) => ({ id, name: `part <${id}>`, name_zh: `部位${id}`, colour }));

describe("run lengths", () => {
  it.each([1, 2, 3])("come back as the same mask (seed %i)", (seed) => {
    const ids = blotches(seed);
    const runs = runLengths((at) => ids[at] === 2, WIDTH, HEIGHT);
    const back = fromRunLengths(unpackRuns(packRuns(runs)), WIDTH, HEIGHT);
    expect(back).toEqual(ids.map((id) => Number(id === 2)));
  });
  it("are packed as pycocotools packs them", () => {
    // What pycocotools.mask.encode 2.0 says of [[0, 1, 1], [0, 0, 1]], and of a square of 100 in 400 × 300.
    const small = [0, 1, 1, 0, 0, 1];
    expect(runLengths((at) => small[at] === 1, 3, 2)).toEqual([2, 1, 1, 2]);
    expect(packRuns([2, 1, 1, 2])).toBe("2111");
    const square = packRuns(runLengths((at) => at % 400 >= 50 && at % 400 < 150 && at >= 40000 && at < 80000, 400, 300));
    expect(square).toBe(`lg>T3X6${"0".repeat(197)}dTY2`);
  });
  it("begin with nothing where the first pixel is inside", () => {
    expect(runLengths(() => true, 2, 2)).toEqual([0, 4]);
  });
});

describe("outlines", () => {
  it.each([4, 5, 6])("enclose exactly the pixels (seed %i)", (seed) => {
    const ids = blotches(seed);
    for (const part of [0, 1, 2, 3]) {
      const found = outlines((x, y) => ids[y * WIDTH + x] === part, WIDTH, HEIGHT);
      const area = found.reduce((sum, outline) => sum + doubleArea(outline), 0) / 2;
      expect(area).toBe(ids.filter((id) => id === part).length);
    }
  });
  it("have four corners around a rectangle and four more around its hole", () => {
    const ring = (x: number, y: number) => !(x === 2 && y === 2);
    expect(outlines(ring, 5, 5).map((outline) => outline.length)).toEqual([8, 8]);
  });
});

describe("PNG of ids", () => {
  it("comes back", async () => {
    const data = blotches(7);
    const png = await writeIds({ width: WIDTH, height: HEIGHT, data }, [[0, 0, 0], [1, 2, 3], [4, 5, 6], [7, 8, 9]]);
    expect(await readIds(png)).toEqual({ width: WIDTH, height: HEIGHT, data });
  });
  it("refuses what is none", async () => {
    await expect(readIds(new Uint8Array(40))).rejects.toThrow("not a PNG");
  });
});

describe("files", () => {
  const parts = blotches(8);
  const owners = parts.map((part, at) => (part === 0 ? 0 : at % WIDTH < 12 ? 1 : 2));
  const map = { width: WIDTH, height: HEIGHT, parts, owners };
  const persons = [1, 2].map(() => ({ score: 0.9, box: null, parts: [] }));
  it("COCO's annotations cover every pixel of every part once", () => {
    const found = JSON.parse(cocoJson(map, LABELS, persons));
    const painted = new Uint8Array(parts.length);
    for (const { category_id, segmentation, area, bbox } of found.annotations) {
      const mask = fromRunLengths(unpackRuns(segmentation.counts), WIDTH, HEIGHT);
      expect(mask.reduce((a, b) => a + b, 0)).toBe(area);
      expect(bbox[2]).toBeGreaterThan(0);
      mask.forEach((inside, at) => { if (inside) painted[at] = category_id; });
    }
    expect(painted).toEqual(parts);
  });
  it("SVG names every part and lets no name be markup", () => {
    const text = svg(map, LABELS);
    expect(text.match(/<path /g)).toHaveLength(3);
    expect(text).toContain("part &lt;1>");
  });
  it("shares add up to one", () => {
    expect(areas(map, LABELS).reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
  });
  it("paint only what is shown", () => {
    const out = new Uint8ClampedArray(parts.length * 4);
    paint(map, edges(map), LABELS, { visible: new Set([1]), person: 2 }, out);
    parts.forEach((part, at) => expect(out[at * 4 + 3]! > 0).toBe(part === 1 && owners[at] === 2));
  });
});
