// Two devices of one user in Chromium, a desktop and a phone: each signs in, the page lists both, and
// the desktop ends the phone's session.
//
//     node devices.mjs APPLICATION [FOLDER]    writes screenshots to the folder
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { open } from "./chromium.mjs";

const [application, folder] = process.argv.slice(2);
const axe = readFileSync(new URL("./node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const agent =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 " +
  "(KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1";
const browser = await open();

// Opens a page that needs a session, and signs in where the provider asks for a name.
async function signIn(options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  await page.goto(`${application}/devices`);
  assert.notEqual(new URL(page.url()).origin, application, "the provider asks who it is");
  await page.locator("input:not([type=hidden])").first().fill("ann");
  await page.locator("button").first().click();
  await page.waitForURL(`${application}/devices`);
  return page;
}

// Nothing that axe-core knows of keeps anybody from using the page.
async function accessible(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate("axe.run()");
  assert.deepEqual(violations.map((found) => `${found.id}: ${found.help}`), []);
}

async function shot(page, name) {
  if (folder) await page.screenshot({ path: join(folder, `${name}.png`) });
}

const desktop = await signIn({ viewport: { width: 800, height: 400 } });
const phone = await signIn({
  viewport: { width: 390, height: 480 },
  userAgent: agent,
  colorScheme: "dark",
});
await desktop.reload();
for (const [name, page] of Object.entries({ desktop, phone })) {
  assert.equal(await page.title(), "Your devices");
  const devices = await page.locator("li").allInnerTexts();
  assert.equal(devices.length, 2, devices.join());
  const own = devices.filter((text) => text.includes("this device"));
  assert.equal(own.length, 1);
  assert.match(own[0], name === "phone" ? /Safari on iPhone/ : /Chrome on Linux/);
  await accessible(page);
  await shot(page, `devices-${name}`);
}
console.log("two devices, each knows itself; axe-core finds nothing, light and dark");

// The list stays current by itself while someone looks at it, and keeps the focus.
await desktop.clock.install();
await desktop.reload();
await desktop.locator("li", { hasText: "iPhone" }).locator("button").focus();
const tablet = await signIn({ viewport: { width: 800, height: 400 } });
assert.equal(await desktop.locator("li").count(), 2);
await desktop.clock.runFor("00:11");
await desktop.locator("li").nth(2).waitFor();
assert.match(await desktop.evaluate("document.activeElement.ariaLabel"), /iPhone/);
await tablet.request.post(`${application}/logout`, { headers: { origin: application }, maxRedirects: 0 });
await desktop.clock.runFor("00:11");
await desktop.locator("li").nth(2).waitFor({ state: "detached" });
// While no one looks, the page rests after a minute.
await desktop.clock.fastForward("02:00");
let asked = 0;
desktop.on("request", () => asked++);
await desktop.clock.runFor("01:00");
assert.equal(asked, 0);
const question = desktop.waitForRequest(`${application}/devices`);
await desktop.mouse.move(10, 10);
await desktop.clock.runFor("00:11");
await question;
console.log("the list follows the other devices, and rests while no one looks");

// By keyboard alone.
const end = desktop.locator("li", { hasText: "iPhone" }).locator("button");
await end.focus();
await desktop.keyboard.press("Enter");
await desktop.locator("li", { hasText: "iPhone" }).waitFor({ state: "detached" });
assert.equal(await desktop.locator("li").count(), 1);
console.log("the desktop ends the phone's session");

// A page that is open says that its session is over, and signs no one in again.
const idle = await signIn({ viewport: { width: 800, height: 400 } });
await idle.clock.install();
await idle.reload();
await desktop.clock.runFor("00:11");
const other = desktop.locator("li:not([aria-current])");
await other.locator("button").click();
await other.waitFor({ state: "detached" });
await idle.mouse.move(10, 10);
await idle.clock.runFor("00:11");
await idle.getByRole("alert").waitFor();
await idle.clock.runFor("01:00");
assert.equal(new URL(idle.url()).pathname, "/devices");
assert.equal((await idle.request.get(`${application}/me`, { maxRedirects: 0 })).status(), 401);
console.log("an open page says that it was signed out, and stays so");

const answer = await phone.request.get(`${application}/me`, { maxRedirects: 0 });
assert.equal(answer.status(), 401);
assert.equal((await answer.json()).reason, "revoked_by_user");
assert.equal((await desktop.goto(`${application}/`)).status(), 200);
console.log("the phone is told why, and the desktop stays signed in");

// A browser that runs no scripts.
const plain = await signIn({ viewport: { width: 800, height: 400 }, javaScriptEnabled: false });
await plain.getByRole("button", { name: "Sign out all other devices" }).click();
await plain.locator("li").nth(1).waitFor({ state: "detached" });
assert.equal(await plain.locator("li").count(), 1);
const ended = await desktop.request.get(`${application}/me`, { maxRedirects: 0 });
assert.equal(ended.status(), 401);
console.log("without JavaScript: all other devices are signed out");
await browser.close();
