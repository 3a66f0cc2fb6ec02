/**
 * From queries to parts and persons: the same sums as discreet.parsing.assemble, which explains them.
 * Shapes: Q queries, P parts, K candidates for persons, r c the grid on which masks are compared.
 */

import type { Frame } from "./letterbox.ts";
import { type Maps, positionsInFrame, positionsOfResize, readBilinear } from "./maps.ts";

const HUMAN_THRESHOLD = 0.1;
const DUPLICATE_IOU = 0.5;
const LARGEST_LOSS = 0.5;

/** x0, y0, x1, y1 in pixels; x1 and y1 lie just outside. */
export type Box = readonly [number, number, number, number];

export interface FoundPerson {
  readonly score: number;
  readonly box: Box;
  /** Ids of its parts. */
  readonly parts: readonly number[];
}

/** Part ids and numbers of persons, from 1, of every pixel. */
export interface Parsed {
  readonly width: number;
  readonly height: number;
  readonly parts: Uint8Array;
  readonly owners: Uint8Array;
  readonly persons: readonly FoundPerson[];
}

/** One picture's parts and persons from class logits [Q, C+1] and mask logits [Q, h, w]. */
export function assemble(
  classLogits: Float32Array, maskLogits: Maps, numParts: number, human: boolean, frame: Frame,
): Parsed {
  const numClasses = numParts + (human ? 1 : 0);
  if (classLogits.length !== maskLogits.count * (numClasses + 1)) {
    throw new Error("the network's classes are not those of its labels");
  }
  const probabilities = softmax(classLogits, maskLogits.count, numClasses);
  const masks = sigmoidMasks(maskLogits, frame);
  const { parts, confidence } = findParts(probabilities, numClasses, numParts, masks, frame);
  const found = human
    ? findOwners(probabilities, numClasses, numParts, masks, frame, parts)
    : { owners: Uint16Array.from(parts, (part) => Number(part > 0)), scores: [1] };
  return { width: frame.width, height: frame.height, parts, ...describe(found, parts, confidence, frame) };
}

/** Without no object: [Q, C]. */
function softmax(logits: Float32Array, numQueries: number, numClasses: number): Float32Array {
  const out = new Float32Array(numQueries * numClasses);
  for (let query = 0; query < numQueries; query++) {
    const own = logits.subarray(query * (numClasses + 1), (query + 1) * (numClasses + 1));
    const largest = own.reduce((a, b) => Math.max(a, b), -Infinity);
    const powers = own.map((value) => Math.exp(value - largest));
    const sum = powers.reduce((a, b) => a + b, 0);
    for (let at = 0; at < numClasses; at++) out[query * numClasses + at] = powers[at]! / sum;
  }
  return out;
}

/** Sigmoid masks of the picture alone, as fine as the canvas showed it. */
function sigmoidMasks(logits: Maps, frame: Frame): Maps {
  const height = Math.min(frame.innerHeight, frame.height), width = Math.min(frame.innerWidth, frame.width);
  const positions = positionsInFrame(frame, logits, height, width);
  const data = new Float32Array(logits.count * height * width);
  const size = logits.height * logits.width;
  for (let query = 0; query < logits.count; query++) {
    const out = data.subarray(query * height * width, (query + 1) * height * width);
    readBilinear(logits.data.subarray(query * size, (query + 1) * size), logits.width, positions, (index, value) => {
      out[index] = 1 / (1 + Math.exp(-value));
    });
  }
  return { data, count: logits.count, height, width };
}

/** The winning part of each pixel, and how sure it is. */
function findParts(probabilities: Float32Array, numClasses: number, numParts: number, masks: Maps, frame: Frame) {
  const size = masks.height * masks.width;
  const parts = new Uint8Array(frame.height * frame.width);
  const confidence = new Float32Array(parts.length).fill(-Infinity);
  const positions = toPicture(masks, frame);
  for (let part = 0; part < numParts; part++) {
    const scores = new Float32Array(size);
    for (let query = 0; query < masks.count; query++) {
      const probability = probabilities[query * numClasses + part]!;
      const mask = masks.data.subarray(query * size, (query + 1) * size);
      for (let at = 0; at < size; at++) scores[at]! += probability * mask[at]!;
    }
    readBilinear(scores, masks.width, positions, (index, value) => {
      if (value > confidence[index]!) {
        confidence[index] = value;
        parts[index] = part;
      }
    });
  }
  for (let at = 0; at < confidence.length; at++) confidence[at] = Math.min(confidence[at]!, 1);
  return { parts, confidence };
}

function toPicture(masks: Maps, frame: Frame): ReturnType<typeof positionsInFrame> {
  return [positionsOfResize(masks.height, frame.height), positionsOfResize(masks.width, frame.width)];
}

interface Owners {
  readonly owners: Uint16Array;
  readonly scores: readonly number[];
}

/** Which Human each pixel of the figure belongs to, from 1. */
function findOwners(
  probabilities: Float32Array, numClasses: number, humanClass: number, masks: Maps, frame: Frame, parts: Uint8Array,
): Owners {
  const size = masks.height * masks.width;
  const maskOf = (query: number) => masks.data.subarray(query * size, (query + 1) * size);
  const candidates: { score: number; mask: Float32Array }[] = [];
  for (let query = 0; query < masks.count; query++) {
    const probability = probabilities[query * numClasses + humanClass]!;
    if (!(probability > HUMAN_THRESHOLD)) continue;
    const score = probability * meanInside(maskOf(query));
    if (score > HUMAN_THRESHOLD) candidates.push({ score, mask: maskOf(query) });
  }
  candidates.sort((a, b) => b.score - a.score);
  const kept = withoutDuplicates(candidates);
  const owners = new Uint16Array(parts.length);
  const claims = new Float32Array(parts.length);
  const sizes = new Float64Array(kept.length + 1);
  const positions = toPicture(masks, frame);
  kept.forEach(({ score, mask }, index) => {
    readBilinear(mask, masks.width, positions, (at, value) => {
      if (!(value > 0.5) || parts[at] === 0) return;
      sizes[index + 1]!++;
      if (value * score > claims[at]!) {
        claims[at] = value * score;
        owners[at] = index + 1;
      }
    });
  });
  dropDoubtful(owners, sizes);
  return { owners, scores: kept.map(({ score }) => score) };
}

function meanInside(mask: Float32Array): number {
  let sum = 0, count = 0;
  for (const value of mask) {
    if (value > 0.5) {
      sum += value;
      count++;
    }
  }
  return sum / Math.max(count, 1);
}

function withoutDuplicates<T extends { mask: Float32Array }>(surestFirst: readonly T[]): T[] {
  const kept: T[] = [];
  for (const candidate of surestFirst) {
    if (kept.every((other) => overlap(candidate.mask, other.mask) <= DUPLICATE_IOU)) kept.push(candidate);
  }
  return kept;
}

function overlap(one: Float32Array, other: Float32Array): number {
  let both = 0, either = 0;
  for (let at = 0; at < one.length; at++) {
    const inOne = one[at]! > 0.5, inOther = other[at]! > 0.5;
    if (inOne && inOther) both++;
    if (inOne || inOther) either++;
  }
  return both / either;
}

/** Who loses most pixels to surer ones was one of them, seen twice. */
function dropDoubtful(owners: Uint16Array, sizes: Float64Array): void {
  const left = new Float64Array(sizes.length);
  for (const owner of owners) left[owner]!++;
  for (let at = 0; at < owners.length; at++) {
    const owner = owners[at]!;
    if (owner > 0 && left[owner]! < (1 - LARGEST_LOSS) * sizes[owner]!) owners[at] = 0;
  }
}

/** Persons with their parts, the surest first, and pixels numbered in that order. */
function describe({ owners, scores }: Owners, parts: Uint8Array, confidence: Float32Array, { width }: Frame) {
  const counts = scores.map(() => new Float64Array(256)), sums = scores.map(() => new Float64Array(256));
  const boxes = scores.map(() => [Infinity, Infinity, -1, -1] as [number, number, number, number]);
  owners.forEach((owner, at) => {
    if (owner === 0) return;
    counts[owner - 1]![parts[at]!]!++;
    sums[owner - 1]![parts[at]!]! += confidence[at]!;
    widen(boxes[owner - 1]!, at % width, Math.floor(at / width));
  });
  const persons = scores.map((score, index) => {
    const found = [...counts[index]!.keys()].filter((part) => part > 0 && counts[index]![part]! > 0);
    const sure = found.map((part) => (score * sums[index]![part]!) / counts[index]![part]!);
    return { score: sure.reduce((a, b) => a + b, 0) / found.length, box: boxes[index]! as Box, parts: found, index };
  });
  const sorted = persons.filter(({ parts: found }) => found.length > 0).sort((a, b) => b.score - a.score);
  const numbers = new Uint8Array(scores.length + 1);
  sorted.forEach(({ index }, number) => { numbers[index + 1] = number + 1; });
  return {
    owners: Uint8Array.from(owners, (owner) => numbers[owner]!),
    persons: sorted.map(({ score, box, parts: found }) => ({ score, box, parts: found })),
  };
}

function widen(box: [number, number, number, number], x: number, y: number): void {
  box[0] = Math.min(box[0], x);
  box[1] = Math.min(box[1], y);
  box[2] = Math.max(box[2], x + 1);
  box[3] = Math.max(box[3], y + 1);
}
