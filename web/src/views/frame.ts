/** What is around every step: brand, switches, where one is, the service's rules and network. */

import type { App, Step } from "../app.ts";
import { h, icon } from "../dom.ts";
import { t } from "../i18n/language.ts";
import markUrl from "../images/mark.svg";
import { modelNote } from "./notes.ts";

const STEPS = { choose: "step.choose", check: "step.check", result: "step.result" } as const;

export function frame({ onLanguage }: { onLanguage: () => void }) {
  const live = h("p", { class: "hidden", role: "status" });
  const main = h("main", { id: "content", tabindex: -1 });
  const footer = h("footer", { class: "foot" });
  const steps = h("ol", { class: "steps" });
  const language = h("button", { type: "button", class: "switch", onclick: onLanguage });
  const theme = h("button", { type: "button", class: "switch round", onclick: () => flipTheme(theme) });
  const skip = h("a", { class: "skip", href: "#content" });
  const tagline = h("span", { class: "tagline" });
  const brand = h("p", { class: "brand" }, h("img", { src: markUrl, alt: "", width: 32, height: 32 }), h("span", {}, "discreet"), tagline);
  const header = h("header", { class: "head" }, brand, h("nav", {}, steps), h("div", { class: "switches" }, language, theme));
  const element = h("div", { class: "page" }, skip, header, main, footer, live);

  return {
    element,
    /** Words of the frame itself. */
    translate(): void {
      skip.textContent = t("app.skip");
      tagline.textContent = t("app.tagline");
      language.textContent = t("app.language");
      // Named and marked in the language it leads to.
      language.lang = t("app.language") === "English" ? "en" : "zh-CN";
      language.setAttribute("aria-label", t("app.languageLabel"));
      nameTheme(theme);
    },
    /** Show a step. */
    set(step: Step, view: HTMLElement, app: App): void {
      main.replaceChildren(view);
      steps.setAttribute("aria-label", t("step.label"));
      const entries = Object.entries(STEPS);
      const reached = entries.findIndex(([name]) => name === step);
      steps.replaceChildren(...entries.map(([name, key], at) =>
        h("li", { class: at < reached ? "past" : "", "aria-current": name === step && "step" }, t(key))));
      footer.replaceChildren(modelNote(app.model));
    },
    /** Something else than a step. */
    message(words: string, ...more: HTMLElement[]): void {
      main.replaceChildren(h("div", { class: "message" }, h("h1", { class: "hidden" }, "discreet"), h("p", {}, words), ...more));
    },
    announce(words: string): void {
      live.textContent = "";
      // A change after a moment is read out even if the words are the same.
      setTimeout(() => { live.textContent = words; }, 50);
    },
    focusTitle(): void {
      scrollTo(0, 0);
      (main.querySelector<HTMLElement>("h1") ?? main).focus();
    },
  };
}

function isDark(): boolean {
  const chosen = document.documentElement.dataset["theme"];
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function flipTheme(button: HTMLButtonElement): void {
  document.documentElement.dataset["theme"] = isDark() ? "light" : "dark";
  nameTheme(button);
}

function nameTheme(button: HTMLButtonElement): void {
  button.replaceChildren(icon(isDark() ? "sun" : "moon"));
  button.setAttribute("aria-label", t(isDark() ? "app.toLight" : "app.toDark"));
}
