/** Runs both networks beside the page, so that it stays responsive. */

import { type Detector, openDetector } from "./detector.ts";
import type { Calls, Name, Question, Reply } from "./messages.ts";
import { openParser, type Parser } from "./parser.ts";
import type { Progress } from "./runtime.ts";

let detector: Promise<Detector> | null = null;
let parser: Promise<Parser> | null = null;

const send = (reply: Reply) => self.postMessage(reply);

async function answer(question: Question, progress: Progress): Promise<Calls[Name]["answer"]> {
  switch (question.name) {
    case "openDetector":
      await (detector ??= openDetector(progress));
      return null;
    case "findFaces":
      return (await (detector ??= openDetector(progress))).find(question.content);
    case "openParser":
      return (await (parser ??= openParser(progress))).labels;
    case "parse":
      return (await (parser ??= openParser(progress))).parse(question.content);
  }
}

self.addEventListener("message", async ({ data }: MessageEvent<Question>) => {
  const { id } = data;
  try {
    const content = await answer(data, (share) => send({ id, kind: "progress", share }));
    send({ id, kind: "answer", content });
  } catch (error) {
    // What failed to open may be there at the next attempt.
    if (data.name === "openDetector" || data.name === "findFaces") detector = null;
    else parser = null;
    send({ id, kind: "failure", message: error instanceof Error ? error.message : "failed" });
  }
});
