// In a real Chromium: the example app, pages on a sibling domain over https, and pages beside whence on one host.
import assert from "node:assert/strict";
import { createReadStream, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request as forward } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { build as bundle } from "esbuild";
import { build as buildApp } from "vite";
import { startBrowser } from "./chromium.mjs";
import { freePort, nameOf, newAddress, startProgram, startService, STORES, until } from "./service.mjs";

const TYPES = { html: "text/html", js: "text/javascript", css: "text/css" };

/** Serves the files of a directory, and passes what `isPassedOn` to a service. */
async function startSite(directory, port, isPassedOn = () => false, service = undefined) {
  const server = createServer((request, response) => {
    if (isPassedOn(request.url)) {
      const { method, url: path, headers } = request;
      const passed = forward({ host: "127.0.0.1", port: service().port, method, path, headers }, (answer) => {
        response.writeHead(answer.statusCode, answer.rawHeaders);
        answer.pipe(response);
      });
      return request.pipe(passed);
    }
    const path = join(directory, new URL(request.url, "http://x").pathname.replace(/\/$/, "/index.html"));
    if (!existsSync(path)) return response.writeHead(404).end();
    response.writeHead(200, { "content-type": TYPES[path.split(".").pop()] ?? "text/plain" });
    createReadStream(path).pipe(response);
  }).listen(port, "127.0.0.1");
  await new Promise((ready) => server.once("listening", ready));
  return () => new Promise((closed) => (server.close(closed), server.closeAllConnections()));
}

/** Writes a page with all of a module as `globalThis.lib`. */
async function writePage(directory, contents) {
  mkdirSync(directory, { recursive: true });
  const outfile = join(directory, "lib.js");
  const stdin = { contents, resolveDir: process.cwd(), loader: "tsx" };
  const define = { "process.env.NODE_ENV": '"production"' };
  await bundle({ stdin, outfile, bundle: true, format: "iife", globalName: "lib", jsx: "automatic", define, logLevel: "error" });
  writeFileSync(join(directory, "index.html"), '<!doctype html><link rel="icon" href="data:,"><div id="root"></div><script src="/lib.js"></script>');
}

/** Writes a page of a module, which may wait at its top level. */
async function writeModule(directory, contents) {
  mkdirSync(directory, { recursive: true });
  const stdin = { contents, resolveDir: process.cwd(), loader: "ts" };
  await bundle({ stdin, outfile: join(directory, "main.js"), bundle: true, format: "esm", target: "es2022", logLevel: "error" });
  writeFileSync(join(directory, "index.html"), '<!doctype html><link rel="icon" href="data:,"><script type="module" src="main.js"></script>');
}

let browser, home;
before(async () => {
  browser = await startBrowser();
  home = mkdtempSync(join(tmpdir(), "whence-browser-"));
});
after(async () => {
  await browser?.close();
  rmSync(home, { recursive: true, force: true });
});

/** Opens a page of its own profile; what it complains of fails the test. */
async function open(url, expected = /status of 401/) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (line) => line.type() === "error" && !expected.test(line.text()) && complaints.push(line.text()));
  await page.goto(url);
  return { page, context, done: () => (assert.deepEqual(complaints, []), context.close()) };
}

describe("the example app", () => {
  let service, app, stop;
  before(async () => {
    const port = await freePort();
    app = `http://localhost:${port}`;
    service = await startService("sqlite", () => ["--allowed-origin", app, "--landing-url", `${app}/`]);
    process.env.VITE_WHENCE_URL = service.url;
    const outDir = join(home, "app");
    await buildApp({ root: "react/example", build: { outDir, emptyOutDir: true }, logLevel: "error" });
    stop = await startSite(outDir, port);
  });
  after(async () => {
    await stop?.();
    await service?.stop();
  });

  test("logs in by a mailed code, knows where its user came from, and logs out", async () => {
    const { page, done } = await open(app, /status of (400|401)/);
    const email = newAddress();
    await page.getByLabel("E-mail address").fill("nobody");
    await page.getByRole("button", { name: "Send me a code" }).click();
    await page.getByRole("alert").filter({ hasText: "That is not an e-mail address." }).waitFor();
    // A link with a campaign brought them.
    await page.goto(`${service.url}/r/?utm_source=newsletter`);
    assert.equal(new URL(page.url()).origin, app);
    await page.getByLabel("E-mail address").fill(email);
    await page.getByRole("button", { name: "Send me a code" }).click();
    const code = await service.code(email);
    await page.getByLabel("Code").fill(code === "000000" ? "000001" : "000000");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("alert").filter({ hasText: "That is not the code." }).waitFor();
    await page.getByLabel("Code").fill(code);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("heading", { name: `Hello, ${email}` }).waitFor();
    await page.getByText("You came by newsletter.").waitFor();
    await page.reload();
    await page.getByRole("heading", { name: `Hello, ${email}` }).waitFor();
    // After a reload no call but the session's own has told the CSRF token.
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByLabel("E-mail address").waitFor();
    await page.reload();
    await page.getByLabel("E-mail address").waitFor();
    await done();
  });

  test("the snapshot is asked for once", async () => {
    const { page, done } = await open(app);
    const email = newAddress();
    const asked = [];
    page.on("request", (request) => request.method() === "GET" && asked.push(new URL(request.url()).pathname));
    await page.getByLabel("E-mail address").fill(email);
    await page.getByRole("button", { name: "Send me a code" }).click();
    await page.getByLabel("Code").fill(await service.code(email));
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByText("You came by").waitFor();
    // The window gets the focus again, upon which other answers are asked for anew.
    await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    await page.evaluate(() => new Promise((later) => setTimeout(later, 100)));
    assert.equal(asked.filter((path) => path === "/api/v1/users/attribution").length, 1);
    await done();
  });
});

test("the instructions log somebody in, and know them on the next page", async () => {
  const service = await startService("sqlite", () => ["--development"]);
  const port = await freePort();
  const stop = await startSite(join(home, "readme"), port);
  try {
    const blocks = readFileSync("typescript/README.md", "utf8").matchAll(/^```ts\n(.*?)^```/gms);
    for (const name of ["first", "next"]) {
      const [, code] = blocks.next().value;
      const directory = join(home, "readme", name);
      await writeModule(directory, code.replaceAll("http://localhost:8080", service.url));
    }
    const context = await browser.newContext();
    const page = await context.newPage();
    const said = [];
    page.on("console", (line) => said.push(line.text()));
    page.on("dialog", async (dialog) => dialog.accept(await service.code("ada@example.com")));
    const says = async (name, line) => {
      await page.goto(`http://localhost:${port}/${name}/`);
      await until(`${line} of ${said.join("; ")}`, () => said.includes(line));
    };
    await says("next", "Nobody is logged in.");
    await says("first", "signed in as ada@example.com");
    await until("the reason", () => said.includes("nobody referred them: no_cookie"));
    await says("next", "ada@example.com came by null and null");
    await context.close();
  } finally {
    await stop();
    await service.stop();
  }
});

describe("pages on a sibling domain, over https", () => {
  let service, stop, app, login;
  before(async () => {
    const port = await freePort();
    app = `https://app.example.test:${port}`;
    login = `https://login.example.test:${port}`;
    // The proxy that speaks TLS; --development lets mails of a public host stay in a directory.
    service = await startService("sqlite", () => ["--public-url", login, "--allowed-origin", app, "--development"]);
    await writePage(join(home, "sibling"), 'export * from "@whence/sdk";');
    const caddyfile = join(home, "Caddyfile");
    writeFileSync(
      caddyfile,
      `{
  admin off
  auto_https disable_redirects
  skip_install_trust
}
${login} {
  bind 127.0.0.1
  tls internal
  reverse_proxy 127.0.0.1:${service.port}
}
${app}, https://evil.example.test:${port} {
  bind 127.0.0.1
  tls internal
  root * ${join(home, "sibling")}
  file_server
}
http://127.0.0.1:${port + 1} {
  respond ok
}
`,
    );
    const env = { ...process.env, HOME: home, XDG_DATA_HOME: join(home, "data"), XDG_CONFIG_HOME: join(home, "config") };
    stop = await startProgram("caddy", ["run", "--config", caddyfile, "--adapter", "caddyfile"], `http://127.0.0.1:${port + 1}`, {
      env: { ...env, PATH: `${process.env.PATH}:/usr/sbin` },
    });
  });
  after(async () => {
    await stop?.();
    await service?.stop();
  });

  /** Logs in within a page, and leaves `client` there. */
  async function logInWithin(page, baseUrl, email) {
    const requestId = await page.evaluate(async ([url, address]) => {
      globalThis.client = new lib.WhenceClient({ baseUrl: url });
      return (await client.auth.email.start({ email: address })).requestId;
    }, [baseUrl, email]);
    const answer = { requestId, code: await service.code(email) };
    return page.evaluate(async (verify) => (await client.auth.email.verify(verify)).user.email, answer);
  }

  test("a page that cannot read the CSRF cookie is told the token", async () => {
    const { page, context, done } = await open(app);
    const email = newAddress();
    assert.equal(await logInWithin(page, login, email), email);
    assert.equal(await page.evaluate(() => document.cookie), "");
    const names = (await context.cookies(login)).map(({ name }) => name);
    assert.ok(names.includes("__Host-nl_session") && names.includes("__Host-nl_csrf"), names.join());
    await page.evaluate(() => client.auth.sessions.revokeOthers());
    // A page that was opened just now has heard of no token yet.
    await page.reload();
    const left = await page.evaluate(async (baseUrl) => {
      const one = new lib.WhenceClient({ baseUrl });
      await one.auth.logout();
      return one.auth.me().catch((error) => error.code);
    }, login);
    assert.equal(left, "unauthenticated");
    await done();
  });

  test("a page goes on after another tab has logged in anew", async () => {
    const { page, context, done } = await open(app, /status of 40[13]/);
    const email = newAddress();
    await logInWithin(page, login, email);
    const tab = await context.newPage();
    await tab.goto(app);
    await logInWithin(tab, login, email);
    await page.evaluate(() => client.auth.sessions.revokeOthers());
    await done();
  });

  test("a page of another origin of the site hears nothing", async () => {
    const { page, done } = await open(app.replace("app", "evil"), /./);
    const said = await page.evaluate(async (baseUrl) => {
      const answer = await new lib.WhenceClient({ baseUrl, timeout: 5000 }).auth.me().catch((error) => error);
      return [answer.code, answer.status];
    }, login);
    assert.deepEqual(said, ["network_error", 0]);
    await done();
  });

  test("a page on whence's own host reads the cookie under its prefix", async () => {
    const { page, context, done } = await open(app);
    const email = newAddress();
    await logInWithin(page, login, email);
    // Any page of the host will do, without the policy that whence's pages have.
    await context.route(`${login}/page`, (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html>" }));
    await page.goto(`${login}/page`);
    await page.addScriptTag({ path: join(home, "sibling", "lib.js") });
    const asked = [];
    page.on("request", (request) => asked.push(new URL(request.url()).pathname));
    await page.evaluate((baseUrl) => new lib.WhenceClient({ baseUrl }).auth.sessions.revokeOthers(), login);
    assert.deepEqual(asked, ["/v1/auth/sessions/revoke-all"]);
    await done();
  });
});

for (const store of STORES) {
  describe(`a site with whence beside it, over ${nameOf(store)}`, () => {
    let service, stop, url;
    before(async () => {
      const port = await freePort();
      url = `http://localhost:${port}`;
      service = await startService(store, () => ["--public-url", url]);
      await writePage(
        join(home, "site"),
        `import { QueryClient, QueryClientProvider, useQuery } from "@tanstack/react-query";
         import { createRoot } from "react-dom/client";
         // A hook that knows of nothing but the address, and sends no token.
         function useSource() {
           return useQuery({
             queryKey: ["source"],
             queryFn: async () => {
               const answer = await fetch("/api/v1/users/attribution");
               const { success, data, error } = await answer.json();
               if (!success) throw Object.assign(new Error(error.message), error);
               return data;
             },
             staleTime: Infinity,
             retry: false,
           });
         }
         function Source() {
           const { data, error } = useSource();
           return <p>{error ? error.code + " " + error.i18nKey : data ? "by " + data.utmSource + " since " + data.createdAt : "..."}</p>;
         }
         export const show = () => createRoot(document.getElementById("root")).render(
           <QueryClientProvider client={new QueryClient()}><Source /></QueryClientProvider>);`,
      );
      const isPassedOn = (path) => /^\/(v1|api|r)\//.test(path);
      stop = await startSite(join(home, "site"), port, isPassedOn, () => service);
    });
    after(async () => {
      await stop?.();
      await service?.stop();
    });

    test("fetch logs in, attributes and reads with the cookies that the browser keeps", async () => {
      const { page, done } = await open(`${url}/`, /status of 40[01]/);
      const email = newAddress();
      const post = (path, body) =>
        page.evaluate(async ([to, text]) => {
          const headers = { "Content-Type": "application/json" };
          const answer = await fetch(to, { method: "POST", credentials: "include", headers, body: text });
          return [answer.status, await answer.json()];
        }, [path, JSON.stringify(body)]);
      assert.deepEqual((await post("/v1/auth/attribute", {})).map((part) => part.error ?? part), [401, "unauthenticated"]);
      await page.goto(`${url}/r/NOBODY99?utm_source=spring`);
      await page.goto(`${url}/`);
      const [, { request_id }] = await post("/v1/auth/email/start", { email });
      const wrong = (await service.code(email)) === "000000" ? "000001" : "000000";
      assert.deepEqual((await post("/v1/auth/email/verify", { request_id, code: wrong })).map((part) => part.error ?? part), [400, "invalid_code"]);
      const [status, { user }] = await post("/v1/auth/email/verify", { request_id, code: await service.code(email) });
      assert.deepEqual([status, user.email], [200, email]);
      const [, attributed] = await post("/v1/auth/attribute", {});
      assert.deepEqual([attributed.attributed, typeof attributed.reason], [false, "string"]);
      const me = await page.evaluate(async () => (await fetch("/v1/auth/me", { credentials: "include" })).json());
      assert.equal(me.user.id, user.id);
      // Echoed from the cookie, as a page on this host can.
      const logout = await page.evaluate(async () => {
        const token = document.cookie.match(/(?:^|; )nl_csrf=([^;]*)/)[1];
        const bearer = await fetch("/v1/auth/token", { method: "POST", headers: { "X-CSRF-Token": token } });
        const { access_token } = await bearer.json();
        const read = await fetch("/api/v1/users/attribution", { credentials: "omit", headers: { Authorization: "Bearer " + access_token } });
        return [(await read.json()).data.utmSource, (await fetch("/v1/auth/logout", { method: "POST", headers: { "X-CSRF-Token": token } })).status];
      });
      assert.deepEqual(logout, ["spring", 200]);
      await done();
    });

    test("a hook of React reads the snapshot by the cookie alone", async () => {
      const { page, done } = await open(`${url}/`);
      await page.evaluate(() => lib.show());
      await page.getByText("AUTH_UNAUTHORIZED auth.login.invalid_credentials").waitFor();
      await page.goto(`${url}/r/?utm_source=spring`);
      await page.goto(`${url}/`);
      const email = newAddress();
      const start = await page.context().request.post(`${url}/v1/auth/email/start`, { data: { email } });
      const { request_id } = await start.json();
      await page.context().request.post(`${url}/v1/auth/email/verify`, { data: { request_id, code: await service.code(email) } });
      await page.evaluate(() => lib.show());
      await page.getByText(/^by spring since \d{4}-\d\d-\d\dT[0-9:]{8}\.\d{3}Z$/).waitFor();
      await done();
    });
  });
}
