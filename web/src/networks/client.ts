/** The page's end of the worker: one question at a time or several, each with its answer. Ending it cancels all. */

import type { Calls, Name, Question, Reply } from "./messages.ts";

type Progress = (share: number) => void;

interface Waiting {
  readonly resolve: (answer: Calls[Name]["answer"]) => void;
  readonly reject: (reason: Error) => void;
  readonly progress: Progress | undefined;
}

export class Networks {
  #worker: Worker | null = null;
  #waiting = new Map<number, Waiting>();
  #next = 1;

  /** Ask the worker, which starts with the first question. */
  ask<N extends Name>(name: N, content: Calls[N]["question"], progress?: Progress): Promise<Calls[N]["answer"]> {
    const worker = (this.#worker ??= this.#start());
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as Waiting["resolve"], reject, progress });
      worker.postMessage({ id, name, content } as Question);
    });
  }

  /** End the worker and with it all that it holds in memory. */
  end(): void {
    this.#worker?.terminate();
    this.#worker = null;
    const ended = new DOMException("the worker was ended", "AbortError");
    for (const { reject } of this.#waiting.values()) reject(ended);
    this.#waiting.clear();
  }

  #start(): Worker {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    worker.addEventListener("message", ({ data }: MessageEvent<Reply>) => this.#take(data));
    worker.addEventListener("error", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("the worker failed"));
      this.#waiting.clear();
      this.#worker = null;
    });
    return worker;
  }

  #take(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id);
    if (!waiting) return;
    if (reply.kind === "progress") {
      waiting.progress?.(reply.share);
      return;
    }
    this.#waiting.delete(reply.id);
    if (reply.kind === "answer") waiting.resolve(reply.content);
    else waiting.reject(new Error(reply.message));
  }
}
