/** One picture from the camera, which runs from a click until the picture is taken, and no longer. */

import { h } from "../dom.ts";
import { t } from "../i18n/language.ts";
import { openDialog } from "../views/dialog.ts";
import { newCanvas } from "./canvas.ts";
import { Refused } from "./intake.ts";

/** The picture; null when the dialog was closed instead. */
export async function shoot(): Promise<HTMLCanvasElement | null> {
  let stream: MediaStream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1920 } }, audio: false });
  } catch {
    throw new Refused("camera.refused");
  }
  const video = h("video", { "aria-label": t("camera.video"), autoplay: true, playsinline: true, muted: true });
  video.muted = true;
  video.srcObject = stream;
  let picture: HTMLCanvasElement | null = null;
  const take = () => {
    if (!video.videoWidth) return false;
    picture = newCanvas(video.videoWidth, video.videoHeight);
    picture.getContext("2d")!.drawImage(video, 0, 0);
    return true;
  };
  try {
    await openDialog({
      title: t("camera.title"), body: [h("div", { class: "viewfinder" }, video), h("p", { class: "quiet" }, t("camera.note"))],
      cancel: t("app.cancel"), confirm: t("camera.shoot"), onConfirm: take,
    });
  } finally {
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  }
  return picture;
}
