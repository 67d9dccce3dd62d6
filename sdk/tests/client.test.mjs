// The client against real services, over each store.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CookieJar, isWhenceError, WhenceClient, WhenceError, WhencePortalError } from "@whence/sdk";
import { logIn, nameOf, newAddress, openPage, startService, STORES, until } from "./service.mjs";

const failure = async (promise) => {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  assert.fail("this should have failed");
};

for (const store of STORES) {
  describe(`over ${nameOf(store)}`, () => {
    let service;
    before(async () => (service = await startService(store)));
    after(() => service?.stop());
    const client = (options = {}) => new WhenceClient({ baseUrl: service.url, ...options });

    test("a code logs in, and the session is kept until it is ended", async () => {
      const one = client();
      const email = newAddress();
      const { user } = await logIn(service, one, email);
      assert.equal(user.email, email);
      assert.match(user.createdAt, /^\d{4}-.*Z$/);
      const me = await one.auth.me();
      assert.deepEqual([me.user.id, me.provider], [user.id, "email"]);
      await one.auth.logout();
      assert.equal((await failure(one.auth.me())).code, "unauthenticated");
      // There is nothing to end any more, and that is as good.
      await one.auth.logout();
    });

    test("an error says its code, its status and the id of its request", async () => {
      const email = newAddress();
      const { requestId } = await client().auth.email.start({ email });
      const wrong = (await service.code(email)) === "000000" ? "000001" : "000000";
      const error = await failure(client().auth.email.verify({ requestId, code: wrong }));
      assert.ok(error instanceof WhenceError && isWhenceError(error));
      assert.deepEqual([error.code, error.status], ["invalid_code", 400]);
      assert.match(error.requestId, /^[0-9a-f-]{36}$/);
      assert.equal((await failure(client().auth.email.start({ email: "nobody" }))).code, "invalid_email");
    });

    test("too many codes are an error that says when there is another one", async () => {
      const email = newAddress();
      for (let n = 0; n < 5; n++) await client().auth.email.start({ email });
      const error = await failure(client().auth.email.start({ email }));
      assert.deepEqual([error.code, error.status], ["rate_limited", 429]);
      assert.ok(error.retryAfter > 3);
    });

    test("a code is good for one log-in", async () => {
      const email = newAddress();
      const { requestId } = await client().auth.email.start({ email });
      const code = await service.code(email);
      await client().auth.email.verify({ requestId, code });
      assert.equal((await failure(client().auth.email.verify({ requestId, code }))).code, "invalid_request");
    });

    test("what was not attributed is an answer; that nobody is logged in is an error", async () => {
      const one = client();
      assert.equal((await failure(one.auth.attribute())).code, "unauthenticated");
      await logIn(service, one, newAddress());
      assert.deepEqual(await one.auth.attribute(), { attributed: false, reason: "no_cookie" });
    });

    test("a referral is attributed, and both sides see it", async () => {
      const [owner, invited] = [client(), client()];
      const { user } = await logIn(service, owner, newAddress());
      const { primaryCode } = await until("there is a code", async () => {
        const mine = await owner.referrals.me();
        return mine.primaryCode && mine;
      });
      const landing = `${service.url}/r/${primaryCode}?utm_source=newsletter`;
      const { cookies } = await openPage(landing);
      assert.equal(cookies.length, 2);
      for (const line of cookies) invited.cookies.set(line, landing);
      const { user: guest } = await logIn(service, invited, newAddress());
      // The log-in has consumed the cookie.
      assert.equal((await invited.auth.attribute()).attributed, false);
      const attribution = await invited.users.attribution();
      assert.deepEqual(
        [attribution.referredBy, attribution.referralCode, attribution.utmSource],
        [user.id, primaryCode, "newsletter"],
      );
      const profile = await invited.users.profile();
      assert.deepEqual([profile.id, profile.utmSource], [guest.id, "newsletter"]);
      const invitees = await until("there is an invitee", async () => {
        const page = await owner.referrals.invitees({ limit: 10 });
        return page.length > 0 && page;
      });
      assert.deepEqual(invitees.map(({ userId }) => userId), [guest.id]);
      assert.deepEqual(await owner.referrals.invitees({ offset: 1 }), []);
    });

    test("calls that change something prove that they are the client's", async () => {
      const one = client();
      await logIn(service, one, newAddress());
      const slug = `oak-${Date.now()}`;
      assert.equal((await one.referrals.code.choose({ slug })).code, slug);
      assert.equal((await one.referrals.me()).customSlug, slug);
      await one.referrals.code.remove();
      assert.equal((await failure(one.referrals.code.choose({ slug: "-" }))).code, "slug_invalid");
      const handle = `h${Date.now()}`;
      assert.equal((await one.creators.claim({ handle })).handle, handle);
      assert.deepEqual((await one.creators.me()).handles, [handle]);
      const token = await one.auth.token();
      assert.deepEqual([token.tokenType, typeof token.expiresIn], ["Bearer", "number"]);
    });

    test("a user changes how they are shown, and their address", async () => {
      const one = client();
      await logIn(service, one, newAddress());
      const { user } = await one.auth.updateProfile({ displayName: "Ada", avatarUrl: "https://img.example.com/ada.png" });
      assert.deepEqual([user.displayName, user.avatarUrl], ["Ada", "https://img.example.com/ada.png"]);
      assert.deepEqual((await one.auth.updateProfile({ avatarUrl: "" })).user.displayName, "Ada");
      const email = newAddress();
      const { requestId } = await one.auth.email.startChange({ email });
      const moved = await one.auth.email.verifyChange({ requestId, code: await service.code(email) });
      assert.deepEqual([moved.user.email, (await one.auth.me()).user.email], [email, email]);
    });

    test("a stale CSRF token is asked for again, once", async () => {
      const one = client();
      await logIn(service, one, newAddress());
      one.cookies.set("nl_csrf=stale; Path=/", service.url);
      await one.auth.sessions.revokeOthers();
    });

    test("a user sees and ends their sessions", async () => {
      const email = newAddress();
      const [one, other] = [client(), client()];
      await logIn(service, one, email);
      await logIn(service, other, email);
      const sessions = await one.auth.sessions.list();
      assert.deepEqual(sessions.map(({ current }) => current).sort(), [false, true]);
      await one.auth.sessions.revoke(sessions.find(({ current }) => !current).id);
      assert.equal((await failure(other.auth.me())).status, 401);
      await logIn(service, other, email);
      assert.equal(await one.auth.sessions.revokeOthers(), 1);
      assert.equal((await failure(one.auth.sessions.revoke("no/such"))).code, "not_found");
      const devices = await one.auth.devices.list();
      assert.ok(devices.some(({ current }) => current));
      await one.auth.devices.forget(devices[0].id);
    });

    test("a log-in is carried on from its cookies", async () => {
      const one = client();
      const { user } = await logIn(service, one, newAddress());
      const saved = JSON.parse(JSON.stringify(one.cookies));
      assert.equal((await client({ cookies: new CookieJar(saved) }).auth.me()).user.id, user.id);
      // As a service does it that answers the user's request.
      const lines = [];
      const acting = client({ cookies: one.cookies.header(service.url), onSetCookie: (line) => lines.push(line) });
      assert.equal((await acting.auth.me()).user.id, user.id);
      await acting.auth.logout();
      assert.ok(lines.some((line) => /^nl_session=;/.test(line)));
      assert.equal((await failure(one.auth.me())).status, 401);
    });

    test("a user takes everything along, and asks to be erased and not to be", async () => {
      const one = client();
      const { user } = await logIn(service, one, newAddress());
      assert.ok(JSON.stringify(await one.auth.export()).includes(user.id));
      assert.equal(await one.auth.erasure.get(), null);
      const { dueAt } = await one.auth.erasure.request();
      assert.equal((await one.auth.erasure.get()).dueAt, dueAt);
      assert.equal((await one.auth.me()).erasureDueAt, dueAt);
      await one.auth.erasure.cancel();
      assert.equal(await one.auth.erasure.get(), null);
    });

    test("an app without cookies logs in by tokens, which are exchanged once for all that need it", async () => {
      const app = client();
      const email = newAddress();
      const { requestId } = await app.portal.start({ email, utmSource: "app-store" });
      const tokens = await app.portal.login({ requestId, code: await service.code(email), tokenDelivery: "body" });
      assert.ok(tokens.isNewUser && tokens.refreshToken);
      assert.equal((await app.users.attribution()).utmSource, "app-store");
      // Over, as far as the client knows.
      const again = client();
      again.portal.use({ ...app.portal.tokens, expiresAt: 0 });
      const [profile, sessions] = await Promise.all([again.users.profile(), again.portal.sessions()]);
      assert.equal(profile.email, email);
      assert.deepEqual(sessions.map(({ kind, current }) => [kind, current]), [["bearer", true]]);
      assert.notEqual(again.portal.tokens.refreshToken, tokens.refreshToken);
      // Broken: it is exchanged at the first refusal.
      again.portal.use({ ...again.portal.tokens, accessToken: "broken" });
      assert.equal((await again.users.profile()).email, email);
      assert.equal(await again.portal.revokeOtherSessions(), 0);
      await again.portal.logout();
      assert.equal(again.portal.tokens, undefined);
    });

    test("an error of the portal family says what its translation needs", async () => {
      const error = await failure(client().portal.login({ requestId: crypto.randomUUID(), code: "123456" }));
      assert.ok(error instanceof WhencePortalError);
      assert.deepEqual(
        [error.status, error.code, error.i18nKey],
        [401, "AUTH_UNAUTHORIZED", "auth.login.invalid_credentials"],
      );
      assert.ok(Array.isArray(error.details) && typeof error.i18nVars === "object");
      assert.match(error.requestId, /^[0-9a-f-]{36}$/);
      assert.equal((await failure(client().users.attribution())).status, 401);
    });

    test("a refresh cookie is kept, too", async () => {
      const app = client();
      const email = newAddress();
      const { requestId } = await app.portal.start({ email });
      const tokens = await app.portal.login({ requestId, code: await service.code(email) });
      assert.equal(tokens.refreshToken, undefined);
      app.portal.use({ ...tokens, expiresAt: 0 });
      assert.equal((await app.users.profile()).email, email);
    });

    test("a back-end reads every user with its key, and what its key is for", async () => {
      const one = client();
      const { user } = await logIn(service, one, newAddress());
      const scopes = ["users:read", "attribution:read", "billing:write"];
      const issued = await service.operator("POST", "/api-keys", { name: `tests ${Date.now()}`, scopes });
      const apiKey = JSON.stringify(issued).match(/whk_[0-9A-Za-z]{71}/)[0];
      const backend = client({ apiKey });
      assert.equal((await backend.users.get(user.id)).email, user.email);
      assert.equal((await backend.users.attributionOf(user.id)).createdAt.length, 24);
      const nobody = crypto.randomUUID();
      const origins = await backend.users.attributionsOf([user.id, nobody]);
      assert.deepEqual([origins.size, origins.get(nobody), origins.get(user.id).referredBy], [2, null, null]);
      assert.equal((await backend.users.setBillingCustomer(user.id, "cus_1")).changed, true);
      const { accessToken } = await one.auth.token();
      assert.deepEqual([(await backend.users.introspect(accessToken)).sub, (await backend.users.introspect("x")).active], [user.id, false]);
      const stranger = await failure(client({ apiKey: "whk_nonsense" }).users.get(user.id));
      assert.deepEqual([stranger.status, stranger.i18nKey], [401, "auth.api_key.invalid"]);
    });
  });
}

test("under https the cookies have their prefix, and are taken from no plain connection", async () => {
  const service = await startService("sqlite", () => ["--public-url", "https://login.example.test", "--development"]);
  try {
    // The proxy that speaks TLS, as far as the client can tell.
    const behindTls = (url, init) => fetch(url.replace("https://login.example.test", service.url), init);
    const one = new WhenceClient({ baseUrl: "https://login.example.test", fetch: behindTls });
    await logIn(service, one, newAddress());
    assert.match(one.cookies.header("https://login.example.test/"), /__Host-nl_session=.*__Host-nl_csrf=/);
    assert.equal(one.cookies.header("http://login.example.test/"), "");
    assert.equal(one.cookies.header("https://other.example.test/"), "");
    await one.auth.sessions.revokeOthers();
    await one.auth.logout();
    assert.equal((await failure(one.auth.me())).status, 401);
  } finally {
    await service.stop();
  }
});
