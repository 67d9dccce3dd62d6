/** A cookie as a jar keeps it. */
export interface StoredCookie {
  name: string;
  value: string;
  domain: string;
  /** Whether only the host that set it gets it. */
  hostOnly: boolean;
  path: string;
  secure: boolean;
  /** When it ends, in milliseconds since 1970; without it, with the jar. */
  expires?: number;
}

const isLocal = (host: string): boolean =>
  host === "localhost" || host.endsWith(".localhost") || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host);

/** Whether a connection is one that cookies marked `Secure` may use; browsers count this machine as such, too. */
const isSecure = (url: URL): boolean => url.protocol === "https:" || isLocal(url.hostname);

const isWithin = (host: string, domain: string): boolean => host === domain || host.endsWith(`.${domain}`);

const isUnder = (path: string, parent: string): boolean =>
  path === parent || (path.startsWith(parent) && (parent.endsWith("/") || path[parent.length] === "/"));

/**
 * The cookies of one person, where there is no browser to keep them (RFC 6265, section 5).
 *
 * A jar is one person's: a service that acts for many people needs one for each of them.
 */
export class CookieJar {
  #cookies: StoredCookie[];

  constructor(cookies: readonly StoredCookie[] = []) {
    this.#cookies = cookies.map((cookie) => ({ ...cookie }));
  }

  /** Returns a jar with the cookies of a `Cookie` header, such as that of the request that a service answers. */
  static ofHeader(header: string, url: string | URL): CookieJar {
    const { hostname } = new URL(url);
    const cookies = header.split(";").map((pair) => {
      const at = pair.indexOf("=");
      const [name, value] = at < 0 ? ["", ""] : [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
      return { name, value, domain: hostname, hostOnly: true, path: "/", secure: false };
    });
    return new CookieJar(cookies.filter((cookie) => cookie.name !== ""));
  }

  /** Takes a line of `Set-Cookie` that came from `url`; one that a browser would refuse is refused. */
  set(line: string, url: string | URL): void {
    const from = new URL(url);
    const [pair = "", ...rest] = line.split(";");
    const at = pair.indexOf("=");
    if (at < 0) return;
    const attributes = new Map<string, string>();
    for (const part of rest) {
      const equals = part.indexOf("=");
      const name = (equals < 0 ? part : part.slice(0, equals)).trim().toLowerCase();
      attributes.set(name, equals < 0 ? "" : part.slice(equals + 1).trim());
    }
    const domain = (attributes.get("domain") ?? "").replace(/^\./, "").toLowerCase();
    const path = attributes.get("path") ?? "";
    const cookie: StoredCookie = {
      name: pair.slice(0, at).trim(),
      value: pair.slice(at + 1).trim(),
      domain: domain || from.hostname,
      hostOnly: domain === "",
      path: path.startsWith("/") ? path : from.pathname.replace(/\/[^/]*$/, "") || "/",
      secure: attributes.has("secure"),
    };
    const age = attributes.get("max-age");
    const expires = age && /^-?\d+$/.test(age) ? Date.now() + Number(age) * 1000 : Date.parse(attributes.get("expires") ?? "");
    if (!Number.isNaN(expires)) cookie.expires = expires;
    if (cookie.name === "" || (cookie.secure && !isSecure(from)) || !isWithin(from.hostname, cookie.domain)) return;
    // A domain of one label is every site's, except where it is the host itself.
    if (!cookie.hostOnly && !cookie.domain.includes(".") && cookie.domain !== from.hostname) return;
    if (/^__(Host|Secure)-/i.test(cookie.name) && !cookie.secure) return;
    if (/^__Host-/i.test(cookie.name) && (!cookie.hostOnly || cookie.path !== "/")) return;
    this.#cookies = this.#cookies.filter(
      (old) => old.name !== cookie.name || old.domain !== cookie.domain || old.path !== cookie.path,
    );
    if (cookie.expires === undefined || cookie.expires > Date.now()) this.#cookies.push(cookie);
  }

  /** Returns the cookies that a request for `url` carries, those of the longest path first. */
  #of(url: string | URL): StoredCookie[] {
    const to = new URL(url);
    this.#cookies = this.#cookies.filter((cookie) => cookie.expires === undefined || cookie.expires > Date.now());
    const sent = this.#cookies.filter(
      (cookie) =>
        (cookie.hostOnly ? to.hostname === cookie.domain : isWithin(to.hostname, cookie.domain)) &&
        isUnder(to.pathname, cookie.path) &&
        (!cookie.secure || isSecure(to)),
    );
    return sent.sort((a, b) => b.path.length - a.path.length);
  }

  /** Returns the header `Cookie` of a request for `url`; empty where there is none. */
  header(url: string | URL): string {
    return this.#of(url).map((cookie) => `${cookie.name}=${cookie.value}`).join("; ");
  }

  /** Returns the value of a cookie that a request for `url` carries. */
  get(name: string, url: string | URL): string | undefined {
    return this.#of(url).find((cookie) => cookie.name === name)?.value;
  }

  /** Returns the cookies as plain data. They are as secret as a password: whoever has them is logged in. */
  toJSON(): StoredCookie[] {
    return this.#cookies.map((cookie) => ({ ...cookie }));
  }
}

/** Returns the lines of `Set-Cookie` of an answer. */
export function setCookiesOf(headers: Headers): string[] {
  if (typeof headers.getSetCookie === "function") return headers.getSetCookie();
  // Older runtimes join them with commas, which are in dates, too.
  return headers.get("set-cookie")?.split(/,(?=\s*[^\s;,=]+=)/).map((line) => line.trim()) ?? [];
}
