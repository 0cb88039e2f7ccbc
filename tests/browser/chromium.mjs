// Opens Chromium without its calls to other hosts.
import { chromium } from "playwright-core";

const options = {
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"],
};

export function open() {
  return chromium.launch(options);
}

// Opens the browser of this profile, with what it has kept.
export function reopen(profile) {
  return chromium.launchPersistentContext(profile, options);
}
