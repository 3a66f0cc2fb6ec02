/// <reference types="vitest/config" />
import { gzipSync } from "node:zlib";
import { readFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const ort = here("node_modules/onnxruntime-web/dist/");

/**
 * onnxruntime's WASM, compressed: 14 MB become 4 in the package and on the way. The page unpacks it itself, so no
 * server has to know of it. Its glue stays a file of its own, because its threads start from that file's address.
 */
function runtimeFiles(): Plugin {
  const id = "virtual:runtime-files";
  const emit = (source: Buffer, stem: string, ending: string) => {
    const hash = createHash("sha256").update(source).digest("hex").slice(0, 10);
    return { fileName: `assets/${stem}-${hash}${ending}`, source };
  };
  const glue = emit(readFileSync(`${ort}ort-wasm-simd-threaded.mjs`), "ort", ".mjs");
  const wasm = emit(gzipSync(readFileSync(`${ort}ort-wasm-simd-threaded.wasm`), { level: 9 }), "ort", ".wasm.gz");
  return {
    name: "runtime-files",
    resolveId: (source) => (source === id ? id : null),
    load: (source) =>
      source === id
        ? `export const glueUrl = ${JSON.stringify(`/static/${glue.fileName}`)};
           export const wasmUrl = ${JSON.stringify(`/static/${wasm.fileName}`)};`
        : null,
    generateBundle() {
      this.emitFile({ type: "asset", ...glue });
      this.emitFile({ type: "asset", ...wasm });
    },
  };
}

export default defineConfig({
  base: "/static/",
  plugins: [runtimeFiles()],
  worker: { format: "es", plugins: () => [runtimeFiles()] },
  // The build of onnxruntime-web that knows WebAssembly alone and takes its files from where we say.
  resolve: { alias: { "onnxruntime-web": `${ort}ort.wasm.min.mjs` } },
  build: {
    outDir: here("../src/discreet/service/static"),
    emptyOutDir: true,
    target: "es2023",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: false,
  },
  test: { include: ["tests/**/*.test.ts"] },
});
