/** The first step: what this is, and a picture to begin with. */

import type { App, View } from "../app.ts";
import { h, icon } from "../dom.ts";
import { number, t } from "../i18n/language.ts";
import paintedUrl from "../images/sample-parsed.jpg";
import sampleUrl from "../images/sample.jpg";
import { shoot } from "../picture/camera.ts";
import { fileAmong, fromClipboard, readPicture, Refused } from "../picture/intake.ts";
import { factsNote, policyNote } from "./notes.ts";

export function chooseView(app: App): View {
  const complaint = h("p", { class: "complaint", role: "alert", hidden: true });
  const take = taker(app, complaint);
  const area = dropArea(app, take);
  const intro = h("div", { class: "intro" },
    h("h1", { tabindex: -1 }, t("start.title")), h("p", { class: "lead" }, t("start.lead")), area, complaint);
  const element = h("div", { class: "choose" }, h("div", { class: "hero" }, intro, sample(take)), factsNote(app), policyNote(app.policy));
  const leave = listen(area, take);
  return { element, leave };
}

type Take = (source: () => Promise<Blob | HTMLCanvasElement | null>) => void;

/** Takes a picture from wherever, or says why not. */
function taker(app: App, complaint: HTMLElement): Take {
  let busy = false;
  return async (source) => {
    if (busy) return;
    busy = true;
    complaint.hidden = true;
    try {
      const found = await source();
      if (!found) return;
      const picture = found instanceof HTMLCanvasElement ? found : await readPicture(found, app.policy);
      app.draft = { picture, masks: [], facesFound: null, detectorFailed: false, detection: null };
      app.show("check");
    } catch (error) {
      complaint.replaceChildren(icon("alert"), error instanceof Refused ? error.words : t("intake.damaged"));
      complaint.hidden = false;
    } finally {
      busy = false;
    }
  };
}

function dropArea(app: App, take: Take): HTMLElement {
  const input = h("input", { type: "file", accept: "image/jpeg,image/png,image/webp", class: "hidden", tabindex: -1, "aria-hidden": "true" });
  input.addEventListener("change", () => {
    const file = input.files?.[0];
    input.value = "";
    if (file) take(async () => file);
  });
  const button = (name: Parameters<typeof icon>[0], words: string, style: string, act: () => void) =>
    h("button", { type: "button", class: `button ${style}`, onclick: act }, icon(name), words);
  const { max_bytes, max_pixels } = app.policy;
  const limits = t("start.limits", { mb: number(max_bytes / 1e6), mp: number(max_pixels / 1e6) });
  return h("div", { class: "drop" },
    h("p", { class: "drop-title" }, t("start.drop")), h("p", { class: "quiet" }, t("start.or")),
    h("div", { class: "actions" },
      button("picture", t("start.file"), "primary", () => input.click()),
      button("paste", t("start.paste"), "", () => take(fromClipboard)),
      button("camera", t("start.camera"), "", () => take(shoot))),
    h("p", { class: "quiet small" }, limits), input);
}

/** Drops and pastes, anywhere on the page; gives back what ends it. */
function listen(area: HTMLElement, take: Take): () => void {
  const controller = new AbortController();
  const { signal } = controller;
  const title = area.querySelector(".drop-title")!;
  const over = (inside: boolean) => {
    area.classList.toggle("over", inside);
    title.textContent = t(inside ? "start.dropNow" : "start.drop");
  };
  addEventListener("dragover", () => over(true), { signal });
  addEventListener("dragleave", (event) => event.relatedTarget === null && over(false), { signal });
  addEventListener("drop", (event) => {
    over(false);
    const file = fileAmong(event.dataTransfer);
    if (file) take(async () => file);
  }, { signal });
  addEventListener("paste", (event) => {
    const file = fileAmong(event.clipboardData);
    if (file) take(async () => file);
  }, { signal });
  return () => controller.abort();
}

function sample(take: Take): HTMLElement {
  const fetchSample = () => take(async () => (await fetch(sampleUrl)).blob());
  return h("figure", { class: "sample" },
    h("div", { class: "sample-picture", role: "img", "aria-label": t("start.sampleAlt") },
      h("img", { src: sampleUrl, alt: "", width: 720, height: 720 }), h("img", { src: paintedUrl, alt: "", width: 720, height: 720, class: "painted" })),
    h("figcaption", {}, h("span", { class: "quiet" }, t("start.sampleNote")),
      h("button", { type: "button", class: "button", onclick: fetchSample }, t("start.sample"))));
}
