/** How far something is, and a way to end it. */

import { h } from "../dom.ts";
import { t } from "../i18n/language.ts";
import type { Work } from "../work.ts";

export function workBar(cancel: () => void) {
  const words = h("p", { id: "work-words", role: "status" });
  const bar = h("progress", { max: 1, "aria-labelledby": "work-words" });
  const stop = h("button", { type: "button", class: "button", onclick: cancel }, t("app.cancel"));
  const element = h("div", { class: "work", hidden: true }, h("div", {}, words, bar), stop);
  return {
    element,
    show(work: Work | null, cancellable: boolean): void {
      element.hidden = work === null;
      stop.hidden = !cancellable;
      if (!work) return;
      // Read out when it changes, and only then.
      if (words.textContent !== work.words()) words.textContent = work.words();
      if (work.share === null) bar.removeAttribute("value");
      else bar.value = work.share;
    },
  };
}
