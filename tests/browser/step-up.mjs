// Signs in, waits for a line while time passes, and opens a page that needs a recent sign-in.
//
//     node step-up.mjs APPLICATION
import assert from "node:assert/strict";
import { createInterface } from "node:readline/promises";
import { open } from "./chromium.mjs";

const [application] = process.argv.slice(2);
const browser = await open();
const context = await browser.newContext();
const page = await context.newPage();
const cookie = async () =>
  (await context.cookies(application)).find((found) => found.name === "session").value;

await page.goto(`${application}/login?login_hint=ann&return_to=/me`);
assert.equal(await page.textContent("body"), "ann");
const before = await cookie();
console.log("signed in");
const input = createInterface({ input: process.stdin });
await input[Symbol.asyncIterator]().next();

await page.goto(`${application}/password?step=2`);
assert.notEqual(new URL(page.url()).origin, application, "the provider asks again");
assert.equal(new URL(page.url()).searchParams.get("max_age"), "300");
await page.locator("input:not([type=hidden])").first().fill("ann");
await page.locator("button").first().click();
await page.waitForURL(`${application}/password?step=2`);
assert.equal(await page.textContent("body"), "the form");
assert.notEqual(await cookie(), before, "the secret is a new one");
await page.goto(`${application}/account`);
assert.equal(await page.textContent("body"), "deleted");
console.log("stepped up");
input.close();
await browser.close();
