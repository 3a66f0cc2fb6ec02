/** What can go wrong with a request, and what to do then. */

import type { Key } from "../i18n/en.ts";

export interface Problem {
  readonly key: Key;
  /** The service's own sentence, in English. */
  readonly detail: string | null;
  readonly requestId: string | null;
  readonly retryAfterSeconds: number | null;
}

const KEYS: Readonly<Record<string, Key>> = {
  token: "problem.token",
  scope: "problem.scope",
  rate: "problem.rate",
  busy: "problem.busy",
  worker: "problem.busy",
  failed: "problem.busy",
  picture: "problem.picture",
  "too-large": "problem.too-large",
  slow: "problem.slow",
};

/** The problem in an answer that is none. */
export function problemOf(status: number, body: string, retryAfter: string | null): Problem {
  let found: { type?: unknown; detail?: unknown; request_id?: unknown } = {};
  try {
    found = (JSON.parse(body) as typeof found | null) ?? {};
  } catch {
    // A proxy's page, perhaps.
  }
  const kind = typeof found.type === "string" ? found.type.split(":").at(-1)! : "";
  const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : null);
  return {
    key: keyOf(kind, status),
    detail: text(found.detail),
    requestId: text(found.request_id),
    retryAfterSeconds: secondsOf(retryAfter),
  };
}

function keyOf(kind: string, status: number): Key {
  if (kind === "faces") return status === 422 ? "problem.faces" : "problem.facesFailed";
  const known = KEYS[kind];
  if (known) return known;
  if (status === 401) return "problem.token";
  if (status === 403) return "problem.scope";
  if (status === 413) return "problem.too-large";
  if (status === 429) return "problem.rate";
  return status >= 502 && status <= 504 ? "problem.busy" : "problem.other";
}

/** Seconds, or a date. */
function secondsOf(header: string | null): number | null {
  if (header === null) return null;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.min(Math.max(Math.ceil(seconds), 0), 3600) : null;
}

/** Nothing came back at all. */
export const UNREACHABLE: Problem = { key: "problem.network", detail: null, requestId: null, retryAfterSeconds: null };
export const DEVICE_FAILED: Problem = { ...UNREACHABLE, key: "problem.device" };
