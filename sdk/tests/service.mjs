// Starts real services, and reads the mails that they send.
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { get } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export const OPERATOR = "an-operator-of-the-tests-0123456789";

/** The stores that a service is tested over: `sqlite`, and the URL of a database in Postgres. */
export const STORES = (process.env.WHENCE_TEST_STORES ?? "sqlite").split(" ");
export const nameOf = (store) => store.split(":")[0];

/** Returns a port below those that the kernel gives to outgoing connections, and above those that browsers refuse. */
export async function freePort() {
  for (;;) {
    const port = randomInt(11_000, 32_000);
    const server = createServer();
    const free = await new Promise((done) => {
      server.once("error", () => done(false)).listen(port, "127.0.0.1", () => done(true));
    });
    if (!free) continue;
    await new Promise((closed) => server.close(closed));
    return port;
  }
}

/** Starts a program and waits until `url` answers. Returns a function that ends it. */
export async function startProgram(command, args, url, options = {}) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (said += text));
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const stop = async () => {
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
    await ended;
    clearTimeout(timer);
  };
  for (let tries = 0; ; tries++) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer && answer.status < 500) break;
    if (child.exitCode !== null || tries === 400) {
      await stop();
      throw new Error(`${command} ${args.join(" ")} does not answer:\n${said}`);
    }
    await sleep(100);
  }
  return stop;
}

/** Starts a service over a store, with more flags. */
export async function startService(store = "sqlite", flags = (url) => []) {
  const home = mkdtempSync(join(tmpdir(), "whence-sdk-"));
  const port = await freePort();
  // localhost, because browsers take 127.0.0.1 for another site.
  const url = `http://localhost:${port}`;
  const own = flags(url);
  const args = ["serve", "--listen", `127.0.0.1:${port}`, "--store", store.includes("://") ? store : `sqlite:${home}/data`];
  args.push("--mail", `directory:${home}/mail`, "--admin-token", OPERATOR, "--starts-per-client", "0", ...own);
  if (!own.includes("--public-url")) args.push("--public-url", url);
  // The master key of a log in Postgres comes from the environment; it is nobody's.
  const env = { ...process.env, WHENCE_MASTER_KEY: "0123456789abcdef".repeat(4) };
  const stop = await startProgram(process.env.WHENCE_PROGRAM, args, `${url}/readyz`, { env });
  return {
    url,
    port,
    /** Returns the newest code that was mailed to an address. */
    async code(email) {
      for (let tries = 0; tries < 50; tries++) {
        const mails = readdirSync(join(home, "mail")).filter((name) => name.endsWith(".eml")).sort().reverse();
        for (const name of mails) {
          const text = readFileSync(join(home, "mail", name), "utf8");
          const code = /^ {4}(\d{6})\s*$/m.exec(text);
          if (code && new RegExp(`^To: .*${email.replace(/[.+]/g, "\\$&")}`, "mi").test(text)) return code[1];
        }
        await sleep(50);
      }
      throw new Error(`no code was mailed to ${email}`);
    },
    async operator(method, path, body) {
      const headers = { "x-admin-token": OPERATOR };
      const answer = await fetch(`${url}/v1/admin${path}`, { method, headers, body: body && JSON.stringify(body) });
      return answer.json();
    },
    async stop() {
      await stop();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** Logs a client in. */
export async function logIn(service, client, email) {
  const { requestId } = await client.auth.email.start({ email });
  return client.auth.email.verify({ requestId, code: await service.code(email) });
}

let people = 0;
/** Returns an address that nobody has. */
export const newAddress = () => `person${++people}.${process.pid}@example.com`;

/** Repeats a question until its answer is right, for what follows a call soon after. */
export async function until(what, ask) {
  for (let tries = 0; tries < 100; tries++) {
    const answer = await ask();
    if (answer) return answer;
    await sleep(50);
  }
  throw new Error(`never: ${what}`);
}

/** Opens a page as a browser does; `fetch` would say of itself that it is no navigation. */
export function openPage(url, headers = {}) {
  const browser = {
    accept: "text/html",
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
    "sec-fetch-site": "cross-site",
    ...headers,
  };
  return new Promise((resolve, reject) => {
    const request = get(url, { headers: browser, agent: false }, async (answer) => {
      let body = "";
      for await (const chunk of answer) body += chunk;
      resolve({ status: answer.statusCode, headers: answer.headers, cookies: answer.headers["set-cookie"] ?? [], body });
    });
    request.on("error", reject);
  });
}
