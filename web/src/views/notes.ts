/** What the service says of itself, in plain words. */

import type { App } from "../app.ts";
import { h, icon } from "../dom.ts";
import type { Key } from "../i18n/en.ts";
import { number, t } from "../i18n/language.ts";
import type { Model, Policy } from "../service/policy.ts";

/** The rules for faces and answers. */
export function policyNote(policy: Policy): HTMLElement {
  const rules = [t(`policy.${policy.faces}`)];
  if (policy.label_only) rules.push(t("policy.labels"));
  if (policy.answer_side_px > 0) rules.push(t("policy.coarse", { px: number(policy.answer_side_px) }));
  if (policy.smooth_px > 0) rules.push(t("policy.smooth"));
  rules.push(t("policy.identity"));
  const title = h("h2", {}, t("policy.title"));
  return h("section", { class: "rules" }, title, h("ul", {}, ...rules.map((rule) => h("li", {}, rule))));
}

/** Three things that happen, or do not. */
export function factsNote(app: App): HTMLElement {
  const fact = (name: "mask" | "nothing" | "shield", title: string, text: string) =>
    h("li", { class: "fact" }, icon(name), h("div", {}, h("h3", {}, title), h("p", {}, text)));
  return h("section", { class: "facts" }, h("h2", {}, t("facts.title")), h("ul", {},
    fact("mask", t("facts.here.title"), t("facts.here.text")),
    fact("nothing", t("facts.nothing.title"), t("facts.nothing.text")),
    fact("shield", t("facts.kept.title"), t("facts.kept.text", { days: number(app.policy.journal_days) })),
  ));
}

/** What shipped networks say of their pictures; what others say is shown as they say it. */
const ORIGINS: Readonly<Record<string, Key>> = {
  "generated people only: no photograph of anybody": "model.fromNothing",
  "backbone: ImageNet photographs, without privacy; then generated people only": "model.fromImagenet",
};

/** Which network, and what it learned from. */
export function modelNote({ name, digest, about }: Model): HTMLElement {
  const { data } = about;
  const known = data === undefined ? undefined : ORIGINS[data];
  return h("div", { class: "model" },
    h("p", {}, h("strong", {}, t("model.title")), " ", t("model.runs", { name, digest: digest.slice(0, 12) })),
    data ? h("p", known ? {} : { lang: "en" }, t("model.trained", { data: known ? t(known) : data })) : null,
    h("p", {}, h("a", { href: "/openapi.json" }, t("model.api")), " · ", t("model.source")),
  );
}
