import { describe, expect, it } from "vitest";
import { assemble } from "../src/networks/assemble.ts";
import { decode, suppress, views } from "../src/networks/faces.ts";
import { alike, bestCanvas, fit, place, roundHalfEven } from "../src/networks/letterbox.ts";
import { resample } from "../src/networks/resample.ts";
import { problemOf } from "../src/service/problem.ts";

describe("the letterbox", () => {
  it.each([[480, 640], [640, 480], [1, 1000], [512, 512], [333, 777]])("holds the whole of %i × %i", (height, width) => {
    const frame = fit(height, width, [256, 256]);
    expect(Math.max(frame.innerHeight, frame.innerWidth)).toBe(256);
    expect(frame.top * 2 + frame.innerHeight).toBeGreaterThanOrEqual(255);
    expect(frame.innerHeight / frame.innerWidth).toBeCloseTo(height / width, -1);
  });
  it("leaves small pictures small where that is asked for", () => {
    expect(fit(10, 20, [64, 64], false)).toMatchObject({ innerHeight: 10, innerWidth: 20, top: 27, left: 22 });
  });
  it("takes the canvas that fits best, of those about as large as trained", () => {
    const sizes = alike([[256, 256], [192, 352], [352, 192], [512, 512]], [256, 256]);
    expect(sizes).toHaveLength(3);
    expect(bestCanvas(100, 100, sizes)).toEqual([256, 256]);
    expect(bestCanvas(1080, 1920, sizes)).toEqual([192, 352]);
    expect(bestCanvas(1920, 1080, sizes)).toEqual([352, 192]);
  });
  it("rounds as Python does", () => expect([0.5, 1.5, 2.5, 2.4, 2.6].map(roundHalfEven)).toEqual([0, 2, 2, 2, 3]));
  it("pads around the picture", () => {
    const white = { data: new Uint8Array(3 * 8).fill(255), height: 2, width: 4 };
    const { data } = place(white, fit(2, 4, [4, 4]), [1, 2, 3]);
    expect([...data.subarray(0, 3)]).toEqual([1, 2, 3]);
    expect([...data.subarray(4 * 3, 4 * 3 + 3)]).toEqual([255, 255, 255]);
  });
});

describe("resizing", () => {
  const ramp = { data: Uint8Array.from({ length: 8 * 6 * 3 }, (_, at) => (at * 37) % 256), height: 6, width: 8 };
  it("is what Pillow 13 makes of it", () => {
    // Image.fromarray(ramp).resize((5, 4), BILINEAR), its first two pixels and its last.
    const { data } = resample(ramp, 4, 5);
    expect([...data.subarray(0, 6), ...data.subarray(-3)]).toEqual([90, 88, 125, 158, 81, 100, 168, 83, 120]);
  });
  it("keeps a plain colour plain", () => {
    const plain = { data: new Uint8Array(30 * 20 * 3).fill(77), height: 30, width: 20 };
    expect(new Set(resample(plain, 7, 45).data)).toEqual(new Set([77]));
  });
});

describe("faces", () => {
  it("are read off the grid", () => {
    const heat = new Float32Array(12), size = new Float32Array(24), offset = new Float32Array(24);
    heat[6] = 0.9; // row 1, column 2 of 3 × 4
    size[6] = Math.log(10); // height
    size[18] = Math.log(4); // width
    const view = { left: 100, top: 50, right: 132, bottom: 74, height: 12, width: 16 }; // seen at half its size
    const [face] = decode({ heat, size, offset }, view);
    expect(face!.box.map((edge) => Math.round(edge))).toEqual([104, 22, 136, 102]);
  });
  it("are not absent where the detector failed", () => {
    const [heat, size, offset] = [1, 2, 2].map((count) => new Float32Array(count).fill(Number.NaN)) as [Float32Array, Float32Array, Float32Array];
    expect(() => decode({ heat, size, offset }, { left: 0, top: 0, right: 4, bottom: 4, height: 4, width: 4 })).toThrow();
  });
  it("are looked for in every pixel of a large picture, in tiles that overlap", () => {
    const [whole, ...tiles] = views(1500, 2048);
    expect(whole).toMatchObject({ right: 2048, bottom: 1500, height: 480, width: 640 });
    const seen = (x: number, y: number) => tiles.some((tile) => tile.left <= x && x < tile.right && tile.top <= y && y < tile.bottom);
    for (let y = 0; y < 1500; y += 7) for (let x = 0; x < 2048; x += 7) expect(seen(x, y)).toBe(true);
    expect(tiles.every(({ right, bottom }) => right <= 2048 && bottom <= 1500)).toBe(true);
    expect(views(480, 640)).toHaveLength(1);
    expect(views(100, 60)[0]).toMatchObject({ height: 256, width: 160 });
  });
  it("of the same place count once", () => {
    const at = (x: number, score: number) => ({ box: [x, 0, x + 10, 10] as const, score });
    expect(suppress([at(0, 0.5), at(1, 0.9), at(30, 0.4)]).map(({ score }) => score)).toEqual([0.9, 0.4]);
  });
});

describe("persons and parts", () => {
  it("come from queries: two persons side by side, one part each", () => {
    const width = 8, height = 4, strong = 9;
    const half = (left: boolean) => Array.from({ length: width * height }, (_, at) => (at % width < 4) === left ? strong : -strong);
    const everywhere = Array(width * height).fill(-strong);
    // Classes: background, hair, legs, Human, no object.
    const likes = (wanted: number) => Array.from({ length: 5 }, (_, at) => (at === wanted ? strong : -strong));
    const logits = Float32Array.from([likes(1), likes(2), likes(3), likes(3), likes(4)].flat());
    const masks = Float32Array.from([half(true), half(false), half(true), half(false), everywhere].flat());
    const found = assemble(logits, { data: masks, count: 5, height, width }, 3, true, fit(height, width, [height, width]));
    expect(found.persons.map(({ box, parts }) => [box, parts])).toEqual([[[0, 0, 4, 4], [1]], [[4, 0, 8, 4], [2]]]);
    expect([...found.parts.subarray(0, 8)]).toEqual([1, 1, 1, 1, 2, 2, 2, 2]);
    expect([...found.owners.subarray(0, 8)]).toEqual([1, 1, 1, 1, 2, 2, 2, 2]);
  });
});

describe("problems", () => {
  const said = (type: string) => JSON.stringify({ type: `urn:discreet:problem:${type}`, detail: "why", request_id: "r" });
  it.each([
    [429, said("rate"), "7", "problem.rate", 7],
    [503, said("busy"), null, "problem.busy", null],
    [422, said("faces"), null, "problem.faces", null],
    [503, said("faces"), "1", "problem.facesFailed", 1],
    [502, "<html>", null, "problem.busy", null],
    [418, "null", "soon", "problem.other", null],
  ] as const)("%i %s", (status, body, after, key, seconds) => {
    expect(problemOf(status, body, after)).toMatchObject({ key, retryAfterSeconds: seconds });
  });
});
