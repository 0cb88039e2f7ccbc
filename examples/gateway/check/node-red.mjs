// Signs in to Node-RED through the gateway, deploys a flow, hears of it over the web socket, and is
// cut off when it signs out.
import assert from "node:assert/strict";
import { WebSocket } from "ws";

const gateway = process.argv[2];
const cookies = new Map();

// Fetches as a browser does: it keeps cookies, and follows redirects.
async function open(address, options = {}) {
  let url = new URL(address, gateway);
  for (let hop = 0; hop < 10; hop += 1) {
    const headers = { ...options.headers };
    if (url.origin === gateway) headers.cookie = header();
    const answer = await fetch(url, { ...options, headers, redirect: "manual" });
    if (url.origin === gateway) answer.headers.getSetCookie().forEach(keep);
    const location = answer.headers.get("location");
    if (!location) return answer;
    url = new URL(location, url);
    options = { headers: options.headers };
  }
  throw new Error(`too many redirects: ${address}`);
}

function header() {
  return [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
}

function keep(line) {
  const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
  if (/max-age=0/i.test(line)) cookies.delete(name);
  else cookies.set(name, value);
}

// Waits for a message of this topic.
function heard(socket, topic) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`nothing of ${topic}`)), 20_000);
    socket.on("message", (data) => {
      const found = [JSON.parse(data)].flat().find((message) => message.topic === topic);
      if (!found) return;
      clearTimeout(timer);
      resolve(found.data);
    });
  });
}

const stranger = await fetch(`${gateway}/settings`, { redirect: "manual" });
assert.equal(stranger.status, 401);
console.log("without a session: 401");

const page = { headers: { accept: "text/html", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" } };
const editor = await open("/_gateway/login?login_hint=ann&return_to=%2F", page);
assert.equal(editor.status, 200);
assert.match(await editor.text(), /red\.min\.js/);
console.log("signed in: the editor's page");

const settings = await (await open("/settings")).json();
console.log(`Node-RED ${settings.version}`);

const socket = new WebSocket(`${gateway.replace("http", "ws")}/comms`, {
  headers: { cookie: header(), origin: gateway },
});
await new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject));
socket.send(JSON.stringify({ subscribe: "debug" }));
const said = heard(socket, "debug");

const flow = [
  { id: "tab", type: "tab", label: "check" },
  { id: "in", type: "http in", z: "tab", url: "/hello", method: "get", wires: [["out", "say"]] },
  { id: "out", type: "http response", z: "tab", wires: [] },
  { id: "say", type: "debug", z: "tab", active: true, tosidebar: true, complete: "req.headers", targetType: "msg" },
];
const deployed = await open("/flows", {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(flow),
});
assert.ok(deployed.ok, `deployed: ${deployed.status}`);
// The flow starts a moment after it was deployed.
let hello = await open("/hello");
for (let tries = 0; hello.status === 404 && tries < 100; tries += 1) {
  await new Promise((resolve) => setTimeout(resolve, 100));
  hello = await open("/hello");
}
assert.equal(hello.status, 200);
const headers = JSON.parse((await said).msg);
assert.match(headers.authorization, /^Bearer ./);
assert.equal(headers["x-forwarded-user"], "ann");
assert.doesNotMatch(headers.cookie ?? "", /(^|; )session=/);
console.log("a flow was deployed, and the web socket told what it got: a token and the user, no session cookie");

const foreign = new WebSocket(`${gateway.replace("http", "ws")}/comms`, {
  headers: { cookie: header(), origin: "https://evil.example" },
});
const refused = await new Promise((resolve) => foreign.on("unexpected-response", (_, answer) => resolve(answer.statusCode)));
assert.equal(refused, 403);
foreign.on("error", () => {});
console.log("a web socket of another site: 403");

const closed = new Promise((resolve) => socket.on("close", resolve));
assert.ok((await open("/_gateway/logout", { method: "POST" })).ok);
await closed;
console.log("signed out: the web socket is closed");
assert.equal((await open("/settings")).status, 401);
// The refused socket's connection stays open.
foreign.terminate();
process.exit(0);
