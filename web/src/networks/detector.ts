/** Finds faces with the very detector of the service. */

import * as ort from "onnxruntime-web";
import { type Answer, decode, type Face, LARGEST_SIDE_PX, suppress, type View, views } from "./faces.ts";
import { crop, type Pixels, resample } from "./resample.ts";
import { fetchBytes, openNetwork, type Progress } from "./runtime.ts";

const ADDRESS = "/static/models/faces.onnx";

export interface Detector {
  /** All faces; fails rather than say "none" without having looked. */
  find(picture: Pixels): Promise<readonly Face[]>;
}

/** The detector, fetched. */
export async function openDetector(progress: Progress): Promise<Detector> {
  const session = await openNetwork(await fetchBytes(ADDRESS, progress));

  async function look(picture: Pixels, view: View): Promise<Face[]> {
    const part = resample(crop(picture, view), view.height, view.width);
    const image = new ort.Tensor("float32", planes(part), [1, 3, view.height, view.width]);
    const { heat, size, offset } = await session.run({ image });
    return decode({ heat: heat!.data, size: size!.data, offset: offset!.data } as Answer, view);
  }

  async function find(picture: Pixels): Promise<readonly Face[]> {
    const zoom = Math.min(1, LARGEST_SIDE_PX / Math.max(picture.height, picture.width));
    const seen = resample(picture, Math.round(picture.height * zoom), Math.round(picture.width * zoom));
    const found: Face[] = [];
    for (const view of views(seen.height, seen.width)) found.push(...(await look(seen, view)));
    const x = picture.width / seen.width, y = picture.height / seen.height;
    return suppress(found).map(({ box: [x0, y0, x1, y1], score }) => ({ box: [x0 * x, y0 * y, x1 * x, y1 * y], score }));
  }
  return { find };
}

/** Interleaved bytes as planes of numbers, 0 to 255. */
function planes({ data, height, width }: Pixels): Float32Array {
  const size = height * width;
  const out = new Float32Array(size * 3);
  for (let at = 0; at < size; at++) {
    out[at] = data[at * 3]!;
    out[size + at] = data[at * 3 + 1]!;
    out[2 * size + at] = data[at * 3 + 2]!;
  }
  return out;
}
