/** Starts the page. */

import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/frame.css";
import "./styles/choose.css";
import "./styles/check.css";
import "./styles/result.css";
import { type App, forget, type Step, type View } from "./app.ts";
import { h } from "./dom.ts";
import { language, preferred, speak, t } from "./i18n/language.ts";
import { Networks } from "./networks/client.ts";
import { ask } from "./service/policy.ts";
import { checkView } from "./views/check.ts";
import { chooseView } from "./views/choose.ts";
import { frame } from "./views/frame.ts";
import { resultView } from "./views/result.ts";

const VIEWS: Readonly<Record<Step, (app: App) => View>> = { choose: chooseView, check: checkView, result: resultView };

const page = frame({
  onLanguage: () => {
    speak(language() === "en" ? "zh" : "en");
    page.translate();
    redraw();
  },
});
let app: App | null = null;
let step: Step = "choose";
let view: View | null = null;

function redraw(): void {
  if (!app) return;
  view?.leave?.();
  view = VIEWS[step](app);
  page.set(step, view.element, app);
}

async function start(): Promise<void> {
  page.message(t("app.loading"));
  try {
    const [policy, model] = await ask();
    app = {
      policy, model, networks: new Networks(), where: "service", token: "", draft: null, result: null, look: null,
      parserReady: false, trouble: null, work: null,
      show: (next) => {
        step = next;
        app!.trouble = null;
        redraw();
        page.focusTitle();
      },
      announce: page.announce,
    };
    redraw();
  } catch {
    page.message(t("app.broken"), h("button", { type: "button", class: "button", onclick: start }, t("app.retry")));
  }
}

// Leaving the page, even into the browser's cache of pages, leaves no picture behind.
addEventListener("pagehide", () => {
  view?.leave?.();
  if (app) forget(app);
});
addEventListener("pageshow", (event) => {
  if (event.persisted) app?.show("choose");
});
// A file that misses its target must not replace the page.
for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => event.preventDefault());

speak(preferred(navigator.languages));
page.translate();
document.body.append(page.element);
void start();
