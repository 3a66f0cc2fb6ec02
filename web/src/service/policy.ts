/** What the service says of itself. */

import type { Label } from "../results/parsed_picture.ts";

export interface Policy {
  readonly open: boolean;
  readonly faces: "mask" | "mask-output" | "refuse" | "off";
  readonly face_scale: number;
  readonly answer_side_px: number;
  readonly smooth_px: number;
  readonly label_only: boolean;
  readonly max_bytes: number;
  readonly max_pixels: number;
  readonly journal_days: number;
}

export interface Model {
  readonly name: string;
  readonly digest: string;
  readonly labels: readonly Label[];
  /** What is known of its training. */
  readonly about: { readonly data?: string };
}

/** Both, asked at once. */
export async function ask(): Promise<[Policy, Model]> {
  return Promise.all([json<Policy>("/policy"), json<Model>("/model")]);
}

async function json<T>(path: string): Promise<T> {
  const response = await fetch(path, { headers: { Accept: "application/json" }, cache: "no-store" });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return (await response.json()) as T;
}
