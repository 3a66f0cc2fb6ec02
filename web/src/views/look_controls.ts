/** How opaque the colours are, and where before ends and after begins. */

import type { Look } from "../app.ts";
import { h } from "../dom.ts";
import { percent, t } from "../i18n/language.ts";

export function opacityControl(look: Look, changed: () => void): HTMLElement {
  const value = h("output", { for: "opacity" }, percent(look.opacity));
  const input = h("input", { id: "opacity", type: "range", min: 0, max: 100, step: 1, value: look.opacity * 100 });
  input.addEventListener("input", () => {
    look.opacity = input.valueAsNumber / 100;
    value.textContent = percent(look.opacity);
    changed();
  });
  return h("div", { class: "control" }, h("label", { for: "opacity" }, t("result.opacity")), value, input);
}

/** A slider, and three buttons that need no dragging. */
export function revealControl(look: Look, changed: () => void): HTMLElement {
  const input = h("input", { id: "reveal", type: "range", min: 0, max: 100, step: 1, value: look.revealed * 100, "aria-label": t("result.compareLabel") });
  const buttons: [HTMLButtonElement, number][] = ([["result.before", 0], ["result.half", 0.5], ["result.after", 1]] as const).map(
    ([key, share]) => [h("button", { type: "button", class: "segment", onclick: () => set(share) }, t(key)), share]);
  function set(share: number): void {
    look.revealed = share;
    input.value = String(share * 100);
    for (const [button, own] of buttons) button.setAttribute("aria-pressed", String(own === share));
    changed();
  }
  input.addEventListener("input", () => set(input.valueAsNumber / 100));
  for (const [button, own] of buttons) button.setAttribute("aria-pressed", String(own === look.revealed));
  const segments = h("div", { class: "segments", role: "group", "aria-label": t("result.compare") }, ...buttons.map(([button]) => button));
  return h("div", { class: "control" }, h("label", { for: "reveal" }, t("result.compare")), segments, input);
}
