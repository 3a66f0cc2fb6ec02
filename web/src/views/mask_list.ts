/** The masks once more as a list, for whoever cannot drag or see them. */

import { h, icon } from "../dom.ts";
import { t } from "../i18n/language.ts";
import type { Mask } from "../picture/masks.ts";

export interface MaskListActions {
  addMiddle(): void;
  scale(mask: Mask, factor: number): void;
  remove(mask: Mask): void;
}

const GROWTH = 1.15;

export function maskList(actions: MaskListActions) {
  const add = h("button", { type: "button", class: "button", onclick: () => actions.addMiddle() }, icon("plus"), t("review.addMask"));
  const list = h("ul", { class: "mask-list" });
  const element = h("section", { class: "card" },
    h("div", { class: "card-head" }, h("h2", {}, t("review.masks")), add), list, h("p", { class: "quiet small" }, t("review.addHint")));

  function row(mask: Mask, n: number, removable: boolean): HTMLElement {
    const button = (name: "plus" | "minus" | "cross", words: string, act: () => void, enabled = true) =>
      h("button", { type: "button", class: "round", "aria-label": words, title: words, disabled: !enabled, onclick: act }, icon(name));
    return h("li", {}, h("span", {}, t("review.mask", { n })), h("span", { class: "row-actions" },
      button("minus", t("review.smaller", { n }), () => actions.scale(mask, 1 / GROWTH)),
      button("plus", t("review.bigger", { n }), () => actions.scale(mask, GROWTH)),
      button("cross", t(removable ? "review.remove" : "review.noRemove", { n }), () => actions.remove(mask), removable)));
  }

  let drawn = "";
  return {
    element,
    show(masks: readonly Mask[], mayRemove: (mask: Mask) => boolean): void {
      const state = JSON.stringify(masks.map((mask) => [mask, mayRemove(mask)]));
      if (state === drawn) return;
      drawn = state;
      const rows = [...list.children];
      const at = rows.findIndex((item) => item.contains(document.activeElement));
      const which = at < 0 ? -1 : [...rows[at]!.querySelectorAll("button")].indexOf(document.activeElement as HTMLButtonElement);
      list.replaceChildren(...masks.map((mask, index) => row(mask, index + 1, mayRemove(mask))));
      if (which >= 0) list.children[at]?.querySelectorAll("button")[which]?.focus();
    },
    focus: () => add.focus(),
  };
}
