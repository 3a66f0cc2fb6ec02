/** On this device, or on the service. */

import type { App, Where } from "../app.ts";
import { h, icon } from "../dom.ts";
import { t } from "../i18n/language.ts";

export function whereChoice(app: App, changed: () => void): HTMLElement {
  const option = (where: Where, title: string, note: string) => {
    const input = h("input", { type: "radio", name: "where", value: where, checked: app.where === where, "aria-describedby": `where-${where}` });
    input.addEventListener("change", () => {
      app.where = where;
      changed();
    });
    return h("label", { class: "option" }, input, icon(where), h("span", { class: "option-words" },
      h("strong", {}, title), h("span", { class: "quiet small", id: `where-${where}` }, note)));
  };
  const here = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  const plain = here ? t("review.servicePlain") : t("review.serviceOpen");
  const note = location.protocol === "https:" ? t("review.serviceNote") : plain;
  return h("fieldset", { class: "where" }, h("legend", {}, t("review.where")),
    option("service", t("review.service"), note), option("device", t("review.device"), t("review.deviceNote")),
    h("p", { class: "quiet small policy" }, t(`policy.${app.policy.faces}`)));
}
