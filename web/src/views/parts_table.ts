/** Every part that is there: colour, name, area; shown or not. Legend and table in one. */

import type { Look } from "../app.ts";
import { h } from "../dom.ts";
import { number, percent, t } from "../i18n/language.ts";
import type { PartArea } from "../results/parsed_picture.ts";
import { partName } from "./part_names.ts";

export function partsTable(parts: readonly PartArea[], numPixels: number, look: Look, changed: () => void): HTMLElement {
  const rows = parts.map((part) => row(part, numPixels));
  const all = h("button", { type: "button", class: "link", onclick: () => set(parts.map(({ label }) => label.id)) }, t("result.all"));
  const none = h("button", { type: "button", class: "link", onclick: () => set([]) }, t("result.none"));

  function set(ids: readonly number[]): void {
    look.visible = new Set(ids);
    draw();
    changed();
  }

  /** Boxes and buttons as the look has it. */
  function draw(): void {
    for (const { id, box, solo } of rows) {
      box.checked = look.visible.has(id);
      solo.setAttribute("aria-pressed", String(look.visible.size === 1 && look.visible.has(id)));
    }
  }

  for (const { id, box, solo } of rows) {
    box.addEventListener("change", () => {
      const visible = new Set(look.visible);
      if (box.checked) visible.add(id);
      else visible.delete(id);
      set([...visible]);
    });
    solo.addEventListener("click", () => {
      const alone = look.visible.size === 1 && look.visible.has(id);
      set(alone ? parts.map(({ label }) => label.id) : [id]);
    });
  }
  // Parts that are not in this picture count as hidden, so that one alone is one.
  look.visible = new Set(parts.map(({ label }) => label.id).filter((id) => look.visible.has(id)));
  draw();
  const head = h("thead", {}, h("tr", {}, ...(["result.part", "result.share", "result.pixels", "result.show", "result.solo"] as const)
    .map((key) => h("th", { scope: "col" }, t(key)))));
  return h("section", { class: "card parts" },
    h("div", { class: "card-head" }, h("h2", { id: "parts-title" }, t("result.parts")), h("div", {}, all, none)),
    h("table", { "aria-labelledby": "parts-title" }, head, h("tbody", {}, ...rows.map(({ element }) => element))));
}

function row({ label, pixels, share }: PartArea, numPixels: number) {
  const name = partName(label);
  const swatch = h("span", { class: "swatch" });
  swatch.style.backgroundColor = label.colour;
  const bar = h("span", { class: "bar", title: percent(pixels / numPixels) });
  bar.style.setProperty("--share", String(share));
  const box = h("input", { type: "checkbox", "aria-label": t("result.showPart", { part: name }) });
  const solo = h("button", { type: "button", class: "segment small", "aria-label": t("result.soloPart", { part: name }) }, t("result.solo"));
  const element = h("tr", {},
    h("th", { scope: "row" }, swatch, name), h("td", { class: "number" }, percent(share), bar),
    h("td", { class: "number" }, number(pixels)), h("td", {}, h("label", { class: "tick" }, box)), h("td", {}, solo));
  return { id: label.id, element, box, solo };
}
