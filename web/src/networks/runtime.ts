/** Networks on WebAssembly, fetched once and kept in memory. Runs inside a worker. */

import * as ort from "onnxruntime-web";
import { glueUrl, wasmUrl } from "virtual:runtime-files";

export type Progress = (share: number) => void;

let prepared: Promise<void> | null = null;

/** Weights that lie in a file of their own. */
export type Weights = readonly { readonly path: string; readonly data: Uint8Array }[];

/** A network from its file's bytes. */
export async function openNetwork(graph: Uint8Array, weights: Weights = []): Promise<ort.InferenceSession> {
  await prepare();
  // Of what onnxruntime says only errors concern anybody.
  return ort.InferenceSession.create(graph, { executionProviders: ["wasm"], logSeverityLevel: 3, externalData: weights });
}

/** A file's bytes, with progress. */
export async function fetchBytes(url: string, progress: Progress = () => {}): Promise<Uint8Array> {
  const response = await fetch(url);
  if (!response.ok || !response.body) throw new Error(`${url}: ${response.status}`);
  const expected = Number(response.headers.get("content-length")) || 0;
  const pieces: Uint8Array[] = [];
  let received = 0;
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    pieces.push(value);
    received += value.length;
    if (expected) progress(Math.min(received / expected, 1));
  }
  const bytes = new Uint8Array(received);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** The runtime itself: unpacked here, several threads where the page is isolated from other sites. */
function prepare(): Promise<void> {
  prepared ??= (async () => {
    const response = await fetch(wasmUrl);
    if (!response.ok || !response.body) throw new Error(`${wasmUrl}: ${response.status}`);
    const unpacked = response.body.pipeThrough(new DecompressionStream("gzip"));
    ort.env.wasm.wasmBinary = await new Response(unpacked).arrayBuffer();
    ort.env.wasm.wasmPaths = { mjs: new URL(glueUrl, self.location.href).href };
    ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, 4) : 1;
    ort.env.logLevel = "error";
  })();
  return prepared;
}
