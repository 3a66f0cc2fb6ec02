/** Files of the result, made on this device when they are asked for. */

import type { App } from "../app.ts";
import { h, icon } from "../dom.ts";
import { t } from "../i18n/language.ts";
import type { Key } from "../i18n/en.ts";
import { encode } from "../picture/canvas.ts";
import { cocoJson, indexedPng, svg } from "../results/files.ts";
import type { PartMap, Result } from "../results/parsed_picture.ts";

const REVOKE_AFTER_MS = 2000;

export function downloads(app: App, { labels, persons }: Result, map: PartMap, drawn: () => HTMLCanvasElement): HTMLElement {
  const entry = (name: string, title: Key, note: Key, make: () => Promise<Blob>) =>
    h("li", {}, h("button", { type: "button", class: "file", onclick: async () => {
      save(await make(), name);
      app.announce(t("result.saved", { file: name }));
    } }, icon("download"), h("span", {}, h("strong", {}, t(title)), h("span", { class: "quiet small block" }, t(note)))));
  const text = (content: string, type: string) => Promise.resolve(new Blob([content], { type }));
  return h("section", { class: "card" }, h("h2", {}, t("result.downloads")), h("ul", { class: "plain files" },
    entry("overlay.png", "result.overlay", "result.overlayNote", () => encode(drawn(), "image/png")),
    entry("parts.png", "result.indexed", "result.indexedNote", async () => new Blob([await indexedPng(map, labels)], { type: "image/png" })),
    entry("masks.json", "result.coco", "result.cocoNote", () => text(cocoJson(map, labels, persons), "application/json")),
    entry("outlines.svg", "result.svg", "result.svgNote", () => text(svg(map, labels), "image/svg+xml"))));
}

/** Hand a file to the browser; its address lives only as long as that takes. */
function save(content: Blob, name: string): void {
  const address = URL.createObjectURL(content);
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), REVOKE_AFTER_MS);
}
