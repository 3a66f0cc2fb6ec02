/** What the page and its worker say to each other. */

import type { Parsed } from "./assemble.ts";
import type { Face } from "./faces.ts";
import type { Pixels } from "./resample.ts";
import type { Label } from "../results/parsed_picture.ts";

export interface Calls {
  /** Fetch the detector. */
  openDetector: { question: null; answer: null };
  /** Boxes of faces. */
  findFaces: { question: Pixels; answer: readonly Face[] };
  /** Fetch the parser; its labels, which need not be those of the service. */
  openParser: { question: null; answer: readonly Label[] };
  parse: { question: Pixels; answer: Parsed };
}

export type Name = keyof Calls;

export type Question = { [N in Name]: { id: number; name: N; content: Calls[N]["question"] } }[Name];

export type Reply =
  | { id: number; kind: "answer"; content: Calls[Name]["answer"] }
  | { id: number; kind: "progress"; share: number }
  | { id: number; kind: "failure"; message: string };
