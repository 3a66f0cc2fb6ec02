/** From a draft to a result: on this device, or by the service. */

import type { App, Draft } from "./app.ts";
import { number, t } from "./i18n/language.ts";
import { pixelsOf } from "./picture/canvas.ts";
import { cover, maskOver } from "./picture/masks.ts";
import { masked, type Outgoing } from "./picture/outgoing.ts";
import { areas, type Result } from "./results/parsed_picture.ts";
import { type Answer, predict } from "./service/predict.ts";
import type { Work } from "./work.ts";

/** Fetch the parser, once. */
export async function openParser(app: App, work: Work): Promise<void> {
  const progress = (share: number) => {
    if (share < 1) work.say(() => t("network.loading"), share);
    else work.say(() => t("network.starting"));
  };
  progress(0);
  await app.networks.ask("openParser", null, progress);
  app.parserReady = true;
}

/** Nothing is sent: from here on there is no request at all. */
export async function parseHere(app: App, draft: Draft, work: Work): Promise<Result> {
  work.say(() => t("work.device"));
  const started = performance.now();
  const picture = masked(draft.picture, draft.masks);
  const labels = await app.networks.ask("openParser", null);
  const { parts, owners, width, height, persons } = await app.networks.ask("parse", pixelsOf(picture));
  const nameOf = (id: number) => labels.find((label) => label.id === id)?.name ?? String(id);
  const named = persons.map((person) => ({ ...person, parts: person.parts.map(nameOf) }));
  const map = { width, height, parts, owners };
  return {
    labels, persons: named, partNames: areas(map, labels).map(({ label }) => label.name), map, picture, where: "device", bytesSent: 0,
    milliseconds: performance.now() - started, requestId: null,
  };
}

/** Exactly what was shown is sent. */
export async function parseThere(app: App, { file, shown }: Outgoing, work: Work): Promise<Result> {
  work.say(() => t("work.sending", { kb: number(file.size / 1000) }));
  const started = performance.now();
  const answer = await predict(file, app.token.trim(), work.signal, () => work.say(() => t("work.parsing")));
  if (app.policy.faces === "mask" || app.policy.faces === "mask-output") coverFound(shown, answer, app.policy.face_scale);
  return {
    labels: answer.labels, persons: answer.persons, partNames: answer.partNames, map: answer.map, picture: shown,
    where: "service", bytesSent: file.size, milliseconds: performance.now() - started, requestId: answer.requestId,
  };
}

/** Faces that only the service found are covered in the result as well. */
function coverFound(picture: HTMLCanvasElement, { faces, map }: Answer, scale: number): void {
  const zoomX = picture.width / (map?.width ?? picture.width), zoomY = picture.height / (map?.height ?? picture.height);
  const masks = faces.map(([x0, y0, x1, y1]) => maskOver({ box: [x0 * zoomX, y0 * zoomY, x1 * zoomX, y1 * zoomY] }, scale));
  cover(picture.getContext("2d")!, masks);
}
