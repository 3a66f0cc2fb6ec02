/** Faces of a draft, found and covered on this device. */

import type { App, Draft } from "./app.ts";
import { t } from "./i18n/language.ts";
import { pixelsOf } from "./picture/canvas.ts";
import { maskOver } from "./picture/masks.ts";
import { masked } from "./picture/outgoing.ts";
import { Work } from "./work.ts";

const MOST_ROUNDS = 8, GROWTH = 1.15;

/** Look for faces once; the draft says what came of it. */
export function detect(app: App, draft: Draft): void {
  if (draft.detection || draft.facesFound !== null || draft.detectorFailed) return;
  const work = (draft.detection = new Work());
  work.say(() => t("detect.loading"), 0);
  void (async () => {
    try {
      const progress = (share: number) => {
        if (share < 1) work.say(() => t("detect.loading"), share);
        else work.say(() => t("detect.running"));
      };
      await app.networks.ask("openDetector", null, progress);
      work.say(() => t("detect.running"));
      const faces = await app.networks.ask("findFaces", pixelsOf(draft.picture));
      draft.masks = [...draft.masks, ...faces.map((face) => maskOver(face, app.policy.face_scale))];
      if (app.policy.faces === "refuse") await coverUntilNoneIsSeen(app, draft);
      draft.facesFound = faces.length;
    } catch {
      draft.detectorFailed = true;
    }
    draft.detection = null;
    work.onChange();
  })();
}

/**
 * A head whose face is covered can still look like one to the detector, and this service refuses whatever does: so
 * masks grow until the detector sees none. The service decides; this only spares its visitors a refusal.
 */
async function coverUntilNoneIsSeen(app: App, draft: Draft): Promise<void> {
  let scale = app.policy.face_scale;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const faces = await app.networks.ask("findFaces", pixelsOf(masked(draft.picture, draft.masks)));
    if (faces.length === 0) return;
    draft.masks = [...draft.masks, ...faces.map((face) => maskOver(face, scale))];
    scale *= GROWTH;
  }
}
