/** What went wrong, what to do, and when to try again. */

import { h, icon } from "../dom.ts";
import { t, tn } from "../i18n/language.ts";
import type { Problem } from "../service/problem.ts";

/** Problems after which the same request may be answered. */
const PASSING = new Set(["problem.busy", "problem.rate", "problem.facesFailed", "problem.network", "problem.slow", "problem.token"]);

export function problemBox(problem: Problem, again: () => void) {
  const retry = h("button", { type: "button", class: "button", onclick: again }, t("app.retry"));
  retry.hidden = !PASSING.has(problem.key);
  const wait = h("p", { class: "wait" });
  const small = [problem.detail && t("problem.said", { detail: problem.detail }), problem.requestId && t("problem.id", { id: problem.requestId })];
  const element = h("div", { class: "problem" },
    h("div", { role: "alert" }, h("h2", {}, icon("alert"), t("problem.title")), h("p", {}, t(problem.key))),
    ...small.filter((line): line is string => Boolean(line)).map((line) => h("p", { class: "quiet small" }, line)),
    h("div", { class: "actions" }, retry, wait));
  const timer = problem.retryAfterSeconds === null ? 0 : countDown(problem.retryAfterSeconds, wait, retry);
  return { element, end: () => clearInterval(timer) };
}

function countDown(seconds: number, wait: HTMLElement, retry: HTMLButtonElement): number {
  const until = performance.now() + seconds * 1000;
  const tick = () => {
    const left = Math.ceil((until - performance.now()) / 1000);
    wait.textContent = left > 0 ? tn("problem.wait", left) : t("problem.now");
    retry.disabled = left > 0;
    if (left <= 0) clearInterval(timer);
  };
  const timer = window.setInterval(tick, 250);
  tick();
  return timer;
}
