/** The one place that sends a picture. */

import type { Label, PartMap, Person } from "../results/parsed_picture.ts";
import { readIds } from "../results/png.ts";
import type { Box } from "../networks/assemble.ts";
import { type Problem, problemOf, UNREACHABLE } from "./problem.ts";

export interface Answer {
  readonly labels: readonly Label[];
  readonly persons: readonly Person[];
  readonly partNames: readonly string[];
  readonly map: PartMap | null;
  /** What the service itself found and covered, in pixels of the map or, without one, of the picture. */
  readonly faces: readonly Box[];
  readonly requestId: string;
}

interface Raw {
  labels: Label[];
  persons: { score: number; box?: Box | null; parts: string[] }[];
  parts: Record<string, number> | string[];
  parts_png?: string | null;
  persons_png?: string | null;
  faces: { boxes: Box[] };
  request_id: string;
}

/** A request that was not answered. */
export class Refusal extends Error {
  constructor(readonly problem: Problem) {
    super(problem.key);
  }
}

/** Send the file and read the answer. `sent` is called once it is out. */
export async function predict(file: Blob, token: string, signal: AbortSignal, sent: () => void): Promise<Answer> {
  return read(JSON.parse(await post(file, token, signal, sent)) as Raw);
}

// XMLHttpRequest, because fetch does not say when an upload is out.
function post(file: Blob, token: string, signal: AbortSignal, sent: () => void): Promise<string> {
  const form = new FormData();
  form.append("file", file, "picture.jpg"); // the file's own name stays here
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/predict");
    request.setRequestHeader("Accept", "application/json");
    if (token) request.setRequestHeader("Authorization", `Bearer ${token}`);
    request.upload.addEventListener("load", sent);
    request.addEventListener("error", () => reject(new Refusal(UNREACHABLE)));
    request.addEventListener("abort", () => reject(new DOMException("cancelled", "AbortError")));
    request.addEventListener("load", () => {
      if (request.status === 200) resolve(request.responseText);
      else reject(new Refusal(problemOf(request.status, request.responseText, request.getResponseHeader("Retry-After"))));
    });
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

async function read(raw: Raw): Promise<Answer> {
  return {
    labels: raw.labels,
    persons: raw.persons.map(({ score, box, parts }) => ({ score, box: box ?? null, parts })),
    partNames: Array.isArray(raw.parts) ? raw.parts : Object.keys(raw.parts),
    map: raw.parts_png && raw.persons_png ? await maps(raw.parts_png, raw.persons_png) : null,
    faces: raw.faces.boxes,
    requestId: raw.request_id,
  };
}

async function maps(parts: string, persons: string): Promise<PartMap> {
  const [{ width, height, data }, owners] = await Promise.all([readIds(fromBase64(parts)), readIds(fromBase64(persons))]);
  return { width, height, parts: data, owners: owners.data };
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
