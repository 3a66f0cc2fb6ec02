/** The third step: the picture with its parts, what they are, and what can be taken along. */

import { type App, forget, type Look, type View } from "../app.ts";
import { h } from "../dom.ts";
import { number, t, tn } from "../i18n/language.ts";
import { areas, type Result } from "../results/parsed_picture.ts";
import { downloads } from "./downloads.ts";
import { opacityControl, revealControl } from "./look_controls.ts";
import { partsTable } from "./parts_table.ts";
import { personsList } from "./persons_list.ts";
import { nameOf } from "./part_names.ts";
import { stage } from "./stage.ts";

export function resultView(app: App): View {
  const result = app.result!;
  const button = (words: string, style: string, act: () => void) =>
    h("button", { type: "button", class: `button ${style}`, onclick: act }, words);
  const actions = h("div", { class: "actions" },
    button(t("result.change"), "", () => app.show("check")),
    button(t("result.forget"), "", () => {
      forget(app);
      app.show("choose");
      app.announce(t("result.forgotten"));
    }),
    button(t("result.again"), "primary", () => app.show("choose")));
  const head = h("div", { class: "check-head" },
    h("div", { class: "head-row" }, h("h1", { tabindex: -1 }, t("result.title")), actions),
    h("p", { class: "lead small" }, summary(result)), h("p", { class: "quiet small sent" }, where(result)));
  const body = result.map ? withMap(app, result) : labelsOnly(result);
  return { element: h("section", { class: "result" }, head, ...body) };
}

function withMap(app: App, result: Result): HTMLElement[] {
  const map = result.map!;
  const look = (app.look ??= freshLook(result));
  const view = stage(result, map, look);
  const table = partsTable(areas(map, result.labels), map.parts.length, look, () => view.paint());
  const persons = personsList(result, look, () => view.paint());
  const controls = h("div", { class: "card controls" },
    opacityControl(look, () => view.place()), revealControl(look, () => view.place()));
  const left = h("div", { class: "stage-column" }, view.element, controls);
  const side = h("div", { class: "side stack" }, table, ...(persons ? [persons] : []), downloads(app, result, map, () => view.drawn()));
  return [h("div", { class: "columns" }, left, side)];
}

/** All parts of everybody, half opaque. */
function freshLook({ labels }: Result): Look {
  const visible = new Set(labels.filter(({ id }) => id > 0).map(({ id }) => id));
  return { visible, person: null, opacity: 0.6, revealed: 1 };
}

/** Where the service says names alone. */
function labelsOnly({ persons, partNames, labels }: Result): HTMLElement[] {
  const names = (parts: readonly string[]) => parts.map((part) => nameOf(labels, part)).join(t("list.and"));
  const rows = persons.map((person, at) => h("li", {}, h("strong", {}, t("result.person", { n: at + 1 })), " ", names(person.parts)));
  return [h("section", { class: "card" }, h("p", { class: "quiet" }, t("result.labelsOnly")),
    h("p", {}, names(partNames)), h("ul", { class: "plain" }, ...rows))];
}

function summary({ persons, partNames }: Result): string {
  if (persons.length === 0) return t("result.nobody");
  return tn("result.summary", persons.length, { parts: number(partNames.length) });
}

function where({ where: place, milliseconds, bytesSent }: Result): string {
  const seconds = number(milliseconds / 1000, 1);
  if (place === "device") return t("result.whereDevice", { seconds });
  return t("result.whereService", { seconds, bytes: number(bytesSent) });
}
