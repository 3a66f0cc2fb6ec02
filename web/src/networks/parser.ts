/** Parts and persons by the exported parser, in the browser. */

import * as ort from "onnxruntime-web";
import type { Label } from "../results/parsed_picture.ts";
import { assemble, type Parsed } from "./assemble.ts";
import { alike, bestCanvas, type Colour, fit, place, type Size } from "./letterbox.ts";
import type { Pixels } from "./resample.ts";
import { fetchBytes, openNetwork, type Progress } from "./runtime.ts";

const FOLDER = "/static/models/parser/";
// As discreet.inference.letterbox pads.
const PADDING: Colour = [124, 116, 104];

export interface Parser {
  readonly labels: readonly Label[];
  parse(picture: Pixels): Promise<Parsed>;
}

/** model.json of an exported folder, as far as it is needed here. */
interface Description {
  readonly labels: readonly Label[];
  readonly human: boolean;
  readonly image_size: Size;
  readonly sizes: readonly { readonly height: number; readonly width: number; readonly file: string }[];
  readonly weights: { readonly file: string };
}

/** The parser with all its files, so that nothing is fetched while a picture is parsed. */
export async function openParser(progress: Progress): Promise<Parser> {
  const about = JSON.parse(new TextDecoder().decode(await fetchBytes(`${FOLDER}model.json`))) as Description;
  const sizes = alike(about.sizes.map(({ height, width }): Size => [height, width]), about.image_size);
  const wanted = about.sizes.filter(({ height, width }) => sizes.some(([rows, columns]) => rows === height && columns === width));
  const [weights, ...graphs] = await Promise.all([
    fetchBytes(FOLDER + about.weights.file, progress), ...wanted.map(({ file }) => fetchBytes(FOLDER + file)),
  ]);
  const open = (at: number) => openNetwork(graphs[at]!, [{ path: about.weights.file, data: weights! }]);
  const sessions = new Map<number, Promise<ort.InferenceSession>>([[0, open(0)]]);
  await sessions.get(0);

  async function parse(picture: Pixels): Promise<Parsed> {
    const canvas = bestCanvas(picture.height, picture.width, sizes);
    const at = wanted.findIndex(({ height, width }) => height === canvas[0] && width === canvas[1]);
    if (!sessions.has(at)) sessions.set(at, open(at));
    const session = await sessions.get(at)!;
    const frame = fit(picture.height, picture.width, canvas, about.human);
    const image = new ort.Tensor("uint8", place(picture, frame, PADDING).data, [...canvas, 3]);
    const { class_logits: classes, mask_logits: masks } = await session.run({ image });
    const [count, height, width] = masks!.dims as [number, number, number];
    const maps = { data: masks!.data as Float32Array, count, height, width };
    return assemble(classes!.data as Float32Array, maps, about.labels.length, about.human, frame);
  }
  return { labels: about.labels, parse };
}
