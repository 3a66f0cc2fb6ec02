/** What can be taken along: an indexed PNG, COCO's JSON, SVG outlines. The overlay is the canvas itself. */

import { asPath, outlines } from "./contours.ts";
import { areas, type Label, type PartMap, type Person, rgb } from "./parsed_picture.ts";
import { writeIds } from "./png.ts";
import { packRuns, runLengths } from "./rle.ts";

/** Ids as pixels, as wide a palette as there are parts. */
export function indexedPng(map: PartMap, labels: readonly Label[]): Promise<Uint8Array<ArrayBuffer>> {
  return writeIds({ width: map.width, height: map.height, data: map.parts }, labels.map(({ colour }) => rgb(colour)));
}

/** One annotation for each part of each person, in COCO's format with compressed run lengths. */
export function cocoJson(map: PartMap, labels: readonly Label[], persons: readonly Person[]): string {
  const { width, height, parts, owners } = map;
  const annotations = [];
  for (let owner = 0; owner <= persons.length; owner++) {
    const here = Uint8Array.from(parts, (part, at) => (owners[at] === owner ? part : 0));
    for (const { label, pixels } of areas({ ...map, parts: here }, labels)) {
      const counts = packRuns(runLengths((at) => here[at] === label.id, width, height));
      annotations.push({
        id: annotations.length + 1, image_id: 1, category_id: label.id, person_id: owner || null, iscrowd: 0,
        area: pixels, bbox: boundingBox(here, label.id, width), segmentation: { size: [height, width], counts },
      });
    }
  }
  const categories = labels.filter(({ id }) => id > 0).map(({ id, name, name_zh }) => ({ id, name, name_zh }));
  return JSON.stringify({ images: [{ id: 1, width, height }], categories, annotations }, null, 1);
}

/** x, y, width, height. */
function boundingBox(ids: Uint8Array, wanted: number, width: number): number[] {
  let x0 = Infinity, y0 = Infinity, x1 = -1, y1 = -1;
  ids.forEach((id, at) => {
    if (id !== wanted) return;
    const x = at % width, y = Math.floor(at / width);
    x0 = Math.min(x0, x);
    y0 = Math.min(y0, y);
    x1 = Math.max(x1, x);
    y1 = Math.max(y1, y);
  });
  return [x0, y0, x1 - x0 + 1, y1 - y0 + 1];
}

/** One path a part, named, filled with its colour. */
export function svg(map: PartMap, labels: readonly Label[]): string {
  const { width, height, parts } = map;
  const paths = areas(map, labels).map(({ label }) => {
    const path = asPath(outlines((x, y) => parts[y * width + x] === label.id, width, height));
    const name = escaped(label.name);
    return `<path id="part-${label.id}" fill="${label.colour}" d="${path}"><title>${name}</title></path>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" fill-rule="evenodd">\n${paths.join("\n")}\n</svg>\n`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
