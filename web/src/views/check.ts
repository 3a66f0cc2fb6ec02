/** The second step: what leaves this device, to the pixel and the byte, before it does. */

import type { App, Draft, View } from "../app.ts";
import { detect } from "../detection.ts";
import { h, icon } from "../dom.ts";
import { number, t, tn } from "../i18n/language.ts";
import { newCanvas } from "../picture/canvas.ts";
import { type Mask, maskAt, scaled } from "../picture/masks.ts";
import { masked, outgoing, type Outgoing } from "../picture/outgoing.ts";
import { openParser, parseHere, parseThere } from "../parsing.ts";
import { Refusal } from "../service/predict.ts";
import { DEVICE_FAILED } from "../service/problem.ts";
import { Work } from "../work.ts";
import { openDialog } from "./dialog.ts";
import { factsTable } from "./facts_table.ts";
import { maskEditor } from "./mask_editor.ts";
import { maskList } from "./mask_list.ts";
import { problemBox } from "./problem_box.ts";
import { tokenField } from "./token_field.ts";
import { whereChoice } from "./where_choice.ts";
import { workBar } from "./work_bar.ts";

const ENCODE_AFTER_MS = 120;

export function checkView(app: App): View {
  const draft = app.draft!;
  const check = new Check(app, draft);
  return { element: check.element, leave: () => check.leave() };
}

class Check {
  readonly element: HTMLElement;
  readonly #title = h("h1", { tabindex: -1 });
  readonly #found = h("p", { class: "lead small", role: "status" });
  readonly #facts = factsTable();
  readonly #bar: ReturnType<typeof workBar>;
  readonly #trouble = h("div", {});
  readonly #parse: HTMLButtonElement;
  readonly #settings = h("div", { class: "stack" });
  readonly #editor: ReturnType<typeof maskEditor>;
  readonly #list: ReturnType<typeof maskList>;
  #ready: Outgoing | null = null;
  #timer = 0;
  #turn = 0;
  #drawnTrouble: App["trouble"] = null;
  #endTrouble: () => void = () => {};

  constructor(readonly app: App, readonly draft: Draft) {
    const actions = {
      add: (mask: Mask) => this.#add(mask),
      change: (mask: Mask) => this.#setMasks(draft.masks.map((other) => (other.id === mask.id ? mask : other))),
      remove: (mask: Mask) => void this.#remove(mask),
    };
    this.#editor = maskEditor(draft.picture, actions);
    this.#list = maskList({
      ...actions,
      addMiddle: () => {
        this.#add(maskAt(draft.picture.width / 2, draft.picture.height / 2, draft.picture));
        app.announce(t("review.added"));
      },
      scale: (mask, factor) => actions.change(scaled(mask, factor, draft.picture)),
    });
    this.#bar = workBar(() => this.#cancel());
    this.#parse = h("button", { type: "button", class: "button primary large", onclick: () => void this.#start() });
    const back = h("button", { type: "button", class: "button", onclick: () => app.show("choose") }, t("review.back"));
    const where = whereChoice(app, () => this.#chooseWhere());
    const token = app.policy.open ? null : tokenField(app);
    this.#settings.append(where, ...(token ? [token] : []), this.#facts.element);
    const side = h("div", { class: "side" }, this.#settings, this.#trouble, this.#bar.element, h("div", { class: "actions end" }, back, this.#parse));
    this.element = h("section", { class: "check" }, h("div", { class: "check-head" }, this.#title, this.#found), h("div", { class: "columns" }, h("div", { class: "stage-column" }, this.#editor.element, this.#list.element), side));
    detect(app, draft);
    this.#setMasks(draft.masks);
    if (draft.detection) draft.detection.onChange = () => this.#detected();
    if (app.work) app.work.onChange = () => this.#draw();
    else if (app.where === "device") void this.#openParser();
  }

  leave(): void {
    clearTimeout(this.#timer);
    this.#turn++;
    this.#endTrouble();
    for (const work of [this.app.work, this.draft.detection]) if (work) work.onChange = () => {};
  }

  /** Everything that depends on state, drawn anew. */
  #draw(): void {
    this.#drawTrouble();
    const { app, draft } = this;
    const device = app.where === "device";
    const work = app.work ?? draft.detection;
    this.#title.textContent = t(device ? "review.titleDevice" : "review.title");
    this.#found.textContent = this.#foundWords();
    this.#facts.show({
      width: draft.picture.width, height: draft.picture.height, masks: draft.masks.length,
      bytes: device ? 0 : (this.#ready?.file.size ?? null),
    });
    this.#list.show(draft.masks, (mask) => this.#mayRemove(mask));
    this.#bar.show(work, app.work !== null);
    this.#settings.inert = app.work !== null && app.parserReady;
    this.#editor.element.inert = this.#list.element.inert = this.#settings.inert;
    this.#parse.replaceChildren(icon(device ? "device" : "service"), t(device ? "review.parseDevice" : "review.parse"));
    // Still reachable by keyboard and read out; a press says what is missing.
    this.#parse.setAttribute("aria-disabled", String(work !== null || !(device || this.#ready)));
  }

  #foundWords(): string {
    if (this.draft.detectorFailed) return t("detect.failed");
    if (this.draft.facesFound === null) return "";
    return this.draft.facesFound === 0 ? t("review.none") : tn("review.found", this.draft.facesFound);
  }

  #detected(): void {
    if (this.draft.detection) this.#draw();
    else this.#setMasks(this.draft.masks);
  }

  #setMasks(masks: readonly Mask[]): void {
    this.draft.masks = masks;
    this.#editor.showMasks(masks);
    this.#encode();
  }

  /** The bytes that would leave; of several changes in a row only the last is encoded. */
  #encode(): void {
    const { app, draft } = this;
    const turn = ++this.#turn;
    this.#ready = null;
    clearTimeout(this.#timer);
    const label = t(app.where === "device" ? "review.pictureDevice" : "review.picture");
    // Until then the picture is shown masked, never bare.
    if (app.where === "device" || draft.detection) this.#editor.showPicture(this.#hidden() ?? masked(draft.picture, draft.masks), label);
    this.#draw();
    if (app.where === "device" || draft.detection) return;
    this.#timer = window.setTimeout(async () => {
      const made = await outgoing(draft.picture, draft.masks, app.policy.max_bytes);
      if (turn !== this.#turn) return;
      this.#ready = made;
      if (made) this.#editor.showPicture(made.shown, label);
      else app.trouble = () => t("review.tooLarge", { mb: number(app.policy.max_bytes / 1e6) });
      this.#draw();
    }, ENCODE_AFTER_MS);
  }

  /** While faces are looked for, a picture too coarse to know anybody by. */
  #hidden(): HTMLCanvasElement | null {
    const { detection, picture } = this.draft;
    if (!detection) return null;
    const coarse = newCanvas(8, 8), full = newCanvas(picture.width, picture.height);
    coarse.getContext("2d")!.drawImage(picture, 0, 0, 8, 8);
    full.getContext("2d")!.drawImage(coarse, 0, 0, picture.width, picture.height);
    return full;
  }

  #add(mask: Mask): void {
    this.#setMasks([...this.draft.masks, mask]);
    this.#editor.focus(mask);
  }

  #mayRemove(mask: Mask): boolean {
    return !(mask.found && this.app.where === "service" && this.app.policy.faces === "refuse");
  }

  async #remove(mask: Mask): Promise<void> {
    const { app, draft } = this;
    if (!this.#mayRemove(mask)) return app.announce(t("review.noRemove"));
    if (mask.found && !(await this.#warn())) return this.#editor.focus(mask);
    const number = draft.masks.findIndex(({ id }) => id === mask.id) + 1;
    this.#setMasks(draft.masks.filter(({ id }) => id !== mask.id));
    app.announce(t("review.removed", { n: number }));
    this.#list.focus();
  }

  #warn(): Promise<boolean> {
    const { where, policy } = this.app;
    const words = where === "device" ? "remove.textDevice" : policy.faces === "mask" ? "remove.textMask" : "remove.text";
    const question = { title: t("remove.title"), body: [h("p", {}, t(words))], cancel: t("remove.keep"), confirm: t("remove.remove") };
    return openDialog({ ...question, danger: true });
  }

  #chooseWhere(): void {
    this.app.trouble = null;
    if (this.app.where === "device") void this.#openParser();
    this.#encode();
  }

  async #openParser(): Promise<void> {
    const { app } = this;
    if (app.parserReady || app.work) return;
    const work = (app.work = new Work());
    work.onChange = () => this.#draw();
    try {
      await openParser(app, work);
      app.announce(t("network.ready"));
    } catch {
      if (!work.signal.aborted) app.trouble = () => t("network.failed");
    }
    if (app.work === work) app.work = null;
    work.onChange();
  }

  async #start(): Promise<void> {
    const { app, draft } = this;
    if (app.work || draft.detection) return;
    if (app.where === "service" && !app.policy.open && !app.token.trim()) {
      app.trouble = () => t("token.missing");
      this.#draw();
      this.element.querySelector<HTMLElement>(".token input")?.focus();
      return;
    }
    if (app.where === "service" && !this.#ready) return;
    if (app.where === "device" && !app.parserReady) {
      await this.#openParser();
      if (!app.parserReady) return;
    }
    await this.#run(this.#ready);
  }

  async #run(ready: Outgoing | null): Promise<void> {
    const { app, draft } = this;
    const work = (app.work = new Work());
    work.onChange = () => this.#draw();
    app.trouble = null;
    try {
      const result = app.where === "device" || !ready ? await parseHere(app, draft, work) : await parseThere(app, ready, work);
      if (work.signal.aborted || app.draft !== draft) return;
      app.work = null;
      app.result = result;
      app.look = null;
      app.show("result");
    } catch (error) {
      if (work.signal.aborted || app.draft !== draft) return;
      app.work = null;
      app.trouble = error instanceof Refusal ? error.problem : DEVICE_FAILED;
      work.onChange();
    }
  }

  #cancel(): void {
    const { app } = this;
    app.work?.cancel();
    app.work = null;
    // WebAssembly cannot be interrupted: its worker ends, unless it is looking for faces as well.
    if (app.where === "device" && !this.draft.detection) {
      app.networks.end();
      app.parserReady = false;
    }
    app.announce(t("work.cancelled"));
    this.#draw();
    this.#parse.focus();
  }

  /** The last trouble, in the language of the moment; it stays as it is until there is another. */
  #drawTrouble(): void {
    const { trouble } = this.app;
    if (trouble === this.#drawnTrouble) return;
    this.#endTrouble();
    this.#drawnTrouble = trouble;
    if (trouble === null) return this.#trouble.replaceChildren();
    if (typeof trouble === "function") {
      return this.#trouble.replaceChildren(h("p", { class: "complaint", role: "alert" }, icon("alert"), trouble()));
    }
    const box = problemBox(trouble, () => void this.#start());
    this.#trouble.replaceChildren(box.element);
    this.#endTrouble = box.end;
  }
}
