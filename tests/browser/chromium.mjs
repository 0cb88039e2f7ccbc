// Opens Chromium without its calls to other hosts.
import { chromium } from "playwright-core";

export function open() {
  return chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"],
  });
}
