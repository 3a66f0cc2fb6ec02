/** Finds faces with the detector's file of the service. */

import * as ort from "onnxruntime-web";
import { decode, type Face, suppress } from "./faces.ts";
import { fit, place } from "./letterbox.ts";
import type { Pixels } from "./resample.ts";
import { openNetwork, type Progress } from "./runtime.ts";

const ADDRESS = "/static/models/faces.onnx";
const THRESHOLD = 0.3, OVERLAP = 0.3, LONGEST_PX = 960;

export interface Detector {
  find(picture: Pixels): Promise<readonly Face[]>;
}

/** The detector, fetched. */
export async function openDetector(progress: Progress): Promise<Detector> {
  const session = await openNetwork(ADDRESS, progress);
  const [input] = session.inputNames;

  async function find(picture: Pixels): Promise<readonly Face[]> {
    const zoom = Math.min(1, LONGEST_PX / Math.max(picture.height, picture.width));
    const up = (side: number) => Math.ceil((side * zoom) / 32) * 32;
    const frame = fit(picture.height, picture.width, [up(picture.height), up(picture.width)]);
    const canvas = place(picture, frame, [0, 0, 0]);
    const tensor = new ort.Tensor("float32", planes(canvas), [1, 3, canvas.height, canvas.width]);
    const out = await session.run({ [input!]: tensor });
    const data = (name: string) => out[name]!.data as Float32Array;
    const size = { height: canvas.height / 4, width: canvas.width / 4 };
    const faces = decode(data("537"), data("538"), data("539"), size, THRESHOLD);
    const back = picture.width / frame.innerWidth;
    return suppress(faces, OVERLAP).map(({ box: [x0, y0, x1, y1], score }) => ({
      score,
      box: [(x0 - frame.left) * back, (y0 - frame.top) * back, (x1 - frame.left) * back, (y1 - frame.top) * back] as const,
    }));
  }
  return { find };
}

/** Interleaved bytes as planes of numbers. */
function planes({ data, height, width }: Pixels): Float32Array {
  const size = height * width;
  const out = new Float32Array(size * 3);
  for (let at = 0; at < size; at++) for (let channel = 0; channel < 3; channel++) out[channel * size + at] = data[at * 3 + channel]!;
  return out;
}
