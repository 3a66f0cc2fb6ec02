/** What would leave, in figures. */

import { h } from "../dom.ts";
import { number, t } from "../i18n/language.ts";

export interface Facts {
  readonly width: number;
  readonly height: number;
  readonly masks: number;
  /** null while it is being encoded; 0 where nothing is sent. */
  readonly bytes: number | null;
}

export function factsTable() {
  const list = h("dl", { class: "facts-table" });
  const element = h("section", { class: "card" }, h("h2", {}, t("review.facts")), list);
  return {
    element,
    show({ width, height, masks, bytes }: Facts): void {
      const sent = bytes === 0;
      const rows: [string, string][] = [
        sent ? [t("review.sent"), t("review.sentNothing")] : [t("review.bytes"), bytes === null ? t("review.encoding") : `${number(bytes)} · JPEG`],
        [t("review.size"), `${number(width)} × ${number(height)} px`],
        [t("review.masked"), number(masks)],
      ];
      if (!sent) rows.push([t("review.metadata"), t("review.metadataValue")], [t("review.name"), t("review.nameValue")]);
      list.replaceChildren(...rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
      list.classList.toggle("nothing", sent);
    },
  };
}
