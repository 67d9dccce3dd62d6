// What a client does when answers are late, broken or missing; cookies and names.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { describe, test } from "node:test";
import { CookieJar, WhenceClient, WhenceError, WhenceNetworkError, WhenceTimeoutError } from "@whence/sdk";

const failure = (promise) => promise.then(() => assert.fail("this should have failed"), (error) => error);

/** Runs a server that answers the requests one after the other as is said, and a client of it. */
async function with_(answers, use, options = {}) {
  const seen = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    request.on("end", () => {
      seen.push({ method: request.method, url: request.url, headers: request.headers, body });
      const answer = answers[Math.min(seen.length, answers.length) - 1];
      if (answer === "break") return void request.socket.destroy();
      if (answer === "late") return;
      if (answer === "half") return void response.writeHead(200, { "content-length": 100 }).write("{", () => request.socket.destroy());
      const [status, said, headers = {}] = answer;
      response.writeHead(status, { "content-type": "application/json", ...headers });
      response.end(typeof said === "string" ? said : JSON.stringify(said));
    });
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  try {
    const client = new WhenceClient({ baseUrl: `http://127.0.0.1:${server.address().port}`, ...options });
    await use(client, seen);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const USER = { user: { id: "u", email: "e", display_name: "", avatar_url: "" }, provider: "email" };
const BUSY = [503, { error: "unavailable", message: "Not now." }, { "retry-after": "0" }];
const LIMITED = [429, { error: "rate_limited" }, { "retry-after": "0" }];

describe("a second try", () => {
  test("is made once for a call that may be repeated", async () => {
    for (const broken of ["break", BUSY, LIMITED, [502, "<html>"], [500, { error: "logout_failed" }, { "retry-after": "0" }]]) {
      await with_([broken, [200, USER]], async (client, seen) => {
        assert.equal((await client.auth.me()).user.id, "u");
        assert.equal(seen.length, 2);
      });
      await with_([broken], async (client, seen) => {
        assert.ok((await failure(client.auth.me())) instanceof WhenceError);
        assert.equal(seen.length, 2);
      });
    }
  });

  test("is never made for a code, unless the server says that nothing was done", async () => {
    const verify = (client) => client.auth.email.verify({ requestId: "r", code: "1" });
    for (const broken of ["break", BUSY, [502, "<html>"]]) {
      await with_([broken], async (client, seen) => {
        await failure(verify(client));
        assert.equal(seen.length, 1);
      });
    }
    await with_([LIMITED, [200, USER]], async (client, seen) => {
      await verify(client);
      assert.equal(seen.length, 2);
      assert.deepEqual(JSON.parse(seen[1].body), { request_id: "r", code: "1" });
    });
  });

  test("is not waited for longer than is said, and not made after an error for good", async () => {
    for (const answer of [[429, { error: "rate_limited" }, { "retry-after": "4" }], [503, {}, { "retry-after": "4" }], [400, {}], [500, {}]]) {
      await with_([answer], async (client, seen) => {
        await failure(client.auth.me());
        assert.equal(seen.length, 1);
      });
    }
    await with_([[429, {}, { "retry-after": "4" }]], async (client) => {
      assert.equal((await failure(client.auth.me())).retryAfter, 4);
    });
    await with_([LIMITED], async (client, seen) => {
      await failure(client.auth.me());
      assert.equal(seen.length, 1);
    }, { maxRetryAfter: -1 });
  });
});

describe("a call that is not answered", () => {
  test("ends in time", async () => {
    await with_(["late"], async (client, seen) => {
      const error = await failure(client.auth.me());
      assert.ok(error instanceof WhenceTimeoutError);
      assert.deepEqual([error.code, error.status, seen.length], ["timeout", 0, 1]);
    }, { timeout: 30 });
    await with_(["late"], async (client) => {
      assert.equal((await failure(client.auth.email.start({ email: "e" }, { timeout: 30 }))).code, "timeout");
    });
  });

  test("is ended by its caller, who gets back the reason", async () => {
    await with_(["late"], async (client) => {
      const controller = new AbortController();
      const call = failure(client.auth.me({ signal: controller.signal }));
      const reason = new Error("enough");
      controller.abort(reason);
      assert.equal(await call, reason);
      assert.equal((await failure(client.auth.me({ signal: AbortSignal.abort() }))).name, "AbortError");
    });
    // While it waits for its second try, too.
    await with_([[503, {}, { "retry-after": "3" }]], async (client, seen) => {
      const controller = new AbortController();
      const call = failure(client.auth.me({ signal: controller.signal }));
      while (seen.length === 0) await new Promise((later) => setTimeout(later, 5));
      controller.abort();
      assert.equal((await call).name, "AbortError");
      assert.equal(seen.length, 1);
    });
  });

  test("says that there was no connection", async () => {
    await with_(["half"], async (client) => assert.equal((await failure(client.auth.me())).code, "network_error"));
    const client = new WhenceClient({ baseUrl: "http://127.0.0.1:1" });
    const error = await failure(client.auth.email.start({ email: "e" }));
    assert.ok(error instanceof WhenceNetworkError);
    assert.equal(error.code, "network_error");
  });
});

describe("an answer", () => {
  test("comes through with fields that this version does not know", async () => {
    const later = { ...USER, user: { ...USER.user, date_of_birth: "1815-12-10", nested_more: [{ inner_one: 1 }] }, new_field: true };
    await with_([[200, later]], async (client) => {
      const me = await client.auth.me();
      assert.deepEqual([me.newField, me.user.dateOfBirth, me.user.nestedMore], [true, "1815-12-10", [{ innerOne: 1 }]]);
    });
    await with_([[200, { attributed: false, reason: "a_reason_of_tomorrow" }]], async (client) => {
      assert.equal((await client.auth.attribute()).reason, "a_reason_of_tomorrow");
    });
    await with_([[200, '{"__proto__":{"admin":true},"provider":"email"}']], async (client) => {
      const me = await client.auth.me();
      assert.deepEqual([me.provider, me.admin], ["email", undefined]);
    });
  });

  test("that is none of whence is an error, and so is a redirect", async () => {
    for (const [status, said] of [[200, "<html>"], [404, "<html>"], [500, ""], [200, '{"success":false}']]) {
      await with_([[status, said]], async (client) => {
        const error = await failure(status === 200 && said[0] === "{" ? client.users.profile() : client.auth.me());
        assert.deepEqual([error.code, error.status], ["unexpected_answer", status]);
      });
    }
    await with_([[302, "", { location: "/elsewhere" }]], async (client, seen) => {
      assert.equal((await failure(client.auth.email.start({ email: "e" }))).status, 302);
      assert.equal(seen.length, 1);
    });
  });

  test("may be empty", async () => {
    await with_([[204, ""]], async (client) => assert.equal(await client.auth.logout(), undefined));
  });
});

test("paths cannot be left by what is put into them", async () => {
  await with_([[200, { success: true, data: {} }]], async (client, seen) => {
    await client.users.get("../admin?x=#");
    assert.equal(seen[0].url, "/api/v1/users/..%2Fadmin%3Fx%3D%23");
    assert.equal(seen[0].headers.authorization, "Bearer whk_1");
    await client.auth.me();
    assert.equal(seen[1].headers.authorization, undefined, "a key is sent only to the calls that take one");
  }, { apiKey: "whk_1" });
});

test("a client says what is wrong with its address", () => {
  assert.throws(() => new WhenceClient(), /baseUrl/);
  assert.throws(() => new WhenceClient({ baseUrl: "ftp://x" }), /ftp:/);
  assert.throws(() => new WhenceClient({ baseUrl: "no address" }));
  assert.equal(new WhenceClient({ baseUrl: "https://a.test/base/" }).baseUrl, "https://a.test/base");
  process.env.WHENCE_URL = "https://from.env.test";
  assert.equal(new WhenceClient().baseUrl, "https://from.env.test");
  delete process.env.WHENCE_URL;
});

describe("a jar", () => {
  const HOST = "https://login.example.com/v1/auth/me";
  const jar = (...lines) => {
    const made = new CookieJar();
    for (const line of lines) made.set(line, HOST);
    return made;
  };

  test("sends what is for the address", () => {
    const one = jar("a=1; Path=/", "b=2", "c=3; Domain=example.com; Path=/", "d=4; Path=/v1/auth", "e=5; Secure; Path=/");
    assert.equal(one.header(HOST), "b=2; d=4; a=1; c=3; e=5");
    assert.equal(one.header("https://login.example.com/v1/authority"), "a=1; c=3; e=5");
    assert.equal(one.header("https://www.example.com/"), "c=3");
    assert.equal(one.header("http://login.example.com/"), "a=1; c=3");
    assert.equal(one.header("https://example.com.evil.test/"), "");
    assert.equal(one.header("https://notexample.com/"), "");
  });

  test("refuses what browsers refuse", () => {
    const refused = [
      "a=1; Domain=evil.test",
      "a=1; Domain=com",
      "a=1; Domain=other.example.com",
      "__Host-a=1; Path=/",
      "__Host-a=1; Secure; Path=/v1",
      "__Host-a=1; Secure; Path=/; Domain=login.example.com",
      "__Secure-a=1; Path=/",
      "=1",
      "a",
    ];
    for (const line of refused) assert.deepEqual(jar(line).toJSON(), [], line);
    const plain = new CookieJar();
    plain.set("a=1; Secure", "http://login.example.com/");
    assert.equal(plain.toJSON().length, 0);
    plain.set("a=1; Secure", "http://localhost:8080/");
    assert.equal(plain.header("http://localhost:8080/"), "a=1");
  });

  test("lets cookies end", () => {
    assert.equal(jar("a=1; Path=/; Max-Age=100; Expires=Thu, 01 Jan 1970 00:00:00 GMT").header(HOST), "a=1");
    assert.equal(jar("a=1; Path=/", "a=; Path=/; Max-Age=0").header(HOST), "");
    assert.equal(jar("a=1; Path=/", "a=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT").header(HOST), "");
    assert.equal(jar("a=1; Path=/", "a=; Path=/v1; Max-Age=0").header(HOST), "a=1", "one of another path is another one");
    assert.equal(new CookieJar([{ name: "a", value: "1", domain: "login.example.com", hostOnly: true, path: "/", secure: false, expires: 1 }]).header(HOST), "");
  });

  test("takes the cookies of a request", () => {
    assert.equal(CookieJar.ofHeader("a=1; b=x=y; ; junk", HOST).header(HOST), "a=1; b=x=y");
  });
});
