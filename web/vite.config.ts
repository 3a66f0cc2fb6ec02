/// <reference types="vitest/config" />
import { gzipSync } from "node:zlib";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
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

/** Says from which sources the page was built; tests/unit/service/test_page_is_built.py compares. */
function builtFrom(): Plugin {
  const root = here(".");
  return {
    name: "built-from",
    generateBundle() {
      const sources = ["index.html", "package-lock.json", "vite.config.ts"];
      for (const entry of readdirSync(`${root}src`, { recursive: true, withFileTypes: true })) {
        if (entry.isFile()) sources.push(relative(root, join(entry.parentPath, entry.name)));
      }
      const hash = createHash("sha256");
      for (const name of sources.sort()) hash.update(`${name}\0`).update(readFileSync(join(root, name)));
      this.emitFile({ type: "asset", fileName: "built-from.txt", source: `${hash.digest("hex")}\n` });
    },
  };
}

export default defineConfig({
  base: "/static/",
  plugins: [runtimeFiles(), builtFrom()],
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
