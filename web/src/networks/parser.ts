/** Parts and persons by the exported parser, in the browser. */

import * as ort from "onnxruntime-web";
import type { Label } from "../results/parsed_picture.ts";
import { assemble, type Parsed } from "./assemble.ts";
import { fit, place, type Size } from "./letterbox.ts";
import type { Pixels } from "./resample.ts";
import { openNetwork, type Progress } from "./runtime.ts";

const FOLDER = "/static/models/parser/";

export interface Parser {
  readonly labels: readonly Label[];
  parse(picture: Pixels): Promise<Parsed>;
}

interface Description {
  readonly labels: readonly Label[];
  readonly human: boolean;
  readonly buckets: readonly { size: Size; file: string }[];
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** The parser, fetched. */
export async function openParser(progress: Progress): Promise<Parser> {
  const about = (await (await fetch(`${FOLDER}model.json`)).json()) as Description;
  const session = await openNetwork(FOLDER + about.buckets[0]!.file, progress);
  async function parse(picture: Pixels): Promise<Parsed> {
    const frame = fit(picture.height, picture.width, about.buckets[0]!.size);
    const canvas = place(picture, frame, [124, 116, 104]);
    const size = canvas.height * canvas.width;
    const input = new Float32Array(size * 3);
    for (let at = 0; at < size; at++) for (let c = 0; c < 3; c++) input[c * size + at] = (canvas.data[at * 3 + c]! - about.mean[c]!) / about.std[c]!;
    const out = await session.run({ image: new ort.Tensor("float32", input, [1, 3, canvas.height, canvas.width]) });
    const masks = out["mask_logits"]!;
    const [, count, height, width] = masks.dims as [number, number, number, number];
    return assemble(out["class_logits"]!.data as Float32Array, { data: masks.data as Float32Array, count, height, width }, about.labels.length, about.human, frame);
  }
  return { labels: about.labels, parse };
}
