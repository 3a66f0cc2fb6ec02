/** What the page holds, all of it in memory, and which view shows it. */

import { Networks } from "./networks/client.ts";
import { wipeAll } from "./picture/canvas.ts";
import type { Mask } from "./picture/masks.ts";
import type { Result } from "./results/parsed_picture.ts";
import type { Problem } from "./service/problem.ts";
import type { Model, Policy } from "./service/policy.ts";
import type { Work } from "./work.ts";

export type Where = "device" | "service";
export type Step = "choose" | "check" | "result";

/** A picture that was chosen and not yet parsed. */
export interface Draft {
  readonly picture: HTMLCanvasElement;
  masks: readonly Mask[];
  /** null until the detector has looked. */
  facesFound: number | null;
  detectorFailed: boolean;
  /** The detector at work; its words say how far it is. */
  detection: Work | null;
}

/** How the result is looked at. */
export interface Look {
  visible: Set<number>;
  person: number | null;
  opacity: number;
  /** Share of the picture, from the right, that shows its parts. */
  revealed: number;
}

/** One step of the page. */
export interface View {
  readonly element: HTMLElement;
  /** Called when another view comes. */
  leave?(): void;
}

export interface App {
  readonly policy: Policy;
  readonly model: Model;
  readonly networks: Networks;
  where: Where;
  token: string;
  draft: Draft | null;
  result: Result | null;
  look: Look | null;
  /** Whether the parser is in the worker. */
  parserReady: boolean;
  /** What went wrong last, until something else is tried. */
  trouble: Problem | (() => string) | null;
  /** Parsing or fetching that goes on whatever view is drawn. */
  work: Work | null;
  /** Go to a step. */
  show(step: Step): void;
  /** Say it to who cannot see it. */
  announce(words: string): void;
}

/** Let go of every picture and of the token. */
export function forget(app: App): void {
  app.networks.end();
  app.work?.cancel();
  app.work = null;
  app.parserReady = false;
  app.draft = app.result = app.look = app.trouble = null;
  app.token = "";
  wipeAll();
}
