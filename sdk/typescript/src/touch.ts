import { setCookiesOf } from "./jar.js";

/** How a site reports its page views. */
export interface TouchOptions {
  /** Where whence is, as this server reaches it. It has to name this server with `--trusted-proxy`. */
  baseUrl: string | URL;
  /** How long a page may wait for whence, in milliseconds; 300 without it. Then it goes out without the cookies. */
  timeout?: number | undefined;
  /** The function that makes requests; that of the runtime without it. */
  fetch?: typeof globalThis.fetch | undefined;
  /**
   * Whether a proxy in front of this server writes `X-Forwarded-For`, `X-Forwarded-Host` and `X-Forwarded-Proto`, so that
   * they may be believed. False without it: the connection and `Host` say who asked for what, because without such a
   * proxy these headers are a visitor's own.
   */
  trustProxy?: boolean | undefined;
  /** Is told why a page went out without the cookies. */
  onError?: ((error: unknown) => void) | undefined;
}

/** A page view, as a server got it. */
export interface PageView {
  method: string;
  /** Path and query, or the whole address. */
  url: string;
  /** Returns a header of the request by its name in small letters. */
  header: (name: string) => string | null | undefined;
  /** The address at the other end of the connection, as far as this server knows it. */
  ip?: string | undefined;
  /** Whether the connection is encrypted, as far as this server knows. */
  https?: boolean | undefined;
}

/** What of a request whence judges a landing by. */
const PASSED_ON = [
  "cookie",
  "referer",
  "user-agent",
  "sec-fetch-dest",
  "sec-fetch-mode",
  "sec-fetch-site",
  "sec-purpose",
  "purpose",
  "x-purpose",
  "x-moz",
  "sec-ch-ua-mobile",
];

/** How many failures in a row make the pages stop asking, and for how long. */
const [MAX_FAILURES, REST] = [5, 5000];

/** Returns the address of a page, of which only path and query are known for sure: `//x` is a path, too. */
const addressOf = (url: string): URL => new URL(url.startsWith("/") ? `http://page${url}` : url);

/** Returns whether whence has to see a request: a visitor opens a page, for the first time or with something to tell. */
function isOfInterest({ method, header }: PageView, page: URL, host: string | undefined): boolean {
  const dest = header("sec-fetch-dest");
  const purposes = ["sec-purpose", "purpose", "x-purpose", "x-moz"].map((name) => header(name) ?? "");
  if (method !== "GET" || (dest && dest !== "document") || purposes.some((purpose) => /prefetch|prerender|preview/i.test(purpose))) {
    return false;
  }
  // A router of the browser fetches pages, too; an old browser's picture or style has no header that says so.
  if (!dest && !/text\/html/.test(header("accept") ?? "")) return false;
  const known = /(?:^|;)\s*whence_touch=/.test(header("cookie") ?? "");
  return !known || page.search !== "" || page.pathname.startsWith("/creators/") || isForeign(header("referer"), host);
}

/** Returns who asked for what: what a trusted proxy in front says, and behind it the one that this server talks to. */
function originOf({ header, ip, https }: PageView, page: URL, trustProxy: boolean): Record<string, string | undefined> {
  const said = (name: string): string | undefined => (trustProxy && header(name)) || undefined;
  const own = header("host") || (page.host === "page" ? undefined : page.host);
  const list = (name: string, last: string | undefined): string => [said(name), last].filter(Boolean).join(", ");
  return {
    "x-forwarded-for": list("x-forwarded-for", ip),
    // Both have to end in the same: what comes first may be the client's own.
    forwarded: said("forwarded") && list("forwarded", ip && `for=${ip.includes(":") ? `"[${ip}]"` : ip}`),
    "x-forwarded-host": said("x-forwarded-host") ?? own,
    "x-forwarded-proto": said("x-forwarded-proto") ?? (https === undefined ? undefined : https ? "https" : "http"),
  };
}

function isForeign(referrer: string | null | undefined, host: string | null | undefined): boolean {
  if (!referrer) return false;
  try {
    return new URL(referrer).host !== host;
  } catch {
    return true;
  }
}

/**
 * Returns a function that reports a page view to whence, and returns the `Set-Cookie` lines for its answer. It never
 * throws and never takes longer than the time-out: a page is worth more than a landing.
 */
export function touchReporter(options: TouchOptions): (view: PageView) => Promise<string[]> {
  const base = new URL(options.baseUrl);
  const address = `${base.origin}${base.pathname.replace(/\/+$/, "")}/v1/touch/forward`;
  let failures = 0;
  let restsUntil = 0;
  const ask = async (headers: Headers): Promise<string[]> => {
    try {
      const signal = AbortSignal.timeout(options.timeout ?? 300);
      const answer = await (options.fetch ?? globalThis.fetch)(address, { headers, signal, redirect: "manual" });
      await answer.body?.cancel();
      if (answer.status !== 204) throw new Error(`whence answered ${answer.status} to a page view`);
      failures = 0;
      return setCookiesOf(answer.headers);
    } catch (error) {
      failures += 1;
      if (failures >= MAX_FAILURES) [failures, restsUntil] = [0, Date.now() + REST];
      throw error;
    }
  };
  return async (view) => {
    // A request that makes no sense is no failure of whence: it must not keep others from being asked for.
    try {
      const page = addressOf(view.url);
      const told = originOf(view, page, options.trustProxy === true);
      if (!isOfInterest(view, page, told["x-forwarded-host"]) || Date.now() < restsUntil) return [];
      const headers = new Headers({ "x-forwarded-uri": page.pathname + page.search, "x-forwarded-method": view.method });
      for (const name of PASSED_ON) told[name] = view.header(name) ?? undefined;
      for (const [name, value] of Object.entries(told)) if (value) headers.set(name, value);
      return await ask(headers);
    } catch (error) {
      options.onError?.(error);
      return [];
    }
  };
}

/** Returns the `Cache-Control` of an answer that sets a visitor's own cookies: no shared cache may keep it. */
export function keptPrivate(cacheControl: string | null | undefined): string {
  const directives = (cacheControl ?? "").split(",").map((directive) => directive.trim());
  if (directives.some((directive) => /^no-store$/i.test(directive))) return directives.join(", ");
  return ["private", ...directives.filter((directive) => directive && !/^(public|private|s-maxage)(=|$)/i.test(directive))].join(", ");
}
