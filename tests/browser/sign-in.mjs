// Signs in at a provider of another site that answers with a form: in ten tabs at once, in a browser that
// is restarted in the middle, and on one device more than a user may have.
//
//     node sign-in.mjs APPLICATION [FOLDER]    writes screenshots to the folder
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open, reopen } from "./chromium.mjs";

const [application, folder] = process.argv.slice(2);
const axe = await readFile(new URL("./node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const browser = await open();
const user = (page) => page.textContent("body");

async function accessible(page, name) {
  // The page allows no scripts but those of this check.
  await page.evaluate(axe);
  const { violations } = await page.evaluate("axe.run()");
  assert.deepEqual(violations.map((found) => `${found.id}: ${found.help}`), []);
  if (folder) await page.screenshot({ path: join(folder, `${name}.png`) });
}

// Tells the provider a name, and lets its form go to the application.
async function identify(page, name) {
  await page.locator("input:not([type=hidden])").first().fill(name);
  await page.locator("button").first().click();
  await page.getByRole("button", { name: "Continue" }).click();
}

async function signIn(context) {
  const page = await context.newPage();
  await page.goto(`${application}/login?return_to=/me`);
  await identify(page, "ann");
  return page;
}

const laptop = await browser.newContext({ viewport: { width: 800, height: 420 } });
const tabs = await Promise.all(Array.from({ length: 10 }, () => laptop.newPage()));
await Promise.all(tabs.map((tab, number) => tab.goto(`${application}/login?return_to=/me?tab=${number}`)));
for (const tab of tabs) await identify(tab, "ann");
for (const [number, tab] of tabs.entries()) {
  await tab.waitForURL(`${application}/me?tab=${number}`);
  assert.equal(await user(tab), "ann");
}
console.log("ten tabs arrive");

const profile = await mkdtemp(join(tmpdir(), "sign-in-"));
let phone = await reopen(profile);
const begun = await phone.newPage();
await begun.goto(`${application}/login?return_to=/me`);
const atProvider = begun.url();
assert.notEqual(new URL(atProvider).hostname, new URL(application).hostname, "another site");
await phone.close();
phone = await reopen(profile);
const restored = await phone.newPage();
await restored.goto(atProvider);
await identify(restored, "ann");
await restored.waitForURL(`${application}/me`);
assert.equal(await user(restored), "ann");
console.log("a browser restarted in the middle arrives");

const tablet = await browser.newContext({
  viewport: { width: 390, height: 560 },
  colorScheme: "dark",
});
const refused = await signIn(tablet);
assert.equal(await refused.title(), "Too many devices");
assert.equal(await refused.locator("li").count(), 2);
await accessible(refused, "sign-in-full");
// By keyboard alone: the second one is the laptop, which signed in first.
await refused.locator("li button").nth(1).focus();
await refused.keyboard.press("Enter");
await identify(refused, "ann");
await refused.waitForURL(`${application}/me`);
assert.equal(await user(refused), "ann");
console.log("a third device chooses the one to sign out");

await tabs[0].goto(`${application}/me`);
assert.match(await user(tabs[0]), /signed out here from another of your devices/);
await accessible(tabs[0], "sign-in-told");
await tabs[0].getByRole("link", { name: "Sign in again" }).click();
assert.notEqual(new URL(tabs[0].url()).hostname, new URL(application).hostname);
console.log("the one that was signed out is told why");

await phone.close();
await browser.close();
await rm(profile, { recursive: true });
